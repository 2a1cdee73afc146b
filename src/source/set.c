/*
 * set.c
 *		Parts in a store, one after the other.
 *
 *		listing (files.c, http_source.c, bucket_store.c) -> source -> spool, if it can be read only once -> decompress
 *
 * The current part and what is built on top of it (decompression, decoding) live in a context of their own, which is
 * reset with the next.  A part that a second reading needs as it is stays open: the only file, as another one may have
 * taken its name since, and whatever came over the network.
 */
#include "etl.h"

#include "source/content.h"
#include "source/decompress.h"
#include "source/set.h"
#include "source/spool.h"
#include "utils/memutils.h"

/* The first that knows what is named takes it. */
static const EtlStore *const stores[] = {&EtlBucketStore, &EtlUrlStore, &EtlFileStore};

struct EtlSourceSet
{
	MemoryContext context;
	MemoryContext part_context; /* below it, for what is built on the current source */
	EtlListing *listing;
	bool spools;		 /* what can be read only once */
	bool keeps;			 /* each part stays open */
	bool rewound;		 /* this is not the first reading */
	List *kept;			 /* of EtlSource *, by number, where they do */
	int number;			 /* of the current part, from 1; 0: before the first */
	EtlSource *raw;		 /* of the current part; NULL: it is not open */
	EtlSource *put_back; /* the first part, open, which comes next; or NULL */
	uint64 finished_bytes;
};

static const EtlStore *
find_store(const char *source, const char *path)
{
	int i = 0;

	while (!stores[i]->names(source, path))
		i++;
	return stores[i];
}

EtlSourceSet *
EtlSourceSetOpen(const char *source, const char *path, bool rewindable)
{
	EtlSourceSet *set = palloc0(sizeof(EtlSourceSet));
	const EtlStore *store = find_store(source, path);

	set->context = CurrentMemoryContext;
	set->part_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl source", ALLOCSET_DEFAULT_SIZES);
	set->listing = store->list(source, path);
	set->listing->store = store;
	set->spools = rewindable && store->remote;
	set->keeps = set->spools || set->listing->count == 1;
	return set;
}

/* Leaves the current source, if there is one, and what is left of one that could not be opened. */
static void
finish(EtlSourceSet *set)
{
	if (set->raw != NULL)
		set->finished_bytes += set->raw->bytes_read;
	set->raw = NULL;
	MemoryContextReset(set->part_context);
}

const EtlPart *
EtlSourceSetNextPart(EtlSourceSet *set)
{
	if (set->put_back != NULL)
		return &set->listing->part;
	finish(set);
	if (!set->listing->store->next(set->listing))
		return NULL;
	set->number++;
	return &set->listing->part;
}

void
EtlSourceSetCheckFound(const EtlSourceSet *set)
{
	if (set->number == 0 && set->listing->store->raise_none != NULL)
		set->listing->store->raise_none(set->listing);
}

const EtlPart *
EtlSourceSetPart(const EtlSourceSet *set)
{
	return &set->listing->part;
}

bool
EtlSourceSetLook(const EtlSourceSet *set, EtlSourceState *state)
{
	EtlListing *listing = set->listing;

	memset(state, 0, sizeof(*state));
	state->identity = listing->part.identity;
	return listing->store->look != NULL && listing->store->look(listing, state);
}

void
EtlSourceSetLookAhead(EtlSourceSet *set, EtlWantsPart wants, void *arg)
{
	/* What is read again is kept. */
	set->listing->wants = set->rewound ? NULL : wants;
	set->listing->wants_arg = arg;
}

static EtlSource *
open_raw(EtlSourceSet *set, const EtlSourcePast *past)
{
	EtlSource *source = set->listing->store->open(set->listing, past);

	return set->spools ? EtlSpoolOpen(source) : source;
}

/* The same for a part that stays open, or starts again. */
static EtlSource *
open_kept(EtlSourceSet *set, const EtlSourcePast *past)
{
	MemoryContext old = MemoryContextSwitchTo(set->context);
	EtlSource *source = NULL;

	if (set->number <= list_length(set->kept))
	{
		source = list_nth(set->kept, set->number - 1);
		if (EtlSourceCanRewind(source))
			EtlSourceRewind(source, set->rewound);
		else
		{
			EtlSourceClose(source);
			lfirst(list_nth_cell(set->kept, set->number - 1)) = source = open_raw(set, past);
		}
	}
	else
		set->kept = lappend(set->kept, source = open_raw(set, past));
	MemoryContextSwitchTo(old);
	return source;
}

EtlSource *
EtlSourceSetOpenPart(EtlSourceSet *set, const EtlSourcePast *past)
{
	EtlSource *source = set->put_back;
	MemoryContext old;

	set->put_back = NULL;
	if (source != NULL)
		return source;
	finish(set);
	old = MemoryContextSwitchTo(set->part_context);
	source = set->raw = set->keeps ? open_kept(set, past) : open_raw(set, past);
	/* What begins in its midst may look like anything. */
	if (source->bytes_read == 0)
		source = EtlDecompressOpen(source);
	if (set->raw->coded)
		source = EtlDecompressOpen(source);
	MemoryContextSwitchTo(old);
	return source;
}

bool
EtlSourceSetIsOpen(const EtlSourceSet *set)
{
	return set->raw != NULL;
}

EtlSource *
EtlSourceSetNext(EtlSourceSet *set)
{
	if (EtlSourceSetNextPart(set) != NULL)
		return EtlSourceSetOpenPart(set, NULL);
	EtlSourceSetCheckFound(set);
	return NULL;
}

void
EtlSourceSetPutBack(EtlSourceSet *set, EtlSource *source)
{
	if (set->number == 1 && source != NULL)
		set->put_back = source;
	else
		EtlSourceSetRewind(set);
}

MemoryContext
EtlSourceSetContext(EtlSourceSet *set)
{
	return set->part_context;
}

void
EtlSourceSetState(const EtlSourceSet *set, int64 at, EtlSourceState *state)
{
	memset(state, 0, sizeof(*state));
	if (set->raw->ops->state != NULL)
		set->raw->ops->state(set->raw, at, state);
	state->identity = set->listing->part.identity;
}

EtlSourcePlan
EtlSourceSetPlan(const EtlSourceSet *set, const EtlSourcePast *past)
{
	return set->raw->ops->plan != NULL ? set->raw->ops->plan(set->raw, past) : ETL_READ_ALL;
}

bool
EtlSourceSetHasGrown(const EtlSourceSet *set)
{
	return set->raw->ops->has_grown != NULL && set->raw->ops->has_grown(set->raw);
}

bool
EtlSourceSetIsGone(const EtlSourceSet *set, const char *part, const EtlSourceState *state,
				   bool in_order)
{
	return set->listing->store->gone != NULL &&
		   set->listing->store->gone(set->listing, part, state, in_order);
}

void
EtlSourceSetCheckDone(const EtlSourceSet *set)
{
	if (set->listing->store->check_done == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("when_done is for objects of buckets"),
						errdetail("The source is none of s3://, nor a server for a bucket.")));
	set->listing->store->check_done(set->listing);
}

EtlDone *
EtlSourceSetDone(const EtlSourceSet *set, const char *part, const EtlSourceState *state,
				 const EtlWhenDone *what)
{
	return set->listing->store->done(set->listing, part, state, what);
}

void
EtlSourceSetBeginning(const EtlSourceSet *set, EtlBeginning *beginning)
{
	if (set->raw != NULL && set->raw->ops->beginning != NULL)
		set->raw->ops->beginning(set->raw, beginning);
}

void
EtlSourceSetRewind(EtlSourceSet *set)
{
	finish(set);
	set->listing->store->rewind(set->listing);
	set->listing->wants = NULL;
	set->number = 0;
	set->rewound = true;
}

bool
EtlSourceSetIsRemote(const EtlSourceSet *set)
{
	return set->listing->store->remote;
}

bool
EtlSourceSetIsPattern(const EtlSourceSet *set)
{
	return set->listing->by_pattern;
}

int
EtlSourceSetCount(const EtlSourceSet *set)
{
	return set->listing->count;
}

uint64
EtlSourceSetBytesRead(const EtlSourceSet *set)
{
	return set->finished_bytes + (set->raw != NULL ? set->raw->bytes_read : 0);
}

const EtlHttpStats *
EtlSourceSetHttpStats(const EtlSourceSet *set)
{
	return set->listing->stats;
}

int64
EtlSourceSetSize(const EtlSourceSet *set)
{
	if (set->listing->size < 0 && set->listing->count == 1 && set->raw != NULL)
		return set->raw->size;
	return set->listing->size;
}

/* ----------------------------------------------------------------
 *	For the planner
 * ---------------------------------------------------------------- */

#define COMPRESSION_GUESS 5 /* times that text shrinks; a guess is all that the planner needs */

bool
EtlSourceSample(const char *source, char *buf, size_t *len, double *size)
{
	const EtlStore *store = find_store(source, NULL);

	if (store->sample == NULL || !store->sample(source, buf, len, size))
		return false;
	if (EtlIsCompressed(buf, *len))
	{
		*size *= COMPRESSION_GUESS;
		*len = 0;
	}
	return true;
}

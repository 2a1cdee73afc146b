/*
 * bucket_ahead.c
 *		The objects of a bucket that come next, and their answers on the way.
 *
 *		list -> queue [next, next, ...] -> the object in hand
 *				  requests are sent, answers come into their buffers (http.c)
 *
 * Nothing is waited for ahead of its turn: neither an answer nor a page of the list.  So what is wrong with an object is raised
 * when it is in hand, and what is wrong with the list when no object is.
 *
 * How much is ahead doubles with each object that is opened: who reads only the first one asks for no other.  It is bounded
 * by the concurrency of the server, and by the sizes of the objects, because large ones would only wait with full buffers until the
 * store loses patience.
 */
#include "etl.h"

#include "utils/memutils.h"

#include "source/http/bucket_ahead.h"

#define MAX_QUEUE (2 * ETL_MAX_CONCURRENCY) /* also of those that are not wanted */
#define MAX_BYTES_AHEAD (64 * 1024 * 1024)

typedef struct Coming
{
	MemoryContext context; /* of what follows */
	EtlPart part;
	char *key;
	char *version;				  /* NULL: the list shows none */
	int64 size;					  /* 0: it is not known */
	EtlSource *source;			  /* requested; NULL: it is not */
	MemoryContext source_context; /* of that */
} Coming;

struct EtlBucketAhead
{
	const EtlListing *listing;
	const EtlTarget *target;
	EtlBucketList *list;
	EtlHttpStats *stats;
	MemoryContext context;
	Coming hand; /* context NULL: none is */
	Coming queue[MAX_QUEUE];
	int first;
	int n;
	int nsent;	 /* requests of the queue, and */
	int64 bytes; /* sizes of their objects */
	int nopened;
};

/* What consoles make so that a folder is seen that has nothing in it. */
static bool
is_folder(const EtlBucketObject *object)
{
	return object->size == 0 && object->key[strlen(object->key) - 1] == '/';
}

static bool
take_object(const EtlBucketAhead *ahead, const EtlBucketObject *(*next_of)(EtlBucketList *list),
			Coming *coming)
{
	const EtlBucketObject *object;
	MemoryContext old;

	while ((object = next_of(ahead->list)) != NULL && is_folder(object))
		;
	if (object == NULL)
		return false;
	memset(coming, 0, sizeof(*coming));
	coming->context = AllocSetContextCreate(ahead->context, "etl object", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(coming->context);
	coming->key = pstrdup(object->key);
	coming->version = object->etag != NULL ? pstrdup(object->etag) : NULL;
	coming->size = Max(object->size, 0);
	coming->part = ahead->listing->part;
	coming->part.name = EtlBucketName(ahead->target, coming->key);
	MemoryContextSwitchTo(old);
	return true;
}

static void
drop(Coming *coming)
{
	if (coming->source != NULL)
		MemoryContextDelete(coming->source_context);
	if (coming->context != NULL)
		MemoryContextDelete(coming->context);
	memset(coming, 0, sizeof(*coming));
}

/* ----------------------------------------------------------------
 *	Ahead
 * ---------------------------------------------------------------- */

/* Sends the request for an object, if it will be opened.  A key that cannot be asked for is an error in its turn. */
static void
send_if_wanted(EtlBucketAhead *ahead, Coming *coming)
{
	const EtlListing *listing = ahead->listing;
	EtlHttpPart part = {.target = ahead->target,
						.name = coming->part.name,
						.is_object = true,
						.needs = EtlBucketNeeds(ahead->target, false),
						.stats = ahead->stats};
	EtlSourceState state = {.identity = coming->part.identity, .validator = coming->version};
	EtlSourcePast past = {0};
	MemoryContext old = MemoryContextSwitchTo(coming->context);

	if (listing->wants(listing->wants_arg, &coming->part, &state, &past) &&
		EtlBucketKeyFault(ahead->target, coming->key, &part.url) == NULL)
	{
		coming->source_context =
			AllocSetContextCreate(ahead->context, "etl object ahead", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(coming->source_context);
		coming->source = EtlHttpSourceSend(&part, &past);
		ahead->nsent++;
		ahead->bytes += coming->size;
	}
	MemoryContextSwitchTo(old);
}

static void
look_ahead(EtlBucketAhead *ahead)
{
	int most = ahead->nopened < 6 ? 1 << ahead->nopened : ETL_MAX_CONCURRENCY;

	ahead->nopened++;
	while (ahead->listing->wants != NULL && ahead->n < MAX_QUEUE &&
		   ahead->nsent < Min(most, ahead->target->concurrency) - 1 &&
		   ahead->bytes < MAX_BYTES_AHEAD)
	{
		Coming *coming = &ahead->queue[(ahead->first + ahead->n) % MAX_QUEUE];

		if (!take_object(ahead, EtlBucketListAhead, coming))
			return;
		ahead->n++;
		send_if_wanted(ahead, coming);
	}
}

/* ----------------------------------------------------------------
 *	In hand
 * ---------------------------------------------------------------- */

EtlBucketAhead *
EtlBucketAheadCreate(const EtlListing *listing, const EtlTarget *target, EtlBucketList *list,
					 EtlHttpStats *stats)
{
	EtlBucketAhead *ahead = palloc0(sizeof(EtlBucketAhead));

	ahead->listing = listing;
	ahead->target = target;
	ahead->list = list;
	ahead->stats = stats;
	ahead->context = CurrentMemoryContext;
	return ahead;
}

/* Takes the first one out of the queue. */
static void
shift(EtlBucketAhead *ahead)
{
	Coming *first = &ahead->queue[ahead->first];

	ahead->hand = *first;
	memset(first, 0, sizeof(*first));
	ahead->first = (ahead->first + 1) % MAX_QUEUE;
	ahead->n--;
	if (ahead->hand.source != NULL)
	{
		ahead->nsent--;
		ahead->bytes -= ahead->hand.size;
	}
}

bool
EtlBucketAheadNext(EtlBucketAhead *ahead)
{
	drop(&ahead->hand);
	if (ahead->n == 0)
		return take_object(ahead, EtlBucketListNext, &ahead->hand);
	shift(ahead);
	return true;
}

const char *
EtlBucketAheadName(const EtlBucketAhead *ahead)
{
	return ahead->hand.part.name;
}

const char *
EtlBucketAheadKey(const EtlBucketAhead *ahead)
{
	return ahead->hand.key;
}

const char *
EtlBucketAheadVersion(const EtlBucketAhead *ahead)
{
	return ahead->hand.version;
}

EtlSource *
EtlBucketAheadOpen(EtlBucketAhead *ahead, const EtlHttpPart *part, const EtlSourcePast *past)
{
	EtlSource *source = ahead->hand.source;

	ahead->hand.source = NULL;
	if (source != NULL)
		MemoryContextSetParent(ahead->hand.source_context, CurrentMemoryContext);
	else
		source = EtlHttpSourceSend(part, past);
	look_ahead(ahead);
	EtlHttpSourceBegin(source);
	return source;
}

void
EtlBucketAheadRewind(EtlBucketAhead *ahead)
{
	drop(&ahead->hand);
	while (ahead->n > 0)
	{
		shift(ahead);
		drop(&ahead->hand);
	}
	EtlBucketListRewind(ahead->list);
}

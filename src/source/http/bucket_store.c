/*
 * bucket_store.c
 *		Buckets as a store: an object by its key, or those whose keys match a pattern.
 *
 * A part is an object, and its version is its ETag: one that the list shows with the version that was read to its end
 * is not asked for again.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "source/http/bucket.h"
#include "source/http/bucket_done.h"
#include "source/http/bucket_list.h"
#include "source/http/http_source.h"
#include "source/http/server.h"
#include "source/store.h"
#include "source/utf8.h"

typedef struct BucketListing
{
	EtlListing base;
	EtlTarget *target;
	EtlKeyPattern *pattern;
	EtlBucketList *list; /* NULL: the text is no pattern but a key */
	EtlHttpStats stats;
	MemoryContext part_context;
	const char *key;	 /* of the part in hand; NULL: none is */
	const char *version; /* of it; NULL: not known */
} BucketListing;

static bool
bucket_names(const char *source, const char *path)
{
	return EtlIsBucketUrl(source) || (path != NULL && EtlServerIsBucket(source));
}

static EtlListing *
bucket_list(const char *source, const char *path)
{
	BucketListing *listing = palloc0(sizeof(BucketListing));
	const char *endpoint;

	listing->target = EtlTargetOf(source);
	listing->pattern = EtlBucketPattern(listing->target, path);
	listing->part_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl object", ALLOCSET_SMALL_SIZES);
	listing->base.by_pattern = EtlKeyPatternIsPattern(listing->pattern);
	listing->base.count = listing->base.by_pattern ? -1 : 1;
	listing->base.size = -1;
	listing->base.stats = &listing->stats;
	/* Its region and addressing may be written down later, and do not make it another bucket. */
	endpoint = listing->target->endpoint;
	if (endpoint != NULL)
		listing->base.part.identity =
			hash_bytes_extended((const unsigned char *) endpoint, (int) strlen(endpoint), 0);
	if (listing->base.by_pattern)
		listing->list = EtlBucketListOpen(listing->target, listing->pattern, &listing->stats);
	return &listing->base;
}

/* What consoles make so that a folder is seen that has nothing in it. */
static bool
is_folder(const EtlBucketObject *object)
{
	return object->size == 0 && object->key[strlen(object->key) - 1] == '/';
}

static bool
bucket_next(EtlListing *base)
{
	BucketListing *listing = (BucketListing *) base;
	const EtlBucketObject *object = NULL;
	MemoryContext old;

	if (listing->list == NULL && listing->key != NULL)
		return false;
	if (listing->list != NULL)
	{
		while ((object = EtlBucketListNext(listing->list)) != NULL && is_folder(object))
			;
		if (object == NULL)
			return false;
	}
	MemoryContextReset(listing->part_context);
	old = MemoryContextSwitchTo(listing->part_context);
	listing->key = object != NULL ? object->key : EtlKeyPatternPrefix(listing->pattern);
	listing->version = object != NULL ? object->etag : NULL;
	base->part.name = EtlBucketName(listing->target, listing->key);
	MemoryContextSwitchTo(old);
	return true;
}

static void
bucket_rewind(EtlListing *base)
{
	BucketListing *listing = (BucketListing *) base;

	listing->key = NULL;
	if (listing->list != NULL)
		EtlBucketListRewind(listing->list);
}

static bool
bucket_look(EtlListing *base, EtlSourceState *state)
{
	state->validator = ((BucketListing *) base)->version;
	return state->validator != NULL;
}

static EtlSource *
bucket_open(EtlListing *base, const EtlSourcePast *past)
{
	BucketListing *listing = (BucketListing *) base;
	EtlHttpPart part = {
		.target = listing->target,
		.name = base->part.name,
		.is_object = true,
		.stats = &listing->stats,
	};

	EtlBucketKeyUrl(listing->target, listing->key, &part.url);
	return EtlHttpSourceOpen(&part, past);
}

/* The key of a part of that name; NULL: it is not below the URL of the server. */
static char *
key_of(const BucketListing *listing, const char *part)
{
	const char *below = EtlBucketName(listing->target, EtlBucketPrefix(listing->target));
	size_t bucket = strlen(EtlBucketName(listing->target, ""));

	return strncmp(part, below, strlen(below)) == 0 ? pstrdup(EtlToUtf8(part + bucket)) : NULL;
}

static EtlDone *
bucket_done(EtlListing *base, const char *part, const EtlSourceState *state,
			const EtlWhenDone *what)
{
	BucketListing *listing = (BucketListing *) base;
	char *key = key_of(listing, part);

	if (key == NULL || state->identity != base->part.identity)
		return NULL;
	return EtlBucketDone(listing->target, listing->pattern, key, state->validator, what,
						 &listing->stats);
}

static void
bucket_check_done(EtlListing *base)
{
	EtlBucketCheckDone(((BucketListing *) base)->target);
}

static void
bucket_raise_none(EtlListing *base)
{
	BucketListing *listing = (BucketListing *) base;

	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE),
					errmsg("no object matches \"%s\"",
						   EtlBucketName(listing->target, EtlKeyPatternText(listing->pattern))),
					errhint("etl_list() shows which objects there are.")));
}

const EtlStore EtlBucketStore = {
	.remote = true,
	.names = bucket_names,
	.list = bucket_list,
	.next = bucket_next,
	.rewind = bucket_rewind,
	.look = bucket_look,
	.open = bucket_open,
	.done = bucket_done,
	.check_done = bucket_check_done,
	.raise_none = bucket_raise_none,
};

/*
 * bucket_store.c
 *		Buckets as a store: an object by its key, or those whose keys match a pattern.
 *
 * A part is an object, and its version is its ETag: one that the list shows with the version that was read to its end
 * is not asked for again.
 */
#include "etl.h"

#include "common/hashfn.h"

#include "source/http/bucket.h"
#include "source/http/bucket_ahead.h"
#include "source/http/bucket_done.h"
#include "source/http/server.h"
#include "source/store.h"
#include "source/utf8.h"

typedef struct BucketListing
{
	EtlListing base;
	EtlTarget *target;
	EtlKeyPattern *pattern;
	EtlBucketAhead *ahead; /* NULL: the text is no pattern but a key */
	EtlHttpStats stats;
	const char *key; /* of the part in hand; NULL: none is */
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
	listing->base.by_pattern = EtlKeyPatternIsPattern(listing->pattern);
	listing->base.count = listing->base.by_pattern ? -1 : 1;
	listing->base.size = -1;
	listing->base.stats = &listing->stats;
	/* Its region and addressing may be written down later, and do not make it another bucket. */
	endpoint = listing->target->endpoint;
	if (endpoint != NULL)
		listing->base.part.identity =
			hash_bytes_extended((const unsigned char *) endpoint, (int) strlen(endpoint), 0);
	/* the name of the only part lasts as long as the list */
	listing->base.part.name = EtlBucketName(listing->target, EtlKeyPatternPrefix(listing->pattern));
	if (listing->base.by_pattern)
		listing->ahead = EtlBucketAheadCreate(
			&listing->base, listing->target,
			EtlBucketListOpen(listing->target, listing->pattern, &listing->stats), &listing->stats);
	return &listing->base;
}

static bool
bucket_next(EtlListing *base)
{
	BucketListing *listing = (BucketListing *) base;

	if (listing->ahead == NULL && listing->key != NULL)
		return false;
	if (listing->ahead != NULL && !EtlBucketAheadNext(listing->ahead))
		return false;
	listing->key = listing->ahead != NULL ? EtlBucketAheadKey(listing->ahead)
										  : EtlKeyPatternPrefix(listing->pattern);
	if (listing->ahead != NULL)
		base->part.name = EtlBucketAheadName(listing->ahead);
	return true;
}

static void
bucket_rewind(EtlListing *base)
{
	BucketListing *listing = (BucketListing *) base;

	listing->key = NULL;
	if (listing->ahead != NULL)
		EtlBucketAheadRewind(listing->ahead);
}

static bool
bucket_look(EtlListing *base, EtlSourceState *state)
{
	BucketListing *listing = (BucketListing *) base;

	if (listing->ahead != NULL)
		state->validator = EtlBucketAheadVersion(listing->ahead);
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
		.needs = EtlBucketNeeds(listing->target, false),
		.stats = &listing->stats,
	};

	EtlBucketKeyUrl(listing->target, listing->key, &part.url);
	return listing->ahead != NULL ? EtlBucketAheadOpen(listing->ahead, &part, past)
								  : EtlHttpSourceOpen(&part, past);
}

/* The key of a part of that name; NULL: it is not below the URL of the server. */
static char *
key_of(const BucketListing *listing, const char *part)
{
	const char *below = EtlBucketName(listing->target, EtlBucketPrefix(listing->target));
	size_t bucket = strlen(EtlBucketName(listing->target, ""));

	return strncmp(part, below, strlen(below)) == 0 ? pstrdup(EtlToUtf8(part + bucket)) : NULL;
}

/* What the pattern does not match was not looked for. */
static bool
bucket_gone(EtlListing *base, const char *part, const EtlSourceState *state, bool in_order)
{
	BucketListing *listing = (BucketListing *) base;
	const char *key = key_of(listing, part);

	return in_order && listing->ahead != NULL && state->identity == base->part.identity &&
		   key != NULL && EtlKeyPatternMatches(listing->pattern, key);
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
	.gone = bucket_gone,
	.done = bucket_done,
	.check_done = bucket_check_done,
	.raise_none = bucket_raise_none,
};

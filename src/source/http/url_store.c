/*
 * url_store.c
 *		URLs as a store: one, or those that lists in braces name (url_braces.h).
 */
#include "etl.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "source/http/http_source.h"
#include "source/http/url_braces.h"
#include "source/store.h"
#include "source/utf8.h"

typedef struct UrlListing
{
	EtlListing base;
	EtlTarget *target;
	EtlUrl *urls;		/* [count] */
	const char **names; /* [count] as messages and checkpoints have them */
	int next;			/* the one behind the one in hand */
	EtlHttpStats stats;
} UrlListing;

static bool
url_names(const char *source, const char *path)
{
	return path != NULL || EtlIsUrl(source);
}

/* One of the texts of a list; the first one of URLs is what the target was made of. */
static void
parse_url(UrlListing *listing, const char *text, bool is_path, int i)
{
	EtlUrl *url = &listing->urls[i];
	const char *fault = NULL;

	if (is_path || i == 0)
		EtlTargetUrl(listing->target, is_path ? text : NULL, url);
	else
		fault = EtlUrlParse(EtlToUtf8(text), url);
	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid URL \"%s\"", EtlUrlRedact(text)), errdetail("%s", fault)));
	listing->names[i] = EtlUrlDisplay(url);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* A checkpoint goes by the name, and what is loaded twice is not what anybody means. */
static void
check_names_differ(const UrlListing *listing)
{
	int n = listing->base.count;
	const char **sorted = palloc(sizeof(char *) * n);

	memcpy(sorted, listing->names, sizeof(char *) * n);
	qsort(sorted, n, sizeof(char *), compare_names);
	for (int i = 1; i < n; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("a list in braces names a URL twice"),
							errdetail("It is \"%s\".", sorted[i])));
	pfree(sorted);
}

static EtlListing *
url_list(const char *source, const char *path)
{
	UrlListing *listing = palloc0(sizeof(UrlListing));
	List *texts = EtlUrlBraces(path != NULL ? path : source, path == NULL);
	int n = list_length(texts);

	listing->target = EtlTargetOf(path != NULL ? source : linitial(texts));
	listing->urls = palloc(sizeof(EtlUrl) * n);
	listing->names = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		parse_url(listing, list_nth(texts, i), path != NULL, i);
	}
	listing->base.count = n;
	listing->base.size = -1;
	listing->base.stats = &listing->stats;
	check_names_differ(listing);
	return &listing->base;
}

static bool
url_next(EtlListing *base)
{
	UrlListing *listing = (UrlListing *) base;
	char *text;

	if (listing->next == base->count)
		return false;
	text = EtlUrlText(&listing->urls[listing->next]);
	base->part.name = listing->names[listing->next++];
	base->part.identity = hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
	pfree(text);
	return true;
}

static void
url_rewind(EtlListing *listing)
{
	((UrlListing *) listing)->next = 0;
}

static EtlSource *
url_open(EtlListing *base, const EtlSourcePast *past)
{
	UrlListing *listing = (UrlListing *) base;
	EtlHttpPart part = {
		.target = listing->target,
		.url = listing->urls[listing->next - 1],
		.name = base->part.name,
		.stats = &listing->stats,
	};

	return EtlHttpSourceOpen(&part, past);
}

const EtlStore EtlUrlStore = {
	.remote = true,
	.names = url_names,
	.list = url_list,
	.next = url_next,
	.rewind = url_rewind,
	.open = url_open,
};

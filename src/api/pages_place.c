/*
 * pages_place.c
 *		Where a scan is, as text, and back.
 *
 * A place is a list of name=value, the values escaped as in a URL:
 *
 *		page, type, text, url		the page, and the reference to it
 *		count						the page or offset asked for, where those are counted
 *		previous, before, longest, empties, announced, truncated	what is to be known of the pages before
 *		window.NAME					the current search, see window.h
 *		items, hash					what was handed out of the page
 *		option.NAME, doubt			what was detected, where the dialect is automatic
 *		secret						instead of the reference: it holds credentials of ours, and is not for keeping
 */
#include "etl.h"

#include "api/pages_internal.h"
#include "common/hashfn.h"
#include "source/http/credentials.h"
#include "source/pairs.h"
#include "utils/memutils.h"

typedef struct Place
{
	EtlPages *pages;
	EtlReference reference;
	bool secret;
	EtlDetection *detection; /* NULL: there was none */
} Place;

/* ----------------------------------------------------------------
 *	As text
 * ---------------------------------------------------------------- */

/* Whether a text holds something that was sent with a request and is no business of who reads the catalog. */
static bool
is_secret(const EtlPages *pages, const char *text)
{
	static const EtlUrl nowhere = {0};
	char *masked;

	if (text == NULL)
		return false;
	masked = pstrdup(text);
	EtlTargetMask(pages->base->target, &nowhere, pages->base->headers, masked, false);
	return strcmp(masked, text) != 0;
}

/* A URL without the parameters that the target adds to each request. */
static char *
without_credentials(const EtlPages *pages, const char *text)
{
	EtlUrl url;

	if (EtlUrlParse(text, &url) != NULL)
		return pstrdup(text);
	EtlCredentialsRemove(pages->base->target, &url);
	return EtlUrlText(&url);
}

static void
add_reference(StringInfo place, const EtlPages *pages, const EtlPageRequest *request)
{
	const EtlReference *reference = request->reference;
	const char *text;

	if (reference == NULL)
		return;
	text = request->url != NULL ? without_credentials(pages, request->url) : reference->text;
	if (is_secret(pages, text))
	{
		EtlPairsAddNumber(place, "secret", 1);
		return;
	}
	EtlPairsAddNumber(place, "type", request->url != NULL ? ETL_JSON_STRING : reference->type);
	EtlPairsAdd(place, "text", text);
}

static void
add_detection(StringInfo place, const EtlDetection *detection)
{
	if (detection == NULL)
		return;
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
		EtlPairsAdd(place, psprintf("option.%s", EtlDialectOption(i)), detection->value[i]);
	EtlPairsAdd(place, "doubt", detection->doubt);
}

char *
EtlPagesPosition(const EtlPages *pages, bool at_start)
{
	const EtlPageRequest *request = pages->tail;
	EtlPageSeen done = {0};
	int64 nbefore = pages->nbefore;
	StringInfoData place;

	if (request == NULL)
		request = pages->current != NULL ? pages->current : linitial(pages->ahead);
	if (request == pages->tail)
	{
		done = EtlPagesTailSeen(pages);
		nbefore -= done.nitems;
	}
	else if (request->number == pages->nseen + 1)
		done = pages->expected;
	if (!at_start && request == pages->current && pages->reader != NULL &&
		pages->nitems > done.nitems)
		done = (EtlPageSeen){pages->nitems, EtlReaderPlace(pages->reader).hash};
	initStringInfo(&place);
	EtlPairsAddNumber(&place, "page", request->number);
	add_reference(&place, pages, request);
	EtlPairsAddNumber(&place, "count", request->count);
	EtlPairsAddNumber(&place, "previous", pages->nprevious);
	EtlPairsAddNumber(&place, "truncated", pages->truncated);
	EtlPairsAddNumber(&place, "before", nbefore);
	EtlPairsAddNumber(&place, "longest", pages->longest);
	EtlPairsAddNumber(&place, "empties", pages->empties);
	if (pages->announced >= 0)
		EtlPairsAddNumber(&place, "announced", pages->announced);
	EtlPairsAddNumber(&place, "items", done.nitems);
	EtlPairsAddNumber(&place, "hash", done.hash);
	if (request->number == pages->window_number)
		appendStringInfoString(&place, pages->window_text.data);
	else
		EtlWindowSave(pages->window, &place);
	add_detection(&place, pages->detection);
	return place.data;
}

/* ----------------------------------------------------------------
 *	And back
 * ---------------------------------------------------------------- */

static void
take_number(Place *place, const char *name, int64 value)
{
	EtlPages *pages = place->pages;
	struct
	{
		const char *name;
		int64 *to;
	} numbers[] = {
		{"page", &pages->resumed_at},		{"count", &pages->next_count},
		{"previous", &pages->nprevious},	{"before", &pages->nbefore},
		{"longest", &pages->longest},		{"announced", &pages->announced},
		{"items", &pages->expected.nitems}, {"hash", (int64 *) &pages->expected.hash},
	};

	for (int i = 0; i < lengthof(numbers); i++)
		if (strcmp(numbers[i].name, name) == 0)
			*numbers[i].to = value;
	if (strcmp(name, "empties") == 0)
		pages->empties = (int) value;
	else if (strcmp(name, "truncated") == 0)
		pages->truncated = true;
	else if (strcmp(name, "type") == 0)
		place->reference.type = (EtlJsonType) value;
	else if (strcmp(name, "secret") == 0)
		place->secret = true;
}

static void
take(Place *place, const char *name, const char *value)
{
	const char *option = strncmp(name, "option.", 7) == 0 ? name + 7 : NULL;

	if (strcmp(name, "text") == 0)
		place->reference.text = value;
	else if (strncmp(name, "window.", 7) == 0)
		EtlWindowRestore(place->pages->window, name, value);
	else if (option != NULL || strcmp(name, "doubt") == 0)
	{
		if (place->detection == NULL)
			place->detection = palloc0(sizeof(EtlDetection));
		if (option == NULL)
			place->detection->doubt = value;
		else if (EtlDialectFindOption(option) >= 0)
			place->detection->value[EtlDialectFindOption(option)] = value;
	}
	else
		take_number(place, name, (int64) EtlPairsNumber(value));
}

/* The reference as the request wants it. */
static EtlReference *
reference_of(const Place *place)
{
	const EtlJsonValue value = {place->reference.type, place->reference.text,
								place->reference.text != NULL ? strlen(place->reference.text) : 0};

	return value.text != NULL ? EtlReferenceOfValue(&value) : NULL;
}

EtlPages *
EtlPagesOpenAt(const EtlApiBase *base, EtlDialect *dialect, const char *position)
{
	EtlPages *pages = EtlPagesCreate(base, dialect);
	MemoryContext old = MemoryContextSwitchTo(pages->context);
	Place place = {pages};
	char *name, *value;

	while (EtlPairsNext(&position, &name, &value))
		take(&place, name, value);
	pages->resumed_at = Max(pages->resumed_at, 1);
	pages->number = pages->nsent = pages->nseen = pages->max_seen = pages->resumed_at - 1;
	pages->seen = palloc_extended(sizeof(EtlPageSeen) * Max(pages->nseen, 1),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (place.detection != NULL && EtlDetectionApply(place.detection, dialect) == NULL)
		pages->detection = place.detection;
	pages->lost = !EtlWindowResume(pages->window) || place.secret;
	if (!pages->lost)
		EtlPagesSend(pages, reference_of(&place));
	MemoryContextSwitchTo(old);
	return pages;
}

/* ----------------------------------------------------------------
 *	Calls
 * ---------------------------------------------------------------- */

uint64
EtlPagesCallHash(const EtlApiBase *base, const EtlDialect *dialect)
{
	StringInfoData call;
	ListCell *lc;

	initStringInfo(&call);
	appendStringInfoString(&call, EtlUrlText(&base->url));
	foreach (lc, base->params)
	{
		const EtlParam *param = lfirst(lc);

		EtlPairsAdd(&call, "param", param->name);
		EtlPairsAdd(&call, "value", param->value);
	}
	foreach (lc, base->headers)
		EtlPairsAdd(&call, "header", lfirst(lc));
	if (base->body != NULL)
		EtlPairsAdd(&call, "body",
					JsonbToCString(NULL, &base->body->root, (int) VARSIZE(base->body)));
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
		EtlPairsAdd(&call, EtlDialectOption(i), dialect->given[i]);
	return hash_bytes_extended((const unsigned char *) call.data, call.len, 0);
}

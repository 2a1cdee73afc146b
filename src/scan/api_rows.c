/*
 * api_rows.c
 *		Rows of paged APIs: the kind behind etl_api.
 *
 *		pages (api/pages_loop.c) -> items -> columns (json_columns.c)
 *							-> spool	if the scan may be read again (item_spool.c)
 *
 * A pipeline's scan that was not finished is gone on with by the next run, at the page and item where it stopped (see
 * api/pages_place.c), if the call is the same.  If the server does not know the page any more, or has other items there,
 * the scan begins anew, unless rows would be loaded twice by that.  One that was finished always begins anew.
 *
 * A second reading takes from the spool what the first one has got, and goes on with the pages where that
 * ended: one statement sees one answer, and spends each request once.
 */
#include "etl.h"

#include <inttypes.h>

#include "api/pages.h"
#include "monitor/progress.h"
#include "scan/api_call.h"
#include "scan/api_rows.h"
#include "scan/item_spool.h"
#include "scan/json_absent.h"
#include "scan/json_kept.h"
#include "scan/scan.h"
#include "source/utf8.h"

typedef struct ApiRows
{
	EtlJsonRows json;
	EtlApiCall *call;
	EtlPages *pages;
	const char *display; /* for _etl_source */

	/* for pipelines */
	EtlDialect dialect; /* as it was before anything was detected */
	uint64 hash;		/* of the call */
	int64 marked;		/* the page whose start was marked last; 0: none */
	uint64 reported;	/* bytes */
	bool left;			/* the pages cannot be read on */

	EtlItemSpool *spool; /* NULL: the scan is read once */
} ApiRows;

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static void
api_rewind(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	EtlJsonOptions options = {
		.many = true,
		.lines = api->call->dialect.format == ETL_PAGE_NDJSON, /* of which some may be broken */
		.initials = api->json.initials,
	};

	EtlItemSpoolRewind(api->spool, &options);
}

/* A run that removes what it does not find must be given all there is, whether the call says otherwise or its dialect. */
static void
check_gives_all(const EtlDialect *dialect)
{
	const char *less = NULL;

	if (dialect->max_pages > 0)
		less = "max_pages";
	else if (dialect->older.kind != ETL_NO_SIGNAL)
		less = "stop => 'older:...'";
	else if (dialect->truncation == ETL_TRUNCATION_WARNS)
		less = "on_truncation => 'warning'";
	if (less != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a run that removes rows cannot read pages with %s", less),
						errdetail("The rows that are not read would be removed from the target.")));
}

static void
api_open(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	bool no_source = rows->resume != NULL && rows->resume->no_source;

	api->call = no_source ? EtlApiCallReadDialect(rows->args) : EtlApiCallRead(rows->args);
	api->json.from_csv = api->call->dialect.format == ETL_PAGE_CSV;
	api->json.inside = api->call->dialect.items != NULL;
	EtlJsonColumnsInit(&api->json, rows->resume != NULL ? ETL_MISSING_ERROR : ETL_MISSING_NOTICE);
	api->call->base.initials = api->json.initials;
	if (no_source)
		return;
	if (rows->resume != NULL && rows->resume->removes)
		check_gives_all(&api->call->dialect);
	api->display = EtlUrlDisplay(&api->call->base.url);
	api->json.source = api->display;
	if (rows->rewindable)
		api->spool = EtlItemSpoolCreate();
	api->dialect = api->call->dialect;
	api->hash = EtlPagesCallHash(&api->call->base, &api->call->dialect);
	/* A pipeline opens its sources in a transaction, in which it must not wait for any. */
	if (rows->resume == NULL)
		api->pages = EtlPagesOpen(&api->call->base, &api->call->dialect, rows->enough);
}

/* ----------------------------------------------------------------
 *	Going on where a run stopped
 * ---------------------------------------------------------------- */

#define PART "pages"
#define CALL_FORMAT "call=%016" PRIx64

static void
mark(ApiRows *api, const char *place, EtlPartState state)
{
	const EtlResume *resume = api->json.base.resume;
	EtlPartMark mark = {.part = PART, .state = state};

	if (place != NULL)
		mark.position = psprintf(CALL_FORMAT "%s", api->hash, place);
	resume->mark(resume->arg, &mark);
}

/* The place of the next item; NULL: there is none. */
static const char *
place_of_next(const ApiRows *api)
{
	return api->pages != NULL && EtlPagesEnded(api->pages) == ETL_NOT_ENDED
			   ? EtlPagesPosition(api->pages, false)
			   : NULL;
}

static void
api_tell(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	const char *place = place_of_next(api);

	if (place != NULL && !api->left)
		mark(api, place, ETL_PART_READING);
}

/* All pages are one part (see doc/hacking.md).  Before the first item there is no place to resume at. */
static bool
api_leave(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;

	if (api->left)
		return false;
	mark(api, api->marked > 0 ? place_of_next(api) : NULL, ETL_PART_SET_ASIDE);
	api->left = true;
	return true;
}

/* Starts the scan again, because the scan of the last run cannot be resumed. */
static void
begin_anew(ApiRows *api, const char *why)
{
	const EtlResume *resume = api->json.base.resume;

	if (resume->once)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the pages that the last run left unread cannot be gone on with"),
				 errdetail("%s Rows of the pages before are in the target, and reading those again "
						   "would load them a second time.",
						   why),
				 errhint("Remove what is too much there, then call etl_reset() to begin anew; or "
						 "give the pipeline a key, so that rows may come twice.")));
	ereport(LOG, (errmsg("an unfinished scan of pages begins anew"), errdetail("%s", why),
				  errhidestmt(true), errhidecontext(true)));
	if (api->pages != NULL)
		EtlPagesClose(api->pages);
	api->call->dialect = api->dialect;
	api->pages = EtlPagesOpen(&api->call->base, &api->call->dialect, 0);
	EtlPagesMayRepeat(api->pages);
	api->marked = 0;
	resume->forget(resume->arg);
}

/* Sends the first request of a pipeline's scan, or the one with which it goes on. */
static void
open_pages(ApiRows *api)
{
	const EtlResume *resume = api->json.base.resume;
	const char *position = resume->find(resume->arg, NULL, PART, false);
	const char *place = position != NULL ? strstr(position, "page=") : NULL;
	const char *call = psprintf(CALL_FORMAT, api->hash);
	MemoryContext old = MemoryContextSwitchTo(api->json.base.context);

	if (place == NULL)
		api->pages = EtlPagesOpen(&api->call->base, &api->call->dialect, 0);
	else if (strncmp(position, call, strlen(call)) != 0)
		begin_anew(api, "The call of the source was another one.");
	else
	{
		api->pages = EtlPagesOpenAt(&api->call->base, &api->call->dialect, place);
		resume->mark(resume->arg, &(EtlPartMark){.part = PART, .position = position});
		api->marked = strtoi64(place + strlen("page="), NULL, 10);
	}
	if (!resume->once)
		EtlPagesMayRepeat(api->pages);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Items
 * ---------------------------------------------------------------- */

/* An item has come: for a pipeline, the start of its page is marked, and its progress reported. */
static void
note_progress(ApiRows *api)
{
	EtlRows *rows = &api->json.base;
	int64 page = EtlPagesNumber(api->pages);

	if (rows->resume == NULL)
		return;
	if (page != api->marked)
	{
		mark(api, EtlPagesPosition(api->pages, true), ETL_PART_READING);
		api->marked = page;
		EtlProgressPage(page);
	}
	if (rows->counters.bytes != api->reported)
	{
		EtlProgressReport(rows->counters.bytes, -1, rows->counters.records);
		api->reported = rows->counters.bytes;
	}
}

/* The next item of the pages. */
static EtlPagesStep
next_item(ApiRows *api, EtlJsonItem *item)
{
	EtlPagesStep step;

	while ((step = EtlPagesNext(api->pages, item, api->json.base.until)) == ETL_PAGES_LOST)
	{
		MemoryContext old = MemoryContextSwitchTo(api->json.base.context);

		begin_anew(api, "The server does not know the page at which it stopped any more, or has "
						"other items there.");
		MemoryContextSwitchTo(old);
	}
	return step;
}

static EtlAdvance
api_advance(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	EtlSpooledFrom from = {0};
	EtlJsonItem item;
	EtlPagesStep step;

	if (api->spool != NULL && EtlItemSpoolNext(api->spool, &from, &item))
	{
		api->json.page = (int) from.page;
		return EtlJsonRowsTake(&api->json, &item);
	}
	if (api->left)
		return ETL_NO_MORE_ROWS;
	if (api->pages == NULL)
		open_pages(api);
	step = next_item(api, &item);
	rows->counters.bytes = EtlPagesStats(api->pages)->bytes;
	if (step == ETL_PAGES_LATE)
		return ETL_ROW_LATE;
	if (step == ETL_PAGES_END)
	{
		if (rows->resume != NULL)
			mark(api, " finished", ETL_PART_DONE);
		return ETL_NO_MORE_ROWS;
	}
	api->json.page = (int) EtlPagesNumber(api->pages);
	note_progress(api);
	from.page = api->json.page;
	if (api->spool != NULL)
		EtlItemSpoolAdd(api->spool, &from, &item);
	return EtlJsonRowsTake(&api->json, &item);
}

static void
api_where(const EtlRows *rows, StringInfo buf)
{
	const ApiRows *api = (const ApiRows *) rows;

	if (api->pages == NULL)
		return;
	if (api->spool != NULL && EtlItemSpoolReplays(api->spool))
		appendStringInfo(buf, "page %d of \"%s\", %s " INT64_FORMAT, api->json.page, api->display,
						 api->json.item.line > 0 ? "line" : "item",
						 api->json.item.line > 0 ? (int64) api->json.item.line
												 : api->json.item.index + 1);
	else
		EtlPagesWhere(api->pages, buf);
}

static void
api_explain(const EtlRows *rows, ExplainState *es)
{
	const ApiRows *api = (const ApiRows *) rows;
	const EtlDetection *detection = EtlPagesDetection(api->pages);

	if (api->call->preset != NULL)
		ExplainPropertyText("Dialect", api->call->preset, es);
	else
		ExplainPropertyText("Pagination", EtlPaginationName(api->call->dialect.pagination), es);
	if (detection != NULL && detection->evidence != NULL)
		ExplainPropertyText("Detected By", EtlShowUtf8(detection->evidence), es);
	ExplainPropertyInteger("Pages", NULL, EtlPagesNumber(api->pages), es);
	if (EtlPagesSearches(api->pages) > 1)
		ExplainPropertyInteger("Searches", NULL, EtlPagesSearches(api->pages), es);
	ExplainPropertyText("Ended By", EtlEndName(EtlPagesEnded(api->pages)), es);
	EtlExplainHttp(EtlPagesStats(api->pages), es);
}

/* Nothing is known before the first request is sent, and planning sends none. */
static bool
api_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	return false;
}

PG_FUNCTION_INFO_V1(etl_api);

const EtlScanKind EtlApiKind = {
	.wanders = true,
	.function = "etl_api",
	.entry = etl_api,
	.size = sizeof(ApiRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = api_open,
	.advance = api_advance,
	.fetch = EtlJsonRowsFetch,
	.rewind = api_rewind,
	.where = api_where,
	.missing = EtlJsonMissing,
	.explain = api_explain,
	.estimate = api_estimate,
	.keep = EtlJsonKeep,
	.use = EtlJsonUse,
	.look = EtlJsonLookFor,
	.revive = EtlJsonRevive,
	.redact = EtlJsonRedact,
	.text = EtlJsonKeptText,
	.tell = api_tell,
	.leave = api_leave,
};

/*
 * etl_api(source text, ...) returns setof record
 * etl_api(row_type anyelement, source text, ...) returns setof anyelement
 *
 * Reads the items of a paged API.
 */
Datum
etl_api(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlApiKind);
}

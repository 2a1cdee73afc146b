/*
 * api_rows.c
 *		Rows of paged APIs: the kind behind etl_api.
 *
 *		pages (api/pages.c) -> items -> columns (json_columns.c)
 *							-> spool	if the scan may be read again: items as they are, with their places
 *
 * A second reading takes from the spool what the first one has got, and goes on with the pages where that
 * ended: one statement sees one answer, and spends each request once.
 */
#include "etl.h"

#include "api/json_body.h"
#include "api/pages.h"
#include "scan/api_call.h"
#include "scan/api_rows.h"
#include "scan/json_columns.h"
#include "source/temp_file.h"

/* What stands before each item in the spool. */
typedef struct SpooledItem
{
	int64 page;
	int64 index;
	uint64 len;
} SpooledItem;

typedef struct ApiRows
{
	EtlJsonRows json;
	EtlApiCall *call;
	EtlPages *pages;
	const char *display; /* for _etl_source */

	EtlTempFile *spool; /* NULL: the scan is read once */
	int64 nspooled;
	int64 nreplayed;  /* by the reading in hand; all of them while the pages are read */
	uint64 replay_at; /* place in the spool of the next item to be replayed */
	EtlJsonReader *replay;
} ApiRows;

/* ----------------------------------------------------------------
 *	Spool
 * ---------------------------------------------------------------- */

static void
spool_item(ApiRows *api, const EtlJsonItem *item)
{
	SpooledItem head = {EtlPagesNumber(api->pages), item->index, item->len};

	EtlTempFileAppend(api->spool, &head, sizeof(head));
	EtlTempFileAppend(api->spool, item->data, item->len);
	api->nspooled++;
	api->nreplayed++;
}

static void
read_spool(ApiRows *api, void *to, size_t len)
{
	EtlTempFileRead(api->spool, api->replay_at, to, len);
	api->replay_at += len;
}

/* The next item of the spool, found in its text once more. */
static void
replay_item(ApiRows *api, EtlJsonItem *item)
{
	SpooledItem head;
	EtlJsonStatus status;
	uint64 left;

	read_spool(api, &head, sizeof(head));
	EtlJsonReaderReset(api->replay);
	left = head.len;
	while ((status = EtlJsonReaderNext(api->replay, item)) == ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room = EtlJsonReaderRoom(api->replay, &len);

		len = Min(len, left);
		read_spool(api, room, len);
		EtlJsonReaderFed(api->replay, len);
		left -= len;
	}
	if (status != ETL_JSON_ITEM)
		elog(ERROR, "an item in the spool is not what it was");
	item->index = head.index;
	api->json.page = (int) head.page;
	api->nreplayed++;
}

static void
api_rewind(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	MemoryContext old = MemoryContextSwitchTo(rows->context);
	EtlJsonOptions options = {.many = true};

	if (api->replay == NULL)
	{
		EtlJsonSetLimits(&options);
		api->replay = EtlJsonReaderCreate(&options);
	}
	api->nreplayed = 0;
	api->replay_at = 0;
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static void
api_open(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;

	api->call = EtlApiCallRead(rows->args);
	api->json.from_csv = api->call->dialect.format == ETL_PAGE_CSV;
	EtlJsonColumnsInit(&api->json);
	api->display = EtlUrlDisplay(&api->call->base.url);
	api->json.source = api->display;
	if (rows->rewindable)
		api->spool = EtlTempFileCreate();
	api->pages = EtlPagesOpen(&api->call->base, &api->call->dialect, rows->enough);
}

static EtlAdvance
api_advance(EtlRows *rows)
{
	ApiRows *api = (ApiRows *) rows;
	EtlJsonItem item;
	bool found;

	if (api->nreplayed < api->nspooled)
	{
		replay_item(api, &item);
		return EtlJsonRowsTake(&api->json, &item);
	}
	found = EtlPagesNext(api->pages, &item);
	rows->counters.bytes = EtlPagesStats(api->pages)->bytes;
	if (!found)
		return ETL_NO_MORE_ROWS;
	api->json.page = (int) EtlPagesNumber(api->pages);
	if (api->spool != NULL)
		spool_item(api, &item);
	return EtlJsonRowsTake(&api->json, &item);
}

static void
api_where(const EtlRows *rows, StringInfo buf)
{
	const ApiRows *api = (const ApiRows *) rows;

	if (api->pages == NULL)
		return;
	if (api->nreplayed < api->nspooled)
		appendStringInfo(buf, "page %d of \"%s\", item " INT64_FORMAT, api->json.page, api->display,
						 api->json.item.index + 1);
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

/* Nobody knows before the first request is sent, and planning sends none. */
static bool
api_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	return false;
}

extern Datum etl_api(PG_FUNCTION_ARGS);

const EtlScanKind EtlApiKind = {
	.function = "etl_api",
	.entry = etl_api,
	.size = sizeof(ApiRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = api_open,
	.advance = api_advance,
	.fetch = EtlJsonRowsFetch,
	.rewind = api_rewind,
	.where = api_where,
	.explain = api_explain,
	.estimate = api_estimate,
};

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
#include "storage/buffile.h"

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

	BufFile *spool; /* NULL: the scan is read once */
	MemoryContextCallback drop_spool;
	int64 nspooled;
	int64 nreplayed; /* by the reading in hand; all of them while the pages are read */
	EtlJsonReader *replay;
} ApiRows;

/* ----------------------------------------------------------------
 *	Spool
 * ---------------------------------------------------------------- */

static void
drop_spool(void *arg)
{
	ApiRows *api = arg;
	BufFile *file = api->spool;

	api->spool = NULL;
	if (file != NULL)
		BufFileClose(file);
}

/* The file belongs to the memory context: a cursor outlives the subtransaction of its first FETCH. */
static void
create_spool(ApiRows *api)
{
	api->drop_spool.func = drop_spool;
	api->drop_spool.arg = api;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &api->drop_spool);
	api->spool = BufFileCreateTemp(true);
}

static void
spool_item(ApiRows *api, const EtlJsonItem *item)
{
	SpooledItem head = {EtlPagesNumber(api->pages), item->index, item->len};

	BufFileWrite(api->spool, &head, sizeof(head));
	BufFileWrite(api->spool, (void *) item->data, item->len);
	api->nspooled++;
	api->nreplayed++;
}

static void
read_exactly(ApiRows *api, void *to, size_t len)
{
	if (BufFileRead(api->spool, to, len) != len)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read back the items of an earlier reading: %m")));
}

/* The next item of the spool, found in its text once more. */
static void
replay_item(ApiRows *api, EtlJsonItem *item)
{
	SpooledItem head;
	EtlJsonStatus status;
	uint64 left;

	read_exactly(api, &head, sizeof(head));
	EtlJsonReaderReset(api->replay);
	left = head.len;
	while ((status = EtlJsonReaderNext(api->replay, item)) == ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room = EtlJsonReaderRoom(api->replay, &len);

		len = Min(len, left);
		read_exactly(api, room, len);
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
	if (BufFileSeek(api->spool, 0, 0, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not go back in the items of an earlier reading: %m")));
	api->nreplayed = 0;
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
		create_spool(api);
	api->pages = EtlPagesOpen(&api->call->base, &api->call->dialect);
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
		ExplainPropertyText("Detected By", detection->evidence, es);
	ExplainPropertyInteger("Pages", NULL, EtlPagesNumber(api->pages), es);
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

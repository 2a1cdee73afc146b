/*
 * api_many.c
 *		Rows of many requests to an API at once: the kind behind etl_api_many.
 *
 *		requests (requests.c) -> slots, each the pages of one request (api/pages_loop.c) -> items -> columns
 *																							  -> spool
 *
 * As many slots are in use as requests may be under way.  All of them are polled; when none has anything, the scan waits
 * for all at once.  In order, only the first hands out items, and the others get their answers meanwhile, which wait in
 * buffers of fixed size.  Pages of one request are asked for one after the other.
 *
 * What is wrong with a request or its answers is its fault, one faulty row, under the error policies that go on; that is caught
 * around a subtransaction, because evaluating what a server says may call functions of PostgreSQL.
 */
#include "etl.h"

#include "access/xact.h"
#include "api/pages.h"
#include "miscadmin.h"
#include "scan/api_call.h"
#include "scan/api_many.h"
#include "scan/item_spool.h"
#include "scan/json_absent.h"
#include "scan/json_kept.h"
#include "scan/requests.h"
#include "scan/scan.h"
#include "source/clock.h"
#include "source/subtransaction.h"
#include "source/utf8.h"
#include "utils/memutils.h"

typedef enum SlotState
{
	SLOT_LATE,	/* it waits for its server */
	SLOT_READY, /* in order: its answer is there, and it is not its turn */
	SLOT_ITEM,
	SLOT_ENDED,
	SLOT_FAULTY, /* as error says */
} SlotState;

/* A request that is under way. */
typedef struct Slot
{
	int64 number;		   /* from 1 */
	MemoryContext context; /* of all that belongs to it */
	Jsonb *request;
	EtlApiCall *call; /* NULL: not read yet */
	EtlPages *pages;
	SlotState state;
	EtlJsonItem item;
	ErrorData *error;
	const char *display; /* for _etl_source */
} Slot;

typedef struct ApiManyRows
{
	EtlJsonRows json;
	EtlApiCall *common;
	EtlRequests *requests;
	const char *display;
	bool in_order;
	int concurrency;

	List *slots; /* of Slot, in the order of the requests */
	Slot *polled;
	bool its_turn;		/* it may hand out items */
	bool at_end;		/* of the requests */
	int64 nrequests;	/* that were taken */
	int64 nended;		/* of these */
	EtlHttpStats ended; /* of those */

	EtlItemSpool *spool;	/* NULL: the scan is read once */
	bool request_is_faulty; /* the current row stands for one */
} ApiManyRows;

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

static void
set_concurrency(ApiManyRows *many)
{
	many->concurrency = many->common->dialect.concurrency;
	many->common->dialect.concurrency = 1; /* of the pages of a request */
	if (many->concurrency > ETL_MAX_AT_ONCE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"concurrency\" must not be more than %d", ETL_MAX_AT_ONCE)));
}

static void
many_open(EtlRows *rows)
{
	ApiManyRows *many = (ApiManyRows *) rows;

	many->common = EtlApiCallRead(rows->args);
	set_concurrency(many);
	many->in_order = EtlArgBool(rows->args, "in_order", true);
	many->json.from_csv = many->common->dialect.format == ETL_PAGE_CSV;
	many->json.inside = many->common->dialect.items != NULL;
	EtlJsonColumnsInit(&many->json, ETL_MISSING_NOTICE);
	many->common->base.initials = many->json.initials;
	many->display = EtlUrlDisplay(&many->common->base.url);
	many->requests = EtlRequestsOpen(rows->args);
	if (rows->rewindable)
		many->spool = EtlItemSpoolCreate();
}

static void
many_rewind(EtlRows *rows)
{
	ApiManyRows *many = (ApiManyRows *) rows;
	EtlJsonOptions options = {
		.many = true,
		.lines = many->common->dialect.format == ETL_PAGE_NDJSON,
		.initials = many->json.initials,
	};

	EtlItemSpoolRewind(many->spool, &options);
}

/* ----------------------------------------------------------------
 *	Slots
 * ---------------------------------------------------------------- */

/*
 * How many requests may be under way.  Who may stop early pays for no request before its time: one more with each that has
 * ended.
 */
static int
most_slots(const ApiManyRows *many)
{
	int64 enough = many->json.base.enough;

	return enough == 0 ? many->concurrency
					   : (int) Min(many->concurrency, Min(enough, PG_INT16_MAX) + many->nended);
}

static void
add_slot(ApiManyRows *many, MemoryContext context, Jsonb *request)
{
	Slot *slot = MemoryContextAllocZero(context, sizeof(Slot));

	slot->number = many->nrequests;
	slot->context = context;
	slot->request = request;
	many->slots = lappend(many->slots, slot);
}

/* Takes requests while there is room.  One that is null asks for nothing. */
static void
fill_slots(ApiManyRows *many)
{
	MemoryContext old = MemoryContextSwitchTo(many->json.base.context);

	while (!many->at_end && list_length(many->slots) < most_slots(many))
	{
		MemoryContext context =
			AllocSetContextCreate(many->json.base.context, "etl request", ALLOCSET_SMALL_SIZES);
		Jsonb *request;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		many->at_end = !EtlRequestsNext(many->requests, &request);
		MemoryContextSwitchTo(many->json.base.context);
		many->nrequests += !many->at_end;
		if (many->at_end || request == NULL)
			MemoryContextDelete(context);
		else
			add_slot(many, context, request);
	}
	MemoryContextSwitchTo(old);
}

static void
add_stats(EtlHttpStats *to, const EtlHttpStats *more)
{
	to->requests += more->requests;
	to->retries += more->retries;
	to->bytes += more->bytes;
	to->waited += more->waited;
}

static EtlHttpStats
all_stats(const ApiManyRows *many)
{
	EtlHttpStats stats = many->ended;
	ListCell *lc;

	foreach (lc, many->slots)
		if (((Slot *) lfirst(lc))->pages != NULL)
			add_stats(&stats, EtlPagesStats(((Slot *) lfirst(lc))->pages));
	return stats;
}

/* Removes the slots whose requests have ended: what they handed out last is not needed any more. */
static void
drop_ended(ApiManyRows *many)
{
	ListCell *lc;

	foreach (lc, many->slots)
	{
		Slot *slot = lfirst(lc);

		if (slot->state != SLOT_ENDED)
			continue;
		if (slot->pages != NULL)
			add_stats(&many->ended, EtlPagesStats(slot->pages));
		many->nended++;
		many->slots = foreach_delete_current (many->slots, lc);
		MemoryContextDelete(slot->context);
	}
	many->polled = NULL;
}

/* ----------------------------------------------------------------
 *	Polling
 * ---------------------------------------------------------------- */

static void
send_request(ApiManyRows *many, Slot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(slot->context);

	slot->call = EtlApiCallOfRequest(many->common, slot->request);
	slot->display = EtlUrlDisplay(&slot->call->base.url);
	slot->pages = EtlPagesOpen(&slot->call->base, &slot->call->dialect, 0);
	MemoryContextSwitchTo(old);
}

/* Does with a slot what can be done without waiting. */
static void
poll(void *arg)
{
	ApiManyRows *many = arg;
	Slot *slot = many->polled;
	int64 now = EtlClock();

	if (slot->call == NULL)
		send_request(many, slot);
	if (!many->its_turn)
	{
		slot->state = EtlPagesReady(slot->pages, now) ? SLOT_READY : SLOT_LATE;
		return;
	}
	switch (EtlPagesNext(slot->pages, &slot->item, now))
	{
		case ETL_PAGES_ITEM:
			slot->state = SLOT_ITEM;
			break;
		case ETL_PAGES_END:
			slot->state = SLOT_ENDED;
			break;
		case ETL_PAGES_LATE:
			slot->state = SLOT_LATE;
			break;
		case ETL_PAGES_LOST:
			elog(ERROR, "a request that was not resumed lost its place");
	}
}

/*
 * Whether an error is about the server as a whole, or who asks: it is not reached, fails, says "later", or takes no credentials.
 * Another key would fare no better, and another try may.
 */
static bool
is_about_server(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_CONNECTION_EXCEPTION ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_INSUFFICIENT_RESOURCES ||
		   sqlstate == ERRCODE_IO_ERROR || sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE;
}

/* Whether an error concerns the request, and not the query or this server. */
static bool
is_of_request(int sqlstate, bool for_pipeline)
{
	if (for_pipeline && is_about_server(sqlstate))
		return false;
	return ERRCODE_TO_CATEGORY(sqlstate) != ERRCODE_OPERATOR_INTERVENTION &&
		   ERRCODE_TO_CATEGORY(sqlstate) != ERRCODE_INTERNAL_ERROR &&
		   sqlstate != ERRCODE_OUT_OF_MEMORY && sqlstate != ERRCODE_DISK_FULL;
}

/* What EtlInSubtransaction does, where there is no transaction. */
static ErrorData *
outside_transactions(void (*function)(void *arg), void *arg, MemoryContext errors)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(errors);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return error;
}

static void
poll_slot(ApiManyRows *many, Slot *slot)
{
	ErrorData *error = NULL;

	if (slot->state == SLOT_FAULTY)
		return;
	many->polled = slot;
	many->its_turn = !many->in_order || slot == linitial(many->slots);
	if (!many->its_turn && slot->state == SLOT_READY)
		return;
	if (many->json.base.on_error == ETL_ON_ERROR_FAIL)
		poll(many);
	else
		error = (many->json.base.resume != NULL ? outside_transactions
												: EtlInSubtransaction)(poll, many, slot->context);
	if (error == NULL)
		return;
	if (!is_of_request(error->sqlerrcode, many->json.base.resume != NULL))
		ReThrowError(error);
	slot->error = error;
	slot->state = SLOT_FAULTY;
}

/* The next slot that has something to hand out; NULL: the requests have ended. */
static Slot *
next_slot(ApiManyRows *many)
{
	for (;;)
	{
		EtlPages *late[ETL_MAX_AT_ONCE];
		int nlate = 0;
		bool ended = false;
		ListCell *lc;

		CHECK_FOR_INTERRUPTS();
		drop_ended(many);
		fill_slots(many);
		if (many->slots == NIL)
			return NULL;
		foreach (lc, many->slots)
		{
			Slot *slot = lfirst(lc);

			poll_slot(many, slot);
			if (slot->state == SLOT_ITEM ||
				(slot->state == SLOT_FAULTY && (!many->in_order || foreach_current_index(lc) == 0)))
				return slot;
			ended |= slot->state == SLOT_ENDED;
			if (slot->state == SLOT_LATE)
				late[nlate++] = slot->pages;
		}
		if (!ended && nlate > 0)
			EtlPagesTurn(late, nlate);
	}
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static EtlAdvance
take(ApiManyRows *many, const EtlSpooledFrom *from, const EtlJsonItem *item)
{
	many->json.request = (int) from->request;
	many->json.page = (int) from->page;
	many->request_is_faulty = from->sqlstate != 0;
	if (!many->request_is_faulty)
		return EtlJsonRowsTake(&many->json, item);
	EtlRowsSetFault(&many->json.base, from->sqlstate, unconstify(char *, item->data), NULL, NULL);
	return ETL_ROW_FAULTY;
}

static EtlAdvance
take_slot(ApiManyRows *many, Slot *slot)
{
	EtlSpooledFrom from = {.request = slot->number};

	many->json.source = slot->display != NULL ? slot->display : many->display;
	if (slot->state == SLOT_ITEM)
		from.page = EtlPagesNumber(slot->pages);
	else
	{
		from.sqlstate = slot->error->sqlerrcode;
		slot->item =
			(EtlJsonItem){.data = slot->error->message, .len = strlen(slot->error->message)};
		slot->state = SLOT_ENDED;
	}
	if (many->spool != NULL)
		EtlItemSpoolAdd(many->spool, &from, &slot->item);
	return take(many, &from, &slot->item);
}

static EtlAdvance
many_advance(EtlRows *rows)
{
	ApiManyRows *many = (ApiManyRows *) rows;
	EtlSpooledFrom from;
	EtlJsonItem item;
	Slot *slot;

	if (many->spool != NULL && EtlItemSpoolNext(many->spool, &from, &item))
	{
		many->json.source = many->display;
		return take(many, &from, &item);
	}
	slot = next_slot(many);
	rows->counters.bytes = all_stats(many).bytes;
	return slot != NULL ? take_slot(many, slot) : ETL_NO_MORE_ROWS;
}

/* A row that stands for a faulty request has no item. */
static void
many_fetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	if (!((ApiManyRows *) rows)->request_is_faulty)
	{
		EtlJsonRowsFetch(rows, targets, n, values, isnull);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		EtlColumnKind kind = rows->columns[targets[i].column].kind;

		isnull[targets[i].place] = true;
		if (kind == ETL_FROM_REQUEST || kind == ETL_FROM_SOURCE)
			EtlJsonRowsFetch(rows, &targets[i], 1, values, isnull);
	}
}

static void
many_where(const EtlRows *rows, StringInfo buf)
{
	const ApiManyRows *many = (const ApiManyRows *) rows;
	const Slot *slot = many->polled;

	if (slot == NULL)
		return;
	appendStringInfo(buf, "request " INT64_FORMAT, slot->number);
	if (slot->pages != NULL && EtlPagesNumber(slot->pages) > 0)
	{
		appendStringInfoString(buf, ", ");
		EtlPagesWhere(slot->pages, buf);
	}
	else if (slot->display != NULL)
		appendStringInfo(buf, " of \"%s\"", slot->display);
}

static void
many_explain(const EtlRows *rows, ExplainState *es)
{
	const ApiManyRows *many = (const ApiManyRows *) rows;
	EtlHttpStats stats = all_stats(many);

	ExplainPropertyInteger("Concurrency", NULL, many->concurrency, es);
	EtlExplainHttp(&stats, es);
}

/* Nothing is known before the first request is sent, and planning sends none. */
static bool
many_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	return false;
}

PG_FUNCTION_INFO_V1(etl_api_many);

const EtlScanKind EtlApiManyKind = {
	.wanders = true,
	.function = "etl_api_many",
	.entry = etl_api_many,
	.size = sizeof(ApiManyRows),
	.provenance = ETL_JSON_PROVENANCE | ETL_COLUMN_SET(ETL_FROM_REQUEST),
	.open = many_open,
	.advance = many_advance,
	.fetch = many_fetch,
	.rewind = many_rewind,
	.where = many_where,
	.missing = EtlJsonMissing,
	.explain = many_explain,
	.estimate = many_estimate,
};

const EtlScanKind EtlEnrichKind = {
	.wanders = true,
	.function = "etl_api",
	.entry = etl_api_many,
	.size = sizeof(ApiManyRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = many_open,
	.advance = many_advance,
	.fetch = EtlJsonRowsFetch,
	.where = many_where,
	.missing = EtlJsonMissing,
	.keep = EtlJsonKeep,
	.use = EtlJsonUse,
	.look = EtlJsonLookFor,
	.revive = EtlJsonRevive,
	.redact = EtlJsonRedact,
	.text = EtlJsonKeptText,
};

int
EtlApiManyRequest(const EtlRows *rows, bool *is_faulty)
{
	const ApiManyRows *many = (const ApiManyRows *) rows;

	*is_faulty = many->request_is_faulty;
	return many->json.request;
}

/*
 * etl_api_many(source text, ...) returns setof record
 * etl_api_many(row_type anyelement, source text, ...) returns setof anyelement
 *
 * Reads the items that many requests to an API give.
 */
Datum
etl_api_many(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlApiManyKind);
}

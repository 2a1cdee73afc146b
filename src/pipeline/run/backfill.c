/*
 * backfill.c
 *		SQL procedure that reads the source of a pipeline again, a range at a time.
 *
 * Each range is a run (range.c).  Between two ranges the schedule of the pipeline may come in, and while another run is under
 * way the next range waits.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/range.h"
#include "pipeline/run/start.h"
#include "pipeline/run/stored.h"
#include "pipeline/schedule_define.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(etl_backfill);

#define BUSY_PAUSE_MS 1000

/* The ends of what is to be read. */
typedef struct Ends
{
	const EtlPipeline *pipeline;
	Oid type;
	Datum since;
	Datum until;
} Ends;

/* Texts are read as the source would read them. */
static void
type_ends(void *arg)
{
	Ends *ends = arg;

	ends->type = EtlRangeType(ends->pipeline);
	ends->since = EtlFromText(ends->type, -1, TextDatumGetCString(ends->since));
	ends->until = EtlFromText(ends->type, -1, TextDatumGetCString(ends->until));
}

static Ends
ends_of(FunctionCallInfo fcinfo, const EtlPipeline *pipeline)
{
	Ends ends = {pipeline, get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1),
				 PG_GETARG_DATUM(2)};

	if (ends.type != TEXTOID)
		return ends;
	if (!pipeline->accepted)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pipeline \"%s\" is paused", pipeline->name),
						errdetail("Another role than its owner wrote its source."),
						errhint("Call etl_resume(%s) first.", quote_literal_cstr(pipeline->name))));
	EtlDoAsOwner(pipeline, type_ends, &ends);
	return ends;
}

/* Notes what is to be read, or finds that it is noted already: then it goes on. */
static void
note_backfill(FunctionCallInfo fcinfo, const EtlPipeline *pipeline)
{
	Ends ends = ends_of(fcinfo, pipeline);
	EtlBackfill new = {.pipeline = pipeline->id};
	const EtlBackfill *old = EtlCatalogBackfill(pipeline->id);

	new.type = format_type_be_qualified(ends.type);
	new.since = new.next = EtlStoredText(ends.type, ends.since);
	new.until = EtlStoredText(ends.type, ends.until);
	new.step = text_to_cstring(PG_GETARG_TEXT_PP(3));
	EtlRangeCheck(ends.type, ends.since, ends.until, new.step);
	if (old != NULL && strcmp(old->type, new.type) == 0 && strcmp(old->since, new.since) == 0 &&
		strcmp(old->until, new.until) == 0 && strcmp(old->step, new.step) == 0)
		return;
	if (old != NULL)
		ereport(NOTICE,
				(errmsg("another backfill of pipeline \"%s\" is not gone on with", pipeline->name),
				 errdetail("It had come to %s, and was to go to %s.", old->next, old->until)));
	EtlCatalogBeginBackfill(&new);
}

static void
wait_while_busy(void)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = EtlWaitEventNew("EtlBackfill");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, BUSY_PAUSE_MS,
					 wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Where it is; NULL: it has ended.  In a snapshot of its own, so that it is seen what runs have committed. */
static char *
next_range(const EtlPipeline *pipeline)
{
	EtlBackfill *backfill;
	char *next;

	PushActiveSnapshot(GetTransactionSnapshot());
	backfill = EtlCatalogBackfill(pipeline->id);
	next = backfill != NULL ? MemoryContextStrdup(TopTransactionContext, backfill->next) : NULL;
	PopActiveSnapshot();
	return next;
}

/* Runs until the backfill has moved on. */
static void
run_range(EtlPipeline *pipeline)
{
	int64 run;

	SPI_commit();
	while ((run = EtlTryRun(pipeline, ETL_RUN_BACKFILL)) == 0)
		wait_while_busy(); /* another run is under way, such as one of the schedule */
	PushActiveSnapshot(GetTransactionSnapshot());
	EtlCheckRunSucceeded(run, pipeline);
	PopActiveSnapshot();
}

static void
raise_no_move(const EtlPipeline *pipeline, const char *next)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the source of pipeline \"%s\" could not be read to its end", pipeline->name),
			 errdetail("The range from %s is not complete.", next),
			 errhint("Call etl_backfill again later: it goes on there.")));
}

/* CALL etl_backfill(name, since, until, step, OUT ranges) */
Datum
etl_backfill(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline;
	int64 ranges = 0;
	char *at;
	TupleDesc desc;
	bool isnull = false;
	Datum result;
	MemoryContext old = CurrentMemoryContext;

	EtlCheckNonAtomic(fcinfo);
	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("the arguments of etl_backfill must not be null")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	pipeline = EtlFindToRun(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	note_backfill(fcinfo, pipeline);
	SPI_commit();
	while ((at = next_range(pipeline)) != NULL)
	{
		char *before = MemoryContextStrdup(old, at);
		const char *after;

		run_range(pipeline);
		ranges++;
		after = next_range(pipeline);
		if (after != NULL && strcmp(before, after) == 0)
			raise_no_move(pipeline, before);
		pfree(before);
	}
	SPI_finish();
	MemoryContextSwitchTo(old);
	result = Int64GetDatum(ranges);
	return HeapTupleGetDatum(heap_form_tuple(desc, &result, &isnull));
}

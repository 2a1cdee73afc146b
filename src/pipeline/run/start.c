/*
 * start.c
 *		SQL functions that start a run, and wait for it.
 *
 * The run is done by a dynamic background worker, so nothing has to be preloaded.  The backend that starts it waits on
 * the latch for the worker's answer, the number of the run or the reason why there is none; CALL etl_run
 * also waits for its end.  It has committed by then, and holds no snapshot.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "monitor/background.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/start.h"
#include "pipeline/run/worker.h"
#include "scan/undeclared.h"
#include "source/hidden.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define LONGEST_WAIT_MS (60 * 1000)

PG_FUNCTION_INFO_V1(etl_start);
PG_FUNCTION_INFO_V1(etl_run);
PG_FUNCTION_INFO_V1(etl_retry_dead_letters);

/* ----------------------------------------------------------------
 *	Starting
 * ---------------------------------------------------------------- */

/* What would keep the worker from connecting, said here, where it can be read. */
static void
check_owner_can_connect(const EtlPipeline *pipeline)
{
	HeapTuple tuple;
	bool can_login;

	EtlCheckOwnerExists(pipeline);
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(pipeline->owner));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for role %u", pipeline->owner);
	can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!can_login)
		ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						errmsg("pipeline \"%s\" cannot run as role \"%s\", which may not log in",
							   pipeline->name, GetUserNameFromId(pipeline->owner, false)),
						errhint("A run is a session of its owner: ALTER ROLE ... LOGIN.")));
	if (object_aclcheck(DatabaseRelationId, MyDatabaseId, pipeline->owner, ACL_CONNECT) !=
		ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("pipeline \"%s\" cannot run as role \"%s\", which may not connect to this "
						"database",
						pipeline->name, GetUserNameFromId(pipeline->owner, false)),
				 errhint("A run is a session of its owner: GRANT CONNECT ON DATABASE ...")));
}

/* The pipeline of a name, if the current user may run it. */
static EtlPipeline *
look_up(const char *name)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(name);

	check_owner_can_connect(pipeline);
	return pipeline;
}

/*
 * The same, here and now.  It is looked up in a subtransaction that is rolled back, so no lock on the catalog is kept: the
 * worker for which we wait reads the same tables, and somebody may want them for himself between us.
 */
EtlPipeline *
EtlFindToRun(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	EtlPipeline *volatile pipeline = NULL;
	ErrorData *volatile error = NULL;

	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cannot run a pipeline on a standby"),
						errhint("Run it on the primary server.")));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		pipeline = look_up(name);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
		ReThrowError(error);
	return pipeline;
}

static BackgroundWorkerHandle *
register_worker(const EtlPipeline *pipeline, dsm_segment *segment)
{
	EtlBackground worker = {.function = "EtlWorkerMain",
							.type = "etl pipeline",
							.subject = pipeline->name,
							.notify = true,
							.arg = UInt32GetDatum(dsm_segment_handle(segment))};
	BackgroundWorkerHandle *handle;

	if (!EtlStartBackground(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a worker for pipeline \"%s\"", pipeline->name),
				 errdetail("All background worker slots of the server are in use."),
				 errhint("Wait for other workers to end, or raise \"max_worker_processes\".")));
	return handle;
}

static EtlStart *
create_start(const EtlPipeline *pipeline, EtlRunKind kind, bool overwrite, dsm_segment **segment)
{
	EtlStart *start;

	*segment = dsm_create(sizeof(EtlStart), 0);
	dsm_pin_mapping(*segment); /* until we detach it; it outlives the transaction */
	start = dsm_segment_address(*segment);
	memset(start, 0, sizeof(*start));
	start->database = MyDatabaseId;
	start->owner = pipeline->owner;
	start->pipeline = pipeline->id;
	start->kind = kind;
	start->overwrite = overwrite;
	start->starter = &MyProc->procLatch;
	SpinLockInit(&start->mutex);
	return start;
}

/* ----------------------------------------------------------------
 *	Waiting
 * ---------------------------------------------------------------- */

typedef struct Waiting
{
	dsm_segment *segment;
	BackgroundWorkerHandle *handle;
} Waiting;

/* We are cancelled or end: so does the run. */
static void
stop_worker(int code, Datum arg)
{
	Waiting *waiting = (Waiting *) DatumGetPointer(arg);
	pid_t pid;

	if (waiting->handle != NULL && GetBackgroundWorkerPid(waiting->handle, &pid) == BGWH_STARTED)
		(void) kill(pid, SIGINT);
	else if (waiting->handle != NULL)
		TerminateBackgroundWorker(waiting->handle);
	dsm_detach(waiting->segment);
}

static bool
has_answered(EtlStart *start)
{
	bool answered;

	SpinLockAcquire(&start->mutex);
	answered = start->answered;
	SpinLockRelease(&start->mutex);
	return answered;
}

/*
 * Whether a process waits for a lock that waits for us.  PostgreSQL cannot see such a circle: our wait for the worker is
 * none for a lock.
 */
static bool
waits_for_us(pid_t worker)
{
	List *pids = list_make1_int(worker);

	for (int i = 0; i < list_length(pids); i++)
	{
		Datum array = DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(list_nth_int(pids, i)));
		const ArrayType *blocking = DatumGetArrayTypeP(array);
		int n = ArrayGetNItems(ARR_NDIM(blocking), ARR_DIMS(blocking));

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < n; j++)
			pids = list_append_unique_int(pids, ((const int32 *) ARR_DATA_PTR(blocking))[j]);
	}
	return list_member_int(pids, MyProcPid);
}

static void
check_deadlock(const EtlPipeline *pipeline, BackgroundWorkerHandle *handle)
{
	pid_t pid;

	if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STARTED && waits_for_us(pid))
		ereport(ERROR, (errcode(ERRCODE_T_R_DEADLOCK_DETECTED), errmsg("deadlock detected"),
						errdetail("The run of pipeline \"%s\" waits for a lock that waits for this "
								  "session, which waits for the run.",
								  pipeline->name),
						errhint("Start it by a statement of its own, while this session holds no "
								"locks.")));
}

/* Waits for the worker's answer, or for its end.  Deadlocks are looked for after deadlock_timeout, then less often. */
static void
wait_for_worker(EtlStart *start, const EtlPipeline *pipeline, BackgroundWorkerHandle *handle,
				bool until_end)
{
	static uint32 wait_event = 0;
	long timeout = DeadlockTimeout;

	if (wait_event == 0)
		wait_event = EtlWaitEventNew("EtlRun");
	for (;;)
	{
		pid_t pid;
		int events;

		if (!until_end && has_answered(start))
			return;
		if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
			return;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout,
						   wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if ((events & WL_TIMEOUT) == 0)
			continue;
		check_deadlock(pipeline, handle);
		timeout = Min(timeout * 2, LONGEST_WAIT_MS);
	}
}

static void
raise_not_started(const EtlStart *start, const EtlPipeline *pipeline)
{
	if (!start->answered)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("the worker for pipeline \"%s\" ended before it began", pipeline->name),
				 errhint("The server's log tells why.")));
	ereport(ERROR, (errcode(start->sqlstate), errmsg_internal("%s", start->message),
					start->hint[0] != '\0' ? errhint("%s", start->hint) : 0));
}

/* Starts a run, whose number or why there is none is in the result; until_end waits for its end, too. */
static EtlStart
start_worker(const EtlPipeline *pipeline, EtlRunKind kind, bool overwrite, bool until_end)
{
	Waiting waiting = {0};
	EtlStart *start = create_start(pipeline, kind, overwrite, &waiting.segment);
	EtlStart answer;

	PG_ENSURE_ERROR_CLEANUP(stop_worker, PointerGetDatum(&waiting));
	{
		waiting.handle = register_worker(pipeline, waiting.segment);
		wait_for_worker(start, pipeline, waiting.handle, until_end);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_worker, PointerGetDatum(&waiting));
	SpinLockAcquire(&start->mutex);
	answer = *start;
	SpinLockRelease(&start->mutex);
	dsm_detach(waiting.segment);
	return answer;
}

static int64
run_worker(const EtlPipeline *pipeline, EtlRunKind kind, bool overwrite, bool until_end)
{
	EtlStart answer = start_worker(pipeline, kind, overwrite, until_end);

	if (answer.run == 0)
		raise_not_started(&answer, pipeline);
	return answer.run;
}

int64
EtlTryRun(const EtlPipeline *pipeline, EtlRunKind kind)
{
	EtlStart answer = start_worker(pipeline, kind, false, true);

	if (answer.run == 0 && !(answer.answered && answer.sqlstate == ERRCODE_OBJECT_IN_USE))
		raise_not_started(&answer, pipeline);
	return answer.run;
}

/* ----------------------------------------------------------------
 *	SQL
 * ---------------------------------------------------------------- */

/* etl_start(name text) returns bigint: starts a run and does not wait for its end */
Datum
etl_start(PG_FUNCTION_ARGS)
{
	if (IsTransactionBlock())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("etl_start cannot run inside a transaction block"),
						errdetail("The run would not see what the transaction has done so far.")));
	PG_RETURN_INT64(run_worker(EtlFindToRun(text_to_cstring(PG_GETARG_TEXT_PP(0))), ETL_RUN_LOAD,
							   false, false));
}

static void
raise_failed(const EtlRunResult *result, const EtlPipeline *pipeline)
{
	const char *code = result->sqlstate;

	ereport(ERROR,
			(errcode(code != NULL ? MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])
								  : ERRCODE_INTERNAL_ERROR),
			 result->state == ETL_RUN_RUNNING
				 ? errmsg("the worker of run %lld of pipeline \"%s\" died", (long long) result->id,
						  pipeline->name)
				 : errmsg("run %lld of pipeline \"%s\": %s", (long long) result->id, pipeline->name,
						  EtlWordName(&EtlRunStateWords, result->state)),
			 result->message != NULL ? errdetail("%s", result->message) : 0,
			 errdetail_log("The view etl_runs has the reason.")));
}

/* The OUT parameters of the procedures: run, state, and all counters of rows but the first. */
static HeapTuple
form_result(TupleDesc desc, const EtlRunResult *result)
{
	const int64 counters[] = {
#define COUNTER(name, text) result->counters.name,
		ETL_ROW_COUNTERS(COUNTER)
#undef COUNTER
	};
	Datum values[lengthof(counters) + 1];
	bool isnull[lengthof(counters) + 1] = {false};

	if (desc->natts != lengthof(values))
		elog(ERROR, "a run has %d results, not %d", (int) lengthof(values), desc->natts);
	values[0] = Int64GetDatum(result->id);
	values[1] = CStringGetTextDatum(EtlWordName(&EtlRunStateWords, result->state));
	for (int i = 1; i < lengthof(counters); i++)
	{
		values[i + 1] = Int64GetDatum(counters[i]);
		isnull[i + 1] = counters[i] < 0;
	}
	return heap_form_tuple(desc, values, isnull);
}

static void
report_parts(const EtlRunResult *result, const EtlPipeline *pipeline)
{
	unsigned long n = (unsigned long) result->counters.parts_set_aside;

	if (n == 0)
		return;
	ereport(
		NOTICE,
		(errmsg_plural(
			 "%lu part of the source of pipeline \"%s\" cannot be read and is set aside",
			 "%lu parts of the source of pipeline \"%s\" cannot be read and are set aside", n, n,
			 pipeline->name),
		 errhint(
			 "The view etl_parts says why.  A part is tried again when it has changed, or after "
			 "etl_retry_parts(%s).",
			 quote_literal_cstr(pipeline->name))));
}

static void
report_columns(const EtlRunResult *result, const EtlPipeline *pipeline)
{
	StringInfoData names;
	ListCell *lc;

	if (result->missing_columns == NIL)
		return;
	initStringInfo(&names);
	foreach (lc, result->missing_columns)
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", (char *) lfirst(lc));
	ereport(NOTICE,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg_plural("no record of this run of pipeline \"%s\" has column %s",
						   "no record of this run of pipeline \"%s\" has columns %s",
						   list_length(result->missing_columns), pipeline->name, names.data),
			 errhint("What was there before is rare, or was renamed at the source.")));
}

#define LISTED_NEW 10

static void
report_new_columns(const EtlRunResult *result, const EtlPipeline *pipeline)
{
	int n = list_length(result->new_columns);
	StringInfoData names;

	if (n == 0)
		return;
	initStringInfo(&names);
	for (int i = 0; i < Min(n, LISTED_NEW); i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "",
						 EtlVisible(list_nth(result->new_columns, i)));
	if (n > LISTED_NEW)
		appendStringInfo(&names, ", and %d more", n - LISTED_NEW);
	ereport(NOTICE,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg_plural("the source of pipeline \"%s\" has a column that is not declared: %s",
						   "the source of pipeline \"%s\" has columns that are not declared: %s", n,
						   pipeline->name, names.data),
			 list_length(EtlCatalogUndeclared(pipeline->id)) >= ETL_UNDECLARED_MAX
				 ? errdetail("No more are reported, for %d were.", ETL_UNDECLARED_MAX)
				 : 0,
			 errhint("Declare what is to be loaded.  Each such column is reported once, and with "
					 "evolve => 'freeze' none is.")));
}

void
EtlCheckNonAtomic(FunctionCallInfo fcinfo)
{
	const CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("a pipeline cannot be run inside a transaction block"),
						errdetail("The run would not see what the transaction has done so far."),
						errhint("Commit first; a client library that opens transactions by itself "
								"needs autocommit for this call.")));
}

void
EtlCheckRunSucceeded(int64 run, const EtlPipeline *pipeline)
{
	const EtlRunResult *result = EtlCatalogRunResult(run);

	if (result->state != ETL_RUN_SUCCEEDED)
		raise_failed(result, pipeline);
}

/* The common part of the procedures: commits, runs, waits, and gives what the run counted.  The first arguments are no results. */
static Datum
run_and_wait(FunctionCallInfo fcinfo, EtlRunKind kind, bool overwrite, int narguments)
{
	const EtlRunResult *result;
	EtlPipeline *pipeline;
	TupleDesc desc;
	int64 run;
	HeapTuple tuple;
	MemoryContext old = CurrentMemoryContext;

	EtlCheckNonAtomic(fcinfo);
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a pipeline must not be null or empty")));
	for (int i = narguments; i < PG_NARGS(); i++)
		if (!PG_ARGISNULL(i))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 narguments == 1
					 ? errmsg("all arguments but the name of the pipeline are results")
					 : errmsg(
						   "all arguments but the name of the pipeline and \"overwrite\" are results"),
				 errdetail("Nothing can be chosen by a value for one of them."),
				 errhint("Leave them out, or pass NULLs, in PL/pgSQL variables that are NULL.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	pipeline = EtlFindToRun(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SPI_commit();
	run = run_worker(pipeline, kind, overwrite, true);

	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(old);
	result = EtlCatalogRunResult(run);
	if (result->state != ETL_RUN_SUCCEEDED)
		raise_failed(result, pipeline);
	report_parts(result, pipeline);
	report_columns(result, pipeline);
	report_new_columns(result, pipeline);
	tuple = form_result(desc, result);
	PopActiveSnapshot();
	SPI_finish();
	return HeapTupleGetDatum(tuple);
}

/* CALL etl_run(name, OUT ...) */
Datum
etl_run(PG_FUNCTION_ARGS)
{
	return run_and_wait(fcinfo, ETL_RUN_LOAD, false, 1);
}

/* CALL etl_retry_dead_letters(name, overwrite, OUT ...) */
Datum
etl_retry_dead_letters(PG_FUNCTION_ARGS)
{
	return run_and_wait(fcinfo, ETL_RUN_RETRY, !PG_ARGISNULL(1) && PG_GETARG_BOOL(1), 2);
}

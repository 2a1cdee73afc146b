/*
 * catalog.c
 *		The tables of etl_catalog: all SQL text on them is here.
 *
 * Nobody but their owner may touch these tables, so each statement runs as that owner: the rights are raised
 * right before it, with a search_path in which no object of a user can stand before one of pg_catalog,
 * and dropped right behind it (enter, leave).  Nothing that a user wrote runs in between: the texts are
 * constants, and their values are parameters.  An error in between gives the rights back as well, when
 * the (sub)transaction is aborted.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pipeline/catalog.h"
#include "pipeline/totals.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MAX_PARAMETERS 32

/* One of our statements.  It is prepared when it first runs, and kept. */
typedef struct Statement
{
	const char *text;
	int nparameters;
	Oid types[MAX_PARAMETERS];
	SPIPlanPtr plan;
} Statement;

/* The values of its parameters. */
typedef struct Values
{
	int n;
	Datum values[MAX_PARAMETERS];
	char nulls[MAX_PARAMETERS];
} Values;

/* ----------------------------------------------------------------
 *	Rights
 * ---------------------------------------------------------------- */

typedef struct Entered
{
	Oid user;
	int sec_context;
	int guc_level;
	MemoryContext caller;
} Entered;

static Oid
owner_of_catalog(void)
{
	Oid relid = get_relname_relid("pipelines", get_namespace_oid("etl_catalog", false));
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"%s\" does not exist", "etl_catalog.pipelines"),
						errhint("Create the extension with CREATE EXTENSION etl.")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
enter(Entered *entered)
{
	Oid owner = owner_of_catalog();

	entered->caller = CurrentMemoryContext;
	GetUserIdAndSecContext(&entered->user, &entered->sec_context);
	entered->guc_level = NewGUCNestLevel();
	SetUserIdAndSecContext(owner, entered->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

static void
leave(const Entered *entered)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(true, entered->guc_level);
	SetUserIdAndSecContext(entered->user, entered->sec_context);
	MemoryContextSwitchTo(entered->caller);
}

void
EtlCatalogDo(void (*work)(void *arg), void *arg)
{
	Entered entered;

	enter(&entered);
	work(arg);
	leave(&entered);
}

/* ----------------------------------------------------------------
 *	Statements
 * ---------------------------------------------------------------- */

static void
add(Values *values, Datum value)
{
	values->values[values->n] = value;
	values->nulls[values->n++] = ' ';
}

static void
add_null(Values *values)
{
	values->values[values->n] = (Datum) 0;
	values->nulls[values->n++] = 'n';
}

static void
add_text(Values *values, const char *text)
{
	if (text != NULL)
		add(values, CStringGetTextDatum(text));
	else
		add_null(values);
}

static void
add_bigint(Values *values, int64 value)
{
	add(values, Int64GetDatum(value));
}

/* An array of text, NULL if the list is empty and that is what an empty one means. */
static void
add_list(Values *values, List *list, bool empty_is_null)
{
	Datum *elements = palloc(sizeof(Datum) * (list_length(list) + 1));
	ListCell *lc;

	if (list == NIL && empty_is_null)
	{
		add_null(values);
		return;
	}
	foreach (lc, list)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	add(values, PointerGetDatum(construct_array(elements, list_length(list), TEXTOID, -1, false,
												TYPALIGN_INT)));
}

/* Runs a statement between enter and leave; returns the number of rows. */
static uint64
execute(Statement *statement, Values *values)
{
	int result;

	if (values->n != statement->nparameters)
		elog(ERROR, "%d values for %d parameters", values->n, statement->nparameters);
	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement->text, statement->nparameters, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values->values, values->nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* Runs a statement that returns nothing. */
static uint64
run(Statement *statement, Values *values)
{
	Entered entered;
	uint64 n;

	enter(&entered);
	n = execute(statement, values);
	leave(&entered);
	return n;
}

/* Column (from 1) of a row of the result, as text in the caller's memory context. */
static char *
result_text(const Entered *entered, int row, int column)
{
	MemoryContext old = MemoryContextSwitchTo(entered->caller);
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	MemoryContextSwitchTo(old);
	return value;
}

static Datum
result_datum(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static int64
result_bigint(int row, int column, int64 otherwise)
{
	bool isnull;
	Datum value = result_datum(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

/* Runs a statement that returns a number. */
static int64
run_for_bigint(Statement *statement, Values *values)
{
	Entered entered;
	int64 result;

	enter(&entered);
	(void) execute(statement, values);
	result = result_bigint(0, 1, 0);
	leave(&entered);
	return result;
}

/* A column of type text[] as a list in the caller's memory context. */
static List *
result_list(const Entered *entered, int row, int column)
{
	bool isnull;
	Datum value = result_datum(row, column, &isnull);
	MemoryContext old;
	List *list = NIL;
	Datum *elements;
	int n;

	if (isnull)
		return NIL;
	old = MemoryContextSwitchTo(entered->caller);
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	for (int i = 0; i < n; i++)
		list = lappend(list, TextDatumGetCString(elements[i]));
	MemoryContextSwitchTo(old);
	return list;
}

/* ----------------------------------------------------------------
 *	Definitions
 * ---------------------------------------------------------------- */

#define PIPELINE_COLUMNS                                                                         \
	"id, name, owner::oid::bigint, search_path, source, query, target, key, mode, on_conflict, " \
	"watermark, watermark_lag, watermark_max, rules::text, "                                     \
	"ARRAY(SELECT key FROM jsonb_each_text(rules) WITH ORDINALITY AS r(key, value, n) "          \
	"ORDER BY n), "                                                                              \
	"ARRAY(SELECT value FROM jsonb_each_text(rules) WITH ORDINALITY AS r(key, value, n) "        \
	"ORDER BY n), "                                                                              \
	"redact, batch_size::bigint, flush_interval, "                                               \
	"(extract(epoch FROM flush_interval) * 1000)::bigint, on_error, reject_limit, on_shutdown, " \
	"max_runtime, (extract(epoch FROM max_runtime) * 1000)::bigint, enabled::int::bigint, "      \
	"whole::int::bigint, etl_catalog.is_at_home(system_identifier, database)::int::bigint "

static EtlPipeline *
result_pipeline(const Entered *entered)
{
	EtlPipeline *p = MemoryContextAllocZero(entered->caller, sizeof(EtlPipeline));
	List *names = result_list(entered, 0, 15);
	List *expressions = result_list(entered, 0, 16);
	MemoryContext old = MemoryContextSwitchTo(entered->caller);
	ListCell *name, *expression;

	forboth (name, names, expression, expressions)
	{
		EtlRule *rule = palloc(sizeof(EtlRule));

		rule->name = lfirst(name);
		rule->expression = lfirst(expression);
		p->rules = lappend(p->rules, rule);
	}
	MemoryContextSwitchTo(old);
	p->id = result_bigint(0, 1, 0);
	p->name = result_text(entered, 0, 2);
	p->owner = (Oid) result_bigint(0, 3, 0);
	p->search_path = result_text(entered, 0, 4);
	p->source = result_text(entered, 0, 5);
	p->query = result_text(entered, 0, 6);
	p->target = result_text(entered, 0, 7);
	p->key = result_list(entered, 0, 8);
	p->mode = result_text(entered, 0, 9);
	p->on_conflict = result_text(entered, 0, 10);
	p->watermark = result_text(entered, 0, 11);
	p->watermark_lag = result_text(entered, 0, 12);
	p->watermark_max = result_text(entered, 0, 13);
	p->rules_json = result_text(entered, 0, 14);
	p->redact = result_list(entered, 0, 17);
	p->batch_size = (int) result_bigint(0, 18, 0);
	p->flush_interval = result_text(entered, 0, 19);
	p->flush_ms = result_bigint(0, 20, 0);
	p->on_error = result_text(entered, 0, 21);
	p->reject_limit = result_bigint(0, 22, -1);
	p->on_shutdown = result_text(entered, 0, 23);
	p->max_runtime = result_text(entered, 0, 24);
	p->max_runtime_ms = result_bigint(0, 25, 0);
	p->enabled = result_bigint(0, 26, 0) != 0;
	p->whole = result_bigint(0, 27, 0) != 0;
	p->at_home = result_bigint(0, 28, 0) != 0;
	return p;
}

static EtlPipeline *
find_pipeline(Statement *statement, Values *values)
{
	EtlPipeline *pipeline = NULL;
	Entered entered;

	enter(&entered);
	if (execute(statement, values) > 0)
		pipeline = result_pipeline(&entered);
	leave(&entered);
	return pipeline;
}

EtlPipeline *
EtlCatalogFind(const char *name, bool missing_ok)
{
	static Statement statement = {
		"SELECT " PIPELINE_COLUMNS "FROM etl_catalog.pipelines WHERE name = $1", 1, {TEXTOID}};
	Values values = {0};
	EtlPipeline *pipeline;

	add_text(&values, name);
	pipeline = find_pipeline(&statement, &values);
	if (pipeline == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("pipeline \"%s\" does not exist", name),
				 errhint("The view etl_pipelines lists the pipelines that you may see.")));
	return pipeline;
}

EtlPipeline *
EtlCatalogGet(int64 id)
{
	static Statement statement = {
		"SELECT " PIPELINE_COLUMNS "FROM etl_catalog.pipelines WHERE id = $1", 1, {INT8OID}};
	Values values = {0};

	add_bigint(&values, id);
	return find_pipeline(&statement, &values);
}

/* The columns that a user sets, in the order of the statements below. */
static void
add_definition(Values *values, const EtlPipeline *p)
{
	add_text(values, p->source);
	add_text(values, p->query);
	add_text(values, p->target);
	add_list(values, p->key, true);
	add_text(values, p->mode);
	add_text(values, p->on_conflict);
	add_text(values, p->watermark);
	add_text(values, p->watermark_lag);
	add_text(values, p->watermark_max);
	add_text(values, p->rules_json);
	add_list(values, p->redact, false);
	add_bigint(values, p->batch_size);
	add_text(values, p->flush_interval);
	add_text(values, p->on_error);
	if (p->reject_limit >= 0)
		add_bigint(values, p->reject_limit);
	else
		add_null(values);
	add_text(values, p->on_shutdown);
	add_text(values, p->max_runtime);
	add(values, BoolGetDatum(p->enabled));
	add(values, BoolGetDatum(p->whole));
}

#define DEFINITION_TYPES                                                                           \
	TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
		TEXTARRAYOID, INT8OID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, BOOLOID, BOOLOID

int64
EtlCatalogInsert(const EtlPipeline *pipeline)
{
	static Statement statement = {
		"INSERT INTO etl_catalog.pipelines (source, query, target, key, mode, on_conflict, "
		"watermark, watermark_lag, watermark_max, rules, redact, batch_size, flush_interval, "
		"on_error, reject_limit, on_shutdown, max_runtime, enabled, whole, name, search_path, owner, "
		"system_identifier, database) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::int, $13::interval, "
		"$14, $15, $16, $17::interval, $18, $19, $20, $21, $22::regrole, $23, $24) RETURNING id",
		24,
		{DEFINITION_TYPES, TEXTOID, TEXTOID, OIDOID, INT8OID, OIDOID}};
	Values values = {0};

	add_definition(&values, pipeline);
	add_text(&values, pipeline->name);
	add_text(&values, pipeline->search_path);
	add(&values, ObjectIdGetDatum(pipeline->owner));
	add_bigint(&values, (int64) GetSystemIdentifier());
	add(&values, ObjectIdGetDatum(MyDatabaseId));
	return run_for_bigint(&statement, &values);
}

void
EtlCatalogUpdate(const EtlPipeline *pipeline)
{
	static Statement statement = {
		"UPDATE etl_catalog.pipelines SET (source, query, target, key, mode, on_conflict, "
		"watermark, watermark_lag, watermark_max, rules, redact, batch_size, flush_interval, "
		"on_error, reject_limit, on_shutdown, max_runtime, enabled, whole, owner) "
		"= ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::int, $13::interval, "
		"$14, $15, $16, $17::interval, $18, $19, $21::regrole) WHERE id = $20",
		21,
		{DEFINITION_TYPES, INT8OID, OIDOID}};
	Values values = {0};

	add_definition(&values, pipeline);
	add_bigint(&values, pipeline->id);
	add(&values, ObjectIdGetDatum(pipeline->owner));
	(void) run(&statement, &values);
}

void
EtlCatalogSetEnabled(int64 id, bool enabled)
{
	static Statement statement = {
		"UPDATE etl_catalog.pipelines SET enabled = $2 WHERE id = $1", 2, {INT8OID, BOOLOID}};
	Values values = {0};

	add_bigint(&values, id);
	add(&values, BoolGetDatum(enabled));
	(void) run(&statement, &values);
}

void
EtlCatalogDelete(int64 id)
{
	static Statement statement = {"WITH p AS (DELETE FROM etl_catalog.pipelines WHERE id = $1), "
								  "c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1), "
								  "w AS (DELETE FROM etl_catalog.watermarks WHERE pipeline = $1), "
								  "r AS (DELETE FROM etl_catalog.runs WHERE pipeline = $1) "
								  "DELETE FROM etl_catalog.dead_letters WHERE pipeline = $1",
								  1,
								  {INT8OID}};
	Values values = {0};

	add_bigint(&values, id);
	(void) run(&statement, &values);
}

int64
EtlCatalogAdopt(void)
{
	static Statement statement = {"UPDATE etl_catalog.pipelines "
								  "SET system_identifier = $1, database = $2 "
								  "WHERE NOT etl_catalog.is_at_home(system_identifier, database)",
								  2,
								  {INT8OID, OIDOID}};
	Values values = {0};

	add_bigint(&values, (int64) GetSystemIdentifier());
	add(&values, ObjectIdGetDatum(MyDatabaseId));
	return (int64) run(&statement, &values);
}

char *
EtlCatalogFunctionSchema(void)
{
	static Statement statement = {"SELECT quote_ident(nspname) FROM pg_extension AS e "
								  "JOIN pg_namespace AS n ON n.oid = e.extnamespace "
								  "WHERE extname = 'etl'",
								  0};
	Values values = {0};
	Entered entered;
	char *schema = NULL;

	enter(&entered);
	if (execute(&statement, &values) > 0)
		schema = result_text(&entered, 0, 1);
	leave(&entered);
	if (schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"etl\" does not exist")));
	return schema;
}

/* ----------------------------------------------------------------
 *	Runs
 * ---------------------------------------------------------------- */

/* The caller holds the lock of the pipeline: whatever else says that it is running has died. */
int64
EtlCatalogStartRun(int64 pipeline, const char *kind)
{
	static Statement crashed = {"WITH ended AS (UPDATE etl_catalog.runs SET state = 'crashed' "
								"WHERE pipeline = $1 AND state = 'running' "
								"RETURNING *) " ETL_ADD_TO_TOTALS,
								1,
								{INT8OID}};
	static Statement start = {"INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, "
							  "started_at) VALUES ($1, $2, 'running', pg_backend_pid(), "
							  "clock_timestamp()) RETURNING id",
							  2,
							  {INT8OID, TEXTOID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	(void) run(&crashed, &values);
	add_text(&values, kind);
	return run_for_bigint(&start, &values);
}

/*
 * The fence: a run whose lock was taken from it, and which was therefore declared dead by the next one,
 * finds no row here, and must not commit what it has done.
 */
void
EtlCatalogUpdateRun(int64 run_id, const EtlRunCounters *c)
{
	static Statement statement = {
		"UPDATE etl_catalog.runs SET (batches, read, malformed, convert_failed, converted, "
		"emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped) "
		"= ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11 - $12, $13) "
		"WHERE id = $1 AND state = 'running'",
		13,
		{INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
		 INT8OID, INT8OID, INT8OID}};
	const int64 counters[] = {c->batches,	  c->read,	  c->malformed, c->convert_failed,
							  c->converted,	  c->emitted, c->invalid,	c->superseded,
							  c->load_failed, c->loaded};
	Values values = {0};

	add_bigint(&values, run_id);
	for (int i = 0; i < lengthof(counters); i++)
		add_bigint(&values, counters[i]);
	if (c->loaded_only)
		add_null(&values);
	else
		add_bigint(&values, c->inserted);
	add_bigint(&values, c->skipped);
	if (run(&statement, &values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %lld is no longer the one that runs the pipeline", (long long) run_id),
				 errdetail("Another run has started, or the pipeline was dropped.")));
}

void
EtlCatalogEndRun(int64 run_id, const char *state, const char *sqlstate, const char *message)
{
	static Statement statement = {
		"WITH ended AS (UPDATE etl_catalog.runs SET state = $2, sqlstate = $3, message = $4, "
		"finished_at = clock_timestamp() WHERE id = $1 AND state = 'running' "
		"RETURNING *) " ETL_ADD_TO_TOTALS,
		4,
		{INT8OID, TEXTOID, TEXTOID, TEXTOID}};
	Values values = {0};

	add_bigint(&values, run_id);
	add_text(&values, state);
	add_text(&values, sqlstate);
	add_text(&values, message);
	(void) run(&statement, &values);
}

void
EtlCatalogRunResult(int64 run_id, Datum *results, bool *isnull, char **sqlstate, char **message)
{
	static Statement statement = {
		"SELECT id, state, read, malformed, convert_failed, converted, emitted, invalid, "
		"superseded, load_failed, loaded, inserted, updated, skipped, sqlstate, message "
		"FROM etl_catalog.runs WHERE id = $1",
		1,
		{INT8OID}};
	Values values = {0};
	Entered entered;

	add_bigint(&values, run_id);
	enter(&entered);
	if (execute(&statement, &values) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("run %lld does not exist any more", (long long) run_id)));
	for (int i = 0; i < ETL_RUN_RESULTS; i++)
		results[i] = result_datum(0, i + 1, &isnull[i]);
	*sqlstate = result_text(&entered, 0, ETL_RUN_RESULTS + 1);
	*message = result_text(&entered, 0, ETL_RUN_RESULTS + 2);
	MemoryContextSwitchTo(entered.caller);
	results[1] = CStringGetTextDatum(result_text(&entered, 0, 2)); /* the others are by value */
	leave(&entered);
}

/* ----------------------------------------------------------------
 *	Checkpoints and watermarks
 * ---------------------------------------------------------------- */

List *
EtlCatalogCheckpoints(int64 pipeline)
{
	static Statement statement = {"SELECT part, position, skipped FROM etl_catalog.checkpoints "
								  "WHERE pipeline = $1 ORDER BY part",
								  1,
								  {INT8OID}};
	Values values = {0};
	Entered entered;
	List *list = NIL;
	uint64 n;

	add_bigint(&values, pipeline);
	enter(&entered);
	n = execute(&statement, &values);
	for (uint64 i = 0; i < n; i++)
	{
		EtlCheckpoint *checkpoint = MemoryContextAlloc(entered.caller, sizeof(EtlCheckpoint));
		MemoryContext old;

		checkpoint->part = result_text(&entered, i, 1);
		checkpoint->position = result_text(&entered, i, 2);
		checkpoint->skipped = result_bigint(i, 3, 0);
		old = MemoryContextSwitchTo(entered.caller);
		list = lappend(list, checkpoint);
		MemoryContextSwitchTo(old);
	}
	leave(&entered);
	return list;
}

void
EtlCatalogSetCheckpoint(int64 pipeline, const EtlCheckpoint *checkpoint)
{
	static Statement statement = {
		"INSERT INTO etl_catalog.checkpoints (pipeline, part, position, skipped) "
		"VALUES ($1, $2, $3, $4) ON CONFLICT (pipeline, part) "
		"DO UPDATE SET position = excluded.position, skipped = excluded.skipped",
		4,
		{INT8OID, TEXTOID, TEXTOID, INT8OID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_text(&values, checkpoint->part);
	add_text(&values, checkpoint->position);
	add_bigint(&values, checkpoint->skipped);
	(void) run(&statement, &values);
}

char *
EtlCatalogWatermark(int64 pipeline, bool pending)
{
	static Statement statement = {
		"SELECT CASE WHEN $2 THEN pending ELSE value END FROM etl_catalog.watermarks "
		"WHERE pipeline = $1",
		2,
		{INT8OID, BOOLOID}};
	Values values = {0};
	Entered entered;
	char *value = NULL;

	add_bigint(&values, pipeline);
	add(&values, BoolGetDatum(pending));
	enter(&entered);
	if (execute(&statement, &values) > 0)
		value = result_text(&entered, 0, 1);
	leave(&entered);
	return value;
}

void
EtlCatalogSetPending(int64 pipeline, const char *type, const char *value)
{
	static Statement statement = {
		"INSERT INTO etl_catalog.watermarks (pipeline, type, pending) VALUES ($1, $2, $3) "
		"ON CONFLICT (pipeline) DO UPDATE SET type = excluded.type, pending = excluded.pending",
		3,
		{INT8OID, TEXTOID, TEXTOID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_text(&values, type);
	add_text(&values, value);
	(void) run(&statement, &values);
}

void
EtlCatalogPublishWatermark(int64 pipeline)
{
	static Statement statement = {"UPDATE etl_catalog.watermarks SET value = pending "
								  "WHERE pipeline = $1 AND value IS DISTINCT FROM pending",
								  1,
								  {INT8OID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	(void) run(&statement, &values);
}

void
EtlCatalogReset(int64 pipeline)
{
	static Statement statement = {
		"WITH c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1) "
		"DELETE FROM etl_catalog.watermarks WHERE pipeline = $1",
		1,
		{INT8OID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	(void) run(&statement, &values);
}

/* ----------------------------------------------------------------
 *	Dead letters
 * ---------------------------------------------------------------- */

int64
EtlCatalogAddDeadLetter(int64 pipeline, int64 run_id, const EtlDeadLetter *l)
{
	static Statement statement = {
		"INSERT INTO etl_catalog.dead_letters (pipeline, run, stage, source, line, page, index, "
		"byte_offset, column_name, value, raw, header, rule, sqlstate, message, detail, replayable) "
		"VALUES ($1, $2, $3, $4, nullif($5, 0), nullif($6, 0), nullif($7, 0), $8, $9, $10, $11, $12, "
		"$13, $14, $15, $16, $17) RETURNING id",
		17,
		{INT8OID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID,
		 TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_bigint(&values, run_id);
	add_text(&values, l->stage);
	add_text(&values, l->source);
	add_bigint(&values, l->line);
	add_bigint(&values, l->page);
	add_bigint(&values, l->index);
	add_bigint(&values, l->offset);
	add_text(&values, l->column);
	add_text(&values, l->value);
	add_text(&values, l->raw);
	add_text(&values, l->header);
	add_text(&values, l->rule);
	add_text(&values, l->sqlstate);
	add_text(&values, l->message);
	add_text(&values, l->detail);
	add(&values, BoolGetDatum(l->replayable));
	return run_for_bigint(&statement, &values);
}

/* No more than fit into memory: as many as there may be records in a batch, and 16 MB of them. */
#define LETTERS(which, order)                                                                  \
	"SELECT id, source, line, page, index, byte_offset, raw, header FROM (SELECT *, "          \
	"sum(octet_length(raw)) OVER (ORDER BY " order " ROWS UNBOUNDED PRECEDING) AS size "       \
	"FROM etl_catalog.dead_letters "                                                           \
	"WHERE pipeline = $1 AND resolved_at IS NULL AND replayable AND " which " ORDER BY " order \
	" LIMIT $3) AS l WHERE size - octet_length(raw) < 16777216 ORDER BY " order

static List *
list_letters(Statement *statement, Values *values)
{
	Entered entered;
	List *list = NIL;
	uint64 found;

	enter(&entered);
	found = execute(statement, values);
	for (uint64 i = 0; i < found; i++)
	{
		EtlDeadLetter *letter = MemoryContextAllocZero(entered.caller, sizeof(EtlDeadLetter));
		MemoryContext old;

		letter->id = result_bigint(i, 1, 0);
		letter->source = result_text(&entered, i, 2);
		letter->line = result_bigint(i, 3, 0);
		letter->page = result_bigint(i, 4, 0);
		letter->index = result_bigint(i, 5, 0);
		letter->offset = result_bigint(i, 6, 0);
		letter->raw = result_text(&entered, i, 7);
		letter->header = result_text(&entered, i, 8);
		old = MemoryContextSwitchTo(entered.caller);
		list = lappend(list, letter);
		MemoryContextSwitchTo(old);
	}
	leave(&entered);
	return list;
}

List *
EtlCatalogDeadLetters(int64 pipeline, int64 after, int n)
{
	static Statement statement = {LETTERS("id > $2", "id"), 3, {INT8OID, INT8OID, INT8OID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_bigint(&values, after);
	add_bigint(&values, n);
	return list_letters(&statement, &values);
}

List *
EtlCatalogDeadLettersOf(int64 pipeline, int64 run_id, const char *sqlstate, int64 after,
						bool backwards, int n)
{
	static Statement forward = {LETTERS("id > $2 AND run = $4 AND sqlstate = $5", "id"),
								5,
								{INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID}};
	static Statement backward = {LETTERS("id < $2 AND run = $4 AND sqlstate = $5", "id DESC"),
								 5,
								 {INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_bigint(&values, after);
	add_bigint(&values, n);
	add_bigint(&values, run_id);
	add_text(&values, sqlstate);
	return list_letters(backwards ? &backward : &forward, &values);
}

void
EtlCatalogResolve(int64 letter, int64 run_id)
{
	static Statement statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
								  "resolved_by = $2 WHERE id = $1",
								  2,
								  {INT8OID, INT8OID}};
	Values values = {0};

	add_bigint(&values, letter);
	add_bigint(&values, run_id);
	(void) run(&statement, &values);
}

void
EtlCatalogResolveBefore(int64 pipeline, int64 run_id)
{
	static Statement statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
								  "resolved_by = $2 WHERE pipeline = $1 AND run < $2 "
								  "AND resolved_at IS NULL",
								  2,
								  {INT8OID, INT8OID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_bigint(&values, run_id);
	(void) run(&statement, &values);
}

void
EtlCatalogFailedAgain(int64 letter, const char *stage, const char *sqlstate, const char *message,
					  const char *detail)
{
	static Statement statement = {
		"UPDATE etl_catalog.dead_letters SET attempts = attempts + 1, last_at = now(), "
		"stage = $2, sqlstate = $3, message = $4, detail = $5 WHERE id = $1",
		5,
		{INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};
	Values values = {0};

	add_bigint(&values, letter);
	add_text(&values, stage);
	add_text(&values, sqlstate);
	add_text(&values, message);
	add_text(&values, detail);
	(void) run(&statement, &values);
}

int64
EtlCatalogPurge(int64 pipeline, const char *age, bool open)
{
	static Statement statement = {
		"WITH r AS (DELETE FROM etl_catalog.runs WHERE pipeline = $1 AND state <> 'running' "
		"AND started_at < now() - $2::interval RETURNING 1), "
		"d AS (DELETE FROM etl_catalog.dead_letters WHERE pipeline = $1 "
		"AND (resolved_at < now() - $2::interval "
		"OR $3 AND resolved_at IS NULL AND last_at < now() - $2::interval) RETURNING 1) "
		"SELECT (SELECT count(*) FROM r) + (SELECT count(*) FROM d)",
		3,
		{INT8OID, TEXTOID, BOOLOID}};
	Values values = {0};

	add_bigint(&values, pipeline);
	add_text(&values, age);
	add(&values, BoolGetDatum(open));
	return run_for_bigint(&statement, &values);
}

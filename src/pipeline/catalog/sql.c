/*
 * sql.c
 *		SQL on the tables of etl_catalog, with the rights of their owner.
 *
 * Nobody but their owner may touch these tables, so each statement runs as that owner: the rights are raised
 * right before it, with a search_path in which no object of a user can stand before one of pg_catalog,
 * and dropped right behind it.  Nothing that a user wrote runs in between.  An error in between gives the
 * rights back as well, when the (sub)transaction is aborted.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* ----------------------------------------------------------------
 *	Rights
 * ---------------------------------------------------------------- */

/* Between enter and leave there are the rights, and a connection to SPI. */
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
	AtEOXact_GUC(false, entered->guc_level);
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
 *	Values
 * ---------------------------------------------------------------- */

void
EtlSqlAdd(EtlSqlValues *values, Oid type, Datum value)
{
	Assert(values->n < ETL_SQL_MAX_PARAMETERS);
	values->types[values->n] = type;
	values->values[values->n] = value;
	values->nulls[values->n++] = ' ';
}

void
EtlSqlAddNull(EtlSqlValues *values, Oid type)
{
	EtlSqlAdd(values, type, (Datum) 0);
	values->nulls[values->n - 1] = 'n';
}

void
EtlSqlAddText(EtlSqlValues *values, const char *text)
{
	if (text != NULL)
		EtlSqlAdd(values, TEXTOID, CStringGetTextDatum(text));
	else
		EtlSqlAddNull(values, TEXTOID);
}

void
EtlSqlAddBigint(EtlSqlValues *values, int64 value)
{
	EtlSqlAdd(values, INT8OID, Int64GetDatum(value));
}

void
EtlSqlAddBoolean(EtlSqlValues *values, bool value)
{
	EtlSqlAdd(values, BOOLOID, BoolGetDatum(value));
}

void
EtlSqlAddTime(EtlSqlValues *values, int64 time)
{
	if (time != 0)
		EtlSqlAdd(values, TIMESTAMPTZOID, TimestampTzGetDatum(time));
	else
		EtlSqlAddNull(values, TIMESTAMPTZOID);
}

static void
add_texts(EtlSqlValues *values, List *list)
{
	Datum *elements = palloc(sizeof(Datum) * (list_length(list) + 1));
	ListCell *lc;

	foreach (lc, list)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	EtlSqlAdd(values, TEXTARRAYOID,
			  PointerGetDatum(
				  construct_array(elements, list_length(list), TEXTOID, -1, false, TYPALIGN_INT)));
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

/* What a parameter is sent as, and cast to. */
static const struct
{
	Oid type;
	const char *cast;
} parameters[] = {
	[ETL_SQL_BOOLEAN] = {BOOLOID, ""},	  [ETL_SQL_INT] = {INT4OID, ""},
	[ETL_SQL_BIGINT] = {INT8OID, ""},	  [ETL_SQL_TIME] = {TIMESTAMPTZOID, ""},
	[ETL_SQL_ROLE] = {OIDOID, ""},		  [ETL_SQL_TEXT] = {TEXTOID, ""},
	[ETL_SQL_TEXTS] = {TEXTARRAYOID, ""}, [ETL_SQL_JSON] = {TEXTOID, "::jsonb"},
	[ETL_SQL_WORD] = {TEXTOID, ""},		  [ETL_SQL_INTERVAL] = {TEXTOID, "::interval"},
};

char *
EtlSqlNames(const EtlSqlColumn *columns, int n)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < n; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", quote_identifier(columns[i].name));
	return names.data;
}

char *
EtlSqlParameters(const EtlSqlColumn *columns, int n, int first)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s$%d%s", i > 0 ? ", " : "", first + i,
						 parameters[columns[i].type].cast);
	return list.data;
}

int64
EtlIntervalMs(Datum interval)
{
	Datum seconds = DirectFunctionCall2(interval_part, CStringGetTextDatum("epoch"), interval);

	/* an infinite one is longer than any number of ms that is used */
	return (int64) Max(Min(DatumGetFloat8(seconds) * 1000, 1e18), -1e18);
}

static void
add_number(EtlSqlValues *values, const EtlSqlColumn *column, int64 value)
{
	Oid type = parameters[column->type].type;

	if (column->nullable && value == column->null)
		EtlSqlAddNull(values, type);
	else
		EtlSqlAdd(values, type, Int64GetDatum(value));
}

static void
add_member(EtlSqlValues *values, const EtlSqlColumn *column, const void *member)
{
	switch (column->type)
	{
		case ETL_SQL_BOOLEAN:
			EtlSqlAddBoolean(values, *(const bool *) member);
			break;
		case ETL_SQL_INT:
			EtlSqlAdd(values, INT4OID, Int32GetDatum(*(const int *) member));
			break;
		case ETL_SQL_BIGINT:
		case ETL_SQL_TIME:
			add_number(values, column, *(const int64 *) member);
			break;
		case ETL_SQL_ROLE:
			EtlSqlAdd(values, OIDOID, ObjectIdGetDatum(*(const Oid *) member));
			break;
		case ETL_SQL_TEXT:
		case ETL_SQL_JSON:
			EtlSqlAddText(values, *(char *const *) member);
			break;
		case ETL_SQL_TEXTS:
			if (column->nullable && *(List *const *) member == NIL)
				EtlSqlAddNull(values, TEXTARRAYOID);
			else
				add_texts(values, *(List *const *) member);
			break;
		case ETL_SQL_WORD:
			EtlSqlAddText(values, EtlWordName(column->words, *(const int *) member));
			break;
		case ETL_SQL_INTERVAL:
			EtlSqlAddText(values, ((const EtlInterval *) member)->text);
			break;
	}
}

void
EtlSqlAddStruct(EtlSqlValues *values, const EtlSqlColumn *columns, int n, const void *from)
{
	for (int i = 0; i < n; i++)
		add_member(values, &columns[i], (const char *) from + columns[i].offset);
}

static List *
texts_of(Datum array)
{
	List *list = NIL;
	Datum *elements;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	for (int i = 0; i < n; i++)
		list = lappend(list, TextDatumGetCString(elements[i]));
	return list;
}

/* A value of a row into a member, in the current memory context; the member is 0 before. */
static void
read_member(HeapTuple row, TupleDesc desc, int number, const EtlSqlColumn *column, void *member)
{
	bool isnull;
	Datum value = SPI_getbinval(row, desc, number, &isnull);

	switch (column->type)
	{
		case ETL_SQL_BOOLEAN:
			*(bool *) member = !isnull && DatumGetBool(value);
			break;
		case ETL_SQL_INT:
			*(int *) member = isnull ? (int) column->null : DatumGetInt32(value);
			break;
		case ETL_SQL_BIGINT:
		case ETL_SQL_TIME:
			*(int64 *) member = isnull ? column->null : DatumGetInt64(value);
			break;
		case ETL_SQL_ROLE:
			*(Oid *) member = isnull ? InvalidOid : DatumGetObjectId(value);
			break;
		case ETL_SQL_TEXT:
		case ETL_SQL_JSON:
			*(char **) member = SPI_getvalue(row, desc, number);
			break;
		case ETL_SQL_TEXTS:
			*(List **) member = isnull ? NIL : texts_of(value);
			break;
		case ETL_SQL_WORD:
			*(int *) member = isnull ? (int) column->null
									 : EtlWordOf(column->words, SPI_getvalue(row, desc, number));
			break;
		case ETL_SQL_INTERVAL:
			((EtlInterval *) member)->text = SPI_getvalue(row, desc, number);
			((EtlInterval *) member)->ms = isnull ? 0 : EtlIntervalMs(value);
			break;
	}
}

static void *
read_row(HeapTuple row, TupleDesc desc, const EtlSqlColumn *columns, int n, size_t size)
{
	char *to = palloc0(size);

	for (int i = 0; i < n; i++)
	{
		int number = SPI_fnumber(desc, columns[i].name);

		if (number == SPI_ERROR_NOATTRIBUTE)
			elog(ERROR, "a statement gives no column \"%s\"", columns[i].name);
		read_member(row, desc, number, &columns[i], to + columns[i].offset);
	}
	return to;
}

/* ----------------------------------------------------------------
 *	Statements
 * ---------------------------------------------------------------- */

const char *
EtlSqlText(const char *format, ...)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list args;
		int needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	MemoryContextSwitchTo(old);
	return text.data;
}

/* Between enter and leave. */
static uint64
execute(EtlSql *statement, EtlSqlValues *values)
{
	int result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement->text, values->n, values->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	Assert(SPI_getargcount(statement->plan) == values->n);
	if (statement->latest)
		PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan(statement->plan, values->values, values->nulls, statement->latest, 0);
	if (statement->latest)
		PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
EtlSqlRun(EtlSql *statement, EtlSqlValues *values)
{
	Entered entered;
	uint64 n;

	enter(&entered);
	n = execute(statement, values);
	leave(&entered);
	return n;
}

List *
EtlSqlSelect(EtlSql *statement, EtlSqlValues *values, const EtlSqlColumn *columns, int n,
			 size_t size)
{
	List *list = NIL;
	Entered entered;

	enter(&entered);
	(void) execute(statement, values);
	MemoryContextSwitchTo(entered.caller);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list =
			lappend(list, read_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, columns, n, size));
	}
	leave(&entered);
	return list;
}

int64
EtlSqlRunForBigint(EtlSql *statement, EtlSqlValues *values)
{
	Entered entered;
	int64 result = 0;

	enter(&entered);
	if (execute(statement, values) > 0)
	{
		bool isnull;
		Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		result = isnull ? 0 : DatumGetInt64(value);
	}
	leave(&entered);
	return result;
}

char *
EtlSqlRunForText(EtlSql *statement, EtlSqlValues *values)
{
	Entered entered;
	char *result = NULL;

	enter(&entered);
	if (execute(statement, values) > 0)
	{
		MemoryContextSwitchTo(entered.caller);
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	}
	leave(&entered);
	return result;
}

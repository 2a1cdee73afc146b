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

/* Between raise_rights and drop_rights there are the rights, and a connection to SPI. */
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
raise_rights(Entered *entered)
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
drop_rights(const Entered *entered)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, entered->guc_level);
	SetUserIdAndSecContext(entered->user, entered->sec_context);
	MemoryContextSwitchTo(entered->caller);
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

EtlSqlValue
EtlValueText(const char *text)
{
	return (EtlSqlValue){TEXTOID, text == NULL,
						 text != NULL ? CStringGetTextDatum(text) : (Datum) 0};
}

EtlSqlValue
EtlValueBigint(int64 value)
{
	return (EtlSqlValue){INT8OID, false, Int64GetDatum(value)};
}

EtlSqlValue
EtlValueBoolean(bool value)
{
	return (EtlSqlValue){BOOLOID, false, BoolGetDatum(value)};
}

EtlSqlValue
EtlValueOid(Oid value)
{
	return (EtlSqlValue){OIDOID, false, ObjectIdGetDatum(value)};
}

EtlSqlValue
EtlValueTime(int64 time)
{
	return (EtlSqlValue){TIMESTAMPTZOID, time == 0, TimestampTzGetDatum(time)};
}

EtlSqlValue
EtlValueTexts(List *texts)
{
	Datum *elements = palloc(sizeof(Datum) * (list_length(texts) + 1));
	ListCell *lc;

	foreach (lc, texts)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return (EtlSqlValue){TEXTARRAYOID, false,
						 PointerGetDatum(construct_array(elements, list_length(texts), TEXTOID, -1,
														 false, TYPALIGN_INT))};
}

EtlSqlValue
EtlValueStruct(const EtlSqlColumn *columns, int n, const void *from)
{
	return (EtlSqlValue){.columns = columns, .n = n, .from = from};
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

/* What a parameter is cast to. */
static const char *const casts[] = {
	[ETL_SQL_BOOLEAN] = "",		[ETL_SQL_INT] = "",
	[ETL_SQL_BIGINT] = "",		[ETL_SQL_TIME] = "",
	[ETL_SQL_ROLE] = "",		[ETL_SQL_TEXT] = "",
	[ETL_SQL_TEXTS] = "",		[ETL_SQL_WORD] = "",
	[ETL_SQL_JSON] = "::jsonb", [ETL_SQL_INTERVAL] = "::interval",
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
		appendStringInfo(&list, "%s$%d%s", i > 0 ? ", " : "", first + i, casts[columns[i].type]);
	return list.data;
}

int64
EtlIntervalMs(Datum interval)
{
	Datum seconds = DirectFunctionCall2(interval_part, CStringGetTextDatum("epoch"), interval);

	/* an infinite one is longer than any number of ms that is used */
	return (int64) Max(Min(DatumGetFloat8(seconds) * 1000, 1e18), -1e18);
}

static EtlSqlValue
member_value(const EtlSqlColumn *column, const void *member)
{
	EtlSqlValue value;

	switch (column->type)
	{
		case ETL_SQL_BOOLEAN:
			return EtlValueBoolean(*(const bool *) member);
		case ETL_SQL_INT:
			return (EtlSqlValue){INT4OID, false, Int32GetDatum(*(const int *) member)};
		case ETL_SQL_TIME:
			return EtlValueTime(*(const int64 *) member);
		case ETL_SQL_ROLE:
			return EtlValueOid(*(const Oid *) member);
		case ETL_SQL_WORD:
			return EtlValueText(EtlWordName(column->words, *(const int *) member));
		case ETL_SQL_INTERVAL:
			return EtlValueText(((const EtlInterval *) member)->text);
		case ETL_SQL_TEXTS:
			value = EtlValueTexts(*(List *const *) member);
			value.isnull = column->nullable && *(List *const *) member == NIL;
			return value;
		case ETL_SQL_BIGINT:
			value = EtlValueBigint(*(const int64 *) member);
			value.isnull = column->nullable && *(const int64 *) member == column->null;
			return value;
		default: /* ETL_SQL_TEXT, ETL_SQL_JSON */
			return EtlValueText(*(char *const *) member);
	}
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

void
EtlSqlStore(const EtlSqlColumn *column, Datum value, void *member)
{
	switch (column->type)
	{
		case ETL_SQL_BOOLEAN:
			*(bool *) member = DatumGetBool(value);
			break;
		case ETL_SQL_INT:
			*(int *) member = DatumGetInt32(value);
			break;
		case ETL_SQL_BIGINT:
		case ETL_SQL_TIME:
			*(int64 *) member = DatumGetInt64(value);
			break;
		case ETL_SQL_ROLE:
			*(Oid *) member = DatumGetObjectId(value);
			break;
		case ETL_SQL_WORD:
			*(int *) member = EtlWordOf(column->words, TextDatumGetCString(value));
			break;
		default:
			elog(ERROR, "column \"%s\" is stored by its owner", column->name);
	}
}

/* A null into a member, which is 0. */
static void
store_null(const EtlSqlColumn *column, void *member)
{
	if (column->type == ETL_SQL_INT || column->type == ETL_SQL_WORD)
		*(int *) member = (int) column->null;
	else if (column->type == ETL_SQL_BIGINT || column->type == ETL_SQL_TIME)
		*(int64 *) member = column->null;
}

/* A value of a row into a member, in the current memory context; the member is 0 before. */
static void
read_member(HeapTuple row, TupleDesc desc, int number, const EtlSqlColumn *column, void *member)
{
	bool isnull;
	Datum value = SPI_getbinval(row, desc, number, &isnull);

	if (isnull)
	{
		store_null(column, member);
		return;
	}
	switch (column->type)
	{
		case ETL_SQL_TEXT:
		case ETL_SQL_JSON:
			*(char **) member = SPI_getvalue(row, desc, number);
			break;
		case ETL_SQL_TEXTS:
			*(List **) member = texts_of(value);
			break;
		case ETL_SQL_INTERVAL:
			*(EtlInterval *) member =
				(EtlInterval){SPI_getvalue(row, desc, number), EtlIntervalMs(value)};
			break;
		default:
			EtlSqlStore(column, value, member);
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
EtlSqlKeep(const char *text)
{
	return MemoryContextStrdup(TopMemoryContext, text);
}

#define MAX_PARAMETERS 64

typedef struct Parameters
{
	int n;
	Oid types[MAX_PARAMETERS];
	Datum values[MAX_PARAMETERS];
	char nulls[MAX_PARAMETERS];
} Parameters;

static void
add_parameter(Parameters *parameters, const EtlSqlValue *value)
{
	for (int i = 0; i < value->n; i++)
	{
		EtlSqlValue member =
			member_value(&value->columns[i], (const char *) value->from + value->columns[i].offset);

		add_parameter(parameters, &member);
	}
	if (value->columns != NULL)
		return;
	Assert(parameters->n < MAX_PARAMETERS);
	parameters->types[parameters->n] = value->type;
	parameters->values[parameters->n] = value->value;
	parameters->nulls[parameters->n++] = value->isnull ? 'n' : ' ';
}

/* Between raise_rights and drop_rights. */
static uint64
execute_statement(EtlSql *statement, int n, const EtlSqlValue *values)
{
	Parameters p = {0};
	int result;

	for (int i = 0; i < n; i++)
		add_parameter(&p, &values[i]);
	if (statement->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement->text, p.n, p.types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	Assert(SPI_getargcount(statement->plan) == p.n);
	if (statement->latest)
		PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan(statement->plan, p.values, p.nulls, statement->latest, 0);
	if (statement->latest)
		PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
EtlSqlRun(EtlSql *statement, int n, const EtlSqlValue *values)
{
	Entered entered;
	uint64 found;

	raise_rights(&entered);
	found = execute_statement(statement, n, values);
	drop_rights(&entered);
	return found;
}

List *
EtlSqlSelect(EtlSql *statement, int nvalues, const EtlSqlValue *values, const EtlSqlColumn *columns,
			 int ncolumns, size_t size)
{
	List *list = NIL;
	Entered entered;

	raise_rights(&entered);
	(void) execute_statement(statement, nvalues, values);
	MemoryContextSwitchTo(entered.caller);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		list = lappend(
			list, read_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, columns, ncolumns, size));
	}
	drop_rights(&entered);
	return list;
}

int64
EtlSqlRunForBigint(EtlSql *statement, int n, const EtlSqlValue *values)
{
	Entered entered;
	int64 result = 0;

	raise_rights(&entered);
	if (execute_statement(statement, n, values) > 0)
	{
		bool isnull;
		Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		result = isnull ? 0 : DatumGetInt64(value);
	}
	drop_rights(&entered);
	return result;
}

char *
EtlSqlRunForText(EtlSql *statement, int n, const EtlSqlValue *values)
{
	Entered entered;
	char *result = NULL;

	raise_rights(&entered);
	if (execute_statement(statement, n, values) > 0)
	{
		MemoryContextSwitchTo(entered.caller);
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	}
	drop_rights(&entered);
	return result;
}

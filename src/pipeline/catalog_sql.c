/*
 * catalog_sql.c
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
#include "pipeline/catalog.h"
#include "pipeline/catalog_sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* ----------------------------------------------------------------
 *	Rights
 * ---------------------------------------------------------------- */

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

void
EtlSqlEnter(EtlSqlEntered *entered)
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

void
EtlSqlLeave(const EtlSqlEntered *entered)
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
	EtlSqlEntered entered;

	EtlSqlEnter(&entered);
	work(arg);
	EtlSqlLeave(&entered);
}

/* ----------------------------------------------------------------
 *	Statements
 * ---------------------------------------------------------------- */

void
EtlSqlAdd(EtlSqlValues *values, Datum value)
{
	values->values[values->n] = value;
	values->nulls[values->n++] = ' ';
}

void
EtlSqlAddNull(EtlSqlValues *values)
{
	values->values[values->n] = (Datum) 0;
	values->nulls[values->n++] = 'n';
}

void
EtlSqlAddText(EtlSqlValues *values, const char *text)
{
	if (text != NULL)
		EtlSqlAdd(values, CStringGetTextDatum(text));
	else
		EtlSqlAddNull(values);
}

void
EtlSqlAddBigint(EtlSqlValues *values, int64 value)
{
	EtlSqlAdd(values, Int64GetDatum(value));
}

void
EtlSqlAddList(EtlSqlValues *values, List *list, bool empty_is_null)
{
	Datum *elements = palloc(sizeof(Datum) * (list_length(list) + 1));
	ListCell *lc;

	if (list == NIL && empty_is_null)
	{
		EtlSqlAddNull(values);
		return;
	}
	foreach (lc, list)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	EtlSqlAdd(values, PointerGetDatum(construct_array(elements, list_length(list), TEXTOID, -1,
													  false, TYPALIGN_INT)));
}

uint64
EtlSqlExecute(EtlSql *statement, EtlSqlValues *values)
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

uint64
EtlSqlRun(EtlSql *statement, EtlSqlValues *values)
{
	EtlSqlEntered entered;
	uint64 n;

	EtlSqlEnter(&entered);
	n = EtlSqlExecute(statement, values);
	EtlSqlLeave(&entered);
	return n;
}

char *
EtlSqlText(const EtlSqlEntered *entered, int row, int column)
{
	MemoryContext old = MemoryContextSwitchTo(entered->caller);
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	MemoryContextSwitchTo(old);
	return value;
}

Datum
EtlSqlDatum(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int64
EtlSqlBigint(int row, int column, int64 otherwise)
{
	bool isnull;
	Datum value = EtlSqlDatum(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

int64
EtlSqlRunForBigint(EtlSql *statement, EtlSqlValues *values)
{
	EtlSqlEntered entered;
	int64 result;

	EtlSqlEnter(&entered);
	(void) EtlSqlExecute(statement, values);
	result = EtlSqlBigint(0, 1, 0);
	EtlSqlLeave(&entered);
	return result;
}

List *
EtlSqlList(const EtlSqlEntered *entered, int row, int column)
{
	bool isnull;
	Datum value = EtlSqlDatum(row, column, &isnull);
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

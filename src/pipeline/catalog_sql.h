/*
 * catalog_sql.h
 *		SQL on the tables of etl_catalog, with the rights of their owner.
 *
 * Nothing that a user wrote runs in it: texts are constants, and values are parameters.
 */
#ifndef ETL_CATALOG_SQL_H
#define ETL_CATALOG_SQL_H

#include "etl.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"

#define ETL_SQL_MAX_PARAMETERS 32

/* A statement.  It is prepared when it first runs, and kept. */
typedef struct EtlSql
{
	const char *text;
	int nparameters;
	Oid types[ETL_SQL_MAX_PARAMETERS];
	SPIPlanPtr plan;
} EtlSql;

/* The values of its parameters, which are added in their order. */
typedef struct EtlSqlValues
{
	int n;
	Datum values[ETL_SQL_MAX_PARAMETERS];
	char nulls[ETL_SQL_MAX_PARAMETERS];
} EtlSqlValues;

extern void EtlSqlAdd(EtlSqlValues *values, Datum value);
extern void EtlSqlAddNull(EtlSqlValues *values);
extern void EtlSqlAddText(EtlSqlValues *values, const char *text); /* NULL is NULL */
extern void EtlSqlAddBigint(EtlSqlValues *values, int64 value);
/* An array of text, NULL if the list is empty and that is what an empty one means. */
extern void EtlSqlAddList(EtlSqlValues *values, List *list, bool empty_is_null);

/* Between these two there are the rights, and a connection to SPI. */
typedef struct EtlSqlEntered
{
	Oid user;
	int sec_context;
	int guc_level;
	MemoryContext caller;
} EtlSqlEntered;

extern void EtlSqlEnter(EtlSqlEntered *entered);
extern void EtlSqlLeave(const EtlSqlEntered *entered);

/* Between them: runs a statement, returns the number of rows, and gives columns (from 1) of a row (from 0). */
extern uint64 EtlSqlExecute(EtlSql *statement, EtlSqlValues *values);
extern Datum EtlSqlDatum(int row, int column, bool *isnull);
extern int64 EtlSqlBigint(int row, int column, int64 otherwise);
/* The same in the caller's memory context: as text; an array of text as a list. */
extern char *EtlSqlText(const EtlSqlEntered *entered, int row, int column);
extern List *EtlSqlList(const EtlSqlEntered *entered, int row, int column);

/* All of it at once, for a statement that returns nothing (but how many rows it was about), or a number. */
extern uint64 EtlSqlRun(EtlSql *statement, EtlSqlValues *values);
extern int64 EtlSqlRunForBigint(EtlSql *statement, EtlSqlValues *values);

#endif /* ETL_CATALOG_SQL_H */

/*
 * sql.h
 *		SQL on the tables of etl_catalog, with the rights of their owner.
 *
 * This is the one way to speak SPI with these tables.  Texts are constants and values are parameters, so nothing
 * that a user wrote runs with these rights.  A table of EtlSqlColumn says which column is which member of a struct:
 * names, parameters and conversions of a statement come from it.
 */
#ifndef ETL_SQL_H
#define ETL_SQL_H

#include "etl.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "pipeline/pipeline.h"

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

typedef enum EtlSqlType
{
	ETL_SQL_BOOLEAN,  /* bool */
	ETL_SQL_INT,	  /* int */
	ETL_SQL_BIGINT,	  /* int64 */
	ETL_SQL_TIME,	  /* TimestampTz */
	ETL_SQL_ROLE,	  /* Oid; an etl_catalog.role or an oid */
	ETL_SQL_TEXT,	  /* char *; read from a column of any type */
	ETL_SQL_TEXTS,	  /* List * of char *; a text[] */
	ETL_SQL_JSON,	  /* char *; a jsonb */
	ETL_SQL_WORD,	  /* an enum; a text */
	ETL_SQL_INTERVAL, /* EtlInterval */
} EtlSqlType;

/* A column, and the member of a struct that holds it. */
typedef struct EtlSqlColumn
{
	const char *name;
	EtlSqlType type;
	size_t offset;
	const EtlWords *words; /* of ETL_SQL_WORD */
	/* a pointer that is NULL is NULL; these say what else is: a number, or the empty list */
	bool nullable;
	int64 null;
} EtlSqlColumn;

/* "a, b, c" */
extern char *EtlSqlNames(const EtlSqlColumn *columns, int n);
/* "$2, $3::interval, $4", from a number on */
extern char *EtlSqlParameters(const EtlSqlColumn *columns, int n, int first);
extern int64 EtlIntervalMs(Datum interval);
/* Stores a value that is no null in its member: a number, a time, a role or a word. */
extern void EtlSqlStore(const EtlSqlColumn *column, Datum value, void *member);

/* ----------------------------------------------------------------
 *	Statements
 * ---------------------------------------------------------------- */

/* A statement.  It is prepared when it first runs, with the types of the values that it gets then, and kept. */
typedef struct EtlSql
{
	const char *text;
	bool latest; /* it only reads, and sees what is committed now, whatever the transaction sees */
	SPIPlanPtr plan;
} EtlSql;

/* The value of a parameter, or those of a struct, in the order of its columns. */
typedef struct EtlSqlValue
{
	Oid type;
	bool isnull;
	Datum value;
	const EtlSqlColumn *columns; /* NULL: one value */
	int n;
	const void *from;
} EtlSqlValue;

extern EtlSqlValue EtlValueText(const char *text); /* NULL is NULL */
extern EtlSqlValue EtlValueBigint(int64 value);
extern EtlSqlValue EtlValueBoolean(bool value);
extern EtlSqlValue EtlValueOid(Oid value);
extern EtlSqlValue EtlValueTime(int64 time); /* 0 is NULL */
extern EtlSqlValue EtlValueTexts(List *texts);
extern EtlSqlValue EtlValueStruct(const EtlSqlColumn *columns, int n, const void *from);

/* The values of all parameters of a statement, as two arguments of the functions below. */
#define ETL_VALUES(...)                                                   \
	lengthof(((const EtlSqlValue[]){__VA_ARGS__})), (const EtlSqlValue[]) \
	{                                                                     \
		__VA_ARGS__                                                       \
	}
#define ETL_NO_VALUES 0, NULL

/* The text of a statement that is made of columns, kept for as long as the process lasts. */
extern const char *EtlSqlKeep(const char *text);

/* Runs a statement; returns the number of rows that it gave or was about. */
extern uint64 EtlSqlRun(EtlSql *statement, int n, const EtlSqlValue *values);
/* The first column of its first row; 0 and NULL if there is none. */
extern int64 EtlSqlRunForBigint(EtlSql *statement, int n, const EtlSqlValue *values);
extern char *EtlSqlRunForText(EtlSql *statement, int n, const EtlSqlValue *values);
/* Its rows, each as a struct of this size, whose members are the columns of these names. */
extern List *EtlSqlSelect(EtlSql *statement, int nvalues, const EtlSqlValue *values,
						  const EtlSqlColumn *columns, int ncolumns, size_t size);

#endif /* ETL_SQL_H */

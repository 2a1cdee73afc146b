/*
 * json_columns.h
 *		The declared columns of a scan, found in JSON items.
 *
 * A column means the member of the item that is called exactly so; else, if its name is a path
 * ("address.city"), what the path leads to; else the member whose name is the same when both are folded to
 * snake case.  Each step of a path is matched in the same way.  A member that is missing is NULL, and so is
 * null; but an item that has none of the declared columns is faulty, and a column that no item has is an error at the
 * end (json_absent.c).
 *
 *		item.tokens -> fields that any column is for -> texts -> values
 */
#ifndef ETL_JSON_COLUMNS_H
#define ETL_JSON_COLUMNS_H

#include "format/json.h"
#include "scan/json_names.h"
#include "scan/rows.h"

typedef struct EtlJsonColumns EtlJsonColumns;

/* The beginning of the struct of every kind whose rows are JSON items. */
typedef struct EtlJsonRows
{
	EtlRows base;
	EtlJsonColumns *columns;
	EtlJsonItem item; /* the current one */
	bool located;	  /* its fields have been looked for */
	bool
		from_csv; /* items are records: a value is text, and no column is missing; set before Init */
	bool inside;  /* items are inside of what a line is, if lines are read */
	const bool *initials; /* for the reader; NULL: it cannot be told what will be looked for */
	const char *source;	  /* for _etl_source; NULL before the first is open */
	int page;			  /* for _etl_page; 0 before the first */
	int request;		  /* for _etl_request */
	EtlReader *again;	  /* of single items, with all their members */

	/* json_absent.c */
	EtlJsonNames *declared; /* names of all columns; NULL: not needed yet */
	char *members;			/* what the first item that lacks a column has, and */
	List *member_names;		/* of char *, in the server's encoding: what it is called */

	/* for pipelines (json_kept.c) */
	char *kept_source; /* a copy of source that lasts as long as the scan */
} EtlJsonRows;

/* The provenance columns that JSON items have. */
#define ETL_JSON_PROVENANCE                                            \
	(ETL_COLUMN_SET(ETL_FROM_SOURCE) | ETL_COLUMN_SET(ETL_FROM_PAGE) | \
	 ETL_COLUMN_SET(ETL_FROM_INDEX) | ETL_COLUMN_SET(ETL_FROM_RAW) |   \
	 ETL_COLUMN_SET(ETL_FROM_ITEM) | ETL_COLUMN_SET(ETL_FROM_ERROR))

/*
 * Learns the columns of json->base; in the scan's context.  "missing" is what it is, if no argument says so, that a column
 * is in no item.
 */
extern void EtlJsonColumnsInit(EtlJsonRows *json, EtlMissing missing);

/* Looks for the columns in the current item; false if it has none of them. */
extern bool EtlJsonColumnsLocate(EtlJsonRows *json);

/* What was found for a wanted column in the current item. */
extern const EtlJsonFound *EtlJsonColumnFound(const EtlJsonRows *json, int number);

/* What a column's name (UTF-8) leads through if it is a path of names, palloc'd; NULL: it is none. */
extern EtlJsonPath *EtlJsonColumnPath(const char *name, size_t len);

/* Takes an item as the current row; it may be faulty. */
extern EtlAdvance EtlJsonRowsTake(EtlJsonRows *json, const EtlJsonItem *item);

/* Whether its bytes are all there, and UTF-8.  Those of a broken line need not be. */
extern bool EtlJsonIsText(const EtlJsonItem *item);

/* Text of an item in the server's encoding, NUL-terminated; NULL if it cannot be converted. */
extern char *EtlJsonServerText(EtlJsonRows *json, const char *s, size_t len);

/* The "fetch" of these kinds. */
extern void
EtlJsonRowsFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull);

#endif /* ETL_JSON_COLUMNS_H */

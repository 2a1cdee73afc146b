/*
 * rows_text.h
 *		Rows as lines of CSV or of JSON.
 */
#ifndef ETL_ROWS_TEXT_H
#define ETL_ROWS_TEXT_H

#include "etl.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"

typedef struct EtlTextOptions
{
	bool json; /* a line of JSON for each row; else CSV, for which the others are */
	bool header;
	const char *delimiter; /* one byte */
	const char *null_string;
	int encoding; /* of the text */
} EtlTextOptions;

typedef struct EtlRowsText EtlRowsText;

/* For rows of that type, in the current memory context; options and desc are borrowed. */
extern EtlRowsText *EtlRowsTextCreate(const EtlTextOptions *options, TupleDesc desc);

/* The header, or NULL; a row.  Valid until the next call; what it takes besides goes to the current memory context. */
extern const StringInfoData *EtlRowsTextHeader(EtlRowsText *text);
extern const StringInfoData *EtlRowsTextRow(EtlRowsText *text, TupleTableSlot *slot);

#endif /* ETL_ROWS_TEXT_H */

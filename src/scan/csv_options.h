/*
 * csv_options.h
 *		The options of etl_csv, checked.
 */
#ifndef ETL_CSV_OPTIONS_H
#define ETL_CSV_OPTIONS_H

#include "format/csv.h"
#include "scan/args.h"

typedef enum EtlCsvRagged
{
	ETL_RAGGED_ERROR, /* a fault of the row */
	ETL_RAGGED_PAD,	  /* what is missing at its end is NULL; surplus fields are a fault */
	ETL_RAGGED_REJECT /* the row is left out and counted, whatever on_error says */
} EtlCsvRagged;

typedef struct EtlCsvOptions
{
	EtlCsvDialect dialect; /* but for max_field_size */
	bool header;
	bool by_position;
	bool union_by_name; /* a column that is missing in one of several files is NULL there */
	EtlCsvRagged ragged;
	const char *null_string;
	size_t null_len;
	const char *encoding; /* NULL: by byte order mark, or the client's */
} EtlCsvOptions;

/*
 * Fills *options, in the current memory context.  What cannot work is an error: 22023 for a value that is
 * not one, 0A000 or 42601 where two options contradict each other.
 */
extern void EtlCsvReadOptions(const EtlArgs *args, EtlCsvOptions *options);

#endif /* ETL_CSV_OPTIONS_H */

/*
 * csv_items.h
 *		Records of CSV as JSON items, so that whatever can be done with items can be done with them.
 *
 * EtlCsvItemsFormat takes EtlJsonOptions (of which it heeds captures and max_item_size) and gives EtlJsonItem.  A record
 * is an object: its names are those of the header, its values strings, and null what is empty and stands without quotes.
 * The CSV is that of RFC 4180, in UTF-8.
 *
 * Unlike a file, a body whose records do not fit the header is broken as a whole.
 */
#ifndef ETL_CSV_ITEMS_H
#define ETL_CSV_ITEMS_H

#include "etl.h"
#include "format/format.h"
#include "format/json.h"

typedef enum EtlCsvItemsStatus
{
	ETL_CSV_ITEMS_UNCLOSED_QUOTE = ETL_FORMAT_BROKEN,
	ETL_CSV_ITEMS_TOO_LARGE, /* a record, or its item, beyond max_item_size */
	ETL_CSV_ITEMS_NUL_BYTE,
	ETL_CSV_ITEMS_BAD_ENCODING,
	ETL_CSV_ITEMS_TOO_FEW, /* fields */
	ETL_CSV_ITEMS_TOO_MANY,
	ETL_CSV_ITEMS_SAME_NAMES, /* two names of the header are the same */
	ETL_CSV_ITEMS_LONE_CR,	  /* a CR without LF, where the first line ended otherwise */
} EtlCsvItemsStatus;

typedef struct EtlCsvItemsFault
{
	EtlCsvItemsStatus status;
	uint64 line;	  /* of the body, at which the record, or its open quote, begins */
	int nfields;	  /* of that record */
	int nnames;		  /* of the header */
	const char *name; /* of ETL_CSV_ITEMS_SAME_NAMES: the name, as a JSON string */
} EtlCsvItemsFault;

/* After a fatal status. */
extern const EtlCsvItemsFault *EtlCsvItemsReaderFault(const EtlReader *reader);

#endif /* ETL_CSV_ITEMS_H */

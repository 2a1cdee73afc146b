/*
 * message_rows.h
 *		Rows of messages: the kind behind the functions of extensions that bring a source (etl_source.h).
 *
 *		source->next -> message -> items of its format -> columns (json_columns.c), beside what came with the message
 *
 *		message_rows.c		from message to message, and where the next one is
 *		message_columns.c	what came with a message, as columns, kept, and as text
 *		message_source.c	what etl gives to sources
 */
#ifndef ETL_MESSAGE_ROWS_H
#define ETL_MESSAGE_ROWS_H

#include "etl_source.h"
#include "scan/json_columns.h"

typedef enum EtlMessageFormat
{
	ETL_MESSAGE_JSON,
	ETL_MESSAGE_CSV,  /* records without a header, whose fields are the columns in their order */
	ETL_MESSAGE_TEXT, /* the value is the one column */
	ETL_MESSAGE_BYTES
} EtlMessageFormat;

typedef enum EtlTombstoneRule
{
	ETL_TOMBSTONE_FAULT, /* nobody has said what they are */
	ETL_TOMBSTONE_IGNORE,
	ETL_TOMBSTONE_ROW /* a row of NULLs but for what came with it */
} EtlTombstoneRule;

typedef struct EtlMessagePart
{
	char *name;		 /* NULL: not begun */
	int64 next;		 /* the offset behind all that was handed out, or of a message of which */
	int64 item;		 /* so many items were */
	int64 records;	 /* handed out by this scan */
	bool told;		 /* that is marked */
	int64 committed; /* the offset that the source was told last */
} EtlMessagePart;

/* What came with a message, beside its value. */
typedef struct EtlEnvelope
{
	int part;
	int64 offset;
	int64 timestamp; /* ms since 1970; -1: none */
	bool tombstone;
	bool fault;		 /* there was no message */
	const char *key; /* NULL: none */
	size_t key_len;
	int nheaders;
	const EtlSourceHeader *headers;
} EtlEnvelope;

typedef struct EtlMessageRows
{
	EtlJsonRows json;
	const EtlSourceKind *source;
	EtlSourceScan *scan;
	EtlMessageFormat format;
	EtlTombstoneRule tombstones;
	char *identity; /* of the source; NULL: it has not said it */

	/* the message in hand */
	EtlJsonOptions options;
	EtlReader *reader; /* NULL: of text and bytes */
	char *csv_header;  /* of CSV: the names of the columns, as a line; or NULL */
	EtlBytes header_left;
	EtlBytes bytes; /* what is left of it to be read */
	EtlMessage message;
	bool in_message;   /* it may have more items */
	int64 nitems;	   /* of it, that were handed out or passed over */
	bool pending;	   /* there is an item that was not: */
	EtlJsonItem ahead; /* of JSON and CSV */
	bool broken;	   /* it is the rest of the message, which cannot be read */

	EtlEnvelope envelope; /* of the current row */

	int nparts;
	EtlMessagePart *parts;
	int current;	  /* the part whose mark is the last one; -1: none */
	uint64 reported;  /* bytes */
	bool ready;		  /* what was waited for has come: */
	pgsocket watched; /* this descriptor can be read; PGINVALID_SOCKET: none is watched */
	int64 again;	  /* on the clock: when to look in any case; or ETL_FOREVER */
	MemoryContextCallback callback;
} EtlMessageRows;

/* The kind of a scan: what rows->kind is. */
typedef struct EtlMessageKind
{
	EtlScanKind scan;
	const EtlSourceKind *source;
} EtlMessageKind;

extern void EtlMessageKindInit(EtlMessageKind *kind, const EtlSourceKind *source);

/* Makes a value, of text or bytes, or a tombstone the current row; it may be faulty. */
extern EtlAdvance EtlMessageTakeValue(EtlMessageRows *m, const char *value, size_t len);
extern EtlAdvance EtlMessageTakeTombstone(EtlMessageRows *m);

/* as EtlScanKind has them */
extern void
EtlMessageFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull);
extern void EtlMessageKeep(EtlRows *rows, EtlKept *kept);
extern void EtlMessageUse(EtlRows *rows, const EtlKept *kept);
extern void EtlMessageLook(EtlRows *rows, const EtlKept *kept);
extern void EtlMessageRevive(EtlRows *rows, EtlKept *kept);
extern char *EtlMessageRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);
extern char *EtlMessageText(EtlRows *rows, const EtlKept *kept);
extern char *EtlMessageHeader(EtlRows *rows, const EtlKept *kept);
/* Whether two records are of one message. */
extern bool EtlMessageIsSame(const EtlKept *record, const EtlKept *next);
/* Of the message of a record, before anything is counted. */
extern EtlSourceOutcome EtlMessageOutcome(const EtlKept *kept);

/* What extensions call by its name, with the version of the header that they were built with. */
extern PGDLLEXPORT const EtlSourceApi *EtlSourceApiOfVersion(int version);

/* as EtlSourceApi has them */
extern char *EtlMessageArgument(const EtlSourceScan *scan, const char *name);
extern int
EtlMessageChoice(const EtlSourceScan *scan, const char *name, const char *const *choices, int n);
extern int64 EtlMessageFind(EtlSourceScan *scan, const char *identity, const char *name);
extern void EtlMessageBegin(EtlSourceScan *scan, int number, const char *name, int64 offset);

#endif /* ETL_MESSAGE_ROWS_H */

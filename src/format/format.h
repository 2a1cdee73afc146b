/*
 * format.h
 *		What a format is to whoever reads records: one const table of functions.
 *
 * The caller owns the source, a reader owns one buffer.  The loop between the two is EtlReaderNext, and nothing else
 * in the project is:
 *
 *		next	a record, or a wish for more bytes, or why there are no more records
 *		room	where the next bytes go, straight from the source
 *		fed		n of them have come; 0 says that the stream has ended
 *
 * What a record is (EtlCsvRecord, EtlJsonItem, ...) and what options there are is each format's own: see its header.  A
 * record is valid until the next call of next or room.
 *
 * A reader raises no error but for lack of memory.  A stream that is broken is a status of next, and the caller decides
 * what that means; so these files also build without a server.
 */
#ifndef ETL_FORMAT_H
#define ETL_FORMAT_H

#include "etl.h"
#include "lib/stringinfo.h"

typedef struct EtlFormat EtlFormat;

/* Every reader begins with this. */
typedef struct EtlReader
{
	const EtlFormat *format;
} EtlReader;

/* What next returns. */
typedef enum EtlFormatStep
{
	ETL_FORMAT_RECORD,	  /* *record is filled */
	ETL_FORMAT_NEED_DATA, /* feed more, or say that there is none */
	ETL_FORMAT_END,		  /* all records were handed out */
	ETL_FORMAT_EMPTY,	  /* the stream has nothing at all, where the format asks for something */
	ETL_FORMAT_BROKEN	  /* this and beyond are the format's own; each further call repeats it */
} EtlFormatStep;

/* A place between two records of a stream. */
typedef struct EtlRecordPlace
{
	uint64 offset;	/* byte of the stream at which the next record starts */
	uint64 line;	/* and its physical line, from 1, where lines are counted */
	uint64 records; /* before it, where the reader counts them */
	uint64 hash;	/* of those, where the reader makes one */
	bool after_cr;	/* the byte before it is a CR, */
	bool in_line;	/* or no line end at all: the stream has grown since it ended there */
	bool
		open; /* the stream is records one after another: more may follow its end, and reset can go there */
} EtlRecordPlace;

struct EtlFormat
{
	const char *name;

	/* In the current memory context.  The options are borrowed. */
	EtlReader *(*create)(const void *options);
	/* At byte 0 of a new stream (NULL), or at a place of one where a record starts. */
	void (*reset)(EtlReader *reader, const EtlRecordPlace *at);
	char *(*room)(EtlReader *reader, size_t *len);
	void (*fed)(EtlReader *reader, size_t n);
	int (*next)(EtlReader *reader, void *record);
	/* Where the record behind the current one starts. */
	void (*position)(const EtlReader *reader, EtlRecordPlace *place);
	/* Appends where in the stream the current record is, or what broke it: ", line 3", ", item 17, byte 81" */
	void (*where)(const EtlReader *reader, StringInfo buf);
	/* The number of the current record, in units that "where" uses; 0: it has none. */
	uint64 (*number)(const EtlReader *reader, const char **unit);
	void (*free)(EtlReader *reader);
	/* Whether the last result of next may be incomplete, at the end of a stream that is still being written. */
	bool (*cut_off)(const EtlReader *reader, int step, const void *record);

	/*
	 * Of a format whose records are JSON items: the last value at the i-th of the paths that the options name, in what
	 * was read so far; NULL: there was none.  Valid until the next call of next.
	 */
	const struct EtlJsonValue *(*captured)(const EtlReader *reader, int i);
};

/*
 * Puts between 1 and len bytes of the stream into buf and returns how many; 0 at its end; less than 0 if there are none
 * now.
 */
typedef ssize_t (*EtlFeed)(void *arg, char *buf, size_t len);

/* Goes to the next record.  ETL_FORMAT_NEED_DATA: feed had no bytes. */
static inline int
EtlReaderNext(EtlReader *reader, void *record, EtlFeed feed, void *arg)
{
	const EtlFormat *format = reader->format;
	int step;

	while (unlikely((step = format->next(reader, record)) == ETL_FORMAT_NEED_DATA))
	{
		size_t len;
		char *room = format->room(reader, &len);
		ssize_t n = feed(arg, room, len);

		if (n < 0)
			break;
		format->fed(reader, (size_t) n);
	}
	return step;
}

static inline void
EtlReaderReset(EtlReader *reader, const EtlRecordPlace *at)
{
	reader->format->reset(reader, at);
}

static inline EtlRecordPlace
EtlReaderPlace(const EtlReader *reader)
{
	EtlRecordPlace place = {0};

	reader->format->position(reader, &place);
	return place;
}

/* Bytes in memory, as a feed. */
typedef struct EtlBytes
{
	const char *data;
	size_t len;
	bool cut; /* the stream goes on behind them */
} EtlBytes;

extern ssize_t EtlFeedBytes(void *bytes, char *buf, size_t len);

/* The formats.  What name says of each is what SQL calls it. */
extern const EtlFormat EtlCsvFormat;	  /* csv.h */
extern const EtlFormat EtlJsonFormat;	  /* json.h */
extern const EtlFormat EtlCsvItemsFormat; /* csv_items.h */
extern const EtlFormat EtlLinesFormat;	  /* lines.h */

#endif /* ETL_FORMAT_H */

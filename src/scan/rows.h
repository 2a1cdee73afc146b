/*
 * rows.h
 *		Rows of a declared type, read one at a time from whatever a function of ours reads.
 *
 * A kind (CSV, and later JSON and paged APIs) knows how to get the next record and where its fields are.
 * What is the same for all lives here: columns and their conversion, provenance columns, and what becomes
 * of a faulty row.  The CustomScan node and the set-returning functions are the two callers.
 *
 *		Open	reads the options, opens the source, and finds each declared column in it
 *		Next	goes to the next row that the error policy lets through
 *		Fetch	converts some of its columns
 *		Rewind	starts again, with the same bytes
 *		Close	releases everything, and tells how many rows were left out
 *
 * Under on_error 'fail' Fetch converts what it is asked for and nothing else, so a filter can look at its
 * columns first.  Under the other policies a row counts as good only when all wanted columns convert, so
 * Next does that, and Fetch hands out the results.
 *
 * Values may point into the reader's buffer or be palloc'd in row_context; they are good until the next call
 * of Next.
 */
#ifndef ETL_ROWS_H
#define ETL_ROWS_H

#include "access/tupdesc.h"
#include "commands/explain.h"
#include "etl.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "scan/args.h"
#include "scan/convert/convert.h"
#include "scan/names.h"
#include "scan/resume.h"
#include "source/http/exchange.h"

typedef struct EtlRows EtlRows;
typedef struct EtlShare EtlShare;

typedef enum EtlOnError
{
	ETL_ON_ERROR_FAIL,	/* a faulty row is an error */
	ETL_ON_ERROR_SKIP,	/* it is left out, and counted */
	ETL_ON_ERROR_RETURN /* it comes with NULLs and the reason in _etl_error */
} EtlOnError;

/* What a declared column holds: a field of the source, or something about the row. */
typedef enum EtlColumnKind
{
	ETL_FIELD,
	ETL_FROM_SOURCE,  /* _etl_source */
	ETL_FROM_LINE,	  /* _etl_line */
	ETL_FROM_PAGE,	  /* _etl_page */
	ETL_FROM_INDEX,	  /* _etl_index */
	ETL_FROM_RAW,	  /* _etl_raw */
	ETL_FROM_ITEM,	  /* _etl_item */
	ETL_FROM_ERROR,	  /* _etl_error */
	ETL_FROM_REQUEST, /* _etl_request */
	/* of messages: */
	ETL_FROM_KEY,		/* _etl_key */
	ETL_FROM_HEADERS,	/* _etl_headers */
	ETL_FROM_TIMESTAMP, /* _etl_timestamp */
	ETL_FROM_PARTITION, /* _etl_partition */
	ETL_FROM_OFFSET,	/* _etl_offset */
	ETL_FROM_TOMBSTONE, /* _etl_tombstone */
	ETL_DROPPED			/* a dropped column of a table's row type */
} EtlColumnKind;

#define ETL_COLUMN_SET(kind) (1 << (kind))

typedef struct EtlColumn
{
	EtlFastConverter fast; /* or NULL */
	int field;			   /* the kind's number of the field */
	int32 typmod;
	EtlColumnKind kind;
	bool takes_bytes; /* text or varchar without a length: a copy of the bytes is its value */
	bool in_place;	  /* for the kind: that value may be made in its buffer */
	bool pure;		  /* an input function that can be left by an error without a subtransaction */
	Oid type;
	Oid ioparam;
	const char *name;
	FmgrInfo input;
} EtlColumn;

/* What EXPLAIN ANALYZE tells of a scan, all its readings taken together. */
typedef struct EtlCounters
{
	uint64 records;	 /* faulty ones included */
	uint64 rejected; /* faulty ones that did not end the scan */
	uint64 stray;	 /* those of CSV that have quotes elsewhere than around a field */
	uint64 bytes;	 /* read of the source, as it is stored */
} EtlCounters;

static inline void
EtlCountersAdd(EtlCounters *to, const EtlCounters *more)
{
	to->records += more->records;
	to->rejected += more->rejected;
	to->stray += more->stray;
	to->bytes += more->bytes;
}

/* A column to be fetched, and the place in "values" and "isnull" where it goes. */
typedef struct EtlWanted
{
	int column;
	int place;
} EtlWanted;

/* Why a row is faulty. */
typedef struct EtlFault
{
	int sqlstate;
	const char *message;
	const char *detail; /* or NULL */
	const char *hint;	/* or NULL */
} EtlFault;

/* What it is if a declared column was in none of the records. */
typedef enum EtlMissing
{
	ETL_MISSING_ERROR,
	ETL_MISSING_NOTICE,
	ETL_MISSING_NULL /* nothing: it is NULL in all rows */
} EtlMissing;

typedef enum EtlAdvance
{
	ETL_ROW,
	ETL_ROW_FAULTY,	  /* its structure is broken, as rows->fault says */
	ETL_ROW_REJECTED, /* the same, and it is to be left out whatever on_error says */
	ETL_NO_MORE_ROWS,
	ETL_ROW_LATE /* for a pipeline: none has come by rows->until */
} EtlAdvance;

/*
 * A pipeline reads records in one transaction, or none, and loads them in another.  So it keeps them.
 */
typedef struct EtlKept
{
	EtlAdvance advance; /* ETL_ROW, or what is wrong with it: */
	EtlFault fault;
	const char *source; /* where it is from, for messages */
	int64 line;			/* from 1; 0: lines are not counted, as with the next two */
	int64 page;
	int64 index;
	uint64 offset;
	const char *data; /* as it is written in the source */
	size_t len;
	size_t extra; /* bytes of memory that it takes besides */
	bool is_text; /* all of that can be text in the server's encoding */
	bool
		holds_records; /* it is no record, but would hold some, so it cannot be read again as one */
	const char *header; /* what names its fields, as it is written; NULL: nothing does */
	void *fields;		/* the kind's own */
} EtlKept;

/*
 * A row that was handed out, for messages about it when it is not the current one any more.
 */
typedef struct EtlRowMark
{
	int part;			/* the number of its part */
	const char *source; /* the name of that; borrowed, while it is the current part */
	const char *unit;	/* of the number: "line" */
	uint64 number;		/* its own in the part; 0: it has none */
} EtlRowMark;

typedef struct EtlScanKind
{
	const char *function; /* SQL name */
	PGFunction entry;	  /* C function behind it */
	size_t size;		  /* of the kind's struct, which begins with an EtlRows */
	int provenance;		  /* ETL_COLUMN_SET()s of the provenance columns that it has */
	bool in_parts;		  /* its records come from parts, through part_rows.h */
	bool wanders;		  /* the next complete reading may have a record at another place */

	void (*open)(EtlRows *rows);
	EtlAdvance (*advance)(EtlRows *rows);
	/*
	 * Fetches columns of the current row, in row_context; stops at the first that makes the row faulty.
	 */
	void (*fetch)(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull);
	/* Starts again at the first row of the same bytes. */
	void (*rewind)(EtlRows *rows);
	/* Where the reader is, for CONTEXT: file "a.csv", line 3 */
	void (*where)(const EtlRows *rows, StringInfo buf);
	/* Marks the current row.  NULL: rows are not marked. */
	void (*mark)(const EtlRows *rows, EtlRowMark *mark);
	/* Errors are about a marked row now, or (NULL) the current one.  NULL: by its mark alone CONTEXT can say so. */
	void (*recall)(EtlRows *rows, const EtlRowMark *mark);
	/* Says in a NOTICE what was odd about the rows that were read; or NULL. */
	void (*report)(EtlRows *rows);
	/* What is wrong about the columns in rows->unseen; NULL for kinds that find their columns before the first record. */
	void (*missing)(EtlRows *rows, EtlFault *fault);
	/* What EXPLAIN ANALYZE shows besides the counters; or NULL. */
	void (*explain)(const EtlRows *rows, ExplainState *es);
	/* For the planner; false if nothing is known.  Never an error. */
	bool (*estimate)(const EtlArgs *args, double *nrows, double *nbytes);
	/* The path or pattern of the server's files that a call reads, palloc'd; NULL: it reads none.  NULL: it never does. */
	char *(*watches)(const EtlArgs *args);

	/*
	 * For plans whose rows are read by several processes (share.h); NULL: one reads all of them.  Why a call with these
	 * arguments, which are all known, cannot be divided so (NULL: it can); never an error.
	 */
	const char *(*why_whole)(const EtlArgs *args);
	/* Gives what "report" would tell of these rows to the others, and tells what all have given. */
	void (*give)(EtlRows *rows);
	void (*report_all)(const EtlShare *share);

	/* For pipelines; NULL for kinds that cannot be the source of one. */
	/* Copies the current record, sound or faulty, into the current memory context. */
	void (*keep)(EtlRows *rows, EtlKept *kept);
	/*
	 * Makes a kept record the current one, for fetch.  Values will point into a copy that is made in the current
	 * memory context; the kept record stays as it is.
	 */
	void (*use)(EtlRows *rows, const EtlKept *kept);
	/* Takes what a sound record has off rows->unseen; NULL for kinds in which that is known before it is handed out. */
	void (*look)(EtlRows *rows, const EtlKept *kept);
	/* Makes the text of a record, with its header, a kept one again. */
	void (*revive)(EtlRows *rows, EtlKept *kept);
	/* The text of a kept record without the values of some columns; NULL if they cannot be told apart. */
	char *(*redact)(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);
	/* The text of a kept record; NULL: it is kept in the server's encoding. */
	char *(*text)(EtlRows *rows, const EtlKept *kept);
	/* What stands with a kept record in its dead letter; NULL: its header. */
	char *(*header)(EtlRows *rows, const EtlKept *kept);
	/* The position, palloc'd, at which a kept record is the next one; NULL: records are counted from the last mark on. */
	char *(*position)(EtlRows *rows, const EtlKept *kept);
	/* What was told last has been committed, if "all" is true, or at least what was settled; or NULL. */
	void (*committed)(EtlRows *rows, bool all);
	/*
	 * Of kinds whose records come in groups that commit together, each behind the one before: whether the next record is of the group of
	 * the one that was handed out last; and whether two records that follow each other are of one group.  NULL: there are no groups.
	 */
	bool (*goes_on)(EtlRows *rows);
	bool (*together)(EtlRows *rows, const EtlKept *record, const EtlKept *next);
	/* In the transaction that these records commit with, what becomes of each; or NULL. */
	void (*settle)(EtlRows *rows, const EtlKept *records, const bool *rejected, int n);
	/* Marks how far the current part is handed out. */
	void (*tell)(EtlRows *rows);
	/* After an error: marks the current part as set aside, and leaves it; false: none was in hand. */
	bool (*leave)(EtlRows *rows);
	/*
	 * For continuous runs (resume->continuous), in which ETL_NO_MORE_ROWS says that there are none for now: when advance is to be
	 * called again at the latest (clock.h), or ETL_FOREVER.  It is called before that when a descriptor that the kind watches
	 * (loop.h) has acted, or the latch was set.  NULL: the source has an end, and a continuous run opens it again.
	 */
	int64 (*look_again)(EtlRows *rows);
} EtlScanKind;

/*
 * What etl_import is loading.  While EtlRowsCurrentLoad is set, it gets the rows that are opened next.  If their types
 * are guesses, a value that has not the form of its type is an error (22P02), as the kind finds out, or these functions
 * (forms.h).  A field that no column reads is an error (42703) where only the records tell which fields there are.
 */
typedef struct EtlLoad
{
	bool guesses;
	EtlFastConverter (*converter)(Oid type); /* or NULL */
	bool (*has_form)(Oid type, const char *s, size_t len);
	EtlRows *rows; /* NULL: not open */
} EtlLoad;

struct EtlRows
{
	const EtlScanKind *kind;
	const EtlArgs *args;
	MemoryContext context;	   /* holds this struct and all that belongs to the scan */
	MemoryContext row_context; /* below it, for values: reset every so many rows */
	int rows_in_context;
	TupleDesc desc;
	EtlColumn *columns; /* [desc->natts] */
	int nwanted;
	EtlWanted *wanted;			/* the columns that anybody will fetch, each at its own number */
	bool rewindable;			/* Rewind may be called */
	int64 enough;				/* rows after which no more may be asked for; 0: all are wanted */
	EtlLoad *load;				/* that these rows are read for; or NULL */
	const EtlRowMark *recalled; /* the row that errors are about; NULL: the current one */
	bool reading;				/* errors say by themselves where they come from */
	const EtlResume *resume;	/* a pipeline's; NULL: an ordinary scan */
	EtlShare *share;			/* these are a share of the rows; NULL: all of them */
	struct EtlParts
		*parts;	 /* that records come from, if the kind has them (part_rows.h); or NULL */
	int64 until; /* on the clock (clock.h): advance waits no longer than this; or ETL_FOREVER */

	EtlOnError on_error;
	int64 reject_limit; /* -1: none */

	/* the current row */
	bool faulty;
	EtlFault fault; /* meaningful when faulty */
	Datum *values;	/* [natts], filled by Next unless on_error is 'fail' */
	bool *isnull;
	int converting; /* column whose input function is running, -1: none */
	bool converting_null;
	int fault_column;	 /* the one whose value made the row faulty */
	StringInfoData text; /* its input, NUL-terminated */

	/* for a pipeline: the columns that the record lacks which was used last */
	int nlacking;
	int *lacking; /* [natts]; NULL: nobody asks */

	/* declared columns that no record has had so far, of kinds that look for them in each record */
	EtlMissing missing;
	int nunseen;
	int *unseen;		/* [nunseen] of the wanted columns */
	uint64 nsearchable; /* records in which they can be looked for, and */
	uint64 nsearched;	/* were: not if a filter has left out a record before */

	/* faulty rows that did not end the scan, since Open or Rewind */
	uint64 nrejected;
	uint64 nskipped;	 /* of these, how many were not even returned */
	uint64 most_skipped; /* in any reading before a Rewind */
	StringInfoData first_skipped;

	EtlCounters counters;
};

extern EtlLoad *EtlRowsCurrentLoad;

/* With a share (share.h) they are those that no other process reads. */
extern EtlRows *
EtlRowsOpen(const EtlScanKind *kind, const EtlArgs *args, TupleDesc desc, const Bitmapset *wanted,
			bool rewindable, int64 enough, EtlShare *share);
/* The same for a pipeline: its faulty rows are neither errors nor left out. */
extern EtlRows *EtlRowsOpenForPipeline(const EtlScanKind *kind, const EtlArgs *args, TupleDesc desc,
									   const EtlResume *resume);
/*
 * For a pipeline: goes to the next record, converting nothing; ETL_NO_MORE_ROWS at the end.  ETL_ROW_LATE if it has not
 * come by "until" (on the clock, or ETL_FOREVER).
 */
extern EtlAdvance EtlRowsAdvance(EtlRows *rows, int64 until);
extern bool EtlRowsNext(EtlRows *rows);

/* For a pipeline: the kind's functions of these names. */
extern void EtlRowsKeep(EtlRows *rows, EtlKept *kept);
extern void EtlRowsRevive(EtlRows *rows, EtlKept *kept);
extern void EtlRowsTell(EtlRows *rows);
extern bool EtlRowsLeave(EtlRows *rows);
extern void EtlRowsCommitted(EtlRows *rows, bool all);
extern bool EtlRowsGoOn(EtlRows *rows); /* false of kinds without groups, as is the next */
extern bool EtlRowsAreTogether(EtlRows *rows, const EtlKept *record, const EtlKept *next);
/* The columns that none of the records used so far had: a list of char *, borrowed; NIL if no record was used. */
extern List *EtlRowsUnseen(const EtlRows *rows);
/* Whether it is an error that there are such, but for those of the names in "seen"; *fault says so. */
extern bool EtlRowsMissing(EtlRows *rows, const EtlNames *seen, EtlFault *fault);
/* Looks in a record for columns that no record has had, before its values are asked for. */
extern void EtlRowsLook(EtlRows *rows, const EtlKept *kept);
/* Whether there may be such columns at the end of the source. */
extern bool EtlRowsMayLack(const EtlRows *rows, const EtlNames *seen);
extern const char *EtlRowsHeader(EtlRows *rows, const EtlKept *kept);
extern char *EtlRowsPosition(EtlRows *rows, const EtlKept *kept); /* NULL: the kind has no such */
/* The text of a kept record in the server's encoding; NULL if it cannot be that. */
extern const char *EtlRowsText(EtlRows *rows, const EtlKept *kept);
extern char *EtlRowsRedacted(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);
/*
 * Converts all columns of a kept record, and notes those that it lacks; false if one makes it faulty, as rows->fault and
 * FaultyValue say.
 */
extern bool EtlRowsUse(EtlRows *rows, const EtlKept *kept, Datum *values, bool *isnull);
/* The same with some of its columns; false if the record is broken, or one of them does not convert. */
extern bool EtlRowsUseSome(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns,
						   Datum *values, bool *isnull);
/* The column and the text (NULL: null) that has made the current row faulty. */
extern const EtlColumn *EtlRowsFaultyValue(const EtlRows *rows, const char **text);
/* Where a kept record is from, for CONTEXT; palloc'd. */
extern char *EtlKeptWhere(const EtlKept *kept);
extern void
EtlRowsFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull);
extern void EtlRowsRewind(EtlRows *rows);
extern void EtlRowsClose(EtlRows *rows);

/* Where the current row is, or the one that was recalled, for the CONTEXT of errors that have not said so. */
extern void EtlRowsErrorContext(EtlRows *rows);

/*
 * Of rows whose values are kept somewhere, errors may come when others have been read since.  Mark marks the current row;
 * Recall says which one errors are about from now on, NULL for the current one again.
 */
extern void EtlRowsMark(const EtlRows *rows, EtlRowMark *mark);
extern void EtlRowsRecall(EtlRows *rows, const EtlRowMark *mark);

/* For kinds: what it took to read over http. */
extern void EtlExplainHttp(const EtlHttpStats *http, ExplainState *es);

/* Raises a fault as the error that it is. */
pg_noreturn extern void EtlRaiseFault(const EtlFault *fault);

/* For kinds: records why the current row is faulty. */
extern void EtlRowsSetFault(EtlRows *rows, int sqlstate, char *message, char *detail, char *hint);

/* For kinds: a fault (22021) that shows bytes which cannot be text. */
extern void EtlInvalidBytesFault(EtlFault *fault, const unsigned char *s, int len);

/* For kinds: the NULL of a column, which a domain may refuse. */
extern void EtlColumnNull(EtlRows *rows, int column, Datum *value, bool *isnull);

/* For kinds: the same of a column that the record lacks. */
extern void EtlColumnLacking(EtlRows *rows, int column, Datum *value, bool *isnull);

/*
 * For kinds whose records are lines of text: where the current record is from, and the value of a provenance column.
 */
typedef struct EtlOrigin
{
	const char *source;
	int64 line;
	const char *raw; /* as it is written; NULL: that is no text */
	size_t len;
} EtlOrigin;

extern void
EtlColumnOrigin(const EtlColumn *column, const EtlOrigin *origin, Datum *value, bool *isnull);

/* For kinds: the value of a column through its type's input function. */
extern Datum EtlColumnInput(EtlRows *rows, int column, const char *s, size_t len);

/* For kinds: the value of a column whose field holds len bytes at s. */
static inline Datum
EtlColumnConvert(EtlRows *rows, int column, const char *s, size_t len)
{
	const EtlColumn *col = &rows->columns[column];
	Datum value;

	if (col->fast != NULL && col->fast(s, len, col->typmod, &value))
		return value;
	return EtlColumnInput(rows, column, s, len);
}

#endif /* ETL_ROWS_H */

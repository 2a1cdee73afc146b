/*
 * etl_source.h
 *		For extensions that bring a source of their own: what etl asks of it, and what it gives.
 *
 * A source has parts (the partitions of a topic, say), and a part has messages with rising offsets, not each of them
 * there.  The extension says which messages come; etl makes rows of what they hold, in the formats that it knows and under
 * its error policies, and reads them for pipelines: then the offset of the next message of each part commits with the rows.
 *
 * An extension that requires etl declares a function
 *
 *		CREATE FUNCTION my_source(..., format text DEFAULT 'json', ...) RETURNS SETOF record
 *		AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000
 *		SUPPORT etl_internal.etl_scan_support;
 *		DO $$ BEGIN EXECUTE etl_internal.twins_of('my_source'); END $$;
 *
 * (the latter makes the form with row_type, and what pipelines look it up by)
 *
 * and in C
 *
 *		static const EtlSourceKind kind = {.version = ETL_SOURCE_VERSION, .function = "my_source", ...};
 *		static const EtlSourceApi *etl;
 *
 *		void _PG_init(void) { etl = EtlSourceConnect(); etl->add(&kind); }
 *		Datum my_source(PG_FUNCTION_ARGS) { return etl->rows(fcinfo, &kind); }
 *
 * Of the arguments etl reads format, items, missing_columns, tombstones, on_error and reject_limit, where they are
 * declared; the others are the source's.
 *
 * A source never waits: it says for what, and etl waits beside the latch.  All functions are called in the backend's own
 * thread, and may raise errors; the current memory context lasts as long as the scan in open, and otherwise until the next
 * row.  What is not memory is given back by a reset callback of scan->context.
 */
#ifndef ETL_SOURCE_H
#define ETL_SOURCE_H

#include "postgres.h"
#include "fmgr.h"

#define ETL_SOURCE_VERSION 1

struct ExplainState;
struct sockaddr;

typedef struct EtlSourceKind EtlSourceKind;

/* One reading of the source; the struct of the extension begins with it. */
typedef struct EtlSourceScan
{
	const EtlSourceKind *kind;
	MemoryContext context; /* of the scan */
	bool pipeline;		   /* it is a pipeline's: find() says where it goes on */
	bool follows;		   /* it does not end where the source ends now: it waits for what comes */
	void *etl;			   /* etl's own */
} EtlSourceScan;

typedef struct EtlSourceHeader
{
	const char *name;
	const char *value; /* NULL: null */
	size_t len;
} EtlSourceHeader;

/* What is not text in UTF-8 is bytes.  All is borrowed until the next call of next or rewind. */
typedef struct EtlMessage
{
	int part; /* its number, as begin() was told */
	int64 offset;
	const char *value; /* NULL: it has none, and says that what has its key is gone (a tombstone) */
	size_t len;
	const char *key; /* NULL: none */
	size_t key_len;
	int64 timestamp; /* ms since 1970; -1: none */
	int nheaders;
	const EtlSourceHeader *headers;

	/* Not NULL: it is no message but what is wrong at this place of the part, which becomes a faulty row. */
	const char *fault;
	const char *fault_hint; /* or NULL */
	int fault_sqlstate;
} EtlMessage;

typedef enum EtlSourceStep
{
	ETL_SOURCE_MESSAGE, /* *message is the next one */
	ETL_SOURCE_PART_END, /* of part and offset of *message: all before the offset came, and there are no more now */
	ETL_SOURCE_WAIT, /* nothing now: look again when *wait says */
	ETL_SOURCE_END	 /* there are no more in any part; never if the scan follows */
} EtlSourceStep;

/* When to look again: when the descriptor can be read, or so many ms have passed, whatever comes first. */
typedef struct EtlSourceWait
{
	pgsocket fd; /* PGINVALID_SOCKET: none */
	int ms;		 /* -1: no time */
} EtlSourceWait;

/* A place between two messages. */
typedef struct EtlSourcePlace
{
	int part;
	int64 offset; /* of the next one */
} EtlSourcePlace;

/* What has become of a message that is a request. */
typedef struct EtlSourceOutcome
{
	int part;
	int64 offset;
	int64 loaded; /* records */
	int64 set_aside;
} EtlSourceOutcome;

struct EtlSourceKind
{
	int version;		  /* ETL_SOURCE_VERSION */
	const char *function; /* SQL name */
	PGFunction entry;	  /* the C function behind it */
	size_t
		size; /* of the extension's struct, which begins with an EtlSourceScan and comes zeroed */

	/* Reads the arguments.  For a pipeline this is in a transaction, in which nothing may be asked of a network. */
	void (*open)(EtlSourceScan *scan);
	/*
	 * Before the first message it tells etl of each part by begin(); further ones whenever they appear.  A wait may be
	 * asked for at any time.
	 */
	EtlSourceStep (*next)(EtlSourceScan *scan, EtlMessage *message, EtlSourceWait *wait);
	/* Starts again, with the same messages. */
	void (*rewind)(EtlSourceScan *scan);
	/*
	 * For a pipeline: the messages before these places, each of another part, have been committed with their rows.  It must
	 * not raise an error, but for a query that is cancelled.  NULL: the source need not know.
	 */
	void (*committed)(EtlSourceScan *scan, const EtlSourcePlace *places, int n);
	/* How many messages the source is known to have behind those that it has given; -1: not known.  NULL: it never is. */
	int64 (*behind)(const EtlSourceScan *scan);
	/* What EXPLAIN ANALYZE shows besides; or NULL. */
	void (*explain)(const EtlSourceScan *scan, struct ExplainState *es);

	/*
	 * Of sources whose messages are requests, which somebody waits for to be answered; else NULL.  The records of a request commit in one
	 * transaction.  In that, settle() gets what became of each; they may be answered when answer() is called, behind its commit.
	 * empty() is for a request without a record, when that was found out.  An error in settle() is one of the transaction; the
	 * other two must not raise any.
	 */
	void (*settle)(EtlSourceScan *scan, const EtlSourceOutcome *outcomes, int n);
	void (*answer)(EtlSourceScan *scan);
	void (*empty)(EtlSourceScan *scan, const EtlMessage *message);
};

typedef struct EtlSourceApi
{
	int version;

	/* In _PG_init, for each function of the extension; the kind must stay. */
	void (*add)(const EtlSourceKind *kind);
	/* What the function returns. */
	Datum (*rows)(FunctionCallInfo fcinfo, const EtlSourceKind *kind);

	/* In open: the value of an argument as text, palloc'd; NULL if it is null or not declared. */
	char *(*argument)(const EtlSourceScan *scan, const char *name);
	/* The same of one that has choices: the number of the chosen one, the first if it is null; else an error (22023). */
	int (*choice)(const EtlSourceScan *scan, const char *name, const char *const *choices, int n);

	/*
	 * In next: the offset at which an earlier run of the pipeline stopped in the part of this name; -1: none has read it.
	 * An error (55000) if it read a source of another identity; both are texts that the source chooses.
	 */
	int64 (*find)(EtlSourceScan *scan, const char *identity, const char *name);
	/* Reading of a part starts here; parts are numbered from 0. */
	void (*begin)(EtlSourceScan *scan, int part, const char *name, int64 offset);

	/* The special purpose of an address ("loopback", "private use"), NULL: it is a public host.  For any thread. */
	const char *(*address_purpose)(const struct sockaddr *address);
	/* What a file of the server holds, palloc'd, without the line end. */
	char *(*secret_file)(const char *path);
	/* The one of some names that is closest to one that was written; NULL: none is close. */
	const char *(*closest)(const char *written, const char *const *names, int n);
	/* Waits for so many ms, and raises an error if the query is cancelled. */
	void (*sleep)(int ms);
} EtlSourceApi;

/* Loads etl, if it is not there yet; an error (55000) if it is of another version than this header. */
static inline const EtlSourceApi *
EtlSourceConnect(void)
{
	const EtlSourceApi *(*connect)(int version);

	connect = (const EtlSourceApi *(*) (int) ) load_external_function(
		"$libdir/etl", "EtlSourceApiOfVersion", true, NULL);
	return connect(ETL_SOURCE_VERSION);
}

#endif /* ETL_SOURCE_H */

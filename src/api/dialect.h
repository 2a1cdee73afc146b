/*
 * dialect.h
 *		How an API hands out a collection page by page, as data.
 *
 *		items		where the items of a page are
 *		next		where a page says what comes after it, and where that goes in the next request
 *		stop		how the last page is known
 *		rules		what an answer means that is not simply a page
 *
 * A dialect is made of options, each a name and a text, as they stand in the call of etl_api and in the rows of
 * etl_dialects.  They are set one by one, those of a preset first, and then completed.
 *
 * Where a value is found in an answer is written
 *
 *		data.next			at a path of the body (also body:data.next)
 *		header:X-Next		in a header
 *		last:id				at a path of the last item
 *		link:next			in the link with this relation of the Link header
 *
 * and where the reference goes in the next request
 *
 *		cursor				a parameter of the query (also query:cursor)
 *		body:page.after		a member of the body
 *		header:X-Cursor		a header
 *		url					it is the URL
 *
 * All texts are UTF-8, as bodies are.  Nothing here needs a server or raises an error: what cannot be taken comes back as a sentence.
 */
#ifndef ETL_DIALECT_H
#define ETL_DIALECT_H

#include "etl.h"
#include "format/json_path.h"
#include "source/http/retry.h"

typedef enum EtlPagination
{
	ETL_PAGING_AUTO,	 /* as the first answer shows */
	ETL_PAGING_NONE,	 /* one request */
	ETL_PAGING_LINK,	 /* next: a URL in the Link header */
	ETL_PAGING_NEXT_URL, /* next: a URL somewhere else */
	ETL_PAGING_CURSOR,	 /* next: a value that goes into the next request */
	ETL_PAGING_PAGE,	 /* pages are numbered */
	ETL_PAGING_OFFSET	 /* so many items are passed over */
} EtlPagination;

/* How the body of a page is written. */
typedef enum EtlPageFormat
{
	ETL_PAGE_AUTO,	 /* one JSON value, or several where there are no paths into it */
	ETL_PAGE_NDJSON, /* lines, each a JSON value */
	ETL_PAGE_CSV	 /* CSV with a header */
} EtlPageFormat;

/* Where in an answer a value is. */
typedef enum EtlSignalKind
{
	ETL_NO_SIGNAL,
	ETL_IN_BODY,
	ETL_IN_HEADER,
	ETL_IN_LAST_ITEM,
	ETL_IN_LINK,
} EtlSignalKind;

typedef struct EtlSignal
{
	EtlSignalKind kind;
	const char *name;  /* of the header or the relation, or the path's text */
	EtlJsonPath *path; /* of a body or an item */
	int capture;	   /* number that the reader of bodies has for it */
} EtlSignal;

/* Where in a request a value goes. */
typedef enum EtlPlaceKind
{
	ETL_NO_PLACE,
	ETL_TO_QUERY,
	ETL_TO_BODY,
	ETL_TO_HEADER,
	ETL_TO_URL
} EtlPlaceKind;

typedef struct EtlPlace
{
	EtlPlaceKind kind;
	const char *name; /* of the parameter or the header */
	EtlJsonPath *path;
} EtlPlace;

typedef struct EtlWaitSignal
{
	EtlSignal at;
	const char *regex; /* what of the text is the time, as substring() has it; NULL: all of it */
	EtlWaitKind kind;
} EtlWaitSignal;

/* What is made of an answer. */
typedef enum EtlVerdict
{
	ETL_ANSWER_OK,		/* a page */
	ETL_ANSWER_LATER,	/* ask again, as late as the wait signals say */
	ETL_ANSWER_RESTART, /* the server has lost the thread: begin again */
	ETL_ANSWER_EMPTY,	/* there is nothing there, or nothing more */
	ETL_ANSWER_FAIL,
	ETL_ANSWER_REFRESH /* ask again with another token of OAuth; without one: fail */
} EtlVerdict;

typedef struct EtlAnswerRule
{
	int status;		   /* 0: any */
	EtlSignal at;	   /* ETL_NO_SIGNAL: no further condition */
	const char *value; /* NULL: it is there, and not null, false, empty text, [] or {} */
	EtlVerdict verdict;
} EtlAnswerRule;

/* How the times of a slice are written. */
typedef enum EtlSliceFormat
{
	ETL_SLICE_ISO,	/* 2024-01-31T23:59:59Z */
	ETL_SLICE_DATE, /* 2024-01-31, in the session's time zone */
	ETL_SLICE_EPOCH,
	ETL_SLICE_EPOCH_MS
} EtlSliceFormat;

/* What counts as a sign that the scan goes round in circles. */
typedef enum EtlGuard
{
	ETL_GUARD_OFF,
	ETL_GUARD_CONTENT, /* a page whose items were all on an earlier page */
	ETL_GUARD_ON	   /* that, and a reference that has been followed before */
} EtlGuard;

/* What becomes of a scan that may not have all items. */
typedef enum EtlTruncation
{
	ETL_TRUNCATION_FAILS,
	ETL_TRUNCATION_WARNS,
	ETL_TRUNCATION_IGNORED, /* for a caller that looks at the decision itself */
} EtlTruncation;

#define ETL_MAX_WAIT_SIGNALS 4
#define ETL_MAX_ANSWER_RULES 8
#define ETL_DIALECT_OPTIONS 31

typedef struct EtlDialect
{
	const char *given[ETL_DIALECT_OPTIONS]; /* the options as they were set, in their order */

	EtlPagination pagination;
	const char *method; /* NULL: GET, or POST with a body */
	bool repeatable;	/* even if it is POST */

	EtlJsonPath *items; /* NULL: the body is an array, or values */
	bool items_optional;
	EtlPageFormat format;

	EtlSignal next;
	EtlPlace next_to;
	const char *next_path; /* where all but the first request go, NULL: where the first goes */
	const char *first;	   /* value of the first request, NULL: it has none */
	const char *carry;	   /* "all", "none", or names with commas between them */
	EtlPlace limit_to;	   /* where the size of a page goes */
	int64 page_size;	   /* 0: left to the server */

	/* stop */
	EtlSignal flag; /* the last page has this value there */
	const char *flag_value;
	EtlSignal total; /* number of items */
	EtlSignal pages; /* number of pages */
	EtlSignal echo;	 /* size of pages, as the server has it */
	EtlSignal older; /* time or number of the last item, behind which nothing is of interest */
	const char *older_than;
	bool stop_short;
	bool stop_empty;
	int max_empty;	 /* empty pages in a row that are no reason to worry */
	int64 max_pages; /* 0: any number */
	int64 cap;		 /* items after which the server falls silent; 0: none is known */
	EtlSignal rekey; /* where the key is behind which a new search begins then */
	const char *key; /* of the first search; takes the place of {key} in params and body */

	/* slices of time, which are searches of their own (texts that window.c makes times of) */
	const char *slice; /* an interval, NULL: there are none */
	const char *slice_from;
	const char *slice_to;  /* NULL: now */
	const char *slice_gap; /* by which {to} is before the next {from}; NULL: not at all */
	EtlSliceFormat slice_format;

	const char *doubt; /* detected: why this page may not be all there is (a sentence), or NULL */

	EtlGuard guard;
	EtlTruncation truncation;
	int64 concurrency;

	int nwaits;
	EtlWaitSignal waits[ETL_MAX_WAIT_SIGNALS];
	int nrules;
	EtlAnswerRule rules[ETL_MAX_ANSWER_RULES];
} EtlDialect;

extern void EtlDialectInit(EtlDialect *dialect);

/* Sets an option.  Returns what is wrong with it, NULL: nothing.  The value is borrowed. */
extern const char *EtlDialectSet(EtlDialect *dialect, const char *name, const char *value);

/* The name of option i, and its number, -1 if there is none. */
extern const char *EtlDialectOption(int i);
extern int EtlDialectFindOption(const char *name);

/* Fills in what follows from the options that were set.  Returns what is missing or at odds. */
extern const char *EtlDialectComplete(EtlDialect *dialect);

/* Are pages or items counted? */
extern bool EtlDialectCounts(const EtlDialect *dialect);

extern const char *EtlPaginationName(EtlPagination pagination);

/* Is this the name of a kind of paging, rather than of a preset? */
extern bool EtlIsPagination(const char *name);

#endif /* ETL_DIALECT_H */

/*
 * paging.h
 *		What follows a page: the next request, or the end and its reason.  Pure decisions.
 */
#ifndef ETL_PAGING_H
#define ETL_PAGING_H

#include "api/dialect.h"
#include "etl.h"
#include "format/json.h"

/* Why a scan ended. */
typedef enum EtlEnd
{
	ETL_NOT_ENDED,
	ETL_END_NO_NEXT,  /* the last page names no next one */
	ETL_END_FLAG,	  /* the flag says so */
	ETL_END_SHORT,	  /* a page was shorter than pages are */
	ETL_END_EMPTY,	  /* a page was empty */
	ETL_END_TOTAL,	  /* all items or pages that the server announced are there */
	ETL_END_OLDER,	  /* the last item is older than asked for */
	ETL_END_CAP,	  /* max_pages */
	ETL_END_SINGLE,	  /* there is one page only, as pagination 'none' says */
	ETL_END_TRUNCATED /* not all is there, and on_truncation says that this is no error */
} EtlEnd;

/* What a complete page said. */
typedef struct EtlPageFacts
{
	int64 number; /* from 1 */
	int64 nth;	  /* of its search, from 1 */
	int64 nitems;
	int64 nbefore; /* items of all pages of the search before */
	int64 longest; /* most items of a page before */
	int empties;   /* empty pages in a row, with this one */
	bool has_next; /* there is a reference to a next page */
	bool has_flag; /* the flag is there, */
	bool flag_set; /* and has the value of the last page */
	bool older;	   /* the last item is older than asked for */
	bool more_slices;
	bool
		as_asked; /* the page is as long as was asked for, as far as detection knows the whole collection */
	int64 total; /* -1: not said, as with the following */
	int64 npages;
	int64 echo;
	bool
		recounted; /* where pages or items are counted, a page said another total (or npages) than the first: */
	int64 announced; /* this is what that one said */
	int64 recount;
} EtlPageFacts;

typedef struct EtlDecision
{
	EtlEnd end;			 /* ETL_NOT_ENDED: there is a next page */
	bool rekey;			 /* it is the first of a search behind the key of the last item, */
	bool slice;			 /* or of the next slice */
	bool changed;		 /* the problem is that the list was another one meanwhile */
	const char *problem; /* why not all is there, or nobody can know; NULL: all is well */
	const char *detail;
	const char *hint;
} EtlDecision;

extern void
EtlPagingDecide(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision);

/* The problem is that the list was another one meanwhile; "what" says how that shows. */
extern void EtlPagingChanged(EtlDecision *decision, const char *what);

/* Is a captured value a reference to a next page?  null, false and empty text are not. */
extern bool EtlPagingIsReference(const EtlJsonValue *value);

/* Is it what a rule of the dialect asks for?  wanted NULL: anything that says something. */
extern bool EtlPagingMatches(const EtlJsonValue *value, const char *wanted);

/* A whole number in an answer, -1 if the text is none. */
extern int64 EtlPagingCount(const char *text, size_t len);

/* no_next, flag, ... */
extern const char *EtlEndName(EtlEnd end);

#endif /* ETL_PAGING_H */

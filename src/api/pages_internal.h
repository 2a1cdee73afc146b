/*
 * pages_internal.h
 *		What the parts of the page loop share.
 *
 *		pages_loop.c	items out: bodies -> reader -> items; the end of a page
 *		pages_ahead.c	requests out: what may be sent before its turn, and what is sent at the latest
 *		pages_answer.c	answers in: a page, "later", "begin again", or an error; detection
 *		pages_format.c	what a page may be written in, and how one of them is broken
 *		pages_place.c	where a scan is, as text, and back
 */
#ifndef ETL_PAGES_INTERNAL_H
#define ETL_PAGES_INTERNAL_H

#include "api/pages.h"
#include "api/window.h"
#include "utils/hsearch.h"

/* How often a server may lose the thread in one scan. */
#define ETL_MAX_RESTARTS 3

/* A request that is under way, or was. */
typedef struct EtlPageRequest
{
	MemoryContext context; /* of what follows but for the exchange */
	EtlExchange *exchange;
	EtlCall call;
	const EtlReference *reference; /* NULL: the first page */
	const char *url;			   /* where that leads, if it is a URL */
	int64 number;				   /* of the page */
	int64 count;				   /* the number asked for, where pages or items are counted */
} EtlPageRequest;

/* An entry of the tables that find a loop. */
typedef struct EtlPageHash
{
	uint64 hash; /* key */
	int64 number;
} EtlPageHash;

/* Items that a page must have, because they were handed out: at its beginning, or all of it. */
typedef struct EtlPageSeen
{
	int64 nitems;
	uint64 hash;
} EtlPageSeen;

struct EtlPages
{
	MemoryContext context;		/* of all */
	MemoryContext page_context; /* emptied with each page */
	const EtlApiBase *base;
	EtlDialect *dialect;
	EtlHttpStats stats;
	EtlEnd end;
	EtlDetection *detection;
	int64 enough; /* items after which no more may be asked for; 0: all are wanted */

	/* requests in the order of their pages */
	List *ahead;	  /* of EtlPageRequest, behind the current page */
	List *idle;		  /* of EtlPageRequest, to be used again */
	int64 nsent;	  /* number of the last page asked for */
	int64 next_count; /* of the one behind it, where pages or items are counted */
	EtlWindow *window;
	int64 nprevious; /* pages of the searches before the one in hand */

	/* the current page */
	EtlPageRequest *current;  /* NULL: none */
	EtlPageRequest *answered; /* the last one that was a page; NULL: none yet */
	int64 number;			  /* its number, or of the one before */
	EtlJsonOptions options;
	EtlReader *reader;	 /* of the dialect's format; its records are EtlJsonItem */
	StringInfoData held; /* bytes of the body that detection has read */
	int held_at;		 /* and how many of them the reader has got */
	int64 nitems;
	EtlPageSeen expected; /* items that are passed over, if they are the same */
	bool differs;		  /* they were not */
	int64 broken_at;	 /* byte + 1 where the body, or the current item, is broken; 0: it is not */
	uint64 line;		 /* on which the current item stands, where lines are read; else 0 */
	uint64 line_skipped; /* the first line of the page that is broken; 0: none */

	/* the pages before */
	int64 nread;   /* items of all of them */
	int64 nbefore; /* of those of the current search */
	int64 longest;
	int empties;
	EtlPageFacts facts;
	EtlDecision decision;
	bool truncated; /* a search was, and that was no error */
	int64 nseen;	/* pages that were read to their end, in any round */
	int64 max_seen;
	EtlPageSeen *seen;		 /* [nseen] */
	EtlPageSeen interrupted; /* of the page behind them, when the scan began again */
	int nrestarts;
	bool may_repeat;	  /* an item that comes twice does no harm */
	int nreadings;		  /* of the whole list */
	EtlPageRequest *tail; /* the page that may have been the last when it was read; NULL: none */
	int64
		settled; /* pages up to this one had items behind them before they were asked for (again) */
	int64
		announced; /* total, or else number of pages, that the first page of the search said; -1: none */
	HTAB *hashes; /* of non-empty pages, with their number */
	HTAB *
		followed; /* hashes of the references that were followed, with the page that each leads to */

	/* for another scan that is to go on with this one, or the other way round */
	StringInfoData window_text; /* the window before the first item of a page, */
	int64 window_number;		/* of this number; 0: none yet */
	int64
		resumed_at; /* the page at which this scan began, to go on with another; 0: with the first */
	bool lost;		/* which cannot be done */
	int64 until;	/* of the wait in hand */
	bool late;		/* and that is over */
};

/* The formats of pages, by EtlPageFormat. */
typedef struct EtlFormatOfPages
{
	const EtlFormat *format;
	/* Raises what broke the current page as the error that it is. */
	void (*raise)(EtlPages *pages);
} EtlFormatOfPages;

/* pages_format.c */
extern const EtlFormatOfPages EtlPageFormats[];

/* pages_ahead.c */
extern void EtlPagesSendFirst(EtlPages *pages);
extern void EtlPagesSend(EtlPages *pages, const EtlReference *reference);
extern void EtlPagesLookAhead(EtlPages *pages);
extern void EtlPagesSendNext(EtlPages *pages);
extern void EtlPagesSendSlice(EtlPages *pages);
extern void EtlPagesRelease(EtlPages *pages, EtlPageRequest *request);
extern void EtlPagesDiscardAhead(EtlPages *pages);
extern EtlReference *EtlPagesFindNext(EtlPages *pages); /* palloc'd, NULL: there is none */

/* A page is complete, and what follows is decided.  True if it may have been the last, and its request is kept. */
extern bool EtlPagesKeepTail(EtlPages *pages);
extern EtlPageSeen EtlPagesTailSeen(const EtlPages *pages); /* what was handed out of it */
extern void EtlPagesAskTail(EtlPages *pages); /* once more, because the current page has an item */
extern bool
EtlPagesAskedTail(const EtlPages *pages); /* whether the current page was asked for so */
extern void EtlPagesDropTail(EtlPages *pages);

/* pages_loop.c */
/* Raises what a reader of JSON found wrong with the page, which may be something else. */
pg_noreturn extern void EtlPagesRaiseJsonFault(const EtlPages *pages, const EtlReader *reader);

extern void EtlPagesEndEmpty(EtlPages *pages);
extern EtlPages *EtlPagesCreate(const EtlApiBase *base, EtlDialect *dialect);

/* pages_answer.c */
extern bool EtlPagesOpenPage(EtlPages *pages); /* false: the scan has ended, is late or lost */
extern void EtlPagesAskAgain(EtlPages *pages, int64 asked);
extern void EtlPagesBeginAgain(EtlPages *pages);
extern void EtlPagesRestart(EtlPages *pages);
extern const EtlAnswerRule *EtlPagesRuleForBody(EtlPages *pages);
extern int64 EtlPagesAskedWait(EtlPages *pages, const EtlReader *reader);
extern int64 EtlPagesSignalCount(EtlPages *pages, const EtlSignal *signal);
extern const EtlJsonValue *EtlPagesSignal(EtlPages *pages, const EtlReader *reader,
										  const EtlSignal *signal, EtlJsonValue *storage);

#endif /* ETL_PAGES_INTERNAL_H */

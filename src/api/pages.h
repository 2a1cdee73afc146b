/*
 * pages.h
 *		Many requests as one stream of items.
 *
 *		pages = EtlPagesOpen(base, dialect)
 *		EtlPagesNext(pages, &item, until)	the next item, of whatever page
 *		EtlPagesEnded(pages)				why there are no more
 *
 * An item is handed out as soon as it has arrived, and the request for the next page is sent as soon as its
 * reference is known, while the items of this one are still being read.  As many requests as the dialect's
 * concurrency are under way at most; their bodies wait in buffers of fixed size until it is their turn.
 *
 * A page that breaks off is asked for again, and those of its items that were handed out before are passed
 * over, if they are the same.  What is wrong is an error; a scan that may miss items is one too, unless
 * the dialect makes it a warning.
 */
#ifndef ETL_PAGES_H
#define ETL_PAGES_H

#include "api/detect.h"
#include "api/dialect.h"
#include "api/paging.h"
#include "api/request.h"
#include "etl.h"
#include "format/json.h"
#include "lib/stringinfo.h"

typedef struct EtlPages EtlPages;

typedef enum EtlPagesStep
{
	ETL_PAGES_ITEM,
	ETL_PAGES_END,
	ETL_PAGES_LATE, /* none has come by "until" */
	ETL_PAGES_LOST	/* the place at which the scan was to go on is not there any more: it cannot */
} EtlPagesStep;

/*
 * base and dialect are borrowed; an automatic dialect is filled in when the first answer is there.
 * enough is the number of items after which no more may be asked for, 0 if all are wanted: no page is asked for
 * ahead that may not be needed.
 */
extern EtlPages *EtlPagesOpen(const EtlApiBase *base, EtlDialect *dialect, int64 enough);
/*
 * It does no harm if an item comes twice: where the list changes while its pages are counted, it is read again rather
 * than reported.
 */
extern void EtlPagesMayRepeat(EtlPages *pages);
/* Waits no longer than "until" (on the clock, or ETL_FOREVER). */
extern EtlPagesStep EtlPagesNext(EtlPages *pages, EtlJsonItem *item, int64 until);

/*
 * For who reads several scans at once: Ready goes on until the answer with the next item has begun, or there are no more, or
 * "until" has come (false).  Turn waits for all of these, whose last step was late, until something happens to one.
 */
extern bool EtlPagesReady(EtlPages *pages, int64 until);
extern void EtlPagesTurn(EtlPages *const *pages, int n);

/*
 * Where the scan is, as text (ASCII) that holds no credentials of the target: the current page, and how many of its
 * items were handed out; at_start: before the first that this scan gave of that page.  With it another scan of the same
 * base and dialect can go on there, if the server still knows the page, and its items up to there are the same.
 */
extern char *EtlPagesPosition(const EtlPages *pages, bool at_start);
extern EtlPages *EtlPagesOpenAt(const EtlApiBase *base, EtlDialect *dialect, const char *position);

/* Tells calls apart whose pages are not the same. */
extern uint64 EtlPagesCallHash(const EtlApiBase *base, const EtlDialect *dialect);

/* Ends what is under way. */
extern void EtlPagesClose(EtlPages *pages);

/* ETL_NOT_ENDED while there may be more items. */
extern EtlEnd EtlPagesEnded(const EtlPages *pages);

extern int64 EtlPagesNumber(const EtlPages *pages); /* of the current page, from 1; 0: none yet */
extern int64 EtlPagesSearches(const EtlPages *pages);
extern const EtlHttpStats *EtlPagesStats(const EtlPages *pages);
extern const EtlDetection *EtlPagesDetection(const EtlPages *pages); /* NULL: there was none */
extern const EtlPageFacts *
EtlPagesFacts(const EtlPages *pages); /* of the last page that is complete */

extern const EtlDecision *EtlPagesDecision(const EtlPages *pages); /* on that page */

/* A header of the last answer that was a page; palloc'd, NULL: it has none. */
extern char *EtlPagesHeader(const EtlPages *pages, const char *name);

/* Says where the scan is: page 3 of "https://...", item 17 */
extern void EtlPagesWhere(const EtlPages *pages, StringInfo buf);

#endif /* ETL_PAGES_H */

/*
 * window.h
 *		One scan as several searches, because the server does not hand out all of one.
 *
 *		window = EtlWindowCreate(base, dialect)
 *		EtlWindowBegin(window)					at the first search: the first slice, the first key
 *		EtlWindowHoles(window)					what stands for {key}, {from} and {to} in its requests
 *		EtlWindowTake(window, page, item)		each item: false if the search before handed it out, too
 *		EtlWindowRekey(window, value)			the server is at its cap: the search behind this key
 *		EtlWindowNextSlice(window)				the search is complete: that of the next slice of time
 *
 * Slices cover the time from slice_from to slice_to without gaps.  A search behind a key finds what has the
 * same key once more if it asks for "at least"; that is passed over.  If it asks for "more than", items that
 * share the last key of a search can be lost, which is an error as far as it can be seen.
 */
#ifndef ETL_WINDOW_H
#define ETL_WINDOW_H

#include "api/dialect.h"
#include "api/request.h"
#include "etl.h"
#include "format/json.h"

typedef struct EtlWindow EtlWindow;

/* In the current memory context.  An error if what the options say is no time or no interval. */
extern EtlWindow *EtlWindowCreate(const EtlApiBase *base, const EtlDialect *dialect);
extern void EtlWindowBegin(EtlWindow *window);
extern const EtlHoles *EtlWindowHoles(const EtlWindow *window);
extern bool EtlWindowTake(EtlWindow *window, int64 page, const EtlJsonItem *item);
extern void EtlWindowRekey(EtlWindow *window, const EtlJsonValue *value);
extern bool EtlWindowHasMore(const EtlWindow *window); /* slices */
extern void EtlWindowNextSlice(EtlWindow *window);
extern int64 EtlWindowSearches(const EtlWindow *window); /* so far, with this one */

/*
 * Appends what is to be known of it to go on, as pairs (source/pairs.h) whose names begin with "window.".  Restore takes
 * them, one by one; then Resume.  False if it is too much to be
 * kept (very many items share a key).
 */
extern void EtlWindowSave(const EtlWindow *window, StringInfo text);
extern void EtlWindowRestore(EtlWindow *window, const char *name, const char *value);
extern bool EtlWindowResume(EtlWindow *window);

#endif /* ETL_WINDOW_H */

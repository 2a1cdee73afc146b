/*
 * page.h
 *		What the gateway shows of a database: made by a short worker that is connected to it.
 */
#ifndef ETL_PAGE_H
#define ETL_PAGE_H

#include "gateway/frames.h"

extern void EtlPageInit(void);

/* A program has been started, which is answered by these frames. */
extern void EtlPageBegin(EtlFrames *frames);
/* It asks for the metrics of a database. */
extern void EtlPageTake(const EtlFrame *frame, const char *data);
/* Goes on with what was asked for. */
extern void EtlPageTurn(void);
/* For how many ms nothing is to be done by itself; -1: nothing is under way. */
extern int EtlPageWait(void);

extern PGDLLEXPORT void EtlPageMain(Datum arg);

#endif /* ETL_PAGE_H */

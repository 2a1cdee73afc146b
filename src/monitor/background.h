/*
 * background.h
 *		Starts the processes of this library, in one way for all of them.
 */
#ifndef ETL_BACKGROUND_H
#define ETL_BACKGROUND_H

#include "etl.h"
#include "postmaster/bgworker.h"

typedef struct EtlBackground
{
	const char *function; /* its entry, which this library exports */
	const char *type;	  /* as pg_stat_activity shows it */
	const char *subject;  /* behind the type in its name; NULL: there is only one */
	bool apart;			  /* it never connects to a database */
	int restart_after;	  /* s, if it fails; 0: it is not started again */
	bool notify;		  /* this process, when it starts and ends */
	Datum arg;
	const void *extra; /* bgw_extra, or NULL */
	size_t extra_len;
} EtlBackground;

/*
 * While the library is preloaded the process starts with the server; later it starts at once.  False: all background
 * workers of the server are in use.  handle may be NULL; else it is allocated in the current memory context.
 */
extern bool EtlStartBackground(const EtlBackground *what, BackgroundWorkerHandle **handle);

#endif /* ETL_BACKGROUND_H */

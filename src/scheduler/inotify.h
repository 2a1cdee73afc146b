/*
 * inotify.h
 *		What the kernel tells about directories.
 */
#ifndef ETL_INOTIFY_H
#define ETL_INOTIFY_H

#include "etl.h"

/* What has happened in a directory, as bits. */
#define ETL_FILE_ARRIVED 1 /* one that was written was closed, or it was moved here */
#define ETL_NAME_MADE 2	   /* a file, link or directory of this name was made here */
#define ETL_NAME_CHANGED \
	4 /* made, moved here, moved away or removed: a path may lead elsewhere now */
#define ETL_DIRECTORY_CHANGED 8 /* the watched directory itself was moved or removed */
#define ETL_DIRECTORY_GONE 16	/* and is not watched any more */
#define ETL_EVENTS_LOST 32		/* anything may have happened, anywhere */

/* A descriptor to wait on; -1 with errno if there is none to be had. */
extern int EtlInotifyOpen(void);

/*
 * Watches a directory for files, or only for names; adds to what it was watched for.  Returns its number, the same for
 * the same directory; -1 with errno.
 */
extern int EtlInotifyAdd(int fd, const char *directory, bool files);
extern void EtlInotifyRemove(int fd, int number);

/* Hands out some of what has happened, each with the directory's number and the name of what is in it. */
extern void EtlInotifyRead(int fd, void (*handle)(int number, int events, const char *name));

#endif /* ETL_INOTIFY_H */

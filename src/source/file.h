/*
 * file.h
 *		Files on the database server as sources of bytes.
 */
#ifndef ETL_FILE_H
#define ETL_FILE_H

#include <sys/types.h>
#include <time.h>

#include "source/source.h"

/*
 * Opens a regular file for reading, as it is at this moment: bytes appended later are not read.  A file that
 * loses bytes while it is read is an error (58030), and so is one that was written over without growing
 * (55000).  It may be rewound also after it was closed; another file in its place is an error then (55000).  A
 * relative path counts from the data directory, as it does for COPY.
 *
 * The current user needs the privileges of pg_read_server_files (42501).  A directory, FIFO, socket or
 * device is refused (42809); whatever else keeps the file from being opened has the SQLSTATE that COPY
 * gives it.
 *
 * Of a file that a pattern has found, the path from byte "found" on was chosen by whoever may write to the folders of the
 * pattern, so a link there is an error (42809), unless etl.follow_links says otherwise.
 */
extern EtlSource *EtlFileOpen(const char *path, size_t found);

extern void EtlFileInit(void);

/* Which file it is, and in which state. */
typedef struct EtlFileIdentity
{
	dev_t device;
	ino_t inode; /* 0: not known yet */
	int64 size;
	struct timespec modified;
} EtlFileIdentity;

/* A time of modification, in ns since 1970. */
static inline int64
EtlFileTime(const struct timespec *modified)
{
	return (int64) modified->tv_sec * 1000000000 + modified->tv_nsec;
}

/*
 * Notes in *identity which file was opened, if that is not known yet; another one, or the same one changed, is an
 * error (55000).
 */
extern void EtlFileCheckSame(EtlSource *file, EtlFileIdentity *identity);

/* Whether the current user may read files on the server; and the error if not. */
extern bool EtlFileMayRead(void);
extern void EtlFileCheckMayRead(const char *path);

/*
 * For the planner: the size of a file, and up to *len bytes from its start.  False, and never an error, if
 * the current user may not read it or it is not there to be read.
 */
extern bool EtlFileSample(const char *path, size_t found, char *buf, size_t *len, int64 *size);

#endif /* ETL_FILE_H */

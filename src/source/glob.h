/*
 * glob.h
 *		Many files by one pattern.
 */
#ifndef ETL_GLOB_H
#define ETL_GLOB_H

#include "etl.h"
#include "nodes/pg_list.h"

/*
 * The files that a path names: itself, or, if no file is called so and it holds *, ? or [, those that match
 * it (POSIX glob), in the order of their names' bytes.  Directories are not files.  A pattern without a match is an error
 * (58P01), as is a directory that cannot be read, or a name that is no text in the database's encoding (22021).
 *
 * The current user needs the privileges of pg_read_server_files (42501).  *size is what they have together, in bytes; -1: it
 * is not known.
 */
extern List *EtlGlob(const char *path, int64 *size); /* of palloc'd char * */

/* How many bytes of what a pattern finds are the pattern's own: up to the slash before its first *, ? or [. */
extern size_t EtlGlobPrefix(const char *pattern);

/* For the planner: the same without any error, and with directories; NIL if there is one, or no match. */
extern List *EtlGlobQuietly(const char *path);

/*
 * Whether a path is a pattern that matches no file, in a directory that exists: files may come to match it.  False
 * for a path that names one file, and if a directory within the pattern cannot be read.
 */
extern bool EtlGlobIsEmpty(const char *path);

/* For those who watch: the directories that a path names, and perhaps files; those that cannot be read are left out. */
extern List *EtlGlobDirectories(const char *path);

#endif /* ETL_GLOB_H */

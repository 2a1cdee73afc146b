/*
 * set.h
 *		What the "source" argument of a function names: one source of bytes, or several, one after the other.
 */
#ifndef ETL_SET_H
#define ETL_SET_H

#include "source/http_source.h"
#include "source/source.h"

typedef struct EtlSourceSet EtlSourceSet;

/*
 * Finds out what "source" names: an http or https URL; with a path (NULL: none) a foreign server; else a
 * file, or the files that match a pattern (see glob.h).  Compressed ones are read decompressed.  Raises what
 * the kind of source raises for a user who may not read it.
 *
 * The set belongs to the current memory context.  If it may be rewound, what can be read only once is kept
 * in a temporary file.
 */
extern EtlSourceSet *EtlSourceSetOpen(const char *source, const char *path, bool rewindable);

/* Closes the source in hand, and opens the next; NULL when there is none. */
extern EtlSource *EtlSourceSetNext(EtlSourceSet *set);

/* What the next one is called; NULL: there is none. */
extern const char *EtlSourceSetNextName(const EtlSourceSet *set);

/*
 * For a pipeline, whose reading may begin where an earlier one stopped (see http_source.h).  The set is of one URL; past,
 * which is borrowed, holds for the sources that are opened from now on.
 */
extern void EtlSourceSetPast(EtlSourceSet *set, const EtlHttpPast *past);
extern EtlHttpNews EtlSourceSetNews(const EtlSourceSet *set); /* ETL_HTTP_ALL of a file */
extern const char *EtlSourceSetValidator(const EtlSourceSet *set);
extern uint64 EtlSourceSetUrlHash(const EtlSourceSet *set); /* of a URL in full; 0: files */

/* Opens the source in hand once more, from its start, whatever was read before. */
extern EtlSource *EtlSourceSetAgain(EtlSourceSet *set);

/* A memory context for what belongs to the source in hand; it is reset with the next. */
extern MemoryContext EtlSourceSetContext(EtlSourceSet *set);

/* Starts again before the first source; what is opened again must be what it was. */
extern void EtlSourceSetRewind(EtlSourceSet *set);

extern int EtlSourceSetCount(const EtlSourceSet *set);
/* As stored, perhaps compressed; all readings taken together. */
extern uint64 EtlSourceSetBytesRead(const EtlSourceSet *set);
extern int64 EtlSourceSetSize(const EtlSourceSet *set); /* the same; -1: not known */
extern const EtlHttpStats *EtlSourceSetHttpStats(const EtlSourceSet *set); /* NULL: not of http */

/*
 * For the planner: how large "source" is, and up to *len bytes from its start (none if it is compressed: then
 * the size is a guess).  False, and never an error, if that is not known or the current user may not know it.
 */
extern bool EtlSourceSample(const char *source, char *buf, size_t *len, double *size);

#endif /* ETL_SET_H */

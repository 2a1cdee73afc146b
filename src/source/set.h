/*
 * set.h
 *		What the "source" argument of a function names: parts in a store, one after the other.
 *
 *		set = EtlSourceSetOpen(source, path, rewindable)
 *		while ((part = EtlSourceSetNextPart(set)) != NULL)
 *			stream = EtlSourceSetOpenPart(set, past)		past: what an earlier run has read of it, or NULL
 */
#ifndef ETL_SET_H
#define ETL_SET_H

#include "source/store.h"

typedef struct EtlSourceSet EtlSourceSet;

/*
 * Finds out what "source" names: an http or https URL; objects of a bucket (s3://); with a path (NULL: none) what a
 * foreign server has there; else a file, or the files that match a pattern (see glob.h).  Compressed ones are read
 * decompressed.  Raises what the store raises for a user who may not read it.
 *
 * The set belongs to the current memory context.  If it may be rewound, what can be read only once is kept
 * in a temporary file.
 */
extern EtlSourceSet *EtlSourceSetOpen(const char *source, const char *path, bool rewindable);

/* Closes the current part, and goes to the next; NULL when there is none. */
extern const EtlPart *EtlSourceSetNextPart(EtlSourceSet *set);
extern const EtlPart *EtlSourceSetPart(const EtlSourceSet *set); /* the one in hand */

/* Looks at the current part without opening it; false: nothing is known. */
extern bool EtlSourceSetLook(const EtlSourceSet *set, EtlSourceState *state);

/* At the end: an error (58P01) if there was none at all. */
extern void EtlSourceSetCheckFound(const EtlSourceSet *set);

/* From now on the store may open parts ahead that are wanted: they are opened with the same "past" in their turn. */
extern void EtlSourceSetLookAhead(EtlSourceSet *set, EtlWantsPart wants, void *arg);

/* Opens the current part; also once more, from its start, whatever was read before. */
extern EtlSource *EtlSourceSetOpenPart(EtlSourceSet *set, const EtlSourcePast *past);

/* Both; NULL when there is no further part. */
extern EtlSource *EtlSourceSetNext(EtlSourceSet *set);

/* Whether the current part could be opened, as it is stored. */
extern bool EtlSourceSetIsOpen(const EtlSourceSet *set);

/*
 * Goes back before the first part, after EtlSourcePeek has looked at parts: nothing of them was read.  If source, which Next
 * gave last, is the first part, it stays open and is what OpenPart gives next, so that a URL is requested once.
 */
extern void EtlSourceSetPutBack(EtlSourceSet *set, EtlSource *source);

/* A memory context for what belongs to the current part; it is reset with the next. */
extern MemoryContext EtlSourceSetContext(EtlSourceSet *set);

/* The state of the current part, what of it is to be read, and whether there is more by now (see source.h). */
extern void EtlSourceSetState(const EtlSourceSet *set, int64 at, EtlSourceState *state);
extern EtlSourcePlan EtlSourceSetPlan(const EtlSourceSet *set, const EtlSourcePast *past);
extern bool EtlSourceSetHasGrown(const EtlSourceSet *set);

/* Whether a part that was not found is gone, as EtlStore has it. */
extern bool EtlSourceSetIsGone(const EtlSourceSet *set, const char *part,
							   const EtlSourceState *state, bool in_order);

/* What is done with parts that are loaded, as EtlStore has it; an error (0A000) if nothing can be done with any. */
extern void EtlSourceSetCheckDone(const EtlSourceSet *set);
extern EtlDone *EtlSourceSetDone(const EtlSourceSet *set, const char *part,
								 const EtlSourceState *state, const EtlWhenDone *what);

/* How the part in hand begins, if a server says it (source.h). */
extern void EtlSourceSetBeginning(const EtlSourceSet *set, struct EtlBeginning *beginning);

/* Starts again before the first part; what is opened again must be what it was. */
extern void EtlSourceSetRewind(EtlSourceSet *set);

extern bool EtlSourceSetIsRemote(const EtlSourceSet *set);
extern bool EtlSourceSetIsPattern(const EtlSourceSet *set); /* its parts are those that match one */
extern int EtlSourceSetCount(const EtlSourceSet *set);		/* of parts; -1: not known */
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

/*
 * undeclared.h
 *		Columns that a source has, and of which the declaration has none.
 */
#ifndef ETL_UNDECLARED_H
#define ETL_UNDECLARED_H

#include "scan/names.h"

/* So many names are kept, known ones included: where members are called by what they hold, each item has new ones. */
#define ETL_UNDECLARED_MAX 100

/* Names are in the server's encoding, and clipped as identifiers are. */
typedef struct EtlUndeclared
{
	MemoryContext context;
	EtlNames *names; /* of both: */
	List *known;	 /* of char *: those that were noted before */
	List *found;	 /* of char *: those that came since, in the order in which they came */
} EtlUndeclared;

/* In the current memory context, which keeps "known". */
extern EtlUndeclared *EtlUndeclaredCreate(List *known);

/* Notes a name, unless it was noted before, or there are as many as are kept. */
extern void EtlUndeclaredNote(EtlUndeclared *undeclared, const char *name, size_t len);
/* The same with a name in UTF-8. */
extern void EtlUndeclaredNoteUtf8(EtlUndeclared *undeclared, const char *name, size_t len);

/* Whether no more names are noted. */
static inline bool
EtlUndeclaredIsFull(const EtlUndeclared *undeclared)
{
	return list_length(undeclared->known) + list_length(undeclared->found) >= ETL_UNDECLARED_MAX;
}

#endif /* ETL_UNDECLARED_H */

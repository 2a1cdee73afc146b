/*
 * names.h
 *		Names that must differ, and names in lists.
 */
#ifndef ETL_NAMES_H
#define ETL_NAMES_H

#include "etl.h"

#include "nodes/pg_list.h"

typedef struct EtlNames EtlNames;

/* A set of names, in the current memory context. */
extern EtlNames *EtlNamesCreate(void);

/* Adds a name, which is borrowed; false if it was there. */
extern bool EtlNamesAdd(EtlNames *names, const char *name);

/* The same with a number, by which Find gives it back; -1: the name is not there. */
extern bool EtlNamesAddNumber(EtlNames *names, const char *name, int number);
extern int EtlNamesFind(const EtlNames *names, const char *name);

/*
 * Adds a name, palloc'd, that was not there yet: this one, clipped to max_len bytes (0: as long as it is), or one with
 * the lowest number behind it that makes it new: name, name_2, name_3.
 */
extern char *EtlNamesAddUnique(EtlNames *names, const char *name, int max_len);

/* Whether a list of char * has a name; for short lists. */
extern bool EtlListHas(const List *names, const char *name);

#endif /* ETL_NAMES_H */

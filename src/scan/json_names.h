/*
 * json_names.h
 *		Names that are looked for in JSON items, one after another.
 *
 * The items of a source are mostly alike: the same members in the same order.  So what a member's name
 * means is remembered, under its place and under its name, and a member costs one comparison.
 */
#ifndef ETL_JSON_NAMES_H
#define ETL_JSON_NAMES_H

#include "etl.h"
#include "format/json.h"
#include "scan/undeclared.h"

typedef struct EtlJsonNames EtlJsonNames;

/* What a name means in the current item. */
typedef struct EtlJsonFound
{
	const EtlJsonToken *token; /* NULL: there is no such member */
	const EtlJsonToken *other; /* another member that matches as well: it is ambiguous; else NULL */
	bool exact;				   /* the member is called exactly so */
} EtlJsonFound;

extern EtlJsonNames *EtlJsonNamesCreate(void);

/* Adds a name (UTF-8, copied), or a path of names; returns its number. */
extern int EtlJsonNamesAdd(EtlJsonNames *names, const char *name, size_t len);
extern int EtlJsonNamesAddPath(EtlJsonNames *names, const EtlJsonPath *path);

/* From now on, what the items have that none of the names means is noted there. */
extern void EtlJsonNamesNote(EtlJsonNames *names, EtlUndeclared *undeclared);

/* Looks for all names in an item that is an object; false if none of its own members matches any. */
extern bool EtlJsonNamesLocate(EtlJsonNames *names, const EtlJsonItem *item);

/* The first member of an item, in which all names were looked for, that none of them means; NULL: each has its name. */
extern const EtlJsonToken *EtlJsonNamesUnread(EtlJsonNames *names, const EtlJsonItem *item);

/* What was found for the name of this number. */
extern const EtlJsonFound *EtlJsonNamesFound(const EtlJsonNames *names, int number);

#endif /* ETL_JSON_NAMES_H */

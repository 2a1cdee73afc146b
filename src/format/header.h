/*
 * header.h
 *		Which column or key of the data a name in SQL means.
 *
 * Names in files are written for people ("Order ID", orderId, ORDER-ID); names in SQL are written in snake
 * case.  A name means the column that is called exactly so; if there is none, the one that is called so when
 * both are folded to snake case.  What matches twice is ambiguous, and the caller's error to raise.
 */
#ifndef ETL_HEADER_H
#define ETL_HEADER_H

#include "etl.h"

#include <limits.h>

typedef struct EtlName
{
	const char *name; /* borrowed, not NUL-terminated */
	size_t len;
} EtlName;

typedef struct EtlNameMatch
{
	int index; /* of the name that matches, -1 if none does */
	int other; /* of a second one that matches as well: it is ambiguous; else -1 */
} EtlNameMatch;

extern EtlNameMatch EtlMatchName(const char *wanted, const EtlName *names, int n);

/*
 * Folds a name to snake case into out, which has room for 2 * len + 1 bytes, and returns how many bytes that
 * gave, not counting the NUL behind them.
 */
extern size_t EtlFoldName(const char *name, size_t len, char *out);

/* Marks all bytes that a name can begin with which matches the wanted one; of one that is empty, the quote behind it. */
extern void EtlAddInitials(const char *wanted, size_t len, bool initials[UCHAR_MAX + 1]);

#endif /* ETL_HEADER_H */

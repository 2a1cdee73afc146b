/*
 * store.h
 *		A kind of place that holds parts: the server's files, URLs, buckets.
 *
 * What a user names in it is a list of parts, which are found and opened one by one: however many there are, only the one
 * in hand is held.  Another kind of place is a row of the table in set.c.
 */
#ifndef ETL_STORE_H
#define ETL_STORE_H

#include "source/http/exchange.h"
#include "source/source.h"
#include "source/when_done.h"

typedef struct EtlStore EtlStore;

/*
 * Whether a part that comes later will be opened, as far as is known of it now, and what was read of it before (all zero:
 * nothing).  In the current memory context.
 */
typedef bool (*EtlWantsPart)(void *arg, const EtlPart *part, const EtlSourceState *state,
							 EtlSourcePast *past);

/* A store's struct begins with it, and belongs to the memory context in which it was made. */
typedef struct EtlListing
{
	const EtlStore *store;
	EtlPart part;			   /* the one in hand */
	int count;				   /* of parts; -1: not known */
	bool by_pattern;		   /* they are those that match, however many that are now */
	int64 size;				   /* of all of them, as they are stored; -1: not known */
	const EtlHttpStats *stats; /* NULL: no requests are sent */
	EtlWantsPart wants;		   /* NULL: parts are not opened ahead */
	void *wants_arg;
} EtlListing;

struct EtlStore
{
	bool
		remote; /* a part comes over the network: it is read once, and its bytes cannot be compared in place */

	/* Whether this is the kind of place that source and path (NULL: none) name. */
	bool (*names)(const char *source, const char *path);

	/* Raises an error if the current user may not read there, or nothing is named so. */
	EtlListing *(*list)(const char *source, const char *path);
	/* Goes to the next part; false: there is none. */
	bool (*next)(EtlListing *listing);
	/* Goes back before the first part.  The same ones follow, or an error is raised when they are opened. */
	void (*rewind)(EtlListing *listing);
	/* Looks at the current part without opening it; false: nothing is known.  NULL: it never is. */
	bool (*look)(EtlListing *listing, EtlSourceState *state);
	/* Opens the current part in the current memory context; past is what was read of it before, or NULL. */
	EtlSource *(*open)(EtlListing *listing, const EtlSourcePast *past);

	/*
	 * For pipelines: whether a part of that name, read in that state, is known to be gone, now that the listing has not given it; in_order: it has
	 * passed the name, in the order of strcmp().  False where nobody can tell.  NULL: nobody ever can.
	 */
	bool (*gone)(EtlListing *listing, const char *part, const EtlSourceState *state, bool in_order);

	/*
	 * For pipelines: begins what is to be done with a part of that name that is loaded in that state, in the current memory
	 * context (when_done.h); NULL: it is of another place.  CheckDone raises an error if the user may not have it done.
	 * NULL: nothing can be done.
	 */
	EtlDone *(*done)(EtlListing *listing, const char *part, const EtlSourceState *state,
					 const EtlWhenDone *what);
	void (*check_done)(EtlListing *listing);

	/* Raises that there is not one part; NULL: there always is one, or list has raised that. */
	void (*raise_none)(EtlListing *listing);

	/* For the planner, as EtlSourceSample (set.h), of the first part; NULL: planning does not look there. */
	bool (*sample)(const char *source, char *buf, size_t *len, double *size);
};

extern const EtlStore EtlFileStore;
extern const EtlStore EtlUrlStore;
extern const EtlStore EtlBucketStore;

#endif /* ETL_STORE_H */

/*
 * when_done.h
 *		What a pipeline does with a part of its source that is loaded: the option when_done.
 *
 *		EtlWhenDoneRead(text, &what)
 *		done = set or stream's Done(part, ..., &what)		its first request is on its way
 *		while (EtlDoneStep(done)) ;
 *
 * It is done to the version that was loaded, and to no other.  Doing it twice does no harm: what was done is seen, and so is
 * that the part is gone or has another version, which is not touched.
 */
#ifndef ETL_WHEN_DONE_H
#define ETL_WHEN_DONE_H

#include "etl.h"

typedef enum EtlDeed
{
	ETL_KEEP,	/* nothing */
	ETL_DELETE, /* it is deleted */
	ETL_TAG,	/* it gets a tag, name=value */
	ETL_MOVE	/* it goes below the prefix "name" */
} EtlDeed;

typedef struct EtlWhenDone
{
	EtlDeed deed;
	char *name;	 /* of a tag; a prefix, with its slash */
	char *value; /* of a tag */
} EtlWhenDone;

/* 'keep', 'delete', 'tag:name=value' or 'move:prefix/'; NULL is 'keep', anything else an error (22023). */
extern void EtlWhenDoneRead(const char *text, EtlWhenDone *what);

/* One part on its way.  A store's struct begins with it. */
typedef struct EtlDone
{
	bool (*step)(struct EtlDone *done);
} EtlDone;

/*
 * Waits for the answer that it needs, and sends the next request; false: all is done, or there is nothing to be done any more.
 * Raises what an exchange raises.
 */
static inline bool
EtlDoneStep(EtlDone *done)
{
	return done->step(done);
}

#endif /* ETL_WHEN_DONE_H */

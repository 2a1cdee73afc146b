/*
 * resume.h
 *		What a pipeline tells a scan, and is told by it, so that a run goes on where an earlier one stopped.
 */
#ifndef ETL_SCAN_RESUME_H
#define ETL_SCAN_RESUME_H

#include "etl.h"

struct EtlParts;
struct EtlUndeclared;

/* What has become of a part of a source. */
typedef enum EtlPartState
{
	ETL_PART_READING,  /* it is read to some record, and there may be more */
	ETL_PART_DONE,	   /* it is read to its end */
	ETL_PART_SET_ASIDE /* it cannot be read on */
} EtlPartState;

typedef struct EtlPartMark
{
	const char *part;
	const char *position; /* the records before it are handed out; NULL: it is where it was */
	const char *version;  /* tells this content of the part from others; NULL: nothing does */
	EtlPartState state;
	bool alternates; /* the scan goes back and forth between its parts */
} EtlPartMark;

typedef struct EtlResume
{
	/*
	 * The position that was marked for a part; NULL: none was.  Of each part in hand, of these parts (NULL: the kind has no
	 * such); before, with "ahead", perhaps of those that follow.  It lasts until the next call.
	 */
	const char *(*find)(void *arg, const struct EtlParts *parts, const char *part, bool ahead);
	/* The version of a part that was set aside, and is not read again while it has it; NULL: it is to be read */
	const char *(*refused)(void *arg, const char *part);
	/* Whether the next part is read here, and not by another process.  NULL: it is. */
	bool (*takes)(void *arg, const char *part);
	/* Reading of a part starts at this position, or has come this far: the records before it are handed out. */
	void (*mark)(void *arg, const EtlPartMark *mark);
	/*
	 * A part is not whole: its last record was held back, or it must be complete and is still written to.  It counts after so many
	 * ms without a write.
	 */
	void (*held)(void *arg, int64 ms);
	/* Reading of the current part begins anew: nothing behind a mark is done already. */
	void (*forget)(void *arg);
	/* A part has nothing in it, and is passed over. */
	void (*empty)(void *arg);
	void *arg;
	int64 pipeline;	  /* whose run it is, and */
	const char *name; /* its name */
	bool no_source;	  /* records are only revived */
	bool complete;	  /* all of the source is read, and what is not there counts as well */
	bool removes;	  /* ... and is removed from the target */
	bool newest;	  /* ... of its last part by name, and none of the others */
	bool once;		  /* a record that comes a second time is loaded a second time */
	bool continuous;  /* the run goes on when there are no more records for now */
	struct EtlUndeclared
		*undeclared; /* gets what the source has and nobody has declared; NULL: nobody asks */
	int settle_ms; /* for how long a file must be still before its unterminated last record counts */
} EtlResume;

#endif /* ETL_SCAN_RESUME_H */

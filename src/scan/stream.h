/*
 * stream.h
 *		The records of a set of sources: sources + format + deadline.
 *
 *		sources -> (decode) -> reader's buffer -> record
 *
 *		Sources			finds the sources
 *		NextSource		opens the next of them (or NextPart, then OpenPart)
 *		Next			goes to the next record of that source
 *		Rewind			starts again, before the first source
 *
 * A stream does not know what a record is: that is its format's.  It raises what reading the sources raises.
 */
#ifndef ETL_STREAM_H
#define ETL_STREAM_H

#include "etl.h"
#include "format/format.h"
#include "source/content.h"
#include "source/source.h"
#include "source/store.h"

struct ErrorContextCallback;
struct EtlArgs;
struct EtlSourceSet;
struct ErrorContextCallback;
struct ExplainState;
struct MemoryContextData;

#define ETL_STREAM_START 128

typedef struct EtlStream
{
	EtlReader *reader;
	struct MemoryContextData *context;		/* in which it was opened */
	struct MemoryContextData *part_context; /* of what is known of the part in hand */
	bool
		decodes; /* sources are text in some encoding, and given in the server's; else bytes are as they are */
	const char *encoding;	  /* NULL: by byte order mark, or the client's */
	struct EtlSourceSet *set; /* NULL: there is only what Use gives */
	EtlSource *source;		  /* in hand, decoded; NULL: none */
	int number;				  /* of its part, from 1 */
	bool mid_line; /* the next record is what follows one whose line had no end when it was read */
	int64 until;   /* Next waits no longer than this (clock.h); or ETL_FOREVER */
	uint64 nrecords; /* of all sources, for progress; its owner counts */
	uint64 nbytes;	 /* read of the sources, as they are stored */
	size_t nstart;
	char start
		[ETL_STREAM_START]; /* what the current source begins with, as it was read; for messages */
} EtlStream;

/* The sources that the arguments name.  Only with rewindable may Rewind be called. */
extern struct EtlSourceSet *EtlStreamSources(const struct EtlArgs *args, bool rewindable);

/* A stream of these sources (NULL: none), in the current memory context; the reader is for the caller to make. */
extern void EtlStreamOpen(EtlStream *stream, struct EtlSourceSet *set);

/* Opens the next source, the reader at its start; false if there is none. */
extern bool EtlStreamNextSource(EtlStream *stream);

/* Reads another source, as it is, from its start. */
extern void EtlStreamUse(EtlStream *stream, EtlSource *source);

/* Starts again, before the first source. */
extern void EtlStreamRewind(EtlStream *stream);

/*
 * For pipelines (see set.h and source.h).
 *
 * LookAhead lets parts be opened ahead (set.h).  NextPart goes to the next part, NULL if there is none.  OpenPart opens the current part, also once more from its
 * start; past is what an earlier run has read of it, or NULL, and mark the length of the byte order mark that it had
 * then.  Look looks at it without opening it.  State is what tells it from others, up to a place (NULL: to none).
 * Plan is what of it is to be read.
 */
extern void EtlStreamLookAhead(EtlStream *stream, EtlWantsPart wants, void *arg);
extern const EtlPart *EtlStreamNextPart(EtlStream *stream);
/* What is allocated between the two lasts until the next part. */
extern struct MemoryContextData *EtlStreamEnterPart(EtlStream *stream);
extern void EtlStreamLeavePart(struct MemoryContextData *old);
extern void EtlStreamOpenPart(EtlStream *stream, const EtlSourcePast *past, int mark);
extern const EtlPart *EtlStreamPart(const EtlStream *stream);
extern bool EtlStreamLook(const EtlStream *stream, EtlSourceState *state);
extern void EtlStreamCheckFound(const EtlStream *stream); /* an error if there was no part at all */
extern bool
EtlStreamIsOpen(const EtlStream *stream); /* else nothing is known of the current part */
extern void
EtlStreamState(const EtlStream *stream, const EtlRecordPlace *place, EtlSourceState *state);
extern EtlSourcePlan EtlStreamPlan(const EtlStream *stream, const EtlSourcePast *past);

/* Whether a part that was not found is gone, as a set has it. */
extern bool EtlStreamIsGone(const EtlStream *stream, const char *part, const EtlSourceState *state,
							bool in_order);

/* What is done with a part that is loaded, as a set has it; an error if a call with these arguments may not have it done. */
extern EtlDone *EtlStreamDone(const EtlStream *stream, const char *part,
							  const EtlSourceState *state, const EtlWhenDone *what);
extern void EtlStreamCheckDone(const struct EtlArgs *args);

/* For how many ms the current part was not written to; -1: it is no file, and never is. */
extern int64 EtlStreamStill(const EtlStream *stream);

/* Whether there is more in the current part by now than is read of it. */
extern bool EtlStreamHasGrown(const EtlStream *stream);

/* Waits until the next part, if it is a file, was not written to for so many ms; false: it is written to meanwhile. */
extern bool EtlStreamSettles(const EtlStream *stream, int64 ms);

/* The length of the byte order mark of the current source, which no place counts. */
extern int EtlStreamMark(const EtlStream *stream);

/* Goes to a place in the current source, from any other; here: it was opened at the byte before. */
extern void EtlStreamGoTo(EtlStream *stream, const EtlRecordPlace *place, bool here);

/* Feeds the reader from the current source, as EtlFeed: there are no bytes now if they have not come by "until". */
extern ssize_t EtlStreamFeed(void *stream, char *buf, size_t len);

/* Where the reader is: file "a.csv", line 3; nothing if no source is open. */
/* How the source in hand begins, for messages. */
extern EtlBeginning EtlStreamBeginning(const EtlStream *stream);

extern void EtlStreamWhere(const EtlStream *stream, StringInfo buf);

/* Says so in the CONTEXT of errors, until the caller sets error_context_stack back to callback->previous. */
extern void EtlStreamPushErrorContext(EtlStream *stream, struct ErrorContextCallback *callback);

/* The files on the server that a call with these arguments reads, as EtlScanKind has it. */
extern char *EtlStreamWatches(const struct EtlArgs *args);

/* For the planner, as EtlScanKind has it: how many lines a call with these arguments may read, and how many bytes. */
extern bool EtlStreamEstimate(const struct EtlArgs *args, double *nlines, double *nbytes);

/* What EXPLAIN ANALYZE shows of the sources. */
extern void EtlStreamExplain(const EtlStream *stream, struct ExplainState *es);

/* Goes to the next record of the current source.  ETL_FORMAT_NEED_DATA: it has not come by "until". */
static inline int
EtlStreamNext(EtlStream *stream, void *record)
{
	return EtlReaderNext(stream->reader, record, EtlStreamFeed, stream);
}

#endif /* ETL_STREAM_H */

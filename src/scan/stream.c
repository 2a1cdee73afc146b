/*
 * stream.c
 *		The records of a set of sources.
 */
#include "etl.h"

#include "monitor/progress.h"
#include "optimizer/optimizer.h"
#include "scan/args.h"
#include "scan/rows.h"
#include "scan/stream.h"
#include "source/clock.h"
#include "source/decode.h"
#include "source/loop.h"
#include "source/set.h"
#include "source/http/url.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

EtlSourceSet *
EtlStreamSources(const EtlArgs *args, bool rewindable)
{
	char *source = EtlArgText(args, "source");

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	return EtlSourceSetOpen(source, EtlArgText(args, "path"), rewindable);
}

void
EtlStreamOpen(EtlStream *stream, EtlSourceSet *set)
{
	memset(stream, 0, sizeof(*stream));
	stream->context = CurrentMemoryContext;
	stream->part_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl part", ALLOCSET_SMALL_SIZES);
	stream->until = ETL_FOREVER;
	stream->set = set;
}

void
EtlStreamUse(EtlStream *stream, EtlSource *source)
{
	static const EtlRecordPlace start = {.line = 1};

	stream->source = source;
	stream->nstart = 0;
	EtlReaderReset(stream->reader, &start);
}

void
EtlStreamLookAhead(EtlStream *stream, EtlWantsPart wants, void *arg)
{
	EtlSourceSetLookAhead(stream->set, wants, arg);
}

const EtlPart *
EtlStreamNextPart(EtlStream *stream)
{
	stream->source = NULL;
	stream->number++;
	MemoryContextReset(stream->part_context);
	return EtlSourceSetNextPart(stream->set);
}

MemoryContext
EtlStreamEnterPart(EtlStream *stream)
{
	return MemoryContextSwitchTo(stream->part_context);
}

void
EtlStreamLeavePart(MemoryContext old)
{
	MemoryContextSwitchTo(old);
}

/* What is built on a source goes with it, and the reader's memory is the stream's. */
void
EtlStreamOpenPart(EtlStream *stream, const EtlSourcePast *past, int mark)
{
	MemoryContext old = MemoryContextSwitchTo(stream->context);
	EtlSource *source;

	stream->source = NULL;
	stream->nstart = 0;
	stream->mid_line = false;
	source = EtlSourceSetOpenPart(stream->set, past);
	MemoryContextSwitchTo(EtlSourceSetContext(stream->set));
	if (stream->decodes)
		source = source->bytes_read == 0 ? EtlDecodeOpen(source, stream->encoding)
										 : EtlDecodeContinue(source, mark);
	MemoryContextSwitchTo(stream->context);
	EtlReaderReset(stream->reader, NULL);
	stream->source = source;
	MemoryContextSwitchTo(old);
}

bool
EtlStreamNextSource(EtlStream *stream)
{
	if (EtlStreamNextPart(stream) == NULL)
	{
		EtlStreamCheckFound(stream);
		return false;
	}
	EtlStreamOpenPart(stream, NULL, 0);
	return true;
}

void
EtlStreamRewind(EtlStream *stream)
{
	stream->source = NULL;
	stream->number = 0;
	EtlSourceSetRewind(stream->set);
}

ssize_t
EtlStreamFeed(void *arg, char *buf, size_t len)
{
	EtlStream *stream = arg;
	bool at_start;
	size_t n;

	if (stream->until != ETL_FOREVER && !EtlSourceReady(stream->source, stream->until))
		return -1;
	at_start = stream->source->bytes_read == 0;
	n = EtlSourceRead(stream->source, buf, len);
	if (at_start)
	{
		stream->nstart = Min(n, sizeof(stream->start));
		memcpy(stream->start, buf, stream->nstart);
	}
	if (stream->set != NULL)
	{
		stream->nbytes = EtlSourceSetBytesRead(stream->set);
		EtlProgressReport(stream->nbytes, EtlSourceSetSize(stream->set), stream->nrecords);
	}
	return (ssize_t) n;
}

/* ----------------------------------------------------------------
 *	For pipelines
 * ---------------------------------------------------------------- */

const EtlPart *
EtlStreamPart(const EtlStream *stream)
{
	return EtlSourceSetPart(stream->set);
}

void
EtlStreamCheckFound(const EtlStream *stream)
{
	EtlSourceSetCheckFound(stream->set);
}

bool
EtlStreamLook(const EtlStream *stream, EtlSourceState *state)
{
	return EtlSourceSetLook(stream->set, state);
}

bool
EtlStreamIsOpen(const EtlStream *stream)
{
	return EtlSourceSetIsOpen(stream->set);
}

int
EtlStreamMark(const EtlStream *stream)
{
	return stream->decodes ? EtlDecodeMarkLength(stream->source) : 0;
}

/* Only in a plain stream is a place one of what is stored. */
void
EtlStreamState(const EtlStream *stream, const EtlRecordPlace *place, EtlSourceState *state)
{
	bool plain = place != NULL && stream->source->plain;

	EtlSourceSetState(stream->set, plain ? (int64) place->offset + EtlStreamMark(stream) : -1,
					  state);
}

EtlSourcePlan
EtlStreamPlan(const EtlStream *stream, const EtlSourcePast *past)
{
	return EtlSourceSetPlan(stream->set, past);
}

bool
EtlStreamHasGrown(const EtlStream *stream)
{
	return EtlSourceSetHasGrown(stream->set);
}

bool
EtlStreamIsGone(const EtlStream *stream, const char *part, const EtlSourceState *state,
				bool in_order)
{
	return EtlSourceSetIsGone(stream->set, part, state, in_order);
}

EtlDone *
EtlStreamDone(const EtlStream *stream, const char *part, const EtlSourceState *state,
			  const EtlWhenDone *what)
{
	return EtlSourceSetDone(stream->set, part, state, what);
}

void
EtlStreamCheckDone(const EtlArgs *args)
{
	EtlSourceSetCheckDone(EtlStreamSources(args, false));
}

/* For how many ms what is in that state was not written to. */
static int64
still_for(const EtlSourceState *state)
{
	return (GetCurrentTimestamp() - time_t_to_timestamptz(state->mtime / 1000000000)) / 1000;
}

int64
EtlStreamStill(const EtlStream *stream)
{
	EtlSourceState state;

	EtlStreamState(stream, NULL, &state);
	return state.mtime == 0 ? -1 : still_for(&state);
}

/* What did not change while it was watched is still, whatever its time says: the clock that set it may be another one. */
bool
EtlStreamSettles(const EtlStream *stream, int64 ms)
{
	EtlSourceState before;
	EtlSourceState after;
	int64 left;

	if (!EtlStreamLook(stream, &before) || before.mtime == 0)
		return true;
	left = ms - Max(still_for(&before), 0);
	if (left <= 0)
		return true;
	(void) EtlLoopSleep(EtlClock() + left, ETL_FOREVER);
	return EtlStreamLook(stream, &after) && after.mtime == before.mtime &&
		   after.size == before.size;
}

/* The byte before is read, too: if it is a CR, an LF behind it belongs to it. */
void
EtlStreamGoTo(EtlStream *stream, const EtlRecordPlace *place, bool here)
{
	EtlRecordPlace to = *place;
	char before = '\0';

	if (to.offset == 0)
		return;
	if (!here)
	{
		EtlSourceRewind(stream->source, false);
		EtlSourceSkip(stream->source, to.offset - 1);
	}
	(void) EtlSourceRead(stream->source, &before, 1);
	to.after_cr = before == '\r';
	stream->mid_line = to.in_line = before != '\r' && before != '\n';
	EtlReaderReset(stream->reader, &to);
}

char *
EtlStreamWatches(const EtlArgs *args)
{
	char *source = EtlArgText(args, "source");

	return source == NULL || EtlArgFind(args, "path") != NULL || EtlIsUrl(source) ? NULL : source;
}

/* ----------------------------------------------------------------
 *	For people
 * ---------------------------------------------------------------- */

EtlBeginning
EtlStreamBeginning(const EtlStream *stream)
{
	EtlBeginning beginning = {NULL, NULL};

	if (stream->set == NULL)
		return beginning;
	if (EtlSourceSetIsRemote(stream->set))
		EtlSourceSetBeginning(stream->set, &beginning);
	else
		beginning.text = EtlShowBeginning(stream->start, stream->nstart);
	return beginning;
}

void
EtlStreamWhere(const EtlStream *stream, StringInfo buf)
{
	if (stream->source == NULL)
		return;
	appendStringInfo(buf, "file \"%s\"", stream->source->name);
	stream->reader->format->where(stream->reader, buf);
}

static void
stream_error_context(void *stream)
{
	StringInfoData where;

	initStringInfo(&where);
	EtlStreamWhere(stream, &where);
	if (where.len > 0)
		errcontext("%s", where.data);
}

void
EtlStreamPushErrorContext(EtlStream *stream, ErrorContextCallback *callback)
{
	callback->callback = stream_error_context;
	callback->arg = stream;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

void
EtlStreamExplain(const EtlStream *stream, ExplainState *es)
{
	const EtlHttpStats *http = EtlSourceSetHttpStats(stream->set);

	if (EtlSourceSetCount(stream->set) > 1)
		ExplainPropertyInteger("Files", NULL, EtlSourceSetCount(stream->set), es);
	if (http != NULL)
		EtlExplainHttp(http, es);
}

/* ----------------------------------------------------------------
 *	For the planner
 * ---------------------------------------------------------------- */

#define LINE_GUESS 100 /* bytes, where nothing can be seen */

/*
 * From the size of the files and the length of the lines at the start of the first, one of which may be all
 * that is seen.
 */
bool
EtlStreamEstimate(const EtlArgs *args, double *nlines, double *nbytes)
{
	char buf[8192];
	size_t len = sizeof(buf);
	char *path = EtlArgText(args, "source");
	int lines = 0;

	if (path == NULL || EtlArgFind(args, "path") != NULL ||
		!EtlSourceSample(path, buf, &len, nbytes))
		return false;
	for (size_t i = 0; i < len; i++)
		lines += buf[i] == '\n' || (buf[i] == '\r' && (i + 1 == len || buf[i + 1] != '\n'));
	*nlines = clamp_row_est(len > 0 ? *nbytes / len * Max(lines, 1) : *nbytes / LINE_GUESS);
	return true;
}

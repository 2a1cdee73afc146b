/*
 * parts.c
 *		From part to part of a source, each from where an earlier run of a pipeline stopped.
 *
 *		open -> find the position -> decide -> go there, pass over, or begin at the start -> mark
 *			 -> record, record, ...  (mark when asked)  -> the end, or held back, or left -> mark
 *
 * That each record is loaded exactly once rests on the marks being true: what is before a mark was handed out, and what
 * is behind it was not.  All of that is in this file, for every format; it knows neither files nor URLs (stream.h does)
 * and raises no error of its own.
 */
#include "etl.h"

#include <time.h>

#include "scan/parts.h"
#include "source/clock.h"
#include "source/pairs.h"

/* ----------------------------------------------------------------
 *	Positions as text
 * ---------------------------------------------------------------- */

static const struct
{
	const char *name;
	size_t at;
} numbers[] =
	{
		{"offset", offsetof(EtlPosition, place.offset)},
		{"line", offsetof(EtlPosition, place.line)},
		{"records", offsetof(EtlPosition, place.records)},
		{"hash", offsetof(EtlPosition, place.hash)},
		{"finished", offsetof(EtlPosition, finished)},
		{"open", offsetof(EtlPosition, open)},
		{"plain", offsetof(EtlPosition, plain)},
		{"mark", offsetof(EtlPosition, mark)},
		{"size", offsetof(EtlPosition, state.size)},
		{"mtime", offsetof(EtlPosition, state.mtime)},
		{"head", offsetof(EtlPosition, state.head)},
		{"tail", offsetof(EtlPosition, state.tail)},
		{"identity", offsetof(EtlPosition, state.identity)},
},
  texts[] = {
	  {"validator", offsetof(EtlPosition, state.validator)},
	  {"header", offsetof(EtlPosition, header)},
};

#define NUMBER(position, i) (*(uint64 *) ((char *) (position) + numbers[i].at))
#define TEXT(position, i) (*(const char **) ((char *) (position) + texts[i].at))

char *
EtlPositionText(const EtlPosition *position)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(numbers); i++)
		EtlPairsAddNumber(&text, numbers[i].name, NUMBER(position, i));
	for (int i = 0; i < lengthof(texts); i++)
		EtlPairsAdd(&text, texts[i].name, TEXT(position, i));
	return text.data;
}

void
EtlPositionRead(const char *text, EtlPosition *position)
{
	char *name, *value;

	memset(position, 0, sizeof(*position));
	while (EtlPairsNext(&text, &name, &value))
	{
		for (int i = 0; i < lengthof(numbers); i++)
			if (strcmp(numbers[i].name, name) == 0)
				NUMBER(position, i) = EtlPairsNumber(value);
		for (int i = 0; i < lengthof(texts); i++)
			if (strcmp(texts[i].name, name) == 0)
				TEXT(position, i) = value;
	}
}

/* ----------------------------------------------------------------
 *	Versions
 * ---------------------------------------------------------------- */

static void
append_time(StringInfo text, int64 ns)
{
	time_t seconds = (time_t) (ns / 1000000000);
	struct tm tm;
	char buf[64];

	if (gmtime_r(&seconds, &tm) == NULL ||
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return;
	appendStringInfo(text, "%s.%09d UTC", buf, (int) (ns % 1000000000));
}

/* A validator is whatever a server sends. */
static void
append_printable(StringInfo text, const char *s)
{
	for (; *s != '\0'; s++)
		appendStringInfoChar(text, *s >= ' ' && *s <= '~' ? *s : '?');
}

char *
EtlPartVersion(const EtlSourceState *state)
{
	StringInfoData text;

	if (state->mtime == 0 && state->validator == NULL)
		return NULL;
	initStringInfo(&text);
	if (state->mtime != 0)
	{
		appendStringInfo(&text, "%lld bytes, ", (long long) state->size);
		append_time(&text, state->mtime);
	}
	if (state->validator != NULL)
		append_printable(&text, state->validator);
	return text.data;
}

/* ----------------------------------------------------------------
 *	Marking
 * ---------------------------------------------------------------- */

static void
mark_position(EtlParts *parts, const EtlPosition *position, EtlPartState state)
{
	EtlPartMark mark = {
		.part = EtlStreamPart(parts->stream)->name,
		.position = EtlPositionText(position),
		.version = EtlPartVersion(&position->state),
		.state = state,
	};

	parts->unmarked = false;
	parts->resume->mark(parts->resume->arg, &mark);
	pfree((char *) mark.position);
	if (mark.version != NULL)
		pfree((char *) mark.version);
}

/* Marks a place in the current part, with what tells this part from others. */
static void
mark(EtlParts *parts, const EtlRecordPlace *place, EtlPartState state)
{
	EtlPosition position = {
		.place = *place,
		.finished = state == ETL_PART_DONE,
		.open = EtlReaderPlace(parts->stream->reader).open,
		.plain = parts->stream->source->plain,
		.mark = EtlStreamMark(parts->stream),
	};

	EtlStreamState(parts->stream, place, &position.state);
	if (parts->remote)
		position.header = parts->header;
	mark_position(parts, &position, state);
}

void
EtlPartsTell(EtlParts *parts)
{
	EtlRecordPlace place;

	if (!parts->placed)
		return;
	place = EtlReaderPlace(parts->stream->reader);
	mark(parts, &place, ETL_PART_READING);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/*
 * Marks the current part, none of whose records can be handed out: where an earlier run stopped stays, if what is before
 * that is still the same.  One that could not be opened is not known.
 */
static void
mark_unread(EtlParts *parts)
{
	EtlPartMark mark = {.part = EtlStreamPart(parts->stream)->name, .state = ETL_PART_SET_ASIDE};
	EtlPosition start = {0};

	if (EtlStreamIsOpen(parts->stream))
	{
		EtlStreamState(parts->stream, NULL, &start.state);
		mark.version = EtlPartVersion(&start.state);
		if (parts->plan == ETL_READ_ALL &&
			!same_text(mark.version, EtlPartVersion(&parts->found.state)))
			mark.position = EtlPositionText(&start);
	}
	parts->resume->mark(parts->resume->arg, &mark);
}

bool
EtlPartsLeave(EtlParts *parts)
{
	EtlRecordPlace place;

	if (!parts->in_hand)
		return false;
	if (parts->placed)
	{
		place = EtlReaderPlace(parts->stream->reader);
		mark(parts, &place, ETL_PART_SET_ASIDE);
	}
	else
		mark_unread(parts);
	parts->stream->source = NULL;
	parts->in_hand = parts->placed = false;
	return true;
}

bool
EtlPartsIsGone(const EtlParts *parts, const char *part, const char *position, bool in_order)
{
	EtlPosition read;

	EtlPositionRead(position, &read);
	return EtlStreamIsGone(parts->stream, part, &read.state, in_order);
}

EtlDone *
EtlPartsDone(const EtlParts *parts, const char *part, const char *position, const EtlWhenDone *what)
{
	EtlPosition loaded;

	EtlPositionRead(position, &loaded);
	return EtlStreamDone(parts->stream, part, &loaded.state, what);
}

/* For how long the current part has to be still from now on, for its last record to count; <= 0: it does. */
static int64
time_to_settle(const EtlParts *parts)
{
	int64 still = EtlStreamStill(parts->stream);

	return still < 0 ? 0 : parts->resume->settle_ms - still;
}

/* ----------------------------------------------------------------
 *	Where to go on
 * ---------------------------------------------------------------- */

/* What is known of a part before it is opened. */
typedef struct Known
{
	EtlPosition found; /* where an earlier run stopped; zero: none has read it */
	bool is_found;
	const char *refused; /* the version of it that was set aside; NULL: none was */
	EtlSourcePast past;
} Known;

/* Finds the position that was marked for a part; false, and zero, if there is none. */
static bool
find_position(const EtlParts *parts, const EtlPart *part, bool ahead, EtlPosition *found)
{
	const char *text = parts->resume->find(parts->resume->arg, parts, part->name, ahead);

	memset(found, 0, sizeof(*found));
	if (text == NULL)
		return false;
	EtlPositionRead(text, found);
	/* The name of a URL does not say all of it. */
	if (found->state.identity == part->identity)
		return true;
	memset(found, 0, sizeof(*found));
	return false;
}

/* The position that was found, as the past of its part.  A part that need not come again up to it begins a byte before. */
static EtlSourcePast
past_of(const EtlParts *parts, const EtlPosition *found)
{
	uint64 at = found->place.offset + found->mark;
	EtlSourcePast past = {
		.state = found->state,
		.whole = found->finished,
		.appendable = found->open,
		.at = found->plain ? (int64) at : -1,
	};

	if (found->plain && found->open && parts->reachable && found->place.offset > 0)
		past.begin = at - 1;
	return past;
}

static void
know_part(const EtlParts *parts, const EtlPart *part, bool ahead, Known *known)
{
	const EtlResume *resume = parts->resume;
	const char *refused;

	known->is_found = find_position(parts, part, ahead, &known->found);
	refused = resume->refused != NULL ? resume->refused(resume->arg, part->name) : NULL;
	known->refused = refused != NULL ? pstrdup(refused) : NULL;
	known->past = past_of(parts, &known->found);
	known->past.whole |= known->refused != NULL;
}

/* What of the current part, which is open, is to be read. */
static EtlSourcePlan
decide(const EtlParts *parts, EtlSourcePast past)
{
	const EtlPosition *found = &parts->found;
	EtlSourcePlan plan;

	if (!parts->stream->source->plain)
		past.at = -1;
	plan = EtlStreamPlan(parts->stream, &past);
	if (plan == ETL_READ_FROM && !(found->open && parts->reachable))
		plan = ETL_READ_BEHIND;
	if (plan == ETL_READ_ALL && !found->finished && found->place.hash != 0)
		plan = ETL_READ_BEHIND;
	return plan == ETL_READ_BEHIND && found->place.records == 0 ? ETL_READ_ALL : plan;
}

/* Whether what was read last, which the format calls step, may not be all there. */
static bool
is_held(EtlParts *parts, int step)
{
	const EtlReader *reader = parts->stream->reader;

	return parts->growing && reader->format->cut_off(reader, step, parts->record);
}

/* Reads the records before the position, and tells whether they are the same. */
static bool
pass_over(EtlParts *parts)
{
	EtlReader *reader = parts->stream->reader;
	const EtlRecordPlace *to = &parts->found.place;
	EtlRecordPlace place;

	parts->stream->until = ETL_FOREVER;
	while ((place = EtlReaderPlace(reader)).records < to->records)
	{
		int step = EtlStreamNext(parts->stream, parts->record);

		if (step == ETL_FORMAT_RECORD)
			continue;
		if (step > ETL_FORMAT_END && !is_held(parts, step))
			parts->kind->broken(parts->arg, step);
		return false;
	}
	return place.records == to->records && place.hash == to->hash;
}

/* Reads what comes before the records; false if the part has none, as yet or ever. */
static bool
begin(EtlParts *parts)
{
	int step;

	parts->header = NULL;
	if (parts->kind->begin == NULL)
		return true;
	step = parts->kind->begin(parts->arg);
	if (is_held(parts, step))
	{
		parts->resume->held(parts->resume->arg, time_to_settle(parts));
		return false;
	}
	if (step > ETL_FORMAT_END)
		parts->kind->broken(parts->arg, step);
	if (step != ETL_FORMAT_RECORD && parts->resume != NULL)
		parts->resume->empty(parts->resume->arg);
	return step == ETL_FORMAT_RECORD;
}

/* The current part is read from its start, which is where it is now. */
static void
begin_at_start(EtlParts *parts)
{
	parts->end = EtlReaderPlace(parts->stream->reader);
	parts->unmarked = true;
}

/* Goes to where the last run stopped, if what is before that is still the same. */
static void
go_on(EtlParts *parts, EtlSourcePlan plan)
{
	if (plan == ETL_READ_HERE || plan == ETL_READ_FROM)
		EtlStreamGoTo(parts->stream, &parts->found.place, plan == ETL_READ_HERE);
	else if (!pass_over(parts))
	{
		EtlStreamOpenPart(parts->stream, NULL, 0);
		(void) begin(parts);
		begin_at_start(parts);
		return;
	}
	parts->end = EtlReaderPlace(parts->stream->reader);
	mark_position(parts, &parts->found, ETL_PART_READING);
}

/* Whether the current part is one that was set aside, and still what it was then. */
static bool
is_refused(const EtlParts *parts, const char *version)
{
	EtlSourceState state;

	if (version == NULL)
		return false;
	EtlStreamState(parts->stream, NULL, &state);
	return parts->plan == ETL_READ_NOTHING || same_text(EtlPartVersion(&state), version);
}

/* Whether it is known, from the state of a part that is not open, that there is nothing to be read of it. */
static bool
is_known_unchanged(const Known *known, const EtlSourceState *state)
{
	const char *version = EtlPartVersion(state);

	return (known->found.finished || known->refused != NULL) && version != NULL &&
		   same_text(version,
					 known->refused != NULL ? known->refused : EtlPartVersion(&known->found.state));
}

/* EtlWantsPart: whether a part that comes later will be opened, and with which past. */
static bool
will_open(void *arg, const EtlPart *part, const EtlSourceState *state, EtlSourcePast *past)
{
	const EtlParts *parts = arg;
	Known known;

	if (parts->resume == NULL)
		return true;
	know_part(parts, part, true, &known);
	if (known.is_found)
		*past = known.past;
	return !is_known_unchanged(&known, state);
}

/* The next part is in hand: opens it and goes to where the last run stopped; false if there is nothing behind it. */
static bool
resume_part(EtlParts *parts, const EtlPart *part)
{
	struct MemoryContextData *old = EtlStreamEnterPart(parts->stream);
	EtlSourceState state;
	Known known;
	bool unchanged;

	know_part(parts, part, false, &known);
	parts->found = known.found;
	unchanged = EtlStreamLook(parts->stream, &state) && is_known_unchanged(&known, &state);
	EtlStreamLeavePart(old);
	if (unchanged ||
		(parts->resume->takes != NULL && !parts->resume->takes(parts->resume->arg, part->name)))
		return false;
	if (parts->resume->removes && !EtlStreamSettles(parts->stream, parts->resume->settle_ms))
		parts->resume->held(parts->resume->arg, parts->resume->settle_ms);
	EtlStreamOpenPart(parts->stream, known.is_found ? &known.past : NULL, (int) known.found.mark);
	if (parts->hashes != NULL)
		*parts->hashes = parts->remote || !parts->stream->source->plain;
	parts->plan = decide(parts, known.past);
	if (parts->plan == ETL_READ_NOTHING || is_refused(parts, known.refused))
		return false;
	parts->here = parts->plan == ETL_READ_HERE;
	parts->growing = time_to_settle(parts) > 0;
	if (!begin(parts))
		return false;
	if (parts->plan == ETL_READ_ALL)
		begin_at_start(parts);
	else
		go_on(parts, parts->plan);
	parts->placed = true;
	return true;
}

/* ----------------------------------------------------------------
 *	Walking
 * ---------------------------------------------------------------- */

static bool
open_part(EtlParts *parts, const EtlPart *part)
{
	if (parts->kind->mine != NULL && !parts->kind->mine(parts->arg, parts->stream->number))
		return false;
	parts->growing = parts->held = parts->unmarked = parts->here = parts->placed = false;
	parts->plan = ETL_READ_ALL;
	if (parts->resume != NULL)
		return resume_part(parts, part);
	EtlStreamOpenPart(parts->stream, NULL, 0);
	return begin(parts);
}

/* Goes to the last part by name; NULL: there is none, or it is done. */
static const EtlPart *
newest_part(EtlParts *parts)
{
	const EtlPart *part;
	char *newest = NULL;

	if (parts->newest_done)
		return NULL;
	parts->newest_done = true;
	while ((part = EtlStreamNextPart(parts->stream)) != NULL)
		if (newest == NULL || strcmp(part->name, newest) > 0)
			newest = pstrdup(part->name);
	EtlStreamRewind(parts->stream);
	do
		part = EtlStreamNextPart(parts->stream);
	while (part != NULL && strcmp(part->name, newest) != 0);
	return part;
}

static const EtlPart *
next_part(EtlParts *parts)
{
	if (parts->resume != NULL && parts->resume->newest)
		return newest_part(parts);
	return EtlStreamNextPart(parts->stream);
}

bool
EtlPartsOpenNext(EtlParts *parts)
{
	const EtlPart *part;

	if (parts->resume == NULL || (!parts->resume->newest && parts->resume->takes == NULL))
		EtlStreamLookAhead(parts->stream, will_open, parts);
	for (;;)
	{
		parts->in_hand = false;
		part = next_part(parts);
		if (part == NULL)
		{
			/* A pipeline that goes on where it stopped may well find nothing. */
			if (parts->resume == NULL || parts->resume->complete)
				EtlStreamCheckFound(parts->stream);
			return false;
		}
		parts->in_hand = true;
		if (!open_part(parts, part))
			continue;
		if (parts->kind->ready != NULL)
			parts->kind->ready(parts->arg);
		return true;
	}
}

/* The current part has no more records, or the last one is held back. */
static void
finish(EtlParts *parts, int step)
{
	EtlRecordPlace place = EtlReaderPlace(parts->stream->reader);

	if (!parts->held && parts->kind->end != NULL)
		parts->kind->end(parts->arg);
	if (parts->resume != NULL &&
		(step == ETL_FORMAT_EMPTY || parts->stream->source->bytes_read == 0))
		parts->resume->empty(parts->resume->arg);
	if (parts->resume != NULL)
		mark(parts, parts->held ? &parts->end : &place,
			 parts->held ? ETL_PART_READING : ETL_PART_DONE);
	if (parts->held)
		parts->resume->held(parts->resume->arg, time_to_settle(parts));
	else if (parts->resume != NULL && parts->resume->removes && EtlStreamHasGrown(parts->stream))
		parts->resume->held(parts->resume->arg, parts->resume->settle_ms);
	parts->stream->source = NULL;
	parts->in_hand = parts->placed = false;
}

/* A record is about to be handed out: marks the start of the part if it is the first. */
static void
look_after(EtlParts *parts)
{
	if (parts->unmarked)
		mark(parts, &parts->end, ETL_PART_READING);
	parts->end = EtlReaderPlace(parts->stream->reader);
}

EtlPartsStep
EtlPartsNext(EtlParts *parts)
{
	EtlStream *stream = parts->stream;

	for (;;)
	{
		int step;

		if (unlikely(stream->source == NULL) && !EtlPartsOpenNext(parts))
			return ETL_PARTS_END;
		step = EtlStreamNext(stream, parts->record);
		if (step == ETL_FORMAT_NEED_DATA)
			return ETL_PARTS_LATE;
		parts->held = unlikely(parts->growing) && is_held(parts, step);
		if (likely(step == ETL_FORMAT_RECORD && !parts->held))
		{
			stream->nrecords++;
			if (unlikely(parts->unmarked || parts->growing))
				look_after(parts);
			return ETL_PARTS_RECORD;
		}
		if (step > ETL_FORMAT_END && !parts->held)
			parts->kind->broken(parts->arg, step);
		finish(parts, step);
	}
}

/*
 * json_track.c
 *		From events to items and captures: where in the body we are, and what of it is wanted there.
 *
 * All paths are followed at once, each as a track.  Every open array or object has the set of the tracks
 * that lead on into it; a name or an element leaves those of them whose next step it is.  Of what is on no
 * track (most of an item, and most of what stands around the items) only the depth is known.
 *
 * A test ("[relation=next]") is about an element.  It is decided when the member that it looks at has come,
 * or at the end of the element; what it looks at is found by a track of its own.  Until then what depends on
 * it waits: an item in the queue, a capture as a candidate.
 *
 * An item gets tokens for itself and for the members of objects in it, in the order of the text.  What is
 * inside its arrays is passed over, since no column can ask for it, and so may be members that nobody looks for.
 */
#include "etl.h"

#include "port/pg_bitutils.h"

#include "format/json_internal.h"

/*
 * From paths to tracks, once per reader.
 */

static EtlJsonTrack *
add_track(EtlJsonReader *reader, int nsteps, int capture, int owner)
{
	EtlJsonTrack *track = &reader->tracks[reader->ntracks++];

	track->steps = palloc0(Max(nsteps, 1) * sizeof(EtlJsonTrackStep));
	track->capture = capture;
	track->owner = owner;
	return track;
}

static EtlJsonTrackStep *
add_step(EtlJsonTrack *track, EtlJsonStepKind kind, EtlJsonName name)
{
	EtlJsonTrackStep *step = &track->steps[track->nsteps++];

	step->kind = kind;
	step->name = name;
	return step;
}

/* What a test looks at that stands at the end of its owner's steps so far. */
static void
add_test(EtlJsonReader *reader, const EtlJsonTrack *owner, const EtlJsonTest *test)
{
	EtlJsonTrack *track =
		add_track(reader, owner->nsteps + test->nkeys, owner->capture, owner - reader->tracks);

	for (int i = 0; i < owner->nsteps; i++)
		add_step(track, owner->steps[i].kind, owner->steps[i].name);
	for (int i = 0; i < test->nkeys; i++)
		add_step(track, ETL_JSON_STEP_MEMBER, test->keys[i]);
	track->literal = test->literal;
	reader->test_tracks |= ETL_JSON_SET(track - reader->tracks);
}

static void
add_path(EtlJsonReader *reader, const EtlJsonPath *path, int capture)
{
	int nsteps = path == NULL ? 0 : path->nsteps;
	EtlJsonTrack *track = add_track(reader, nsteps, capture, -1);

	if (capture >= 0)
		reader->capture_tracks |= ETL_JSON_SET(track - reader->tracks);
	for (int i = 0; i < nsteps; i++)
	{
		const EtlJsonStep *from = &path->steps[i];
		EtlJsonTrackStep *step = add_step(track, from->kind, from->name);

		step->tested = from->kind == ETL_JSON_STEP_ELEMENT && from->test != NULL;
		if (step->tested)
			add_test(reader, track, from->test);
	}
}

void
EtlJsonTrackPaths(EtlJsonReader *reader)
{
	const EtlJsonOptions *options = &reader->options;

	add_path(reader, options->items, -1);
	for (int i = 0; i < options->ncaptures; i++)
	{
		if (!options->captures[i].of_last_item)
			add_path(reader, options->captures[i].path, i);
	}
	for (int i = 0; i < reader->ntracks; i++)
	{
		const EtlJsonTrack *track = &reader->tracks[i];

		reader->end_at[track->nsteps] |= ETL_JSON_SET(i);
		for (int j = 0; j < track->nsteps; j++)
		{
			if (track->steps[j].kind == ETL_JSON_STEP_ANY_VALUE)
				reader->any_at[j] |= ETL_JSON_SET(i);
		}
	}
}

/* Takes one out of a set that is not empty. */
static int
take_one(EtlJsonSet *set)
{
	int i = pg_rightmost_one_pos64(*set);

	*set &= *set - 1;
	return i;
}

static EtlJsonFrame *
parent_frame(EtlJsonReader *reader)
{
	return reader->depth == 0 ? NULL : &reader->frames[reader->depth - 1];
}

/*
 * Captures
 */

static void
exchange_held(EtlJsonHeld *a, EtlJsonHeld *b)
{
	EtlJsonHeld held = *a;

	*a = *b;
	*b = held;
}

/* The value is about to be another one, or none; if its line turns out to be broken, it will be what it was. */
static void
change_capture(const EtlJsonReader *reader, EtlJsonCaptured *captured)
{
	if (reader->lines == ETL_JSON_LINES && !captured->changed)
	{
		exchange_held(&captured->value, &captured->before);
		captured->changed = true;
	}
}

void
EtlJsonRestoreCaptures(EtlJsonReader *reader)
{
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		EtlJsonCaptured *captured = &reader->captured[i];

		if (captured->changed)
			exchange_held(&captured->value, &captured->before);
		captured->changed = captured->candidate.present = false;
	}
	reader->capture_start = ETL_JSON_NOWHERE;
}

void
EtlJsonKeepCaptures(EtlJsonReader *reader)
{
	for (int i = 0; i < reader->options.ncaptures; i++)
		reader->captured[i].changed = false;
}

static void
settle_capture(const EtlJsonReader *reader, EtlJsonCaptured *captured)
{
	change_capture(reader, captured);
	exchange_held(&captured->value, &captured->candidate);
	captured->candidate.present = false;
}

static void
capture(EtlJsonReader *reader, EtlJsonSet tracks, EtlJsonType type, EtlJsonSpan span)
{
	while (tracks != 0)
	{
		const EtlJsonTrack *track = &reader->tracks[take_one(&tracks)];
		EtlJsonCaptured *captured = &reader->captured[track->capture];

		if (track->verdict == ETL_JSON_FAILED)
			continue;
		captured->candidate.present = true;
		captured->candidate.copied = false;
		captured->candidate.span = span;
		captured->candidate.value.type = type;
		if (track->verdict == ETL_JSON_PASSED)
			settle_capture(reader, captured);
	}
}

/* A member that led to these captures has come again: what it had before does not count. */
static void
forget_captures(EtlJsonReader *reader, EtlJsonSet tracks)
{
	while (tracks != 0)
	{
		EtlJsonCaptured *captured = &reader->captured[reader->tracks[take_one(&tracks)].capture];

		change_capture(reader, captured);
		captured->value.present = captured->candidate.present = false;
	}
}

/*
 * Tests
 */

static void
decide_items(EtlJsonReader *reader, EtlJsonVerdict verdict)
{
	/* those that wait are the newest */
	for (uint32 i = reader->queue_end; i > reader->queue_first; i--)
	{
		EtlJsonQueued *item = &reader->queue[i - 1];

		if (item->verdict != ETL_JSON_UNDECIDED)
			break;
		item->verdict = verdict;
	}
	reader->undecided_start = ETL_JSON_NOWHERE;
}

static void
decide(EtlJsonReader *reader, EtlJsonTrack *track, bool passed)
{
	if (track->verdict != ETL_JSON_UNDECIDED)
		return;
	track->verdict = passed ? ETL_JSON_PASSED : ETL_JSON_FAILED;
	if (track->capture < 0)
		decide_items(reader, track->verdict);
	else if (reader->captured[track->capture].candidate.present)
	{
		if (passed)
			settle_capture(reader, &reader->captured[track->capture]);
		reader->captured[track->capture].candidate.present = false;
	}
}

/* What these tests look at has come. */
static void
look(EtlJsonReader *reader, EtlJsonSet tracks, const EtlJsonEvent *event)
{
	bool comparable = event->type != ETL_JSON_NULL && event->type < ETL_JSON_ARRAY;

	while (tracks != 0)
	{
		const EtlJsonTrack *track = &reader->tracks[take_one(&tracks)];

		decide(reader, &reader->tracks[track->owner],
			   comparable && EtlJsonNameIs(&track->literal, event->text, event->len));
	}
}

static void
begin_tests(EtlJsonReader *reader, EtlJsonSet tracks)
{
	while (tracks != 0)
		reader->tracks[take_one(&tracks)].verdict = ETL_JSON_UNDECIDED;
}

/* The element is over that these tests are about: what was not decided is not passed. */
static void
end_tests(EtlJsonReader *reader, EtlJsonSet tracks)
{
	while (tracks != 0)
		decide(reader, &reader->tracks[take_one(&tracks)], false);
}

/*
 * Steps
 */

/* Which of the tracks that lead into an object go on with its member called name. */
static EtlJsonSet
on_member(const EtlJsonReader *reader, EtlJsonSet tracks, const char *name, uint32 len)
{
	EtlJsonSet on = 0;

	while (tracks != 0)
	{
		int i = take_one(&tracks);
		const EtlJsonTrackStep *step = &reader->tracks[i].steps[reader->depth - 1];

		if (step->kind == ETL_JSON_STEP_ANY_VALUE ||
			(step->kind == ETL_JSON_STEP_MEMBER && EtlJsonNameIs(&step->name, name, len)))
			on |= ETL_JSON_SET(i);
	}
	return on;
}

/* Which of those that lead into an array go on with an element, and whose test is about it. */
static EtlJsonSet
on_element(const EtlJsonReader *reader, EtlJsonSet tracks, EtlJsonSet *tested)
{
	EtlJsonSet on = 0;

	while (tracks != 0)
	{
		int i = take_one(&tracks);
		const EtlJsonTrackStep *step = &reader->tracks[i].steps[reader->depth - 1];

		if (step->kind != ETL_JSON_STEP_ELEMENT)
			continue;
		on |= ETL_JSON_SET(i);
		if (step->tested)
			*tested |= ETL_JSON_SET(i);
	}
	return on;
}

/* The tracks that a value is on that begins now, and those whose test is about it. */
static EtlJsonSet
on_value(EtlJsonReader *reader, EtlJsonSet *tested)
{
	EtlJsonFrame *parent = parent_frame(reader);

	*tested = 0;
	if (parent == NULL)
		return ETL_JSON_SET(reader->ntracks) - 1;
	if (parent->inside == 0)
		return 0;
	parent->empty = false;
	if (parent->object)
		return reader->on_key;
	return on_element(reader, parent->inside, tested);
}

/* Which of the tracks that a value is on end with it. */
static EtlJsonSet
ending(const EtlJsonReader *reader, EtlJsonSet on)
{
	return on == 0 ? 0 : on & reader->end_at[reader->depth];
}

/*
 * Items
 */

/* Of lines that are tried together: a value at depth 0 begins at a byte; false if its line has one already. */
static bool
take_line(EtlJsonReader *reader, uint64 start)
{
	while (start >= reader->tried_end)
		EtlJsonTryNextLine(reader);
	if (reader->tried_value)
		return false;
	reader->tried_value = reader->had_value = true;
	return true;
}

/* A value at depth 0: may it be there?  The first one says what the items are if there is no path. */
static bool
begin_root(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	if (reader->nvalues == 0)
	{
		if (reader->options.items == NULL && event->type != ETL_JSON_ARRAY)
		{
			reader->many = true;
			reader->elements = false;
		}
		else if (reader->lines == ETL_JSON_MAYBE_LINES)
			reader->waiting = false; /* its elements wait for no line's end */
	}
	else if (!reader->many)
		return EtlJsonFail(reader, ETL_JSON_TRAILING, event->start, NULL);
	else if (reader->lines == ETL_JSON_LINES && !reader->trying)
		return EtlJsonFail(reader, ETL_JSON_SYNTAX, event->start,
						   "More than one value stands on the line.");
	else if (event->start == event->before)
		return EtlJsonFail(reader, ETL_JSON_SYNTAX, event->start,
						   "White space is missing between two values.");
	if (reader->trying && !take_line(reader, event->start))
		return false;
	reader->nvalues++;
	return true;
}

/* Is a value that begins now an item, or is it the array that holds them? */
static bool
is_item(EtlJsonReader *reader, EtlJsonType type, EtlJsonSet ends, bool *holds_items)
{
	const EtlJsonFrame *parent = parent_frame(reader);

	*holds_items = false;
	if (parent == NULL || !parent->holds_items)
	{
		if ((ends & ETL_JSON_ITEMS) == 0)
			return false;
		reader->found_items = true;
		if (reader->elements)
		{
			*holds_items = type == ETL_JSON_ARRAY;
			if (type == ETL_JSON_ARRAY || type == ETL_JSON_NULL)
				return false;
		}
	}
	return true;
}

/* A token that jsonb would not take: the fault of the item it stands in, or else of the body. */
static bool
blame(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonFault *fault = &reader->item_fault;

	if (!reader->in_item && !reader->has_item_key)
		return EtlJsonFail(reader, event->wrong, event->wrong_at, NULL);
	if (fault->status == ETL_JSON_ITEM)
		*fault = (EtlJsonFault){event->wrong, event->wrong_at, true, NULL};
	return true;
}

static void
begin_item(EtlJsonReader *reader, uint64 start)
{
	reader->in_item = true;
	reader->item_depth = reader->depth;
	reader->item_start = start;
	reader->item_token = reader->ntokens;
	reader->item_decoded = reader->has_item_key ? reader->item_key : reader->decoded_len;
}

static void
end_item(EtlJsonReader *reader, uint64 end)
{
	EtlJsonQueued *item = &reader->queue[reader->queue_end++];

	item->start = reader->item_start;
	item->len = end - reader->item_start;
	item->token = reader->item_token;
	item->ntokens = reader->ntokens - reader->item_token;
	item->decoded = reader->item_decoded;
	item->has_key = reader->has_item_key;
	item->key_len = reader->item_key_len;
	item->verdict = reader->tracks[0].verdict;
	item->line = reader->line;
	item->fault = reader->item_fault;
	item->cut_off = false;
	reader->item_fault.status = ETL_JSON_ITEM;
	if (item->verdict == ETL_JSON_UNDECIDED || reader->waiting)
		reader->undecided_start = Min(reader->undecided_start, item->start);
	reader->in_item = false;
	reader->item_start = ETL_JSON_NOWHERE;
	reader->has_item_key = false;
}

/* Copies text behind what is decoded, and returns where it is. */
static uint32
add_decoded(EtlJsonReader *reader, const char *text, uint32 len)
{
	uint32 at = reader->decoded_len;

	memcpy(reader->decoded + at, text, len);
	reader->decoded_len += len;
	return at;
}

/* Where an event's text will be found later. */
static EtlJsonSpan
keep_text(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonSpan span;

	span.decoded = event->decoded;
	span.len = event->len;
	if (event->decoded)
		span.at = add_decoded(reader, event->text, event->len);
	else
		span.at = reader->base + (event->text - reader->buffer);
	return span;
}

/* Does a value that begins now get a token? */
static bool
wants_token(EtlJsonReader *reader)
{
	return reader->in_item &&
		   (reader->depth == reader->item_depth || EtlJsonGetsToken(reader, parent_frame(reader)));
}

/* Where a span is in the item. */
static uint32
place_in_item(const EtlJsonReader *reader, EtlJsonSpan span)
{
	return span.at - (span.decoded ? reader->item_decoded : reader->item_start);
}

static EtlJsonToken *
add_token(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	return EtlJsonAddToken(reader, event->type, event->start, event->end - event->start,
						   reader->depth > reader->item_depth && parent_frame(reader)->object);
}

/*
 * Events
 */

/* A name that is on some track. */
static bool
begin_member(EtlJsonReader *reader, EtlJsonFrame *frame, const EtlJsonEvent *event)
{
	EtlJsonSet on = on_member(reader, frame->inside, event->text, event->len);
	EtlJsonSet any = on & reader->any_at[reader->depth - 1];
	EtlJsonSet again = on & frame->seen;

	if (again & (ETL_JSON_ITEMS | reader->test_tracks))
		return EtlJsonFail(reader, ETL_JSON_DUPLICATE_KEY, event->start, NULL);
	forget_captures(reader, again);
	frame->seen |= on & ~any;
	reader->on_key = on;

	if (ending(reader, any) & ETL_JSON_ITEMS)
	{
		reader->has_item_key = true;
		reader->item_key = add_decoded(reader, event->text, event->len);
		reader->item_key_len = event->len;
	}
	return true;
}

bool
EtlJsonTrackKey(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonFrame *frame = parent_frame(reader);

	if (frame->has_tokens)
	{
		EtlJsonSpan span = keep_text(reader, event);

		reader->key = (EtlJsonKey){place_in_item(reader, span), span.len, span.decoded};
		reader->unwanted = false;
	}
	reader->on_key = 0;
	if (frame->inside != 0 && !begin_member(reader, frame, event))
		return false;
	return likely(event->wrong == ETL_JSON_ITEM) || blame(reader, event);
}

static void
add_scalar_token(EtlJsonReader *reader, const EtlJsonEvent *event, EtlJsonSpan span)
{
	EtlJsonToken *token = add_token(reader, event);

	token->text = place_in_item(reader, span);
	token->text_len = span.len;
	token->text_decoded = span.decoded;
}

bool
EtlJsonTrackScalar(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonSet tested;
	EtlJsonSet on = on_value(reader, &tested);
	EtlJsonSet ends = ending(reader, on & ~tested); /* only an object can pass a test */
	EtlJsonSet captures = ends & reader->capture_tracks;
	EtlJsonSpan span = {0};
	bool item;
	bool holds_items;
	bool token;

	if (reader->depth == 0 && !begin_root(reader, event))
		return false;
	item = is_item(reader, event->type, ends, &holds_items);
	if (item)
		begin_item(reader, event->start);
	if (unlikely(event->wrong != ETL_JSON_ITEM))
	{
		if (captures != 0)
			return EtlJsonFail(reader, event->wrong, event->wrong_at, NULL);
		if (!blame(reader, event))
			return false;
	}
	token = wants_token(reader);
	if (token || captures != 0)
		span = keep_text(reader, event);
	if (token)
		add_scalar_token(reader, event, span);
	if (captures != 0)
		capture(reader, captures, event->type, span);
	if (ends & reader->test_tracks)
		look(reader, ends & reader->test_tracks, event);
	if (item)
		end_item(reader, event->end);
	return true;
}

/* Makes a frame that was filled in the innermost one. */
static void
push(EtlJsonReader *reader, EtlJsonFrame *frame)
{
	frame->far = frame->inside == 0 && !frame->holds_items;
	frame->passed = false;
	reader->far = frame->far ? frame : NULL;
	reader->depth++;
}

static EtlJsonFrame *
pop(EtlJsonReader *reader)
{
	EtlJsonFrame *frame = parent_frame(reader);
	EtlJsonFrame *parent;

	reader->depth--;
	parent = parent_frame(reader);
	reader->far = parent != NULL && parent->far ? parent : NULL;
	return frame;
}

bool
EtlJsonTrackOpen(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonSet tested;
	EtlJsonSet on = on_value(reader, &tested);
	EtlJsonSet ends = ending(reader, on);
	EtlJsonFrame *frame = &reader->frames[reader->depth];

	if (reader->depth == 0 && !begin_root(reader, event))
		return false;
	if (reader->depth == reader->options.max_depth)
		return EtlJsonFail(reader, ETL_JSON_TOO_DEEP, event->start, NULL);
	begin_tests(reader, tested);
	look(reader, ends & reader->test_tracks, event);
	if (is_item(reader, event->type, ends, &frame->holds_items))
		begin_item(reader, event->start);

	frame->start = event->start;
	frame->object = event->type == ETL_JSON_OBJECT;
	frame->inside = on & ~ends;
	frame->seen = 0;
	frame->empty = true;
	frame->captures = ends & reader->capture_tracks;
	frame->tested = tested;
	frame->has_token = wants_token(reader);
	frame->has_tokens = frame->has_token && (frame->object || reader->depth == reader->item_depth);
	if (frame->has_token)
	{
		frame->token = reader->ntokens - reader->item_token;
		add_token(reader, event);
	}
	if (frame->captures != 0 && reader->capture_start == ETL_JSON_NOWHERE)
	{
		reader->capture_start = event->start;
		reader->capture_depth = reader->depth;
	}
	push(reader, frame);
	return true;
}

/* The end of a value that is captured as it stands. */
static void
end_capture(EtlJsonReader *reader, const EtlJsonFrame *frame, uint64 end)
{
	EtlJsonSpan span;

	span.decoded = false;
	span.at = frame->start;
	span.len = end - frame->start;
	capture(reader, frame->captures, frame->object ? ETL_JSON_OBJECT : ETL_JSON_ARRAY, span);
	if (reader->capture_depth == reader->depth)
		reader->capture_start = ETL_JSON_NOWHERE;
}

bool
EtlJsonTrackClose(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	EtlJsonFrame *frame = pop(reader);

	if (frame->has_token)
		EtlJsonEndToken(reader, frame, event->end);
	if (frame->captures != 0)
		end_capture(reader, frame, event->end);
	/* Where a path goes through all elements, an array without any is the end of it. */
	if (frame->empty && (frame->inside & ETL_JSON_ITEMS) &&
		reader->tracks[0].steps[reader->depth].kind != ETL_JSON_STEP_MEMBER)
		reader->found_items = true;
	if (reader->in_item && reader->depth == reader->item_depth)
		end_item(reader, event->end);
	end_tests(reader, frame->tested);
	return !reader->trying || reader->depth > 0 || event->end <= reader->tried_end;
}

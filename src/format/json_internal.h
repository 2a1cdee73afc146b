/*
 * json_internal.h
 *		What the parts of the JSON reader share.
 *
 *		json_reader.c	bytes in, items out: the buffer, the queue's end, what callers see
 *		json_lines.c	NDJSON: lines, each a value, sound or not
 *		json_slice.c	bytes -> slices that end between two tokens -> items in the queue
 *		json_scan.c		the search for their ends, many bytes at a time
 *		json_parse.c	a slice -> events, each a token with its place in the body
 *		json_yajl.c		what is wrong with a token that is none, or stands where it may not
 *		json_token.c	what jsonb asks of a token, and JSON does not
 *		json_track.c	events -> where we are on the paths -> items with their tokens, captures
 *
 * All places are bytes of the body, as uint64, until an item is handed out: the buffer may move under them.
 */
#ifndef ETL_JSON_INTERNAL_H
#define ETL_JSON_INTERNAL_H

#include "etl.h"

#include <limits.h>

#ifndef FRONTEND
#include "utils/memutils.h"
#endif

#include "format/json.h"

/*
 * All of a slice is parsed at once, so its items are queued.  A slice has this many bytes and
 * at most one token more; so it has at most one event more.
 */
#define ETL_JSON_SLICE 4096
#define ETL_JSON_SLICE_EVENTS (ETL_JSON_SLICE + 1)
#define ETL_JSON_BLOCK 64 /* bytes that are scanned at a time, where they are simple */

#define ETL_JSON_NOWHERE PG_UINT64_MAX

/*
 * What is followed while parsing: the items path, a capture's path, or the way to what a test looks at,
 * which has a track of its own, from the root.
 */
typedef struct EtlJsonTrackStep
{
	EtlJsonStepKind kind;
	bool tested;
	EtlJsonName name;
} EtlJsonTrackStep;

/* How the element that a track goes through fares in its test. */
typedef enum EtlJsonVerdict
{
	ETL_JSON_PASSED, /* also where there is no test */
	ETL_JSON_UNDECIDED,
	ETL_JSON_FAILED,
} EtlJsonVerdict;

typedef struct EtlJsonTrack
{
	int nsteps;
	EtlJsonTrackStep *steps;
	EtlJsonVerdict verdict;
	int capture;		 /* it is the path of this one; -1 if not */
	int owner;			 /* it is what the test of this track looks at; -1 if not */
	EtlJsonName literal; /* that the test compares with */
} EtlJsonTrack;

/* A set of tracks.  The items path is the first one. */
typedef uint64 EtlJsonSet;

#define ETL_JSON_MAX_TRACKS (2 * (1 + ETL_JSON_MAX_CAPTURES))
#define ETL_JSON_MAX_TRACK_STEPS (2 * ETL_JSON_MAX_STEPS)
#define ETL_JSON_SET(i) (UINT64CONST(1) << (i))
#define ETL_JSON_ITEMS ETL_JSON_SET(0)

/* An array or object that is open. */
typedef struct EtlJsonFrame
{
	EtlJsonSet inside;	 /* tracks that go on in it */
	EtlJsonSet seen;	 /* tracks whose next name it had already */
	EtlJsonSet captures; /* tracks that capture it */
	EtlJsonSet tested;	 /* tracks whose test is about it */
	bool empty;			 /* nothing has begun in it yet */
	uint64 start;
	uint32 token; /* its own, if it has one */
	bool has_token;
	bool has_tokens; /* what it holds gets tokens */
	bool far;		 /* what it holds is on no path, and no item */
	bool passed;	 /* it began on the short way, so the one around it is far, too */
	bool object;
	bool holds_items; /* its elements are the items */
} EtlJsonFrame;

/* A piece of text in the body, or, if it had escapes, in decoded. */
typedef struct EtlJsonSpan
{
	bool decoded;
	uint64 at;
	uint32 len;
} EtlJsonSpan;

/* A member's name, as its token has it. */
typedef struct EtlJsonKey
{
	uint32 text;
	uint32 len;
	bool decoded;
} EtlJsonKey;

/* An item that is complete. */
typedef struct EtlJsonQueued
{
	uint64 start;
	uint32 len;
	uint32 token; /* its first */
	uint32 ntokens;
	uint32 decoded; /* where its decoded text starts */
	uint32 key_len;
	bool has_key; /* key_len bytes of decoded are the name that it stood under */
	EtlJsonVerdict verdict;
	EtlJsonFault fault; /* its status is ETL_JSON_ITEM if there is none */
	uint64 line;		/* its number, where lines are items */
	bool cut_off;		/* a broken line at the end of the body, which may not be all there */
} EtlJsonQueued;

/* A value that was met on a capture's path: first a span of the slice, then a copy of its own. */
typedef struct EtlJsonHeld
{
	bool present;
	bool copied;
	EtlJsonFault fault; /* as above; of the item that it was captured from, if that made it wrong */
	EtlJsonSpan span;
	EtlJsonValue value; /* text points to copy */
	char *copy;
	size_t copy_size;
} EtlJsonHeld;

typedef struct EtlJsonCaptured
{
	EtlJsonHeld value;
	EtlJsonHeld candidate; /* will be the value if its element passes the test */
	EtlJsonHeld before;	   /* where lines are read: the value before the line in hand, */
	bool changed;		   /* if it is another one now */
} EtlJsonCaptured;

typedef struct EtlJsonParser EtlJsonParser;

/* What may come next; at depth 0 a value, as often as one likes. */
typedef enum EtlJsonExpect
{
	ETL_JSON_WANTS_VALUE,
	ETL_JSON_WANTS_ELEMENT, /* or the end of the array that has just begun */
	ETL_JSON_WANTS_NAME,
	ETL_JSON_WANTS_MEMBER, /* a name, or the end of the object that has just begun */
	ETL_JSON_WANTS_COLON,
	ETL_JSON_WANTS_COMMA, /* or the end of the array or object */
} EtlJsonExpect;

/* Is each line a value (json_lines.c)? */
typedef enum EtlJsonLines
{
	ETL_JSON_NO_LINES,
	ETL_JSON_MAYBE_LINES, /* the first one will show it */
	ETL_JSON_LINES,
} EtlJsonLines;

struct EtlJsonReader
{
	EtlReader head;
	EtlJsonOptions options;
	bool initials[UCHAR_MAX + 1]; /* see the options; also of what is captured of the last item */

	/* The buffer, and what has become of its bytes: base <= fed <= scanned <= filled. */
	char *buffer;
	size_t buffer_size;
	uint64 base;	/* byte of the body that buffer[0] is */
	uint64 filled;	/* end of what has come */
	uint64 scanned; /* end of what was searched for a place to cut */
	uint64 cut;		/* last place between two tokens */
	uint64 fed;		/* end of what was parsed */
	bool in_string; /* at scanned */
	bool escaped;	/* at scanned: the next byte belongs to a backslash */
	bool began;		/* the byte order mark was looked for */
	bool at_end;	/* no more bytes will come; a space was put behind the last one */
	uint64 end;		/* with at_end: length of the body */
	bool complete;	/* nothing is missing at the end */
	EtlJsonFault fault;
	char fault_detail[128];

	/* Lines: the one in hand begins at fed, or before it.  Nothing of this is used if there are none. */
	EtlJsonLines lines;
	uint64 line; /* its number, from 1 */
	uint64 line_start;
	uint64 line_end;	  /* behind its line feed; nowhere: not before line_searched */
	uint64 line_searched; /* end of what was searched for that */
	uint64
		line_held; /* line_start if the line has to stay in the buffer until its end, else nowhere */
	bool waiting;  /* what is queued is of a line that is not over */
	EtlJsonFault line_fault;
	uint64 singly;	  /* those before this byte are parsed one by one */
	bool trying;	  /* several are parsed together; then line is that of the last value, and */
	uint64 tried_end; /* this is behind its line feed */
	bool tried_value; /* it has a value */
	bool had_value;	  /* some line has a value */

	/* Events */
	EtlJsonParser *parser;
	uint64 token_end; /* of the last token that gave an event */

	/* Paths */
	EtlJsonTrack tracks[ETL_JSON_MAX_TRACKS];
	int ntracks;
	EtlJsonSet capture_tracks;
	EtlJsonSet test_tracks;
	EtlJsonSet end_at[ETL_JSON_MAX_TRACK_STEPS + 1]; /* tracks with that many steps */
	EtlJsonSet any_at[ETL_JSON_MAX_TRACK_STEPS + 1]; /* tracks with "*" as that step */
	EtlJsonCaptured captured[ETL_JSON_MAX_CAPTURES];

	/* Where we are */
	EtlJsonFrame *frames; /* [max_depth] */
	int depth;			  /* how many are open */
	EtlJsonSet on_key;	  /* tracks that the last name is on */
	EtlJsonKey key;		  /* the last name, if its value gets a token */
	bool unwanted;		  /* the value of the last name gets none */
	EtlJsonFrame *far;	  /* the innermost that is open, if it is far from all paths, else NULL */
	uint64 capture_start; /* the outermost open value that is captured, or nowhere */
	int capture_depth;	  /* its depth */
	uint64 nvalues;		  /* at depth 0 */
	bool many;			  /* another one may follow */
	bool elements;		  /* an array at the end of the items path means its elements */
	bool found_items;

	/* The item that is being read */
	bool in_item;
	int item_depth;
	uint64 item_start; /* nowhere if there is none */
	uint32 item_token;
	uint32 item_decoded;
	bool has_item_key; /* the name of the next item is in decoded, from item_key on */
	uint32 item_key;
	uint32 item_key_len;
	EtlJsonFault item_fault; /* the first one in it, or in its name; status ETL_JSON_ITEM: none */

	/* Items that are complete, and the tokens and decoded text of these and of the one being read */
	EtlJsonQueued *queue;
	uint32 queue_size;
	uint32 queue_first;
	uint32 queue_end;
	uint64
		undecided_start; /* the first one that waits, for a test or the end of its line; or nowhere */
	EtlJsonToken *tokens;
	uint32 tokens_size;
	uint32 ntokens;
	char *decoded;
	uint32 decoded_size;
	uint32 decoded_len;

	int64 nitems; /* handed out */
	uint64 hash;
	uint64 handed_end;	  /* the byte behind the last of them */
	uint64 handed_line;	  /* of the last of them, if there are lines */
	uint64 handed_fault;  /* where the last of them is faulty, or nowhere */
	bool handed_cut_off;  /* the last of them is cut off */
	EtlRecordPlace place; /* behind the last of them that is not */
};

static inline const char *
EtlJsonBytes(const EtlJsonReader *reader, uint64 at)
{
	return reader->buffer + (at - reader->base);
}

/*
 * The first byte of what has to stay in the buffer because it is not complete yet, or not decided; or, if that
 * is nothing, at.  What is between there and the end of a token at at must not be more than max_item_size.
 */
static inline uint64
EtlJsonHeldFrom(const EtlJsonReader *reader, uint64 at)
{
	uint64 from = Min(reader->item_start, reader->capture_start);

	from = Min(from, Min(reader->undecided_start, reader->line_held));
	return Min(from, at);
}

/*
 * Where the text of the line in hand ends, with a line feed, or the space at the end of the body, behind it; nowhere if
 * that has not come.
 */
static inline uint64
EtlJsonLineTextEnd(const EtlJsonReader *reader)
{
	uint64 end = reader->line_end;

	if (end == ETL_JSON_NOWHERE)
		return end;
	end--;
	return end > reader->line_start && *EtlJsonBytes(reader, end - 1) == '\r' ? end - 1 : end;
}

/* Records what is wrong, unless something already is; returns false. */
static inline bool
EtlJsonFail(EtlJsonReader *reader, EtlJsonStatus status, uint64 offset, const char *detail)
{
	if (reader->fault.status == ETL_JSON_ITEM)
		reader->fault = (EtlJsonFault){
			status,
			offset,
			reader->in_item,
			detail,
		};
	return false;
}

/* Whether a byte outside of strings can stand between two tokens, or be a token itself. */
static inline bool
EtlJsonIsBetween(char c)
{
	switch (c)
	{
		case ' ':
		case '\t':
		case '\n':
		case '\r':
		case ',':
		case ':':
		case '[':
		case ']':
		case '{':
		case '}':
			return true;
		default:
			return false;
	}
}

/* json_lines.c.  A body, or what is left of it, begins at fed, with the line of that number. */
extern void EtlJsonBeginLines(EtlJsonReader *reader, EtlJsonLines lines, uint64 line);

/* Parses more of the line in hand, which may be the first.  As EtlJsonNextSlice. */
extern bool EtlJsonNextLine(EtlJsonReader *reader);

/* Goes to the next one of the lines that are tried together, which all have line feeds. */
static inline void
EtlJsonTryNextLine(EtlJsonReader *reader)
{
	const char *from = EtlJsonBytes(reader, reader->tried_end);
	const char *feed = memchr(from, '\n', reader->cut - reader->tried_end);

	reader->tried_end += feed + 1 - from;
	reader->tried_value = false;
	reader->line++;
}

/* json_slice.c.  Parses the next slice.  false if there is none yet, or a fault, or all is parsed. */
extern bool EtlJsonNextSlice(EtlJsonReader *reader);

/* The two steps of that: moves cut to the end of the next slice, as far as it can be seen, no further than limit; parses
 * what is before cut. */
extern void EtlJsonScan(EtlJsonReader *reader, uint64 limit);
extern bool EtlJsonParseSlice(EtlJsonReader *reader);

/* Fails if too much has been read of something that is not complete. */
extern bool EtlJsonCheckSize(EtlJsonReader *reader);

/* Copies the text of what was captured. */
extern void EtlJsonHold(EtlJsonHeld *held, const char *text, size_t len);

/* json_scan.c */
extern const char *
EtlJsonSkipBlocks(const char *p, const char *end, bool *in_string, const char **cut);

/* json_parse.c */
extern EtlJsonParser *EtlJsonParserCreate(EtlJsonReader *reader);
extern void EtlJsonParserReset(EtlJsonParser *parser);
extern void EtlJsonParserFree(EtlJsonParser *parser);

/*
 * Parses n bytes from place at on, which must be whole tokens (the last call may end inside one, if the
 * reader goes no further).  EtlJsonParserFinish says that there are no more.  false: see the fault.
 */
extern bool EtlJsonParse(EtlJsonParser *parser, uint64 at, size_t n);
extern bool EtlJsonParserFinish(EtlJsonParser *parser);

/*
 * json_yajl.c.  The token at p cannot be: it is none, from "bad" on, or (NULL) must not stand there.  Records a fault that says
 * why; the bytes go on until "end".
 */
extern void EtlJsonExplain(EtlJsonReader *reader, EtlJsonExpect expect, const char *p,
						   const char *bad, const char *end);

/* json_token.c */
extern EtlJsonStatus EtlJsonCheckEscapes(const char *raw, uint32 len, uint32 *at);
extern bool EtlJsonNumberInRange(const char *text, uint32 len);

/* json_track.c.  Captures become what they were before the line in hand, or that is forgotten. */
extern void EtlJsonRestoreCaptures(EtlJsonReader *reader);
extern void EtlJsonKeepCaptures(EtlJsonReader *reader);

/* Events allocate nothing: the reader has made room for all that a slice can have. */
typedef struct EtlJsonEvent
{
	EtlJsonType type;
	uint64 start; /* of the token */
	uint64 end;
	uint64 before;	  /* end of the one before */
	const char *text; /* a string's text, anything else as it stands */
	uint32 len;
	bool decoded; /* text is not a part of the body */
	EtlJsonStatus
		wrong; /* jsonb would not take this token, at that byte; ETL_JSON_ITEM: it would */
	uint64 wrong_at;
} EtlJsonEvent;

/* Adds the token of a value that begins now, inside the item; its text is to be set. */
static inline EtlJsonToken *
EtlJsonAddToken(EtlJsonReader *reader, EtlJsonType type, uint64 start, uint32 len, bool member)
{
	EtlJsonToken *token = &reader->tokens[reader->ntokens++];

	*token = (EtlJsonToken){
		.start = start - reader->item_start,
		.len = len,
		.next = reader->ntokens - reader->item_token,
		.type = type,
	};
	if (member)
	{
		token->key = reader->key.text;
		token->key_len = reader->key.len;
		token->key_decoded = reader->key.decoded;
	}
	return token;
}

/*
 * Most of what is in items is far from all paths, and nothing but its tokens can be wanted.  So what stands in a frame
 * that is far takes a short way past the events, unless it needs a second look, as strings with escapes do.
 */
static inline void
EtlJsonPassKey(EtlJsonReader *reader, const EtlJsonFrame *frame, const char *text, uint32 len)
{
	reader->unwanted = !frame->has_tokens || !reader->initials[(unsigned char) *text];
	if (!reader->unwanted)
		reader->key =
			(EtlJsonKey){reader->base + (text - reader->buffer) - reader->item_start, len, false};
}

/* Does a value in a frame get a token? */
static inline bool
EtlJsonGetsToken(const EtlJsonReader *reader, const EtlJsonFrame *frame)
{
	return frame->has_tokens && !(frame->object && reader->unwanted);
}

static inline void
EtlJsonPassScalar(EtlJsonReader *reader, const EtlJsonFrame *frame, EtlJsonType type, uint64 start,
				  uint32 len, uint32 quote)
{
	EtlJsonToken *token;

	if (!EtlJsonGetsToken(reader, frame))
		return;
	token = EtlJsonAddToken(reader, type, start, len, frame->object);
	token->text = token->start + quote;
	token->text_len = len - 2 * quote;
}

static inline void
EtlJsonPassOpen(EtlJsonReader *reader, EtlJsonFrame *frame, EtlJsonType type, uint64 start)
{
	EtlJsonFrame *inner = frame + 1;

	inner->inside = inner->captures = inner->tested = 0;
	inner->object = type == ETL_JSON_OBJECT;
	inner->holds_items = false;
	inner->far = inner->passed = true;
	inner->has_token = EtlJsonGetsToken(reader, frame);
	inner->has_tokens = inner->has_token && inner->object;
	if (inner->has_token)
	{
		inner->token = reader->ntokens - reader->item_token;
		EtlJsonAddToken(reader, type, start, 1, frame->object);
	}
	reader->far = inner;
	reader->depth++;
}

/* Completes the token of an array or object. */
static inline void
EtlJsonEndToken(EtlJsonReader *reader, const EtlJsonFrame *frame, uint64 end)
{
	EtlJsonToken *token = &reader->tokens[reader->item_token + frame->token];

	token->len = end - reader->item_start - token->start;
	token->next = reader->ntokens - reader->item_token;
}

/* The end of one that was passed. */
static inline void
EtlJsonPassClose(EtlJsonReader *reader, EtlJsonFrame *frame, uint64 end)
{
	if (frame->has_token)
		EtlJsonEndToken(reader, frame, end);
	reader->far = frame - 1;
	reader->depth--;
}

extern void EtlJsonTrackPaths(EtlJsonReader *reader);
extern bool EtlJsonTrackKey(EtlJsonReader *reader, const EtlJsonEvent *event);
extern bool EtlJsonTrackScalar(EtlJsonReader *reader, const EtlJsonEvent *event);
extern bool EtlJsonTrackOpen(EtlJsonReader *reader, const EtlJsonEvent *event);
extern bool EtlJsonTrackClose(EtlJsonReader *reader, const EtlJsonEvent *event);

#endif /* ETL_JSON_INTERNAL_H */

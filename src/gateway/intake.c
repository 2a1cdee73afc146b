/*
 * intake.c
 *		Requests that bring records, as the supervisor sees them: who may, is there room, and what has become of them.
 *
 *		ask		on the headers: token, size, room; what is let in has its room reserved
 *		end		the body is whole: it goes into the queue of the run
 *		done	the run has committed it
 *
 * Room is counted until a request is answered, so the memory that all of them take is bounded, however many come and however slowly
 * they are loaded.  When a run ends, what it has not answered is answered with 503: it may be sent again.
 */
#include "etl.h"

#include "gateway/slots.h"
#include "gateway/intake.h"
#include "source/clock.h"
#include "source/http/crypto.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define LONGEST_ANSWER 256
#define BODY_MS (90 * 1000) /* the program takes less for a body that comes at all */
#define LOOK_MS 1000
#define KEPT_BYTES (64 * 1024)
#define LONGEST_RETRY_S 60
#define NOT_RUNNING_S 5
#define FULL 0.8 /* of the room of a pipeline: it is loaded more slowly than it comes */

/* The queues to a run. */
typedef struct Channel
{
	EtlIngestQueues queues;
	dsm_handle handle;
	char database[NAMEDATALEN];
	char name[ETL_INGEST_NAME];
	int64 room;
	int64 used; /* by requests that are not answered */
	int nwaiting;

	/* how fast they are */
	int64 since;   /* on the clock */
	int64 drained; /* bytes, since then */
	double rate;   /* bytes per ms; 0: not known */
} Channel;

/* A request that was let in and is not answered. */
typedef struct Waiting
{
	uint64 id; /* the number of its program, and its own in that */
	int channel;
	int64 room;	   /* that it takes */
	int64 since;   /* on the clock */
	bool is_whole; /* it is in the queue */
	EtlIngestRequest request;
} Waiting;

/* The request whose body comes: bodies come one behind the other. */
typedef struct Body
{
	uint64 id; /* 0: none */
	size_t len;
	size_t max;
	char *bytes;
} Body;

int EtlIngestMaxBody = 4 * 1024;

static EtlFrames *program;
static uint32 programs = 0; /* so many were started */
static Channel channels[ETL_INGEST_SLOTS];
static HTAB *waiting = NULL; /* of Waiting */
static Body body;

static uint64
id_of(uint32 number)
{
	return (uint64) programs << 32 | number;
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

/* Without room the program's own time limit answers. */
static void
answer(uint32 number, uint32 status, uint32 value, const char *text)
{
	EtlFrame frame = {.kind = ETL_FRAME_ANSWER,
					  .number = number,
					  .status = status,
					  .value = value,
					  .len = strlen(text)};

	(void) EtlFramesPut(program, &frame, text);
}

/* The same to a request of any program: nobody waits for those of one that has ended. */
static void
answer_id(uint64 id, uint32 status, uint32 value, const char *text)
{
	if (id >> 32 == programs)
		answer((uint32) id, status, value, text);
}

static bool
has_room_for_answer(void)
{
	return program->nout + sizeof(EtlFrame) + LONGEST_ANSWER <= ETL_FRAME_ROOM;
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

static Waiting *
find_waiting(uint64 id)
{
	return hash_search(waiting, &id, HASH_FIND, NULL);
}

/* Gives back the room that a request takes. */
static void
forget(Waiting *w)
{
	uint64 id = w->id;

	channels[w->channel].used -= w->room;
	channels[w->channel].nwaiting--;
	(void) hash_search(waiting, &id, HASH_REMOVE, NULL);
}

/* Forgets those that will never be whole: of a program that has ended, or where the program has given up. */
static void
forget_stale(void)
{
	static int64 look_at = 0;
	HASH_SEQ_STATUS all;
	Waiting *w;

	if (EtlClock() < look_at)
		return;
	look_at = EtlClock() + LOOK_MS;
	hash_seq_init(&all, waiting);
	while ((w = hash_seq_search(&all)) != NULL)
		if (!w->is_whole && (w->id >> 32 != programs || EtlClock() >= w->since + BODY_MS))
			forget(w);
}

/* ----------------------------------------------------------------
 *	Channels
 * ---------------------------------------------------------------- */

/* The run has ended, or is not understood: all that it has not answered is answered. */
static void
close_channel(int number)
{
	HASH_SEQ_STATUS all;
	Waiting *w;

	hash_seq_init(&all, waiting);
	while ((w = hash_seq_search(&all)) != NULL)
	{
		if (w->channel != number)
			continue;
		if (w->is_whole)
			answer_id(w->id, 503, 1,
					  "{\"error\": \"the run of the pipeline ended before it has loaded the "
					  "request\"}\n");
		forget(w);
	}
	EtlIngestDetach(&channels[number].queues);
	channels[number] = (Channel){0};
}

/* Whether there are queues to the run that has a slot. */
static bool
open_channel(int number, const EtlIngestSlot *slot)
{
	Channel *channel = &channels[number];
	MemoryContext old;
	bool done;

	if (channel->queues.segment != NULL && channel->handle == slot->handle)
		return true;
	if (slot->taken)
		return false;
	if (channel->queues.segment != NULL)
		close_channel(number);
	old = MemoryContextSwitchTo(TopMemoryContext);
	done = EtlIngestTake(number, slot, &channel->queues);
	MemoryContextSwitchTo(old);
	if (!done)
		return false;
	*channel = (Channel){
		.queues = channel->queues, .handle = slot->handle, .room = slot->room, .since = EtlClock()};
	strlcpy(channel->database, slot->database, sizeof(channel->database));
	strlcpy(channel->name, slot->name, sizeof(channel->name));
	return true;
}

/* When there may be room again, in s. */
static uint32
retry_after(const Channel *channel)
{
	double ms = channel->rate > 0 ? channel->used / channel->rate : 0;

	return (uint32) Min(ms / 1000 + 1, LONGEST_RETRY_S);
}

static void
measure(Channel *channel, int64 bytes)
{
	int64 elapsed = EtlClock() - channel->since;

	channel->drained += bytes;
	if (elapsed < LOOK_MS)
		return;
	channel->rate = (channel->rate + (double) channel->drained / elapsed) / 2;
	channel->drained = 0;
	channel->since = EtlClock();
}

/* ----------------------------------------------------------------
 *	Asking
 * ---------------------------------------------------------------- */

bool
EtlIsSameHash(const uint8 *a, const uint8 *b)
{
	uint8 difference = 0;

	for (int i = 0; i < ETL_TOKEN_HASH; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static bool
accepts(const EtlIngestSlot *slot, const char *token)
{
	uint8 hash[ETL_TOKEN_HASH];
	bool accepted = false;

	if (token[0] == '\0' || !EtlSha256(token, strlen(token), hash))
		return false;
	for (int i = 0; i < slot->ntokens; i++)
		accepted |= EtlIsSameHash(hash, slot->tokens[i]);
	return accepted;
}

static void
let_in(uint32 number, int channel, const char *key, int64 room, int64 most)
{
	uint64 id = id_of(number);
	Waiting *w = hash_search(waiting, &id, HASH_ENTER, NULL);

	*w = (Waiting){.id = id,
				   .channel = channel,
				   .room = room,
				   .since = EtlClock(),
				   .request = {.id = id, .has_key = key[0] != '\0'}};
	if (w->request.has_key && !EtlSha256(key, strlen(key), w->request.key))
	{
		(void) hash_search(waiting, &id, HASH_REMOVE, NULL);
		answer(number, 503, 1, "{\"error\": \"out of memory\"}\n");
		return;
	}
	channels[channel].used += room;
	channels[channel].nwaiting++;
	answer(number, 100, (uint32) most, "");
}

static void
decide(uint32 number, int64 len, const char *const *strings)
{
	const char *database = strings[0];
	const char *name = strings[1];
	const char *token = strings[2];
	const char *key = strings[3];
	EtlIngestSlot slot;
	int i = EtlIngestFind(database, name, &slot);
	Channel *channel = NULL;
	int64 most;
	int64 room;

	if (i < 0 || slot.ntokens < 0)
	{
		answer(number, 503, NOT_RUNNING_S,
			   "{\"error\": \"no continuous run of this pipeline takes records now\"}\n");
		return;
	}
	if (!accepts(&slot, token))
	{
		answer(number, 401, 0, "{\"error\": \"the token is not one of this pipeline\"}\n");
		return;
	}
	if (!open_channel(i, &slot))
	{
		answer(number, 503, 1, "{\"error\": \"the run of the pipeline is not ready\"}\n");
		return;
	}
	channel = &channels[i];
	most = Min((int64) EtlIngestMaxBody * 1024, channel->room - ETL_INGEST_OVERHEAD);
	room = (len < 0 ? most : len) + ETL_INGEST_OVERHEAD;
	if (len > most)
		answer(number, 413, 0, "{\"error\": \"the body is larger than etl.ingest_max_body\"}\n");
	else if (channel->used + room > channel->room || channel->nwaiting >= ETL_INGEST_WAITING)
		answer(number, 429, retry_after(channel),
			   "{\"error\": \"too many records wait to be loaded\"}\n");
	else
		let_in(number, i, key, room, most);
}

static void
ask(const EtlFrame *frame, const char *data)
{
	EtlFrameIngest ingest;
	const char *strings[4];
	const char *end = data + frame->len;
	const char *c = data + sizeof(ingest);

	if (frame->len < sizeof(ingest))
		return;
	memcpy(&ingest, data, sizeof(ingest));
	for (int i = 0; i < lengthof(strings); i++)
	{
		const char *zero = c < end ? memchr(c, '\0', end - c) : NULL;

		if (zero == NULL)
			return;
		strings[i] = c;
		c = zero + 1;
	}
	decide(frame->number, ingest.len, strings);
}

/* ----------------------------------------------------------------
 *	Bodies
 * ---------------------------------------------------------------- */

static void
drop(uint64 id)
{
	Waiting *w = find_waiting(id);

	if (w != NULL && !w->is_whole)
		forget(w);
	if (body.id == id)
		body.id = 0;
}

/* Goes on with the body of a request; false: there is no such. */
static bool
go_to_body(uint64 id)
{
	Waiting *w = find_waiting(id);

	if (w == NULL || w->is_whole)
		return false;
	if (body.id == id)
		return true;
	if (body.id != 0)
		drop(body.id);
	body.id = id;
	body.len = 0;
	return true;
}

static void
take_piece(const EtlFrame *frame, const char *data)
{
	uint64 id = id_of(frame->number);

	if (!go_to_body(id))
		return;
	if (body.len + frame->len + ETL_INGEST_OVERHEAD > find_waiting(id)->room)
	{
		drop(id); /* more than it has asked for */
		return;
	}
	if (body.len + frame->len > body.max)
	{
		body.max = Max(2 * body.max, Max(body.len + frame->len, KEPT_BYTES));
		body.bytes = body.bytes == NULL ? MemoryContextAlloc(TopMemoryContext, body.max)
										: repalloc(body.bytes, body.max);
	}
	memcpy(body.bytes + body.len, data, frame->len);
	body.len += frame->len;
}

/* The body in hand goes into the queue.  If that had no room, it would be one whose other end is not understood. */
static void
send_body(Waiting *w)
{
	Channel *channel = &channels[w->channel];
	EtlIngestRequest head = w->request;
	shm_mq_iovec parts[] = {{(const char *) &head, sizeof(head)}, {body.bytes, body.len}};
	int64 room = body.len + ETL_INGEST_OVERHEAD;

	channel->used -= w->room - room;
	w->room = room;
	w->is_whole = true;
	if (shm_mq_sendv(channel->queues.requests, parts, body.len > 0 ? 2 : 1, true, true) !=
		SHM_MQ_SUCCESS)
		close_channel(w->channel);
}

static void
end_body(const EtlFrame *frame)
{
	uint64 id = id_of(frame->number);

	if (go_to_body(id))
		send_body(find_waiting(id));
	else
		answer(frame->number, 503, 1,
			   "{\"error\": \"the run of the pipeline ended before it has got the request\"}\n");
	body.id = 0;
	if (body.max > KEPT_BYTES)
	{
		pfree(body.bytes);
		body.bytes = NULL;
		body.max = 0;
	}
}

/* ----------------------------------------------------------------
 *	For the supervisor
 * ---------------------------------------------------------------- */

void
EtlIntakeBegin(EtlFrames *frames)
{
	const HASHCTL control = {
		.keysize = sizeof(uint64), .entrysize = sizeof(Waiting), .hcxt = TopMemoryContext};

	program = frames;
	programs++;
	body.id = 0;
	if (waiting == NULL)
		waiting = hash_create("etl requests", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
EtlIntakeTake(const EtlFrame *frame, const char *data)
{
	switch (frame->kind)
	{
		case ETL_FRAME_INGEST:
			ask(frame, data);
			break;
		case ETL_FRAME_BODY:
			take_piece(frame, data);
			break;
		case ETL_FRAME_END:
			end_body(frame);
			break;
		case ETL_FRAME_DROP:
			drop(id_of(frame->number));
			break;
		default:
			break;
	}
}

/* A run has committed a request. */
static void
finish(const EtlIngestAnswer *done)
{
	Waiting *w = find_waiting(done->id);
	char text[LONGEST_ANSWER];

	if (w == NULL)
		return;
	measure(&channels[w->channel], w->room);
	switch (done->result)
	{
		case ETL_INGEST_LOADED:
			snprintf(text, sizeof(text), "{\"loaded\": %lld, \"set_aside\": %lld}\n",
					 (long long) done->loaded, (long long) done->set_aside);
			answer_id(done->id, 200, 0, text);
			break;
		case ETL_INGEST_IN_FLIGHT:
			answer_id(done->id, 409, 1,
					  "{\"error\": \"a request with this Idempotency-Key is being loaded\"}\n");
			break;
		case ETL_INGEST_OTHER_BODY:
			answer_id(done->id, 422, 0,
					  "{\"error\": \"another body has come with this Idempotency-Key\"}\n");
			break;
		case ETL_INGEST_FAULTY:
			answer_id(done->id, 503, 1, "{\"error\": \"out of memory\"}\n");
			break;
	}
	forget(w);
}

void
EtlIntakeTurn(void)
{
	for (int i = 0; i < ETL_INGEST_SLOTS; i++)
	{
		shm_mq_result result = SHM_MQ_SUCCESS;

		while (channels[i].queues.segment != NULL && result == SHM_MQ_SUCCESS &&
			   has_room_for_answer())
		{
			EtlIngestAnswer done;
			void *data;
			Size len;

			result = shm_mq_receive(channels[i].queues.answers, &len, &data, true);
			if (result == SHM_MQ_SUCCESS && len == sizeof(done))
			{
				memcpy(&done, data, sizeof(done));
				finish(&done);
			}
			if (result == SHM_MQ_DETACHED)
				close_channel(i);
		}
	}
	if (waiting != NULL)
		forget_stale();
}

/* ----------------------------------------------------------------
 *	How full the buffers are
 * ---------------------------------------------------------------- */

static bool
is_open(const Channel *channel)
{
	return channel->queues.segment != NULL;
}

bool
EtlIntakeIsFull(void)
{
	for (int i = 0; i < ETL_INGEST_SLOTS; i++)
		if (is_open(&channels[i]) && channels[i].used > FULL * channels[i].room)
			return true;
	return false;
}

/* The value of a label. */
static void
append_label(StringInfo text, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\n')
			appendStringInfoString(text, "\\n");
		else
		{
			if (*c == '\\' || *c == '"')
				appendStringInfoChar(text, '\\');
			appendStringInfoChar(text, *c);
		}
	}
}

void
EtlIntakeMetrics(StringInfo text)
{
	static const char family[] = "etl_ingest_buffer_used_ratio";

	appendStringInfo(text,
					 "# HELP %s Part of a pipeline's buffer that waits to be loaded.\n"
					 "# TYPE %s gauge\n",
					 family, family);
	for (int i = 0; i < ETL_INGEST_SLOTS; i++)
	{
		if (!is_open(&channels[i]))
			continue;
		appendStringInfo(text, "%s{database=\"", family);
		append_label(text, channels[i].database);
		appendStringInfoString(text, "\",pipeline=\"");
		append_label(text, channels[i].name);
		appendStringInfo(text, "\"} %.3f\n", (double) channels[i].used / channels[i].room);
	}
}

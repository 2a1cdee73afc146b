/*
 * upload.c
 *		Requests that bring records.
 *
 *		headers -> may it? -> body, in memory -> whole -> frames, one request behind the other -> committed -> answer
 *
 * A body is only read when the supervisor has reserved room for it, so the memory that all of them take is bounded.
 */
#include "etl.h"

#include <stdlib.h>
#include <strings.h>

#include "gateway/program/request.h"
#include "gateway/program/unpack.h"

#define LONGEST_KEY 255
#define OUT_OF_MEMORY "{\"error\": \"out of memory\"}\n"
#define ASK_MS (5 * 1000)	  /* for which the supervisor is waited for */
#define BODY_MS (60 * 1000)	  /* within which a body has to be there */
#define COMMIT_MS (60 * 1000) /* and has to be loaded */

static EtlFrames *supervisor;
static Request *first_sending; /* the one whose body is sent */
static Request *last_sending;

void
UploadOpen(EtlFrames *frames)
{
	supervisor = frames;
}

/* ----------------------------------------------------------------
 *	Asking
 * ---------------------------------------------------------------- */

static char *
put_string(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	to[len] = '\0';
	return to + len + 1;
}

/* Asks whether the request may bring its body: who it is for, who it is from, how large it is. */
static void
ask(Request *request, const char *database, size_t database_len, const char *pipeline,
	const char *token, size_t token_len)
{
	const char *length = RequestHeader(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *key = RequestHeader(request, "Idempotency-Key");
	size_t key_len = key != NULL ? strlen(key) : 0;
	bool is_known = length != NULL && request->unpack == NULL;
	EtlFrameIngest ingest = {.len = is_known ? strtoll(length, NULL, 10) : -1};
	size_t len = sizeof(ingest) + database_len + strlen(pipeline) + token_len + key_len + 4;
	char data[ETL_FRAME_DATA];
	char *end = data + sizeof(ingest);

	if (key != NULL && (key_len == 0 || key_len > LONGEST_KEY))
	{
		RequestDecide(request, MHD_HTTP_BAD_REQUEST,
					  "{\"error\": \"an Idempotency-Key has 1 to 255 bytes\"}\n");
		return;
	}
	if (len > sizeof(data))
	{
		RequestDecide(request, MHD_HTTP_URI_TOO_LONG, "{\"error\": \"the names are too long\"}\n");
		return;
	}
	memcpy(data, &ingest, sizeof(ingest));
	end = put_string(end, database, database_len);
	end = put_string(end, pipeline, strlen(pipeline));
	end = put_string(end, token, token_len);
	(void) put_string(end, key != NULL ? key : "", key_len);
	(void) RequestAsk(request, ETL_FRAME_INGEST, data, len, ASK_MS);
}

/* How the body is encoded; false: that is not understood, and answered. */
static bool
take_encoding(Request *request)
{
	const char *encoding = RequestHeader(request, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
		return true;
	if (!UnpackKnows(encoding))
	{
		RequestDecide(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
					  "{\"error\": \"the Content-Encoding of a body can be gzip or zstd\"}\n");
		return false;
	}
	request->unpack = UnpackBegin(encoding);
	if (request->unpack == NULL)
		RequestDecide(request, MHD_HTTP_SERVICE_UNAVAILABLE, OUT_OF_MEMORY);
	return request->unpack != NULL;
}

void
UploadBegin(Request *request, const char *place, const char *method)
{
	const char *slash = strchr(place, '/');
	size_t token_len = 0;
	const char *token = RequestToken(request, &token_len);

	request->allow = MHD_HTTP_METHOD_POST;
	if (slash == NULL || slash == place || slash[1] == '\0')
		RequestDecide(request, MHD_HTTP_NOT_FOUND,
					  "{\"error\": \"the path is /ingest/DATABASE/PIPELINE\"}\n");
	else if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		RequestDecide(request, MHD_HTTP_METHOD_NOT_ALLOWED,
					  "{\"error\": \"method not allowed\"}\n");
	else if (token == NULL)
		RequestDecide(request, MHD_HTTP_UNAUTHORIZED,
					  "{\"error\": \"a token is needed, Authorization: Bearer ...\"}\n");
	else
	{
		request->is_upload = true;
		if (take_encoding(request))
			ask(request, place, slash - place, slash + 1, token, token_len);
	}
}

/* ----------------------------------------------------------------
 *	The body
 * ---------------------------------------------------------------- */

void
UploadAdmitted(Request *request, size_t limit)
{
	request->stage = REQUEST_READING;
	request->limit = limit;
	RequestLimitBody(request, BODY_MS);
}

/* Makes room for so many bytes more; false: there is none, and that is the answer. */
static bool
make_room(Request *request, size_t len)
{
	size_t max = Max(request->max * 2, 4096);
	char *body;

	if (request->len + len <= request->max)
		return true;
	while (max < request->len + len)
		max *= 2;
	body = realloc(request->body, max);
	if (body == NULL)
	{
		RequestDecide(request, MHD_HTTP_SERVICE_UNAVAILABLE, OUT_OF_MEMORY);
		return false;
	}
	request->body = body;
	request->max = max;
	return true;
}

static void
append(Request *request, const char *data, size_t len)
{
	if (request->len + len > request->limit)
		RequestDecide(request, MHD_HTTP_CONTENT_TOO_LARGE,
					  "{\"error\": \"the body is larger than etl.ingest_max_body\"}\n");
	else if (make_room(request, len))
	{
		memcpy(request->body + request->len, data, len);
		request->len += len;
	}
}

static void
append_compressed(Request *request, const char *data, size_t len)
{
	char piece[16 * 1024];
	ssize_t n = 0;

	UnpackGive(request->unpack, data, len);
	while (request->status == 0 && (n = UnpackRead(request->unpack, piece, sizeof(piece))) > 0)
		append(request, piece, (size_t) n);
	if (n < 0)
		RequestDecide(request, MHD_HTTP_BAD_REQUEST,
					  "{\"error\": \"the body is not what its Content-Encoding says\"}\n");
}

/* What comes of a body that is refused is passed over: there is no answer in the middle of one. */
void
UploadTake(Request *request, const char *data, size_t len)
{
	if (request->status != 0)
		return;
	if (request->unpack != NULL)
		append_compressed(request, data, len);
	else
		append(request, data, len);
	if (request->status == 0)
		return;
	free(request->body);
	request->body = NULL;
	request->len = request->max = 0;
}

bool
UploadEnd(Request *request)
{
	if (request->unpack != NULL && !UnpackIsWhole(request->unpack))
	{
		RequestDecide(request, MHD_HTTP_BAD_REQUEST,
					  "{\"error\": \"the compressed body is not whole\"}\n");
		return false;
	}
	request->stage = REQUEST_SENDING;
	RequestLimitBody(request, -1);
	if (last_sending != NULL)
		last_sending->next_sending = request;
	else
		first_sending = request;
	last_sending = request;
	RequestWait(request, COMMIT_MS);
	UploadTurn();
	return true;
}

/* ----------------------------------------------------------------
 *	To the supervisor
 * ---------------------------------------------------------------- */

static void
remove_sending(Request *request)
{
	Request *before = NULL;
	Request *r = first_sending;

	while (r != NULL && r != request)
	{
		before = r;
		r = r->next_sending;
	}
	if (r == NULL)
		return;
	if (before != NULL)
		before->next_sending = r->next_sending;
	else
		first_sending = r->next_sending;
	if (last_sending == r)
		last_sending = before;
	r->next_sending = NULL;
}

/* The next piece of a body, or its end; false: there is no room for it now. */
static bool
send_piece(Request *request)
{
	size_t len = Min(request->len - request->sent, ETL_FRAME_DATA);
	EtlFrame frame = {.kind = len > 0 ? ETL_FRAME_BODY : ETL_FRAME_END,
					  .number = request->number,
					  .len = (uint32) len};

	if (!EtlFramesPut(supervisor, &frame, request->body + request->sent))
		return false;
	request->sent += len;
	if (frame.kind == ETL_FRAME_END)
	{
		remove_sending(request);
		free(request->body);
		request->body = NULL;
	}
	return true;
}

void
UploadTurn(void)
{
	while (first_sending != NULL && send_piece(first_sending))
		;
}

/* One that was let in and has not come to its end gives back what is reserved for it; where there is no room for that, time does. */
void
UploadForget(Request *request)
{
	EtlFrame frame = {.kind = ETL_FRAME_DROP, .number = request->number};
	bool is_whole = request->stage == REQUEST_SENDING && request->body == NULL;

	remove_sending(request);
	free(request->body);
	UnpackEnd(request->unpack);
	if (request->stage != REQUEST_ASKING && !is_whole)
		(void) EtlFramesPut(supervisor, &frame, NULL);
}

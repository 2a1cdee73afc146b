/*
 * http.c
 *		What etl_gateway is asked by HTTP (libmicrohttpd).
 *
 *		headers -> check -> answer at once, or: ask the supervisor, suspend -> its answer -> resume -> answer
 *
 * A request that brings records is asked about with its headers, and once more with its body (upload.c).
 *
 * What is wrong with a request is said when its headers are there, before a body is read.  Everything is bounded: connections, the
 * size and the time of headers, the time for which the supervisor is waited for.
 */
#include "etl.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gateway/program/http.h"
#include "gateway/program/request.h"

#define MAX_CONNECTIONS 10000
#define SPARE_DESCRIPTORS 64
#define CONNECTION_MEMORY (16 * 1024) /* the most that headers may have, too */
#define HEADER_MS (10 * 1000) /* within which headers have to be there, also of a next request */
#define HURRIED_HEADER_MS 500 /* the same, while three quarters of the connections are taken */
#define LOOK_MS 250			  /* how often connections are looked at for that */
#define INGEST "/ingest/"
#define METRICS "/metrics" /* and behind a slash the database */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define ANSWER_MS (5 * 1000) /* for which the supervisor is waited for */

/* A connection, from its beginning to its end. */
typedef struct Connection
{
	struct Connection *previous;
	struct Connection *next;
	struct MHD_Connection *connection;
	int64 waits_since; /* for headers, in ms; -1: it does not */
	int64 until;	   /* when its body has to be there; -1: at no time */
} Connection;

typedef struct Route
{
	const char *path;
	void (*get)(Request *request);
} Route;

static struct MHD_Daemon *http_daemon;
static EtlFrames *supervisor;
static const char *own_address; /* "127.0.0.1:8432" */
static const char *own_hosts;
static Connection *connections;
static unsigned int nconnections;
static unsigned int most; /* of them */
static Request *waiting;
static uint32 last_number;

static int64
now_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

void
RequestDecide(Request *request, unsigned int status, const char *text)
{
	free(request->text); /* what there is of metrics */
	request->text = NULL;
	request->is_metrics = false;
	request->status = status;
	request->constant = text;
}

const char *
RequestNumber(uint32 number, char *digits, size_t size)
{
	char *c = digits + size - 1;

	*c = '\0';
	do
		*--c = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	return c;
}

/* What the status calls for beside the text. */
static void
add_headers(const Request *request, struct MHD_Response *response)
{
	char digits[16];

	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
								   request->is_metrics ? METRICS_TYPE : "application/json");
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (request->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
									   request->allow != NULL ? request->allow : "GET");
	if (request->status == MHD_HTTP_UNAUTHORIZED)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (request->retry_after > 0)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER,
									   RequestNumber(request->retry_after, digits, sizeof(digits)));
}

static enum MHD_Result
send_answer(Request *request)
{
	const char *text = request->text != NULL ? request->text : request->constant;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *) text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MetricsCount(request->status);
	add_headers(request, response);
	result = MHD_queue_response(request->connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ----------------------------------------------------------------
 *	What the supervisor is asked
 * ---------------------------------------------------------------- */

static void
remove_waiting(Request *request)
{
	if (!request->waits)
		return;
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		waiting = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
	request->waits = false;
}

/* The answer to a request that waits is there. */
static void
resume(Request *request)
{
	remove_waiting(request);
	request->resumed = true;
	MHD_resume_connection(request->connection);
}

void
RequestWait(Request *request, int64 ms)
{
	request->until = now_ms() + ms;
	request->waits = true;
	request->previous = NULL;
	request->next = waiting;
	if (waiting != NULL)
		waiting->previous = request;
	waiting = request;
	MHD_suspend_connection(request->connection);
}

bool
RequestAsk(Request *request, EtlFrameKind kind, const void *data, size_t len, int64 ms)
{
	EtlFrame frame = {.kind = kind, .len = (uint32) len};

	request->number = frame.number = ++last_number;
	if (!EtlFramesPut(supervisor, &frame, data))
	{
		RequestDecide(request, MHD_HTTP_SERVICE_UNAVAILABLE,
					  "{\"error\": \"too many requests wait\"}\n");
		request->retry_after = 1;
		return false;
	}
	RequestWait(request, ms);
	return true;
}

void
HttpAnswer(const EtlFrame *frame, const char *text)
{
	Request *request = waiting;

	while (request != NULL && request->number != frame->number)
		request = request->next;
	if (request == NULL)
		return; /* it has not waited so long */
	if (frame->status == MHD_HTTP_CONTINUE)
	{
		UploadAdmitted(request, frame->value);
		resume(request);
		return;
	}
	if (frame->kind == ETL_FRAME_PIECE)
	{
		MetricsTake(request, text);
		return;
	}
	request->status = frame->status;
	request->retry_after = frame->value;
	if (request->is_metrics)
		MetricsEnd(request, nconnections);
	else
		request->text = strdup(text);
	if (request->text == NULL)
		RequestDecide(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "{\"error\": \"out of memory\"}\n");
	resume(request);
}

/* Those that have waited for too long; returns when the next one will have. */
static int64
give_up(int64 now)
{
	int64 until = -1;
	Request *next;

	for (Request *request = waiting; request != NULL; request = next)
	{
		next = request->next;
		if (request->until > now)
		{
			until = until < 0 ? request->until : Min(until, request->until);
			continue;
		}
		RequestDecide(request, MHD_HTTP_SERVICE_UNAVAILABLE,
					  "{\"error\": \"the server does not answer\"}\n");
		resume(request);
	}
	return until;
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

/* Whether the program is there: whoever asks has the answer by then. */
static void
get_live(Request *request)
{
	RequestDecide(request, MHD_HTTP_OK, "{\"status\": \"live\"}\n");
}

/* Whether the server answers it. */
static void
get_ready(Request *request)
{
	(void) RequestAsk(request, ETL_FRAME_READY, NULL, 0, ANSWER_MS);
}

static const Route routes[] = {
	{"/live", get_live},
	{"/ready", get_ready},
	{METRICS, MetricsGet},
};

/* Whether a name of this length is the one, or one of a list with commas. */
static bool
is_listed(const char *name, size_t len, const char *list)
{
	while (*list != '\0')
	{
		size_t n;

		list += strspn(list, ", ");
		n = strcspn(list, ", ");
		if (n == len && n > 0 && strncasecmp(list, name, len) == 0)
			return true;
		list += n;
	}
	return false;
}

/* The length of a host without its port, "[::1]" included. */
static size_t
host_length(const char *host)
{
	const char *bracket = strrchr(host, ']');
	const char *colon = strrchr(host, ':');

	return colon != NULL && (bracket == NULL || colon > bracket) ? (size_t) (colon - host)
																 : strlen(host);
}

/* A page of somebody else's, in the browser of somebody within, has the name of its own server. */
static bool
is_our_host(const char *host)
{
	size_t len;

	if (host == NULL)
		return false;
	len = host_length(host);
	return is_listed(host, len, "localhost") || is_listed(host, len, own_hosts) ||
		   (len == host_length(own_address) && strncasecmp(host, own_address, len) == 0);
}

const char *
RequestHeader(const Request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *
RequestToken(const Request *request, size_t *len)
{
	const char *value = RequestHeader(request, MHD_HTTP_HEADER_AUTHORIZATION);

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	value += strspn(value, " ");
	*len = strcspn(value, " \t");
	return *len > 0 ? value : NULL;
}

/* Decides about a request of which the headers are there. */
static void
begin_request(Request *request, const char *path, const char *method)
{
	const Route *route = routes;

	/* two ways to say where a body ends are two requests for whoever stands between */
	if (RequestHeader(request, MHD_HTTP_HEADER_CONTENT_LENGTH) != NULL &&
		RequestHeader(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
	{
		RequestDecide(request, MHD_HTTP_BAD_REQUEST,
					  "{\"error\": \"Content-Length and Transfer-Encoding\"}\n");
		return;
	}
	if (!is_our_host(RequestHeader(request, MHD_HTTP_HEADER_HOST)))
	{
		RequestDecide(request, MHD_HTTP_MISDIRECTED_REQUEST,
					  "{\"error\": \"no such host; the setting is etl.gateway_hosts\"}\n");
		return;
	}
	if (strncmp(path, INGEST, strlen(INGEST)) == 0)
	{
		UploadBegin(request, path + strlen(INGEST), method);
		return;
	}
	request->place = "";
	if (strncmp(path, METRICS "/", strlen(METRICS "/")) == 0)
	{
		request->place = path + strlen(METRICS "/");
		path = METRICS;
	}
	while (route < routes + lengthof(routes) && strcmp(route->path, path) != 0)
		route++;
	if (route == routes + lengthof(routes))
		RequestDecide(request, MHD_HTTP_NOT_FOUND, "{\"error\": \"not found\"}\n");
	else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		RequestDecide(request, MHD_HTTP_METHOD_NOT_ALLOWED,
					  "{\"error\": \"method not allowed\"}\n");
	else
		request->get = route->get;
}

static bool
has_body(const Request *request)
{
	const char *length = RequestHeader(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return RequestHeader(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ||
		   (length != NULL && strcmp(length, "0") != 0);
}

static Connection *
connection_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void
RequestLimitBody(Request *request, int64 ms)
{
	connection_of(request->connection)->until = ms < 0 ? -1 : now_ms() + ms;
}

/* The headers are there.  An answer before the body is read closes the connection, so it is only given where it saves reading one. */
static enum MHD_Result
handle_headers(struct MHD_Connection *connection, const char *path, const char *method,
			   void **state)
{
	Request *request = calloc(1, sizeof(Request));

	if (request == NULL)
		return MHD_NO;
	*state = request;
	request->connection = connection;
	connection_of(connection)->waits_since = -1;
	begin_request(request, path, method);
	return request->status != 0 && has_body(request) ? send_answer(request) : MHD_YES;
}

/* An upload goes on: it was let in, or not, a piece of its body has come, all of it has, or it is answered. */
static enum MHD_Result
handle_upload(Request *request, const char *body, size_t *body_len, bool resumed)
{
	size_t len = *body_len;

	*body_len = 0;
	if (len > 0)
		UploadTake(request, body, len);
	else if (request->status != 0 ||
			 (request->stage == REQUEST_READING && !resumed && !UploadEnd(request)))
		return send_answer(request);
	return MHD_YES;
}

/* Called when headers are there, for each piece of a body, at its end, and when a suspended connection goes on. */
static enum MHD_Result
handle_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
			   const char *version, const char *body, size_t *body_len, void **state)
{
	Request *request = *state;
	bool resumed = request != NULL && request->resumed;

	if (request == NULL)
		return handle_headers(connection, path, method, state);
	request->resumed = false;
	if (request->is_upload)
		return handle_upload(request, body, body_len, resumed);
	if (*body_len > 0) /* nothing else that is asked here has one */
	{
		*body_len = 0;
		return MHD_YES;
	}
	if (request->status == 0 && !request->waits)
		request->get(request);
	return request->waits ? MHD_YES : send_answer(request);
}

static void
end_request(void *cls, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode how)
{
	Request *request = *state;

	if (request == NULL)
		return;
	remove_waiting(request);
	if (request->is_upload)
		UploadForget(request);
	free(request->text);
	free(request);
	*state = NULL;
	connection_of(connection)->waits_since = now_ms();
	connection_of(connection)->until = -1;
}

/* ----------------------------------------------------------------
 *	Connections
 * ---------------------------------------------------------------- */

static void
begin_connection(struct MHD_Connection *connection, void **state)
{
	Connection *c = calloc(1, sizeof(Connection));

	if (c == NULL)
		_exit(1); /* the supervisor starts another */
	c->connection = connection;
	c->waits_since = now_ms();
	c->until = -1;
	c->next = connections;
	if (connections != NULL)
		connections->previous = c;
	connections = c;
	nconnections++;
	*state = c;
}

static void
end_connection(void **state)
{
	Connection *c = *state;

	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		connections = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	nconnections--;
	free(c);
	*state = NULL;
}

static void
notify_connection(void *cls, struct MHD_Connection *connection, void **state,
				  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		begin_connection(connection, state);
	else
		end_connection(state);
}

/*
 * Ends connections whose headers, or body, have not come in time, however often a byte of them comes; returns when to look again, -1: there
 * are none.  Many that say nothing do not keep out one that does.
 */
static int64
end_slow(int64 now)
{
	static int64 look_at = 0;
	int64 patience = nconnections > most / 4 * 3 ? HURRIED_HEADER_MS : HEADER_MS;

	if (connections == NULL || now < look_at)
		return connections == NULL ? -1 : look_at;
	for (Connection *c = connections; c != NULL; c = c->next)
	{
		if ((c->waits_since < 0 || c->waits_since + patience > now) &&
			(c->until < 0 || c->until > now))
			continue;
		(void) shutdown(
			MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
			SHUT_RDWR);
		c->waits_since = c->until = -1;
	}
	look_at = now + LOOK_MS;
	return look_at;
}

/* ----------------------------------------------------------------
 *	The daemon
 * ---------------------------------------------------------------- */

static unsigned int
most_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
		limit.rlim_cur > MAX_CONNECTIONS + SPARE_DESCRIPTORS)
		return MAX_CONNECTIONS;
	return limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS
												  : SPARE_DESCRIPTORS;
}

int
HttpOpen(int listener, const char *address, const char *hosts, EtlFrames *frames)
{
	const union MHD_DaemonInfo *info;

	supervisor = frames;
	UploadOpen(frames);
	own_address = address;
	own_hosts = hosts;
	most = most_connections();
	http_daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle_request,
						 NULL, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
						 most, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
						 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) 2 * HEADER_MS / 1000,
						 MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
						 MHD_OPTION_NOTIFY_CONNECTION, notify_connection, NULL, MHD_OPTION_END);
	if (http_daemon == NULL)
		return -1;
	info = MHD_get_daemon_info(http_daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info != NULL ? info->epoll_fd : -1;
}

int
HttpTurn(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;
	int64 now = now_ms();
	int64 first = give_up(now);
	int64 second = end_slow(now);
	int64 until = first < 0 || (second >= 0 && second < first) ? second : first;
	int wait = -1;

	(void) MHD_run(http_daemon);
	UploadTurn();
	if (until >= 0)
		wait = (int) Max(until - now_ms(), 0);
	if (MHD_get_timeout(http_daemon, &timeout) == MHD_YES &&
		(wait < 0 || timeout < (unsigned) wait))
		wait = (int) timeout;
	return wait;
}

void
HttpClose(void)
{
	for (Request *request = waiting; request != NULL; request = waiting)
	{
		RequestDecide(request, MHD_HTTP_SERVICE_UNAVAILABLE, "{\"error\": \"the server stops\"}\n");
		resume(request);
	}
	(void) MHD_run(http_daemon);
	MHD_stop_daemon(http_daemon);
}

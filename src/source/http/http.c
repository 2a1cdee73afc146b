/*
 * http.c
 *		HTTP requests and their responses, as libcurl does them.  The only file that includes curl's headers.
 *
 * http_read.c waits for what comes, and reads it.
 *
 * One multi handle per backend holds all connections.  libcurl tells it which sockets it wants watched and
 * when it wants to be called at the latest; both go into the loop (loop.c), so that a wait ends at once when
 * the query is cancelled, wherever it stands: resolving a name, connecting, shaking hands, or in the middle
 * of a body.
 *
 *		socket -> libcurl -> on_header -> head		status line and headers, at most MAX_HEAD bytes
 *						  -> on_body   -> ring		etl.http_buffer_size bytes; when they are used up
 *													libcurl is told to pause, and the window of the
 *													connection closes until EtlHttpRead makes room
 *
 * libcurl calls us and we call libcurl, but an error never crosses it: callbacks note a fault and return,
 * and errors are raised when libcurl has returned.  So nothing is pending in it when we longjmp.
 *
 * Names are resolved by a thread that libcurl starts.  All signals are blocked while a thread may be
 * started, and so in the thread, for it must not run PostgreSQL's handlers.  A name server that does not
 * answer cannot hold a cancelled query: CURLOPT_QUICK_EXIT leaves the thread to itself.
 *
 * HTTP/1.1 only: on a shared HTTP/2 connection, a paused stream is buffered up to its whole window (32 MB in
 * libcurl 7.88), and memory here is to be what etl.http_buffer_size says, and what is read at a time beside it.
 * For the same reason libcurl never decompresses: how much comes out of a read is for the sender to say.
 */
#include "etl.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "source/http/address.h"
#include "source/clock.h"
#include "source/http/head.h"
#include "source/http/http_internal.h"
#include "source/loop.h"

#define MAX_HEAD (64 * 1024)

/* Connections kept open between requests, per backend, beside those of as many requests as were under way at once. */
#define MAX_IDLE_CONNECTIONS 8

/*
 * What libcurl reads at a time, in bytes.  A piece that does not fit into the ring waits until there is room for all
 * of it.
 */
#define READ_SIZE(ring_size) Min((ring_size) / 2, 64 * 1024)

#define HEAD_TOO_LARGE "the header of the response is too large"

#define USER_AGENT "etl/1.0 (PostgreSQL)"

StaticAssertDecl(ETL_HTTP_ERROR_SIZE >= CURL_ERROR_SIZE, "a message of libcurl fits");

/* What all requests of this backend share. */
static CURLM *multi;
static int nadded;					 /* handles that it has */
static EtlTimer timer = {.due = -1}; /* when libcurl wants to be called */

static int http_buffer_size = 256; /* kB */

static void finish(EtlHttp *http, CURLcode code);

void
EtlHttpInit(void)
{
	DefineCustomIntVariable(
		"etl.http_buffer_size",
		"Sets the memory that holds bytes of an HTTP response until they are read.",
		"Each request that is under way has one such buffer.", &http_buffer_size, 256, 32,
		64 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

/*
 * libcurl in the loop
 */

static void act(curl_socket_t fd, int ready);

static void
on_ready(pgsocket fd, int ready, void *arg)
{
	act(fd, (ready & ETL_READABLE ? CURL_CSELECT_IN : 0) |
				(ready & ETL_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void
on_due(void *arg)
{
	act(CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_SOCKETFUNCTION: libcurl says what it wants to know about a socket. */
static int
on_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int events = 0;

	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= ETL_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= ETL_WRITABLE;
	return EtlLoopWatch(fd, events, on_ready, NULL) ? 0 : -1;
}

/* CURLMOPT_TIMERFUNCTION */
static int
on_timer(CURLM *curl, long timeout, void *arg)
{
	timer.due = timeout < 0 ? -1 : EtlClock() + timeout;
	return 0;
}

static void
start_libcurl(void)
{
	if (multi)
		return;
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not initialize libcurl")));
	multi = curl_multi_init();
	if (!multi)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	timer.act = on_due;
	EtlLoopAddTimer(&timer);
}

/* Notes which requests have ended. */
static void
collect_finished(void)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		EtlHttp *http;

		if (message->msg != CURLMSG_DONE)
			continue;
		if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &http) == CURLE_OK)
			finish(http, message->data.result);
	}
}

/* Around calls of libcurl that may start a thread. */
static void
block_signals(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
}

static void
restore_signals(const sigset_t *saved)
{
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* Lets libcurl act on a socket (or, with CURL_SOCKET_TIMEOUT, on its timers). */
static void
act(curl_socket_t fd, int ready)
{
	CURLMcode code;
	sigset_t saved;
	int running;

	if (fd == CURL_SOCKET_TIMEOUT)
		timer.due = -1;
	block_signals(&saved);
	code = curl_multi_socket_action(multi, fd, ready, &running);
	restore_signals(&saved);

	/* A socket may be closed by what libcurl did for one before it. */
	if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
		elog(ERROR, "libcurl: %s", curl_multi_strerror(code));
	collect_finished();
}

/*
 * What libcurl tells us of one request
 */

/* Which fault a result of libcurl is.  What is not listed is a fault that another attempt would meet again. */
static EtlHttpFault
fault_of(CURLcode code)
{
	switch (code)
	{
		case CURLE_OK:
			return ETL_HTTP_OK;
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return ETL_HTTP_UNRESOLVED;
		case CURLE_COULDNT_CONNECT:
		case CURLE_PROXY:
			return ETL_HTTP_UNREACHABLE;
		case CURLE_SSL_CONNECT_ERROR:
			return ETL_HTTP_NO_TLS;
		case CURLE_OPERATION_TIMEDOUT:
			return ETL_HTTP_TIMED_OUT;
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_PARTIAL_FILE:
		case CURLE_GOT_NOTHING:
			return ETL_HTTP_DROPPED;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
			return ETL_HTTP_UNTRUSTED;
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_BAD_CONTENT_ENCODING:
		case CURLE_WRITE_ERROR:
			return ETL_HTTP_MALFORMED;
		default:
			return ETL_HTTP_INTERNAL;
	}
}

/* libcurl takes a line of up to about 100 kB; before 8.6 it reports a longer one as lack of memory. */
static bool
is_head_too_large(const EtlHttp *http, CURLcode code)
{
#if CURL_AT_LEAST_VERSION(8, 6, 0)
	if (code == CURLE_TOO_LARGE)
		return true;
#endif
	return code == CURLE_OUT_OF_MEMORY && http->sent && !http->head_done;
}

/* Ends the request.  Bytes of the body may still be in the ring. */
static void
finish(EtlHttp *http, CURLcode code)
{
	http->finished = true;
	if (code == CURLE_OK && !http->head_done)
		code = CURLE_GOT_NOTHING;
	http->fault = fault_of(code);
	if (http->refused && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK))
		http->fault = ETL_HTTP_FORBIDDEN;
	else if (http->local_fault && code == CURLE_COULDNT_CONNECT)
		http->fault = ETL_HTTP_INTERNAL;
	else if (is_head_too_large(http, code))
	{
		http->fault = ETL_HTTP_MALFORMED;
		http->local_fault = HEAD_TOO_LARGE;
	}
	if (http->error[0] == '\0')
		strlcpy(http->error, curl_easy_strerror(code), sizeof(http->error));
}

/* Whether the body has no transfer coding but chunks. */
static bool
transfer_coding_is_plain(const EtlHttp *http)
{
	size_t len;
	const char *value = EtlHeadNext(http->head, "Transfer-Encoding", NULL, &len);

	return !value || (len == 7 && pg_strncasecmp(value, "chunked", 7) == 0) ||
		   (len == 8 && pg_strncasecmp(value, "identity", 8) == 0);
}

/* CURLOPT_HEADERFUNCTION: one whole line of a head, or of a trailer, which is not used. */
static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	EtlHttp *http = arg;
	size_t len = size * n;
	long status = 0;

	http->received += len;
	if (http->head_done)
		return len;
	/* An interim response (100 Continue, 103 Early Hints) may come before the one that counts. */
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		http->head_len = 0;
	if (http->head_len + len > MAX_HEAD)
	{
		http->local_fault = HEAD_TOO_LARGE;
		return 0;
	}
	memcpy(http->head + http->head_len, line, len);
	http->head_len += len;
	http->head[http->head_len] = '\0';
	if (line[0] != '\r' && line[0] != '\n')
		return len;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	http->status = (int) status;
	http->head_done = status >= 200;
	if (http->head_done && !transfer_coding_is_plain(http))
	{
		http->local_fault = "the response has a transfer coding that was not asked for";
		return 0;
	}
	return len;
}

/* CURLOPT_WRITEFUNCTION: takes all of a piece of the body, or none and has libcurl keep it. */
static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	EtlHttp *http = arg;
	size_t len = size * n;

	if (!EtlRingPut(&http->ring, data, len))
	{
		http->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	http->received += len;
	return len;
}

/*
 * CURLOPT_OPENSOCKETFUNCTION: this is the address that will be connected to, whatever the name was resolved to
 * before; so it is checked here.
 */
static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	EtlHttp *http = arg;
	curl_socket_t fd;

	http->purpose = EtlAddressPurpose(&address->addr);
	if (http->purpose && http->request->public_only && !http->request->proxy)
	{
		http->refused = http->purpose;
		return CURL_SOCKET_BAD;
	}
	if (!AcquireExternalFD())
	{
		http->local_fault = "the server process has too many files open";
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype, address->protocol);
	if (fd == CURL_SOCKET_BAD)
	{
		ReleaseExternalFD();
		return CURL_SOCKET_BAD;
	}
	/* Programs that a backend starts (COPY ... PROGRAM) must not inherit it. */
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION: perhaps long after the end of the request that opened the connection. */
static int
on_close_socket(void *arg, curl_socket_t fd)
{
	ReleaseExternalFD();
	return close(fd);
}

#if CURL_AT_LEAST_VERSION(7, 80, 0)
/*
 * CURLOPT_PREREQFUNCTION: there is a connection, and nothing was sent yet.  A connection that is used again may have
 * been opened for a request that was allowed to go anywhere.
 */
static int
on_connected(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	EtlHttp *http = arg;
	struct sockaddr_storage address;

	http->purpose = EtlAddressParse(peer, &address)
						? EtlAddressPurpose((struct sockaddr *) &address)
						: "not the internet";
	if (http->purpose && http->request->public_only && !http->request->proxy)
	{
		http->refused = http->purpose;
		return CURL_PREREQFUNC_ABORT;
	}
	http->sent = true;
	return CURL_PREREQFUNC_OK;
}
#endif

/*
 * Handles
 */

/*
 * Gives a handle to libcurl.  It counts connections in use as those that it keeps: with a fixed limit, many requests at once
 * would make a new connection each.
 */
static bool
add(EtlHttp *http)
{
	if (curl_multi_add_handle(multi, http->easy) != CURLM_OK)
		return false;
	http->added = true;
	nadded++;
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) nadded + MAX_IDLE_CONNECTIONS);
	return true;
}

static void
take_away(EtlHttp *http)
{
	if (!http->added)
		return;
	curl_multi_remove_handle(multi, http->easy);
	http->added = false;
	nadded--;
}

static void
stop(EtlHttp *http)
{
	take_away(http);
	http->request = NULL;
	curl_slist_free_all(http->headers);
	http->headers = NULL;
}

/* The handle's memory context is deleted, so libcurl's part is freed here. */
static void
release(void *arg)
{
	EtlHttp *http = arg;

	stop(http);
	curl_easy_cleanup(http->easy);
}

EtlHttp *
EtlHttpCreate(void)
{
	EtlHttp *http;

	start_libcurl();
	http = palloc0(sizeof(EtlHttp));
	http->head = palloc(MAX_HEAD + 1);
	http->ring.size = (size_t) http_buffer_size * 1024;
	http->ring.data = palloc(http->ring.size);
	http->release.func = release;
	http->release.arg = http;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &http->release);
	http->easy = curl_easy_init();
	if (!http->easy)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return http;
}

void
EtlHttpStop(EtlHttp *http)
{
	stop(http);
}

static void
append_header(EtlHttp *http, const char *line)
{
	struct curl_slist *longer = curl_slist_append(http->headers, line);

	if (!longer)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	http->headers = longer;
}

static CURLcode
set_method(EtlHttp *http, const EtlHttpRequest *request)
{
	CURL *easy = http->easy;
	const char *method = request->method ? request->method : "GET";
	CURLcode code;

	if (strcmp(method, "GET") == 0 && !request->body)
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	if (strcmp(method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	return code;
}

/* A fresh set of options; connections and cached names are kept. */
static CURLcode
set_options(EtlHttp *http, const EtlHttpRequest *request)
{
	CURL *easy = http->easy;
	CURLcode code = set_method(http, request);

/* Sets one more if all went well so far. */
#define SET(option, value) code = code != CURLE_OK ? code : curl_easy_setopt(easy, option, value)

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTPHEADER, http->headers);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
#if CURL_AT_LEAST_VERSION(7, 85, 0)
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif

	SET(CURLOPT_NOSIGNAL, 1L);
#if CURL_AT_LEAST_VERSION(7, 87, 0)
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);

	/* The empty name keeps libcurl from taking a proxy from the environment. */
	SET(CURLOPT_PROXY, request->proxy ? request->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (request->ca_file)
		SET(CURLOPT_CAINFO, request->ca_file);
	if (request->client_cert)
		SET(CURLOPT_SSLCERT, request->client_cert);
	if (request->client_key)
		SET(CURLOPT_SSLKEY, request->client_key);
	if (request->client_cert || request->client_key)
	{
		/* libcurl does not compare keys, nor users of ours: neither the connection nor the session is used again. */
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
		SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	}

	SET(CURLOPT_PRIVATE, http);
	SET(CURLOPT_ERRORBUFFER, http->error);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, http);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, http);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, http);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
#if CURL_AT_LEAST_VERSION(7, 80, 0)
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, http);
#else
	/* Without that callback we do not learn where a connection that is used again leads to. */
	SET(CURLOPT_FRESH_CONNECT, 1L);
#endif
#undef SET
	/* fails while libcurl still has the buffer of a failed request, which serves as well */
	(void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long) READ_SIZE(http->ring.size));
	return code;
}

/* EtlHttpStart sends a request, after ending whatever the handle had under way. */
void
EtlHttpStart(EtlHttp *http, const EtlHttpRequest *request)
{
	ListCell *lc;
	CURLcode code;

	stop(http);
	http->request = request;
	http->head_len = 0;
	http->head_done = false;
	http->status = 0;
	http->ring.start = http->ring.used = 0;
	http->paused = false;
	http->waited = 0;
	http->sent = !CURL_AT_LEAST_VERSION(7, 80, 0);
	http->purpose = http->refused = http->local_fault = NULL;
	http->finished = false;
	http->fault = ETL_HTTP_OK;
	http->error[0] = '\0';

	foreach (lc, request->headers)
		append_header(http, lfirst(lc));
	/* libcurl would ask leave to send a large body, and wait a second for servers that do not answer. */
	append_header(http, "Expect:");
	curl_easy_reset(http->easy);
	code = set_options(http, request);
	if (code != CURLE_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("could not prepare an HTTP request"),
						errdetail("libcurl says: %s.", curl_easy_strerror(code))));
	if (!add(http))
		elog(ERROR, "libcurl does not take a request");
	act(CURL_SOCKET_TIMEOUT, 0);
}

void
EtlHttpTimeOut(EtlHttp *http)
{
	finish(http, CURLE_OPERATION_TIMEDOUT);
	take_away(http);
}

void
EtlHttpResume(EtlHttp *http)
{
	sigset_t saved;

	http->paused = false;
	block_signals(&saved);
	curl_easy_pause(http->easy, CURLPAUSE_CONT);
	restore_signals(&saved);
}

EtlHttpFault
EtlHttpGetFault(const EtlHttp *http)
{
	return http->fault;
}

const char *
EtlHttpFaultText(const EtlHttp *http)
{
	return http->local_fault ? http->local_fault : http->error;
}

const char *
EtlHttpPurpose(const EtlHttp *http)
{
	return http->refused ? http->refused : http->purpose;
}

int
EtlHttpStatus(const EtlHttp *http)
{
	return http->status;
}

/* EtlHttpHeader gives a header's value; several of one name are one list. */
char *
EtlHttpHeader(const EtlHttp *http, const char *name)
{
	return http->head_done ? EtlHeadValue(http->head, name) : NULL;
}

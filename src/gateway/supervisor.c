/*
 * supervisor.c
 *		The worker that starts the program etl_gateway, starts it again, and answers it.
 *
 *		bind -> socket pair, fork, exec -> frames ... -> it has ended -> a pause, if it did not live long -> the pair anew
 *
 * The program ends by itself when its end of the pair is closed, so it does not outlive this worker, however that ends.
 */
#include "etl.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xlog.h"
#include "gateway/frames.h"
#include "gateway/gateway.h"
#include "gateway/intake.h"
#include "gateway/page.h"
#include "miscadmin.h"
#include "monitor/background.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "source/clock.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"

#define RESTART_AFTER_S 5
#define BACKLOG 1024
#define LIVED_LONG_MS (10 * 1000) /* a program that has lived so long is started again at once */
#define FIRST_PAUSE_MS 250
#define LONGEST_PAUSE_MS (60 * 1000)

static char *listen_setting = "";
static char *hosts_setting = "";

static int listener = -1;
static pid_t program = 0; /* 0: it does not run */
static EtlFrames *frames;
static int64 started_at; /* on the clock (clock.h), as is */
static int64 start_at;	 /* when it is to be started */
static int64 pause_ms = FIRST_PAUSE_MS;

/* ----------------------------------------------------------------
 *	Settings
 * ---------------------------------------------------------------- */

/* The address that "127.0.0.1:8432" or "[::1]:8432" names; NULL: it is none. */
static struct addrinfo *
parse_address(const char *text)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
							 .ai_socktype = SOCK_STREAM,
							 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	struct addrinfo *address = NULL;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len;

	if (colon == NULL || colon == text || colon[1] == '\0')
		return NULL;
	len = colon - text;
	if (text[0] == '[' && text[len - 1] == ']')
	{
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host))
		return NULL;
	memcpy(host, text, len);
	host[len] = '\0';
	return getaddrinfo(host, colon + 1, &hints, &address) == 0 ? address : NULL;
}

static bool
check_listen(char **value, void **extra, GucSource source)
{
	struct addrinfo *address;

	if ((*value)[0] == '\0')
		return true;
	address = parse_address(*value);
	if (address == NULL)
	{
		GUC_check_errdetail("It must be a numeric address and a port, as in \"127.0.0.1:8432\" or "
							"\"[::1]:8432\".");
		return false;
	}
	freeaddrinfo(address);
	return true;
}

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24) == 127;
	return address->sa_family == AF_INET6 &&
		   IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) address)->sin6_addr);
}

void
EtlGatewayInit(void)
{
	bool preloaded = process_shared_preload_libraries_in_progress;
	GucContext context = preloaded ? PGC_POSTMASTER : PGC_SIGHUP; /* later it can only be shown */
	EtlBackground supervisor = {.function = "EtlGatewayMain",
								.type = "etl gateway",
								.apart = true,
								.restart_after = RESTART_AFTER_S};

	DefineCustomStringVariable("etl.listen", "Sets the address and port of the gateway.",
							   "It must be numeric. Empty: there is no gateway.", &listen_setting,
							   "", context, 0, check_listen, NULL, NULL);
	DefineCustomStringVariable(
		"etl.gateway_hosts",
		"Lists the names by which the gateway may be asked, beside its address and localhost.",
		"A request with another Host is refused.", &hosts_setting, "", context, GUC_LIST_INPUT,
		NULL, NULL, NULL);
	DefineCustomIntVariable("etl.ingest_max_body",
							"Sets how large the body of a request may be that brings records.",
							"Larger ones are answered with 413.", &EtlIngestMaxBody, 4 * 1024, 1,
							1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	EtlPageInit();
	if (preloaded && listen_setting[0] != '\0')
		(void) EtlStartBackground(&supervisor, NULL);
}

bool
EtlGatewayIsOn(void)
{
	return listen_setting[0] != '\0';
}

/* ----------------------------------------------------------------
 *	The socket
 * ---------------------------------------------------------------- */

pg_noreturn static void
fail_to_listen(const char *what)
{
	ereport(ERROR, (errcode_for_socket_access(),
					errmsg("could not %s \"%s\" for the gateway: %m", what, listen_setting),
					errhint("The setting is \"etl.listen\".")));
}

static void
open_listener(void)
{
	struct addrinfo *address = parse_address(listen_setting);
	int on = 1;

	if (address == NULL)
		elog(ERROR, "invalid address in etl.listen");
	if (!is_loopback(address->ai_addr))
		ereport(
			WARNING,
			(errmsg("the gateway listens on \"%s\", which others than this machine may reach",
					listen_setting),
			 errhint("It speaks HTTP without TLS: put a proxy in front of it, and have it listen "
					 "on 127.0.0.1.")));
	listener = socket(address->ai_family, SOCK_STREAM, 0);
	if (listener < 0)
		fail_to_listen("create a socket on");
	(void) fcntl(listener, F_SETFD, FD_CLOEXEC);
	(void) fcntl(listener, F_SETFL, O_NONBLOCK);
	(void) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, address->ai_addr, address->ai_addrlen) < 0)
		fail_to_listen("bind");
	if (listen(listener, BACKLOG) < 0)
		fail_to_listen("listen on");
	freeaddrinfo(address);
}

/* ----------------------------------------------------------------
 *	The program
 * ---------------------------------------------------------------- */

/* In the child: becomes the program, with its end of the pair as descriptor 3 and the listener as 4. */
pg_noreturn static void
become_program(const char *path, int end)
{
	char *arguments[] = {"etl_gateway", listen_setting, hosts_setting, NULL};
	char *environment[] = {NULL};
	int high_end = fcntl(end, F_DUPFD, 10);
	int high_listener = fcntl(listener, F_DUPFD, 10);
	sigset_t none;

	sigemptyset(&none);
	if (high_end < 0 || high_listener < 0 || dup2(high_end, 3) < 0 || dup2(high_listener, 4) < 0)
		_exit(126);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) execve(path, arguments, environment);
	_exit(127);
}

static void
put_off(void)
{
	if (EtlClock() - started_at >= LIVED_LONG_MS)
		pause_ms = FIRST_PAUSE_MS;
	start_at = EtlClock() + pause_ms;
	pause_ms = Min(pause_ms * 2, LONGEST_PAUSE_MS);
}

static void
start_program(void)
{
	char path[MAXPGPATH];
	int pair[2];

	snprintf(path, sizeof(path), "%s/etl_gateway", pkglib_path);
	started_at = EtlClock();
	if (access(path, X_OK) != 0)
	{
		ereport(LOG,
				(errcode_for_file_access(), errmsg("could not execute \"%s\": %m", path),
				 errhint("It is built and installed with the library where libmicrohttpd is.")));
		put_off();
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		ereport(ERROR,
				(errcode_for_socket_access(), errmsg("could not create a pair of sockets: %m")));
	for (int i = 0; i < 2; i++)
	{
		(void) fcntl(pair[i], F_SETFD, FD_CLOEXEC);
		(void) fcntl(pair[i], F_SETFL, O_NONBLOCK);
	}
	fflush(NULL);
	program = fork();
	if (program == 0)
		become_program(path, pair[1]);
	(void) close(pair[1]);
	if (program < 0)
	{
		(void) close(pair[0]);
		program = 0;
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not fork a process for the gateway: %m")));
	}
	EtlFramesOpen(frames, pair[0]);
	EtlIntakeBegin(frames);
	EtlPageBegin(frames);
	ereport(LOG, (errmsg("the gateway listens on \"%s\" (PID %d)", listen_setting, (int) program)));
}

/* It has ended, or says nothing that makes sense: nothing of it is left. */
static void
end_program(int status)
{
	if (WIFSIGNALED(status))
		ereport(LOG, (errmsg("the gateway (PID %d) was terminated by signal %d: %s", (int) program,
							 WTERMSIG(status), strsignal(WTERMSIG(status)))));
	else
		ereport(LOG, (errmsg("the gateway (PID %d) exited with exit code %d", (int) program,
							 WEXITSTATUS(status))));
	(void) close(frames->fd);
	program = 0;
	put_off();
}

static void
reap_program(void)
{
	int status;

	if (program != 0 && waitpid(program, &status, WNOHANG) == program)
		end_program(status);
}

static void
kill_program(int code, Datum arg)
{
	if (program != 0)
		(void) kill(program, SIGKILL);
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

static void
answer(const EtlFrame *question, uint32 status, const char *text)
{
	EtlFrame frame = {.kind = ETL_FRAME_ANSWER,
					  .number = question->number,
					  .status = status,
					  .len = strlen(text)};

	(void) EtlFramesPut(frames, &frame,
						text); /* without room the program's own time limit answers */
}

static void
answer_questions(void)
{
	char data[ETL_FRAME_DATA];
	EtlFrame question;

	while (EtlFramesTake(frames, &question, data))
	{
		if (question.kind == ETL_FRAME_METRICS)
			EtlPageTake(&question, data);
		else if (question.kind != ETL_FRAME_READY)
			EtlIntakeTake(&question, data);
		else if (EtlIntakeIsFull())
			answer(&question, 503,
				   "{\"error\": \"more than 80 % of a pipeline's buffer wait to be loaded\"}\n");
		else if (RecoveryInProgress())
			answer(&question, 503, "{\"error\": \"the server is a standby\"}\n");
		else
			answer(&question, 200, "{\"status\": \"ready\"}\n");
	}
}

/* A program that is gone is reaped when the kernel tells of it. */
static void
talk(void)
{
	bool there = EtlFramesMove(frames);

	answer_questions(); /* all that were read: nothing tells of them again */
	EtlIntakeTurn();
	EtlPageTurn();
	if (!there)
		(void) kill(program, SIGKILL);
}

/* ----------------------------------------------------------------
 *	The worker
 * ---------------------------------------------------------------- */

static void
handle_sigchld(SIGNAL_ARGS)
{
	int save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

static void
wait_for_something(uint32 wait_event)
{
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long timeout = -1;

	if (program != 0)
	{
		timeout = EtlPageWait();
		events |= timeout >= 0 ? WL_TIMEOUT : 0;
		events |= WL_SOCKET_READABLE | (frames->nout > 0 ? WL_SOCKET_WRITEABLE : 0);
	}
	else
	{
		events |= WL_TIMEOUT;
		timeout = Max(start_at - EtlClock(), 0);
	}
	(void) WaitLatchOrSocket(MyLatch, events, program != 0 ? frames->fd : PGINVALID_SOCKET, timeout,
							 wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
EtlGatewayMain(Datum arg)
{
	uint32 wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGCHLD, handle_sigchld);
	BackgroundWorkerUnblockSignals();
	wait_event = EtlWaitEventNew("EtlGatewayMain");
	frames = palloc(sizeof(EtlFrames));
	on_proc_exit(kill_program, 0);
	open_listener();
	while (!ShutdownRequestPending)
	{
		if (program == 0 && EtlClock() >= start_at)
			start_program();
		wait_for_something(wait_event);
		if (program != 0)
			talk();
		reap_program();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	proc_exit(
		1); /* with 0 it would be gone for good: it may have been one who terminates backends */
}

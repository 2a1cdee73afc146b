/*
 * main.c
 *		The program etl_gateway: HTTP on one side, the supervisor on the other.
 *
 *		etl_gateway ADDRESS HOSTS		descriptor 3: the supervisor (frames.h); 4: the socket that listens
 *
 * It has nothing but these two descriptors: no shared memory, no connection, no file.  It ends when the supervisor is gone.
 */
#include "etl.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/frames.h"
#include "gateway/program/http.h"

#define SUPERVISOR 3
#define LISTENER 4

static EtlFrames frames;

/* Whatever else the server had open is none of its business. */
static void
close_others(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;

	if (directory == NULL)
	{
		for (int fd = LISTENER + 1; fd < 1024; fd++)
			(void) close(fd);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
	{
		int fd = atoi(entry->d_name);

		if (fd > LISTENER && fd != dirfd(directory))
			(void) close(fd);
	}
	(void) closedir(directory);
}

/* A connection is a descriptor. */
static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
take_answers(void)
{
	char data[ETL_FRAME_DATA + 1];
	EtlFrame frame;

	while (EtlFramesTake(&frames, &frame, data))
	{
		data[frame.len] = '\0';
		if (frame.kind == ETL_FRAME_ANSWER || frame.kind == ETL_FRAME_PIECE)
			HttpAnswer(&frame, data);
	}
}

/* Until the supervisor is gone. */
static void
serve(int http)
{
	bool there;

	do
	{
		int timeout = HttpTurn();
		struct pollfd polled[] = {
			{.fd = http, .events = POLLIN},
			{.fd = SUPERVISOR, .events = POLLIN | (frames.nout > 0 ? POLLOUT : 0)},
		};

		(void) poll(polled, lengthof(polled), timeout);
		there = EtlFramesMove(&frames);
		take_answers();
	} while (there);
}

int
main(int argc, char **argv)
{
	int http;

	if (argc != 3)
	{
		(void) fputs("etl_gateway is started by PostgreSQL, where \"etl.listen\" is set\n", stderr);
		return 2;
	}
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN); /* of a terminal, for the server */
	close_others();
	allow_descriptors();
	EtlFramesOpen(&frames, SUPERVISOR);
	http = HttpOpen(LISTENER, argv[1], argv[2], &frames);
	if (http < 0)
	{
		(void) fputs("etl_gateway: libmicrohttpd could not be started\n", stderr);
		return 1;
	}
	serve(http);
	HttpClose();
	return 0;
}

/*
 * frames_test.c
 *		Frames between the gateway and its supervisor: whole or in pieces, more than the socket takes, and nonsense.
 */
#include "etl.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frames.h"

#include "check.h"

static EtlFrames here;
static EtlFrames there;

static void
open_both(void)
{
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "no pair of sockets");
	for (int i = 0; i < 2; i++)
		(void) fcntl(pair[i], F_SETFL, O_NONBLOCK);
	EtlFramesOpen(&here, pair[0]);
	EtlFramesOpen(&there, pair[1]);
}

static void
close_both(void)
{
	(void) close(here.fd);
	(void) close(there.fd);
}

static void
test_one(void)
{
	EtlFrame frame = {.kind = ETL_FRAME_ANSWER, .number = 7, .status = 200, .len = 5};
	char data[ETL_FRAME_DATA];

	open_both();
	CHECK(EtlFramesPut(&here, &frame, "hello"), "an empty buffer has room");
	CHECK(EtlFramesMove(&here), "the other end is there");
	CHECK(EtlFramesMove(&there), "and takes it");
	CHECK(EtlFramesTake(&there, &frame, data), "it is whole");
	CHECK(frame.kind == ETL_FRAME_ANSWER && frame.number == 7 && frame.status == 200, "the head");
	CHECK(frame.len == 5 && memcmp(data, "hello", 5) == 0, "the data");
	CHECK(!EtlFramesTake(&there, &frame, data), "there is no other");
	close_both();
}

/* A frame that comes byte by byte is there with its last one. */
static void
test_pieces(void)
{
	EtlFrame frame = {.kind = ETL_FRAME_ANSWER, .number = 1, .len = 3};
	char bytes[sizeof(EtlFrame) + 3];
	char data[ETL_FRAME_DATA];

	open_both();
	memcpy(bytes, &frame, sizeof(frame));
	memcpy(bytes + sizeof(frame), "abc", 3);
	for (size_t i = 0; i < sizeof(bytes); i++)
	{
		CHECK(!EtlFramesTake(&there, &frame, data), "not before byte %zu", i);
		CHECK(send(here.fd, bytes + i, 1, 0) == 1, "byte %zu", i);
		CHECK(EtlFramesMove(&there), "a piece is no nonsense");
	}
	CHECK(EtlFramesTake(&there, &frame, data) && frame.len == 3, "then it is there");
	close_both();
}

/* Many of the longest: refused where there is no room, and none is lost or changed. */
static void
test_many(void)
{
	EtlFrame frame = {.kind = ETL_FRAME_READY, .len = ETL_FRAME_DATA};
	char data[ETL_FRAME_DATA];
	uint32 sent = 0;
	uint32 taken = 0;
	bool refused = false;

	open_both();
	while (taken < 1000)
	{
		EtlFrame got;

		frame.number = sent;
		memset(data, (int) (sent % 251), sizeof(data));
		if (sent < 1000 && EtlFramesPut(&here, &frame, data))
			sent++;
		else
		{
			refused |= sent < 1000;
			CHECK(EtlFramesMove(&here) && EtlFramesMove(&there), "both are there");
			while (EtlFramesTake(&there, &got, data))
			{
				CHECK(got.number == taken && got.len == ETL_FRAME_DATA, "frame %u", taken);
				CHECK(data[0] == (char) (taken % 251) && data[ETL_FRAME_DATA - 1] == data[0],
					  "its data");
				taken++;
			}
		}
	}
	CHECK(refused, "more than there is room for was tried");
	close_both();
}

static void
test_end(void)
{
	EtlFrame frame = {.kind = ETL_FRAME_READY, .len = ETL_FRAME_DATA + 1};
	char data[ETL_FRAME_DATA];

	open_both();
	CHECK(send(here.fd, &frame, sizeof(frame), 0) == sizeof(frame), "a head");
	CHECK(!EtlFramesMove(&there), "one that promises too much is nonsense");
	CHECK(!EtlFramesTake(&there, &frame, data), "and is not taken");
	close_both();
	open_both();
	(void) close(here.fd);
	CHECK(!EtlFramesMove(&there), "the other end is gone");
	(void) close(there.fd);
}

int
main(void)
{
	test_one();
	test_pieces();
	test_many();
	test_end();
	return check_report("frames_test");
}

/*
 * frames.c
 *		Fuzz target: frames of the gateway, where the other end sends any bytes.
 *
 * The same frames are taken from them in one piece and in small ones, up to the first nonsense, and put anew they are the same bytes.
 */
#include "etl.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frames.h"

#define SMALL 7

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many bytes are frames that can be taken when they come in pieces of this length. */
static size_t
take_all(const uint8_t *data, size_t size, size_t piece)
{
	static EtlFrames taker;
	static EtlFrames copy;
	char behind_head[ETL_FRAME_DATA];
	EtlFrame frame;
	bool is_sane = true;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0)
		abort();
	EtlFramesOpen(&taker, pair[1]);
	EtlFramesOpen(&copy, -1);
	for (size_t at = 0; is_sane && at < size; at += piece)
	{
		size_t len = Min(piece, size - at);

		if (send(pair[0], data + at, len, 0) != (ssize_t) len)
			abort();
		is_sane = EtlFramesMove(&taker);
		while (EtlFramesTake(&taker, &frame, behind_head))
			if (!EtlFramesPut(&copy, &frame, behind_head))
				abort();
	}
	(void) close(pair[0]);
	(void) close(pair[1]);
	if (copy.nout > size || memcmp(copy.out, data, copy.nout) != 0)
		abort();
	return copy.nout;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = Min(size, ETL_FRAME_ROOM);

	if (len > 0 && take_all(data, len, len) != take_all(data, len, SMALL))
		abort();
	return 0;
}

/*
 * frames.c
 *		Frames over a pair of sockets; also compiled without a server, into etl_gateway.
 */
#include "etl.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frames.h"

void
EtlFramesOpen(EtlFrames *frames, int fd)
{
	frames->fd = fd;
	frames->nin = frames->nout = 0;
}

bool
EtlFramesPut(EtlFrames *frames, const EtlFrame *frame, const void *data)
{
	uint32 len = sizeof(EtlFrame) + frame->len;

	Assert(frame->len <= ETL_FRAME_DATA);
	if (len > sizeof(frames->out) - frames->nout)
		return false;
	memcpy(frames->out + frames->nout, frame, sizeof(EtlFrame));
	if (frame->len > 0)
		memcpy(frames->out + frames->nout + sizeof(EtlFrame), data, frame->len);
	frames->nout += len;
	return true;
}

/* Whether a call on the socket may succeed later. */
static bool
may_go_on(ssize_t n)
{
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

static bool
move_out(EtlFrames *frames)
{
	ssize_t n;

	if (frames->nout == 0)
		return true;
	n = send(frames->fd, frames->out, frames->nout, MSG_NOSIGNAL);
	if (n > 0)
	{
		memmove(frames->out, frames->out + n, frames->nout - n);
		frames->nout -= (uint32) n;
	}
	return may_go_on(n);
}

static bool
move_in(EtlFrames *frames)
{
	size_t room = sizeof(frames->in) - frames->nin;
	ssize_t n;

	if (room == 0)
		return true;
	n = recv(frames->fd, frames->in + frames->nin, room, 0);
	if (n > 0)
		frames->nin += (uint32) n;
	return may_go_on(n);
}

/* The head of the next frame; false: it is not there yet. */
static bool
next_head(const EtlFrames *frames, EtlFrame *frame)
{
	if (frames->nin < sizeof(EtlFrame))
		return false;
	memcpy(frame, frames->in, sizeof(EtlFrame));
	return true;
}

bool
EtlFramesMove(EtlFrames *frames)
{
	EtlFrame frame;

	if (!move_out(frames) || !move_in(frames))
		return false;
	return !next_head(frames, &frame) || frame.len <= ETL_FRAME_DATA;
}

bool
EtlFramesTake(EtlFrames *frames, EtlFrame *frame, void *data)
{
	uint32 len;

	if (!next_head(frames, frame) || frame->len > ETL_FRAME_DATA)
		return false;
	len = sizeof(EtlFrame) + frame->len;
	if (frames->nin < len)
		return false;
	memcpy(data, frames->in + sizeof(EtlFrame), frame->len);
	memmove(frames->in, frames->in + len, frames->nin - len);
	frames->nin -= len;
	return true;
}

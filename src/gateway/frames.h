/*
 * frames.h
 *		What the supervisor and the program etl_gateway say to each other: frames over a pair of sockets.
 *
 * A frame is a head and so many bytes behind it.  Both ends are processes of one machine, built together, so numbers are as the
 * machine has them.  Neither end ever waits for the other: what the socket does not take stays in the buffer, and what does not fit
 * into that is refused.
 */
#ifndef ETL_FRAMES_H
#define ETL_FRAMES_H

#include "etl.h"

#define ETL_FRAME_DATA 16384 /* bytes behind the head of a frame, at most */
#define ETL_FRAME_ROOM (64 * 1024)

typedef enum EtlFrameKind
{
	ETL_FRAME_READY,   /* program: does the server answer? */
	ETL_FRAME_INGEST,  /* program: may this request bring records?  An EtlFrameIngest. */
	ETL_FRAME_BODY,	   /* program: a piece of what it brings, */
	ETL_FRAME_END,	   /* program: and that was all of it */
	ETL_FRAME_DROP,	   /* program: it brings nothing */
	ETL_FRAME_METRICS, /* program: what does the database show?  Two strings: database, token. */
	ETL_FRAME_PIECE,   /* supervisor: a piece of the text of an answer that comes behind it */
	ETL_FRAME_ANSWER   /* supervisor: to the frame of that number: status, and a text */
} EtlFrameKind;

typedef struct EtlFrame
{
	uint32 kind;
	uint32 number; /* the program's, of a request */
	uint32 status; /* of HTTP, in an answer */
	uint32 len;	   /* of the data */
	uint32
		value; /* in an answer of 100: bytes that the body may have; in others: after how many s to try again, or 0 */
} EtlFrame;

/* A request that would bring records.  Behind it are four strings, each with its end: database, pipeline, token, and
 * the Idempotency-Key, empty if it has none. */
typedef struct EtlFrameIngest
{
	int64 len; /* of the body, -1: it is not known */
} EtlFrameIngest;

typedef struct EtlFrames
{
	int fd; /* it does not block */
	uint32 nin;
	uint32 nout;
	char in[ETL_FRAME_ROOM];
	char out[ETL_FRAME_ROOM];
} EtlFrames;

/* Begins with a descriptor, which is the caller's to close. */
extern void EtlFramesOpen(EtlFrames *frames, int fd);
/* Takes a frame to be sent; false: there is no room for it. */
extern bool EtlFramesPut(EtlFrames *frames, const EtlFrame *frame, const void *data);
/* Sends what the socket takes, and reads what there is; false: the other end is gone, or has sent nonsense. */
extern bool EtlFramesMove(EtlFrames *frames);
/* Takes the next whole frame, with its data (ETL_FRAME_DATA bytes of room); false: there is none. */
extern bool EtlFramesTake(EtlFrames *frames, EtlFrame *frame, void *data);

#endif /* ETL_FRAMES_H */

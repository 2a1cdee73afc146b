/*
 * request.h
 *		A request to etl_gateway, from its headers until it is answered.
 *
 *		http.c		connections, routes, answers, and what the supervisor is asked
 *		upload.c	requests that bring records
 *		unpack.c	... compressed
 *		metrics.c	requests that ask for metrics, and those of the program
 */
#ifndef ETL_GATEWAY_REQUEST_H
#define ETL_GATEWAY_REQUEST_H

#include "etl.h"

#include <microhttpd.h>

#include "gateway/frames.h"

typedef enum RequestStage
{
	REQUEST_ASKING, /* whether it may bring its body; of a request without one, nothing more is to be done */
	REQUEST_READING, /* the body */
	REQUEST_SENDING	 /* it to the supervisor, and waiting for what becomes of it */
} RequestStage;

typedef struct Request
{
	struct Request *previous; /* of those that wait for the supervisor */
	struct Request *next;
	struct MHD_Connection *connection;
	void (*get)(struct Request
					*request); /* what is to be done with it; NULL: it is decided, or an upload */
	bool waits;
	bool resumed; /* it has waited, and has not gone on yet */
	uint32 number;
	int64 until;
	unsigned int status; /* 0: not known yet */
	uint32 retry_after;	 /* s; 0: nothing is said */
	const char *allow;	 /* the method of its path; NULL: GET */
	char *text;			 /* NULL: ours */
	const char *constant;
	const char *place; /* what is behind the path of its route */

	/* of metrics */
	bool is_metrics; /* the text is as Prometheus has it */
	size_t text_len;

	/* of uploads */
	bool is_upload;
	RequestStage stage;
	char *body;
	size_t len;
	size_t max;			   /* that the memory has */
	size_t limit;		   /* that the body may have */
	size_t sent;		   /* to the supervisor */
	struct Unpack *unpack; /* NULL: it comes as it is */
	struct Request *next_sending;
} Request;

/* It is answered with a text of ours. */
extern void RequestDecide(Request *request, unsigned int status, const char *text);
extern const char *RequestHeader(const Request *request, const char *name);
/* Suspends it until the supervisor has answered the question of its number, or so many ms have passed. */
extern void RequestWait(Request *request, int64 ms);
/* A question of its own, with data; false: there is no room for it, and that is its answer. */
extern bool RequestAsk(Request *request, EtlFrameKind kind, const void *data, size_t len, int64 ms);
/* A number as text, at the end of a buffer: the server's printf is not here. */
extern const char *RequestNumber(uint32 number, char *digits, size_t size);
/* The token of "Authorization: Bearer ...", and its length; NULL: there is none. */
extern const char *RequestToken(const Request *request, size_t *len);
/* Its body has so many ms to come. */
extern void RequestLimitBody(Request *request, int64 ms);

extern void UploadOpen(EtlFrames *frames);
/* A request to a path behind "/ingest/". */
extern void UploadBegin(Request *request, const char *place, const char *method);
/* The supervisor has let it in, with a body of so many bytes. */
extern void UploadAdmitted(Request *request, size_t limit);
/* A piece of its body. */
extern void UploadTake(Request *request, const char *data, size_t len);
/* All of it is there; false: it is answered with what is wrong with it. */
extern bool UploadEnd(Request *request);
/* It is over, whatever has become of it. */
extern void UploadForget(Request *request);
/* Passes on to the supervisor what its socket takes. */
extern void UploadTurn(void);

/* Asks for the metrics of the database that its place names. */
extern void MetricsGet(Request *request);
/* A piece of them has come, */
extern void MetricsTake(Request *request, const char *text);
/* and all of them: those of the program come behind. */
extern void MetricsEnd(Request *request, unsigned int nconnections);
/* A request was answered. */
extern void MetricsCount(unsigned int status);

#endif /* ETL_GATEWAY_REQUEST_H */

/*
 * http_source.h
 *		What a URL holds, as a source of bytes.
 */
#ifndef ETL_HTTP_SOURCE_H
#define ETL_HTTP_SOURCE_H

#include "source/http/exchange.h"
#include "source/source.h"

typedef struct EtlHttpPart
{
	const EtlTarget *target;
	EtlUrl url;
	const char *name; /* for messages */
	bool is_object;	  /* of a bucket: the rest is asked for with If-Match, which its protocol has */
	const char *needs; /* as of an EtlCall */
	EtlHttpStats *stats;
} EtlHttpPart;

/*
 * Sends a GET and waits for the answer; anything but a success is an error.  A body that breaks off is asked for again from
 * the byte that was reached, if the server gave something to tell that it is still the same; if it is not, or the server
 * cannot do that, that is an error.
 *
 * The source cannot be rewound.  It gives the bytes as they are sent: with a content coding (source->coded) they
 * are still to be decoded.
 *
 * With "past" (NULL: it is not known) what was read before need not come again, if the server goes along: all of it,
 * or the bytes before past->begin.
 */
extern EtlSource *EtlHttpSourceOpen(const EtlHttpPart *part, const EtlSourcePast *past);

/* The same in two steps: the request is sent, and nothing else may be done with the source; its answer is waited for. */
extern EtlSource *EtlHttpSourceSend(const EtlHttpPart *part, const EtlSourcePast *past);
extern void EtlHttpSourceBegin(EtlSource *source);

#endif /* ETL_HTTP_SOURCE_H */

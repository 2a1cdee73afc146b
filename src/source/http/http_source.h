/*
 * http_source.h
 *		What a URL holds, as a source of bytes.
 */
#ifndef ETL_HTTP_SOURCE_H
#define ETL_HTTP_SOURCE_H

#include "source/http/exchange.h"
#include "source/source.h"

/*
 * Sends a GET for a URL of the target and waits for the answer; anything but a success is
 * an error.  A body that breaks off is asked for again from the byte that was reached, if the server gave
 * something to tell that it is still the same; if it is not, or the server cannot do that, that is an error.
 *
 * The source cannot be rewound.  It gives the bytes as they are sent: with a content coding (source->coded) they
 * are still to be decoded.
 *
 * With "past" (NULL: it is not known) what was read before need not come again, if the server goes along: all of it,
 * or the bytes before past->begin.
 */
extern EtlSource *EtlHttpOpen(const EtlTarget *target, const EtlUrl *url, const EtlSourcePast *past,
							  EtlHttpStats *stats);

#endif /* ETL_HTTP_SOURCE_H */

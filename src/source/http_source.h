/*
 * http_source.h
 *		What a URL holds, as a source of bytes.
 */
#ifndef ETL_HTTP_SOURCE_H
#define ETL_HTTP_SOURCE_H

#include "source/exchange.h"
#include "source/source.h"

/*
 * Sends a GET for a path of the target (NULL: its URL) and waits for the answer; anything but a success is
 * an error.  A body that breaks off is asked for again from the byte that was reached, if the server gave
 * something to tell that it is still the same; if it is not, or the server cannot do that, that is an error.
 *
 * The source cannot be rewound.  It gives the bytes as they are sent: with a content coding (see below) they
 * are still to be decoded.
 */
extern EtlSource *EtlHttpOpen(const EtlTarget *target, const char *path, EtlHttpStats *stats);

/* Whether what the source gives is compressed on top of what the URL is said to hold. */
extern bool EtlHttpIsEncoded(const EtlSource *source);

#endif /* ETL_HTTP_SOURCE_H */

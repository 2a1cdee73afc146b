/*
 * http_source.h
 *		What a URL holds, as a source of bytes.
 */
#ifndef ETL_HTTP_SOURCE_H
#define ETL_HTTP_SOURCE_H

#include "source/exchange.h"
#include "source/source.h"

/* What an earlier reading of the same URL has seen of it. */
typedef struct EtlHttpPast
{
	const char *validator; /* as EtlHttpValidator gave it, or NULL */
	bool whole;			   /* all of it was read */
	uint64 offset;		   /* else: bytes that need not come again */
} EtlHttpPast;

typedef enum EtlHttpNews
{
	ETL_HTTP_ALL,  /* the source has all that is there, from its first byte */
	ETL_HTTP_REST, /* it has the bytes from past->offset on, and those before are still the same */
	ETL_HTTP_UNCHANGED, /* it has nothing, for there is only what was read already */
} EtlHttpNews;

/*
 * Sends a GET for a path of the target (NULL: its URL) and waits for the answer; anything but a success is
 * an error.  A body that breaks off is asked for again from the byte that was reached, if the server gave
 * something to tell that it is still the same; if it is not, or the server cannot do that, that is an error.
 *
 * The source cannot be rewound.  It gives the bytes as they are sent: with a content coding (see below) they
 * are still to be decoded.
 *
 * With "past" (NULL: it is not known) what was read before need not come again, if the server goes along: all of it,
 * or the bytes before past->offset.
 */
extern EtlSource *EtlHttpOpen(const EtlTarget *target, const char *path, const EtlHttpPast *past,
							  EtlHttpStats *stats);

/* How what the source gives relates to the past. */
extern EtlHttpNews EtlHttpWhatIsNew(const EtlSource *source);

/* By what a later reading can tell whether there is something else at the URL; NULL: by nothing. */
extern const char *EtlHttpValidator(const EtlSource *source);

/* Whether what the source gives is compressed on top of what the URL is said to hold. */
extern bool EtlHttpIsEncoded(const EtlSource *source);

#endif /* ETL_HTTP_SOURCE_H */

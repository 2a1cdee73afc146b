/*
 * decode.h
 *		From the bytes of a text file to text in the server's encoding.
 */
#ifndef ETL_DECODE_H
#define ETL_DECODE_H

#include "source/source.h"

/* A character that could not be decoded.  A NUL byte stands in its place. */
typedef struct EtlDecodeFault
{
	int sqlstate;  /* 22021 or 22P05 */
	char *message; /* as PostgreSQL words it */
} EtlDecodeFault;

/*
 * A filter that gives what "inner" holds in the server's encoding, without a leading byte order mark.
 *
 * encoding NULL: by the byte order mark (UTF-8, UTF-16), else the client's encoding, as COPY has it.
 * Otherwise any encoding of PostgreSQL, including those that only a client may have, or UTF-16 (big endian
 * unless a byte order mark says otherwise), UTF-16LE or UTF-16BE.  An unknown name is an error (22023), as
 * is a pair of encodings that PostgreSQL cannot convert (42883).
 *
 * The bytes of a file that is already in the server's encoding are handed on unchecked: the record reader
 * checks them record by record.  When others cannot be converted, a NUL byte takes the place of each
 * character: no text may hold one, so the reader rejects that record and only that one.
 */
extern EtlSource *EtlDecodeOpen(EtlSource *inner, const char *encoding);

/* The rest of something that needs no decoding, and had a byte order mark of so many bytes: it is handed on as it is. */
extern EtlSource *EtlDecodeContinue(EtlSource *inner, int mark_len);

/*
 * The first character between two bytes of the decoded stream that could not be decoded, in the current
 * memory context; NULL if there is none, or if it is too long ago.  "from" must not go back.
 */
extern EtlDecodeFault *EtlDecodeFaultBetween(EtlSource *decoder, uint64 from, uint64 to);

/* The bytes of the byte order mark that were left out, once the first byte was read. */
extern int EtlDecodeMarkLength(EtlSource *decoder);

#endif /* ETL_DECODE_H */

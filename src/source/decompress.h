/*
 * decompress.h
 *		Compressed sources.
 */
#ifndef ETL_DECOMPRESS_H
#define ETL_DECOMPRESS_H

#include "source/source.h"

/*
 * A filter that gives what "inner" holds, decompressed if its first bytes say that it is gzip (RFC 1952) or
 * zstd (RFC 8878); other data comes as it is.  Members or frames that follow each other are one stream, as
 * their tools have it, and zeros behind the last member of a gzip file are padding.
 *
 * Data that ends too early, or is damaged, is an error (22P04) that says so, as is what another program has
 * compressed (0A000), or zstd with a window of more than 128 MB (54000).  However much it unpacks to, it
 * is unpacked into the caller's buffer and no further.
 */
extern EtlSource *EtlDecompressOpen(EtlSource *inner);

/* Whether data that begins with these bytes is compressed. */
extern bool EtlIsCompressed(const char *bytes, size_t len);

#endif /* ETL_DECOMPRESS_H */

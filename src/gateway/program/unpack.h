/*
 * unpack.h
 *		Bodies that come compressed: gzip and zstd.
 */
#ifndef ETL_GATEWAY_UNPACK_H
#define ETL_GATEWAY_UNPACK_H

#include "etl.h"

typedef struct Unpack Unpack;

/* Whether a Content-Encoding is one of these. */
extern bool UnpackKnows(const char *encoding);
/* Begins with a body of such an encoding; NULL: there is no memory. */
extern Unpack *UnpackBegin(const char *encoding);
/* A piece of it, which stays where it is while it is read. */
extern void UnpackGive(Unpack *unpack, const char *data, size_t len);
/* Reads on, up to so many bytes: their number, 0: the piece is at its end, -1: it is damaged. */
extern ssize_t UnpackRead(Unpack *unpack, char *to, size_t size);
/* Whether what was given ends where it may. */
extern bool UnpackIsWhole(const Unpack *unpack);
extern void UnpackEnd(Unpack *unpack);

#endif /* ETL_GATEWAY_UNPACK_H */

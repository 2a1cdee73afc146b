/*
 * text.h
 *		Bytes in memory as a source.
 */
#ifndef ETL_TEXT_H
#define ETL_TEXT_H

#include "source/source.h"

/* The bytes are borrowed; name is what messages call them. */
extern EtlSource *EtlTextOpen(const char *data, size_t len, const char *name);

#endif /* ETL_TEXT_H */

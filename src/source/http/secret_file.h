/*
 * secret_file.h
 *		Files of the database server that hold a secret.
 */
#ifndef ETL_SECRET_FILE_H
#define ETL_SECRET_FILE_H

#include "etl.h"

/* What a file holds, palloc'd, without the line end that editors leave; an error if it is not there, or too large. */
extern char *EtlSecretFileRead(const char *path);

#endif /* ETL_SECRET_FILE_H */

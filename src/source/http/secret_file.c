/*
 * secret_file.c
 *		Files of the database server that hold a secret.
 */
#include "etl.h"

#include <sys/stat.h>

#include "storage/fd.h"

#include "source/http/secret_file.h"

#define MAX_SECRET_FILE (64 * 1024)

char *
EtlSecretFileRead(const char *path)
{
	char *text = palloc(MAX_SECRET_FILE + 1);
	struct stat st;
	size_t len;
	FILE *file;

	/* Opening a FIFO would wait for somebody to write to it. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
	file = AllocateFile(path, PG_BINARY_R);
	if (!file)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\" for reading: %m", path)));
	len = fread(text, 1, MAX_SECRET_FILE, file);
	if (ferror(file))
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	if (len == MAX_SECRET_FILE)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("file \"%s\" is too large for a secret", path),
						errdetail("It has %d bytes or more.", MAX_SECRET_FILE)));
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	text[len] = '\0';
	return text;
}

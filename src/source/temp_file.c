/*
 * temp_file.c
 *		A temporary file that belongs to a memory context.
 */
#include "etl.h"

#include "commands/tablespace.h"
#include "source/temp_file.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

struct EtlTempFile
{
	MemoryContextCallback callback;
	File file;		/* -1: none yet */
	uint64 written; /* bytes in the file */
	size_t pending; /* bytes to be written behind them */
	char buffer[BLCKSZ];
};

static void
close_file(void *arg)
{
	EtlTempFile *file = arg;
	File vfd = file->file;

	file->file = -1;
	if (vfd >= 0)
		FileClose(vfd);
}

EtlTempFile *
EtlTempFileCreate(void)
{
	EtlTempFile *file = palloc(sizeof(EtlTempFile));

	file->file = -1;
	file->written = 0;
	file->pending = 0;
	file->callback.func = close_file;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->callback);
	return file;
}

static void
write_all(EtlTempFile *file, const char *data, size_t len)
{
	if (file->file < 0)
	{
		PrepareTempTablespaces();
		file->file = OpenTemporaryFile(true);
	}
	while (len > 0)
	{
		int n = FileWrite(file->file, (char *) data, len, (off_t) file->written,
						  WAIT_EVENT_BUFFILE_WRITE);

		if (n <= 0)
			ereport(ERROR,
					(errcode_for_file_access(), errmsg("could not write to temporary file: %m")));
		file->written += n;
		data += n;
		len -= n;
	}
}

static void
flush(EtlTempFile *file)
{
	write_all(file, file->buffer, file->pending);
	file->pending = 0;
}

void
EtlTempFileAppend(EtlTempFile *file, const void *data, size_t len)
{
	if (len > sizeof(file->buffer) - file->pending)
		flush(file);
	if (len >= sizeof(file->buffer))
	{
		write_all(file, data, len);
		return;
	}
	memcpy(file->buffer + file->pending, data, len);
	file->pending += len;
}

void
EtlTempFileRead(EtlTempFile *file, uint64 at, void *data, size_t len)
{
	char *to = data;

	if (at + len > file->written)
		flush(file);
	while (len > 0)
	{
		int n = FileRead(file->file, to, len, (off_t) at, WAIT_EVENT_BUFFILE_READ);

		if (n == 0)
			errno = EIO; /* it is shorter than what was written to it */
		if (n <= 0)
			ereport(ERROR,
					(errcode_for_file_access(), errmsg("could not read from temporary file: %m")));
		at += n;
		to += n;
		len -= n;
	}
}

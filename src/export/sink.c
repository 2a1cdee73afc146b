/*
 * sink.c
 *		A file on the database server that is there as a whole, or not at all.
 *
 * It is written beside its place, synced, and renamed.  Whoever reads it meanwhile, also without our knowing, sees the one before,
 * or none.  A server that is killed leaves the file beside it, whose name begins with that of the target and ".etl-".
 */
#include "etl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "export/sink.h"
#include "miscadmin.h"
#include "scan/parts.h"
#include "source/file.h"
#include "storage/fd.h"
#include "utils/acl.h"

#define BUFFER_SIZE (64 * 1024)

struct EtlSink
{
	const char *path;
	const char *beside;
	bool overwrite;
	int fd;		 /* -1: closed */
	bool exists; /* the one beside */
	uint64 bytes;
	size_t used;
	char buffer[BUFFER_SIZE];
};

static void
check_may_write(const char *path)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to write server file \"%s\"", path),
				 errdetail("Only roles with privileges of the \"%s\" role may write files on "
						   "the database server.",
						   "pg_write_server_files")));
	if (!is_absolute_path(path))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
						errmsg("the path of a file to be written must be absolute"),
						errhint("The file is written on the database server.")));
}

static void
check_target(const char *path, bool overwrite)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return; /* opening the one beside it will say what is wrong */
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path),
				 errhint("Name a file that is not there yet, or one that is to be replaced.")));
	if (!overwrite)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("file \"%s\" exists", path),
						errhint("With overwrite => true it would be replaced.")));
}

EtlSink *
EtlFileSinkOpen(const char *path, bool overwrite)
{
	EtlSink *sink = palloc0(sizeof(EtlSink));
	mode_t mask;

	check_may_write(path);
	check_target(path, overwrite);
	sink->path = pstrdup(path);
	sink->beside = psprintf("%s.etl-%d", path, MyProcPid);
	sink->overwrite = overwrite;
	(void) unlink(sink->beside); /* of a process with our number, which was killed */
	mask = umask(S_IWGRP | S_IWOTH);
	sink->fd = OpenTransientFilePerm(sink->beside, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
									 S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
	umask(mask);
	if (sink->fd < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\" for writing: %m", sink->path)));
	sink->exists = true;
	return sink;
}

static void
write_out(EtlSink *sink, const char *data, size_t len)
{
	while (len > 0)
	{
		ssize_t n = write(sink->fd, data, len);

		CHECK_FOR_INTERRUPTS();
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not write file \"%s\": %m", sink->path)));
		data += n;
		len -= n;
		sink->bytes += n;
	}
}

static void
flush(EtlSink *sink)
{
	write_out(sink, sink->buffer, sink->used);
	sink->used = 0;
}

void
EtlSinkWrite(EtlSink *sink, const char *data, size_t len)
{
	if (len > BUFFER_SIZE - sink->used)
		flush(sink);
	if (len > BUFFER_SIZE)
	{
		write_out(sink, data, len);
		return;
	}
	memcpy(sink->buffer + sink->used, data, len);
	sink->used += len;
}

/* Gives the file its name, which nobody else must have taken meanwhile. */
static void
link_file(EtlSink *sink)
{
	char *directory = pstrdup(sink->path);

	if (link(sink->beside, sink->path) < 0)
	{
		bool exists = errno == EEXIST;

		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not create file \"%s\": %m", sink->path),
				 exists ? errhint("With overwrite => true it would be replaced.") : 0));
	}
	(void) unlink(sink->beside);
	get_parent_directory(directory);
	fsync_fname(directory, true);
}

char *
EtlSinkFinish(EtlSink *sink)
{
	EtlSourceState state = {0};
	struct stat st;
	int fd = sink->fd;

	flush(sink);
	if (pg_fsync(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not fsync file \"%s\": %m", sink->path)));
	if (fstat(fd, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", sink->path)));
	sink->fd = -1;
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not close file \"%s\": %m", sink->path)));
	if (sink->overwrite)
		(void) durable_rename(sink->beside, sink->path, ERROR);
	else
		link_file(sink);
	sink->exists = false;
	state.size = st.st_size;
	state.mtime = EtlFileTime(&st.st_mtim);
	return EtlPartVersion(&state);
}

void
EtlSinkAbandon(EtlSink *sink)
{
	if (sink->exists)
		(void) unlink(sink->beside);
	sink->exists = false;
}

uint64
EtlSinkBytes(const EtlSink *sink)
{
	return sink->bytes + sink->used;
}

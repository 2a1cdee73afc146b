/*
 * file.c
 *		Files on the database server as sources of bytes.
 *
 * A file is read with plain read() calls into the reader's own buffer, never mapped: a mapped file that
 * somebody truncates would kill the backend.
 *
 * The descriptor is our own, announced to fd.c by AcquireExternalFD, rather than a virtual file
 * descriptor: fd.c closes those when it runs short and opens them again by path, and by then the path may
 * name another file.  Ours stays on the file that was opened, also when that is replaced or deleted, so a
 * statement sees one file.  It belongs to the memory context, not to a (sub)transaction, because a cursor
 * outlives the subtransaction of its first FETCH.
 */
#include "etl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "source/catalogs.h"
#include "source/file.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define MAX_READ (1024 * 1024) /* bytes at a time, so that a cancel need not wait for more */

typedef struct FileSource
{
	EtlSource base;
	size_t found; /* bytes of its path that the user has written, and no pattern has found */
	MemoryContextCallback callback; /* closes fd when the context goes */
	int fd;							/* -1: closed */
	EtlFileIdentity opened;			/* the file as it was opened */
} FileSource;

static size_t file_read(EtlSource *source, char *buf, size_t len);
static void file_close(EtlSource *source);
static uint64 file_skip(EtlSource *source, uint64 n);
static void file_rewind(EtlSource *source, bool strict);
static void file_state(EtlSource *source, int64 at, EtlSourceState *state);
static EtlSourcePlan file_plan(EtlSource *source, const EtlSourcePast *past);
static bool file_has_grown(EtlSource *source);

static const EtlSourceOps file_ops = {
	.read = file_read,
	.close = file_close,
	.skip = file_skip,
	.rewind = file_rewind,
	.state = file_state,
	.plan = file_plan,
	.has_grown = file_has_grown,
};

static bool follow_links = false;

void
EtlFileInit(void)
{
	DefineCustomBoolVariable("etl.follow_links",
							 "Follows symbolic links among the files that a pattern finds.",
							 "Whoever may write to a folder then chooses what the server reads.",
							 &follow_links, false, PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
look_up_role(void *may_read)
{
	*(bool *) may_read = has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES);
}

bool
EtlFileMayRead(void)
{
	bool may_read;

	EtlWithCatalogs(look_up_role, &may_read);
	return may_read;
}

void
EtlFileCheckMayRead(const char *path)
{
	if (!EtlFileMayRead())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to read server file \"%s\"", path),
						errdetail("Only roles with privileges of the \"%s\" role may read files on "
								  "the database server.",
								  "pg_read_server_files")));
}

/* Only a regular file has an end that can be waited for without blocking, and a size. */
static void
check_is_regular(const FileSource *file, mode_t mode)
{
	if (S_ISREG(mode))
		return;
	if (S_ISDIR(mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a directory", file->base.name), errhint("Name a file in it.")));
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("\"%s\" is not a regular file", file->base.name),
					errhint("Pipes, sockets and devices cannot be read; write the data to a file "
							"first.")));
}

static void
close_callback(void *arg)
{
	file_close((EtlSource *) arg);
}

/* What the descriptor refers to, as it is now. */
static EtlFileIdentity
identify(const FileSource *file)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not stat file \"%s\": %m", file->base.name)));
	check_is_regular(file, st.st_mode);
	return (EtlFileIdentity){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

/*
 * Opens the next name of a path that is found, below a directory (or AT_FDCWD), which it closes.  *path goes on to the
 * name behind it, NULL: there is none.
 */
static int
open_name(int directory, const char **path)
{
	size_t len = strcspn(*path, "/");
	char *name = pnstrdup(*path, len);
	const char *rest = *path + len + strspn(*path + len, "/");
	int flags = *rest != '\0' ? O_DIRECTORY : O_NONBLOCK;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
	int save_errno = errno;

	if (directory != AT_FDCWD)
		(void) close(directory);
	pfree(name);
	errno = save_errno;
	*path = *rest != '\0' ? rest : NULL;
	return fd;
}

/*
 * Opens a path of which the bytes from "found" on have no links, as open() does.  O_NONBLOCK: opening a FIFO that nobody
 * writes to would wait for ever.
 */
static int
open_path(const char *path, size_t found)
{
	char *begin;
	int fd = AT_FDCWD;

	if (follow_links || path[found] == '\0')
		return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (found > 0)
	{
		begin = pnstrdup(path, found);
		fd = open(begin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		pfree(begin);
		if (fd < 0)
			return fd;
	}
	path += found;
	while (path != NULL && (fd = open_name(fd, &path)) >= 0)
		;
	return fd;
}

/* A link is ELOOP where it stands for a file, and ENOTDIR where it stands for a directory. */
static bool
is_link_refused(const FileSource *file, int error)
{
	return !follow_links && file->base.name[file->found] != '\0' &&
		   (error == ELOOP || error == ENOTDIR);
}

static void
raise_not_opened(const FileSource *file, int error)
{
	const char *path = file->base.name;

	errno = error;
	if (is_link_refused(file, error))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a symbolic link, or behind one", path),
				 errdetail("Whoever may write to the folders of a pattern could have the server "
						   "read any file."),
				 errhint("Name the file without a pattern, or have a superuser set "
						 "\"etl.follow_links\".")));
	ereport(ERROR,
			(errcode_for_file_access(), errmsg("could not open file \"%s\" for reading: %m", path),
			 error == ENOENT
				 ? errhint("Files are read on the database server, and a relative path "
						   "counts from its data directory. For a file on the client, use "
						   "psql's \\copy.")
				 : 0));
}

/* Opens the descriptor and looks at what it opened. */
static void
open_descriptor(FileSource *file)
{
	const char *path = file->base.name;

	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not open file \"%s\" for reading: %m", path),
						errhint("Read fewer files at once, or raise \"max_files_per_process\".")));

	file->fd = open_path(path, file->found);
	if (file->fd < 0)
	{
		int error = errno;

		ReleaseExternalFD();
		raise_not_opened(file, error);
	}
	file->opened = identify(file);
#ifdef POSIX_FADV_SEQUENTIAL
	(void) posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
}

EtlSource *
EtlFileOpen(const char *path, size_t found)
{
	FileSource *file = palloc0(sizeof(FileSource));

	file->base.ops = &file_ops;
	file->base.name = pstrdup(path);
	file->found = found;
	file->fd = -1;
	file->callback.func = close_callback;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->callback);

	EtlFileCheckMayRead(path);
	open_descriptor(file);
	file->base.size = file->opened.size;
	file->base.plain = true;
	return &file->base;
}

static bool
same_file(const EtlFileIdentity *before, const EtlFileIdentity *now)
{
	return before->device == now->device && before->inode == now->inode &&
		   before->size == now->size && before->modified.tv_sec == now->modified.tv_sec &&
		   before->modified.tv_nsec == now->modified.tv_nsec;
}

/*
 * At the end of the file as it was when it was opened.  If it has no more bytes, nothing was appended, so a new time
 * of modification means that bytes were written in the place of others.
 */
static void
check_not_written_over(const FileSource *file)
{
	EtlFileIdentity now = identify(file);

	if (now.size <= file->opened.size && !same_file(&file->opened, &now))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("file \"%s\" was written to while it was read", file->base.name),
						errhint("Write a new file beside it, then rename that.")));
}

/*
 * Files of /proc and /sys say that they have no bytes; they are read to whatever end they have.
 */
static size_t
file_read(EtlSource *source, char *buf, size_t len)
{
	FileSource *file = (FileSource *) source;
	ssize_t n;

	Assert(file->fd >= 0);
	if (source->size > 0)
		len = Min(len, (uint64) source->size - source->bytes_read);
	if (len == 0)
	{
		check_not_written_over(file);
		return 0;
	}

	CHECK_FOR_INTERRUPTS();
	do
	{
		pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
		n = read(file->fd, buf, Min(len, MAX_READ));
		pgstat_report_wait_end();
	} while (n < 0 && errno == EINTR);

	if (n < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\": %m", source->name)));
	if (n == 0 && source->size > 0)
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("file \"%s\" was truncated while it was read", source->name),
				 errdetail("It had %lld bytes when it was opened, and ends at byte %llu now.",
						   (long long) source->size, (unsigned long long) source->bytes_read)));
	source->bytes_read += n;
	return n;
}

static void
file_close(EtlSource *source)
{
	FileSource *file = (FileSource *) source;

	if (file->fd < 0)
		return;
	(void) close(file->fd);
	file->fd = -1;
	ReleaseExternalFD();
}

/* One statement sees one answer: a second reading of a file that is not what it was is refused. */
void
EtlFileCheckSame(EtlSource *source, EtlFileIdentity *identity)
{
	FileSource *file = (FileSource *) source;

	Assert(source->ops == &file_ops);
	if (identity->inode == 0)
		*identity = file->opened;
	else if (!same_file(identity, &file->opened))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" changed while a statement was reading it again", source->name),
				 errhint("Read the file once, in a WITH query that is MATERIALIZED.")));
}

static uint64
file_skip(EtlSource *source, uint64 n)
{
	FileSource *file = (FileSource *) source;

	if (source->size < 0 || n > (uint64) source->size - source->bytes_read)
		return 0;
	if (lseek(file->fd, (off_t) n, SEEK_CUR) < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in file \"%s\": %m", source->name)));
	source->bytes_read += n;
	return n;
}

static void
file_rewind(EtlSource *source, bool strict)
{
	FileSource *file = (FileSource *) source;
	EtlFileIdentity before = file->opened;

	if (file->fd < 0)
		open_descriptor(file);
	else if (lseek(file->fd, 0, SEEK_SET) < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\" again: %m", source->name)));
	else if (strict)
		file->opened = identify(file);
	EtlFileCheckSame(source, &before);
}

#define STATE_BYTES 4096 /* at either end that are looked at */

/* The hash of up to STATE_BYTES bytes between two places of a file. */
static uint64
hash_of_range(const FileSource *file, int64 from, int64 to)
{
	unsigned char buf[STATE_BYTES];
	ssize_t n = pread(file->fd, buf, (size_t) Min(to - from, STATE_BYTES), (off_t) from);

	if (n < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\": %m", file->base.name)));
	return hash_bytes_extended(buf, (int) n, 0);
}

static void
file_state(EtlSource *source, int64 at, EtlSourceState *state)
{
	const FileSource *file = (const FileSource *) source;
	uint64 numbers[] = {file->opened.device, file->opened.inode};

	state->file = hash_bytes_extended((const unsigned char *) numbers, sizeof(numbers), 0);
	state->size = file->opened.size;
	state->mtime = EtlFileTime(&file->opened.modified);
	if (at < 0)
		return;
	state->head = hash_of_range(file, 0, at);
	state->tail = hash_of_range(file, Max(0, at - STATE_BYTES), at);
}

static bool
file_has_grown(EtlSource *source)
{
	const FileSource *file = (const FileSource *) source;

	return identify(file).size > file->opened.size;
}

/* A file that has grown is the same up to where it was read if the bytes at both ends of that are. */
static EtlSourcePlan
file_plan(EtlSource *source, const EtlSourcePast *past)
{
	const EtlSourceState *before = &past->state;
	EtlSourceState now = {0};

	if (before->mtime == 0)
		return ETL_READ_ALL;
	file_state(source, past->at, &now);
	if (now.size == before->size && now.mtime == before->mtime)
		return past->whole ? ETL_READ_NOTHING : ETL_READ_FROM;
	if (past->at < 0 || !past->appendable || now.size < before->size || now.head != before->head ||
		now.tail != before->tail)
		return ETL_READ_ALL;
	return ETL_READ_FROM;
}

bool
EtlFileSample(const char *path, size_t found, char *buf, size_t *len, int64 *size)
{
	struct stat st;
	ssize_t n = -1;
	int fd;

	if (!EtlFileMayRead() || (fd = open_path(path, found)) < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, buf, *len);
	(void) close(fd);
	if (n < 0)
		return false;
	*len = n;
	*size = st.st_size;
	return true;
}

/*
 * glob.c
 *		Many files by one pattern.
 */
#include "etl.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "source/file.h"
#include "source/glob.h"

#ifndef GLOB_ONLYDIR
#define GLOB_ONLYDIR 0 /* a hint, which some platforms do not know */
#endif

static bool
is_pattern(const char *path)
{
	struct stat st;

	return strpbrk(path, "*?[") != NULL && lstat(path, &st) != 0;
}

size_t
EtlGlobPrefix(const char *pattern)
{
	size_t prefix = 0;
	size_t len = 0; /* of the name that it finds, in which no backslash is left */

	if (!is_pattern(pattern))
		return strlen(pattern);
	for (const char *p = pattern; *p != '\0' && strchr("*?[", *p) == NULL; p++)
	{
		if (*p == '\\' && p[1] != '\0')
			p++;
		len++;
		if (*p == '/')
			prefix = len;
	}
	return prefix;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * glob() may take minutes and must not be left by an error.  So it reads directories by functions of ours, which make
 * it stop when an interrupt is pending.
 */
static bool gave_up;
static int hidden; /* errno of what glob() takes for something that is not there; 0: nothing was */

static bool
must_give_up(void)
{
	gave_up |= InterruptPending && INTERRUPTS_CAN_BE_PROCESSED();
	return gave_up;
}

static void *
open_directory(const char *path)
{
	if (!must_give_up())
		return opendir(path);
	errno = EINTR;
	return NULL;
}

static struct dirent *
read_directory(void *directory)
{
	struct dirent *entry;

	if (must_give_up())
		return NULL;
	errno = 0;
	entry = readdir(directory);
	if (entry == NULL && errno != 0)
		hidden = errno;
	return entry;
}

/* What a stat() of ours tells glob(). */
static int
looked(int result)
{
	if (result != 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		hidden = errno;
	return result;
}

static int
look(const char *path, struct stat *st)
{
	return looked(stat(path, st));
}

static int
look_at_link(const char *path, struct stat *st)
{
	return looked(lstat(path, st));
}

static void
close_directory(void *directory)
{
	(void) closedir(directory);
}

/* A directory that cannot be read might hide files: the pattern's answer would not be true. */
static int
stop_at_error(const char *path, int error)
{
	errno = error;
	return 1;
}

static List *
copy_matches(const glob_t *found)
{
	List *names = NIL;

	for (size_t i = 0; i < found->gl_pathc; i++)
		names = lappend(names, pstrdup(found->gl_pathv[i]));
	return names;
}

/* Does what glob() does, but for interrupts. */
static int
find(const char *path, int flags, glob_t *found)
{
	int status;

	for (;;)
	{
		gave_up = false;
		hidden = 0;
		*found = (glob_t){
			.gl_opendir = open_directory,
			.gl_readdir = read_directory,
			.gl_closedir = close_directory,
			.gl_stat = look,
			.gl_lstat = look_at_link,
		};
		status = glob(path, flags | GLOB_NOSORT | GLOB_ALTDIRFUNC,
					  flags & GLOB_ERR ? stop_at_error : NULL, found);
		if (!gave_up && (flags & GLOB_ERR) && hidden != 0 &&
			(status == 0 || status == GLOB_NOMATCH))
		{
			globfree(found);
			errno = hidden;
			return GLOB_ABORTED;
		}
		if (!gave_up)
			return status;
		globfree(found);
		CHECK_FOR_INTERRUPTS();
		/* it was nothing that ends the query, so all of it again */
	}
}

/* The matches in their order; *status is what glob() says of itself. */
static List *
find_matches(const char *path, int flags, int *status)
{
	glob_t found;
	List *volatile names = NIL;

	*status = find(path, flags, &found);
	PG_TRY();
	{
		if (*status == 0)
			names = copy_matches(&found);
	}
	PG_FINALLY();
	{
		int save_errno = errno;

		globfree(&found);
		errno = save_errno;
	}
	PG_END_TRY();
	list_sort(names, compare_names);
	return names;
}

/*
 * The names that are not those of directories, and how many bytes these files have together; -1: one cannot be seen, which
 * is an error when it is opened.
 */
static List *
leave_out_directories(List *names, int64 *size)
{
	List *files = NIL;
	ListCell *lc;

	*size = 0;
	foreach (lc, names)
	{
		struct stat st;

		CHECK_FOR_INTERRUPTS();
		if (stat(lfirst(lc), &st) != 0)
			*size = -1;
		else if (S_ISDIR(st.st_mode))
			continue;
		else if (*size >= 0)
			*size += st.st_size;
		files = lappend(files, lfirst(lc));
	}
	return files;
}

static char *
escape_name(const char *name)
{
	StringInfoData escaped;

	initStringInfo(&escaped);
	for (const char *s = name; *s != '\0'; s++)
		if (*s >= ' ' && *s <= '~')
			appendStringInfoChar(&escaped, *s);
		else
			appendStringInfo(&escaped, "\\x%02x", (unsigned char) *s);
	return escaped.data;
}

/* The name of a file becomes text of the database, in messages and in _etl_source. */
static void
check_is_text(const char *path, const char *name)
{
	if (!pg_verifymbstr(name, strlen(name), true))
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						errmsg("the name of a file that matches \"%s\" is not valid in encoding "
							   "\"%s\"",
							   path, GetDatabaseEncodingName()),
						errdetail("Written with escapes, it is \"%s\".", escape_name(name)),
						errhint("Rename the file, or give a pattern that does not match it.")));
}

List *
EtlGlob(const char *path, int64 *size)
{
	ListCell *lc;
	List *names;
	int status;

	EtlFileCheckMayRead(path);
	if (!is_pattern(path))
	{
		struct stat st;

		*size = stat(path, &st) == 0 ? st.st_size : -1;
		return list_make1(pstrdup(path));
	}
	names = find_matches(path, GLOB_ERR, &status);
	if (status != 0 && status != GLOB_NOMATCH)
	{
		if (status == GLOB_NOSPACE)
			errno = ENOMEM;
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not look for files that match \"%s\": %m", path)));
	}
	names = leave_out_directories(names, size);
	if (names == NIL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("no file matches \"%s\"", path),
						errhint("Files are read on the database server, and a relative path counts "
								"from its data directory.")));
	foreach (lc, names)
		check_is_text(path, lfirst(lc));
	return names;
}

List *
EtlGlobQuietly(const char *path)
{
	int status;

	return is_pattern(path) ? find_matches(path, GLOB_ERR, &status) : list_make1(pstrdup(path));
}

bool
EtlGlobIsEmpty(const char *path)
{
	int64 size;
	int status;

	/* that a directory is missing is an error, if its name is no pattern */
	return is_pattern(path) &&
		   leave_out_directories(find_matches(path, GLOB_ERR, &status), &size) == NIL &&
		   (status == 0 || status == GLOB_NOMATCH);
}

List *
EtlGlobDirectories(const char *path)
{
	int status;

	return is_pattern(path) ? find_matches(path, GLOB_ONLYDIR, &status) : list_make1(pstrdup(path));
}

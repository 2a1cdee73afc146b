/*
 * files.c
 *		The server's files as a store: one by its name, or those that match a pattern (glob.h).
 *
 * A pattern may match very many files, so little is kept of each: its name, and which file it was when it was read, so
 * that a second reading can tell whether it finds the same.
 */
#include "etl.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "source/file.h"
#include "source/glob.h"
#include "source/store.h"

#define SAMPLED_FILES 100 /* for an estimate */

typedef struct Files
{
	EtlListing base;
	int next;					 /* number of the one behind the one in hand */
	List *names;				 /* of char * */
	size_t prefix;				 /* of each, which the user has written */
	EtlFileIdentity *identities; /* [count] as the first reading found them */
	bool rewound;
} Files;

/* What no other store takes is a path. */
static bool
files_names(const char *source, const char *path)
{
	return true;
}

static EtlListing *
files_list(const char *source, const char *path)
{
	Files *files = palloc0(sizeof(Files));

	files->prefix = EtlGlobPrefix(source);
	files->names = EtlGlob(source, &files->base.size);
	files->base.by_pattern = files->prefix < strlen(source);
	files->base.count = list_length(files->names);
	files->identities = palloc_extended(sizeof(EtlFileIdentity) * files->base.count,
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return &files->base;
}

static bool
files_next(EtlListing *listing)
{
	Files *files = (Files *) listing;

	if (files->next == listing->count)
		return false;
	listing->part.name = list_nth(files->names, files->next++);
	return true;
}

static void
files_rewind(EtlListing *listing)
{
	((Files *) listing)->next = 0;
	((Files *) listing)->rewound = true;
}

static bool
files_look(EtlListing *listing, EtlSourceState *state)
{
	struct stat st;

	if (stat(listing->part.name, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	state->size = st.st_size;
	state->mtime = EtlFileTime(&st.st_mtim);
	return true;
}

static bool
files_gone(EtlListing *listing, const char *part, const EtlSourceState *state, bool in_order)
{
	return access(part, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static EtlSource *
files_open(EtlListing *listing, const EtlSourcePast *past)
{
	Files *files = (Files *) listing;
	const char *path = listing->part.name;
	EtlSource *file = EtlFileOpen(path, Min(files->prefix, strlen(path)));
	EtlFileIdentity *identity = &files->identities[files->next - 1];

	if (!files->rewound)
		memset(identity, 0, sizeof(*identity)); /* the first reading may open a file twice */
	EtlFileCheckSame(file, identity);
	return file;
}

/* About how many bytes files have together, by so many of them. */
static double
guess_size(List *names)
{
	int n = list_length(names);
	int step = (n + SAMPLED_FILES - 1) / SAMPLED_FILES;
	double size = 0;
	int looked = 0;

	for (int i = 0; i < n; i += step, looked++)
	{
		struct stat st;

		if (stat(list_nth(names, i), &st) == 0 && S_ISREG(st.st_mode))
			size += st.st_size;
	}
	return size / looked * n;
}

/* The first file stands for all. */
static bool
files_sample(const char *source, char *buf, size_t *len, double *size)
{
	List *names;
	int64 first;
	ListCell *lc;

	if (!EtlFileMayRead())
		return false;
	names = EtlGlobQuietly(source);
	foreach (lc, names)
	{
		if (EtlFileSample(lfirst(lc), EtlGlobPrefix(source), buf, len, &first))
			break;
		if (foreach_current_index(lc) == SAMPLED_FILES)
			return false;
	}
	if (lc == NULL)
		return false;
	*size = guess_size(names);
	return true;
}

const EtlStore EtlFileStore = {
	.names = files_names,
	.list = files_list,
	.next = files_next,
	.rewind = files_rewind,
	.look = files_look,
	.open = files_open,
	.gone = files_gone,
	.sample = files_sample,
};

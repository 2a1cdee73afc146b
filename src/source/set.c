/*
 * set.c
 *		One source of bytes, or several, one after the other.
 *
 * Of each file that was opened its descriptor's owner is kept, closed, so that a second reading can tell
 * whether it finds the same file.  What is built on top of a file (decompression, decoding) lives in a
 * context of its own, which is reset with the next file: a pattern may match thousands.
 */
#include "etl.h"

#include <sys/stat.h>

#include "source/decompress.h"
#include "source/file.h"
#include "source/glob.h"
#include "source/http_source.h"
#include "source/set.h"
#include "source/spool.h"
#include "utils/memutils.h"

typedef struct Member
{
	char *name;
	EtlSource *raw; /* NULL: not opened yet */
} Member;

struct EtlSourceSet
{
	MemoryContext context;
	MemoryContext member_context; /* below it, for what is built on the source in hand */
	int n;
	Member *members; /* [n] */
	int next;		 /* number of the one to open next */
	EtlSource *raw;	 /* of the source in hand; NULL: none */
	uint64 finished_bytes;

	EtlTarget *target; /* of a URL or server, which is the only member; NULL: files */
	const char *path;
	bool rewindable;
	bool encoded; /* compressed for the way, whatever it is */
	EtlHttpStats stats;
};

EtlSourceSet *
EtlSourceSetOpen(const char *source, const char *path, bool rewindable)
{
	EtlSourceSet *set = palloc0(sizeof(EtlSourceSet));
	List *names = NIL;
	ListCell *lc;

	set->context = CurrentMemoryContext;
	set->member_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl source", ALLOCSET_DEFAULT_SIZES);
	set->rewindable = rewindable;
	if (path != NULL)
	{
		set->target = EtlTargetOfServer(source);
		set->path = pstrdup(path);
		names = list_make1(pstrdup(source));
	}
	else if (EtlUrlIsHttp(source))
	{
		set->target = EtlTargetOfUrl(source);
		names = list_make1(EtlUrlRedact(source));
	}
	else
		names = EtlGlob(source);
	set->members = palloc0(sizeof(Member) * list_length(names));
	foreach (lc, names)
		set->members[set->n++].name = lfirst(lc);
	return set;
}

/*
 * Closes the source in hand, if there is one.  The only one stays open: a second reading finds what the first
 * one read, also if another file has taken its name since.
 */
static void
finish(EtlSourceSet *set)
{
	if (set->raw == NULL)
		return;
	set->finished_bytes += set->raw->bytes_read;
	if (set->n > 1)
		EtlSourceClose(set->raw);
	set->raw = NULL;
	MemoryContextReset(set->member_context);
}

static EtlSource *
open_http(EtlSourceSet *set)
{
	EtlSource *source = EtlHttpOpen(set->target, set->path, &set->stats);

	set->encoded = EtlHttpIsEncoded(source);
	return set->rewindable ? EtlSpoolOpen(source) : source;
}

EtlSource *
EtlSourceSetNext(EtlSourceSet *set)
{
	Member *member;
	EtlSource *source;
	MemoryContext old;

	finish(set);
	if (set->next == set->n)
		return NULL;
	member = &set->members[set->next++];
	old = MemoryContextSwitchTo(set->context);
	if (member->raw != NULL)
		EtlSourceRewind(member->raw);
	else if (set->target != NULL)
		member->raw = open_http(set);
	else
		member->raw = EtlFileOpen(member->name);
	set->raw = member->raw;
	MemoryContextSwitchTo(set->member_context);
	source = EtlDecompressOpen(set->raw);
	if (set->encoded)
		source = EtlDecompressOpen(source);
	MemoryContextSwitchTo(old);
	return source;
}

MemoryContext
EtlSourceSetContext(EtlSourceSet *set)
{
	return set->member_context;
}

void
EtlSourceSetRewind(EtlSourceSet *set)
{
	finish(set);
	set->next = 0;
}

int
EtlSourceSetCount(const EtlSourceSet *set)
{
	return set->n;
}

uint64
EtlSourceSetBytesRead(const EtlSourceSet *set)
{
	return set->finished_bytes + (set->raw != NULL ? set->raw->bytes_read : 0);
}

const EtlHttpStats *
EtlSourceSetHttpStats(const EtlSourceSet *set)
{
	return set->target != NULL ? &set->stats : NULL;
}

int64
EtlSourceSetSize(const EtlSourceSet *set)
{
	int64 size = 0;
	struct stat st;

	if (set->target != NULL)
		return set->raw != NULL ? set->raw->size : -1;
	for (int i = 0; i < set->n; i++)
	{
		if (stat(set->members[i].name, &st) != 0)
			return -1;
		size += st.st_size;
	}
	return size;
}

/* ----------------------------------------------------------------
 *	For the planner
 * ---------------------------------------------------------------- */

#define COMPRESSION_GUESS 5 /* times that text shrinks; a guess is all that the planner needs */

bool
EtlSourceSample(const char *source, char *buf, size_t *len, double *size)
{
	List *names;
	int64 first;
	struct stat st;

	/* Planning sends nothing over the network. */
	if (EtlUrlIsHttp(source) || !EtlFileMayRead())
		return false;
	names = EtlGlobQuietly(source);
	if (names == NIL || !EtlFileSample(linitial(names), buf, len, &first))
		return false;
	*size = first;
	for (int i = 1; i < list_length(names); i++)
		if (stat(list_nth(names, i), &st) == 0)
			*size += st.st_size;
	if (EtlCompressionOf(buf, *len) != NULL)
	{
		*size *= COMPRESSION_GUESS;
		*len = 0;
	}
	return true;
}

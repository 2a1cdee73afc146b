/*
 * set.c
 *		One source of bytes, or several, one after the other.
 *
 * A pattern may match very many files, so little is kept of each: its name, and which file it was when it was
 * read, so that a second reading can tell whether it finds the same.  The file in hand and what is built on top
 * of it (decompression, decoding) live in a context of their own, which is reset with the next.
 */
#include "etl.h"

#include <sys/stat.h>

#include "common/hashfn.h"
#include "miscadmin.h"
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
	EtlFileIdentity identity; /* of one of several files, once it was read */
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
	int64 size;		 /* of all files when the set was opened; -1: not known */
	EtlSource *only; /* of a single member: what it gives, once it was opened */

	EtlTarget *target; /* of a URL or server, which is the only member; NULL: files */
	const char *path;
	bool rewindable;
	const EtlHttpPast *past; /* or NULL */
	bool encoded;			 /* compressed for the way, whatever it is */
	EtlHttpStats stats;
};

static int64
size_of_files(const EtlSourceSet *set)
{
	int64 size = 0;
	struct stat st;

	if (set->target != NULL)
		return -1;
	for (int i = 0; i < set->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (stat(set->members[i].name, &st) != 0)
			return -1; /* an error when it is opened */
		size += st.st_size;
	}
	return size;
}

/* What its source will be called. */
static char *
shown_url(const EtlSourceSet *set)
{
	EtlUrl url;

	EtlTargetUrl(set->target, set->path, &url);
	return EtlUrlDisplay(&url);
}

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
	if (path != NULL || EtlIsUrl(source))
	{
		set->target = EtlTargetOf(source);
		set->path = path != NULL ? pstrdup(path) : NULL;
		names = list_make1(shown_url(set));
	}
	else
		names = EtlGlob(source);
	set->members = palloc0(sizeof(Member) * list_length(names));
	foreach (lc, names)
		set->members[set->n++].name = lfirst(lc);
	list_free(names);
	set->size = size_of_files(set);
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
	set->raw = NULL;
	MemoryContextReset(set->member_context);
}

static EtlSource *
open_http(EtlSourceSet *set)
{
	EtlSource *source = EtlHttpOpen(set->target, set->path, set->past, &set->stats);

	set->encoded = EtlHttpIsEncoded(source);
	return set->rewindable ? EtlSpoolOpen(source) : source;
}

/* Opens the single member, or starts it again. */
static EtlSource *
open_only(EtlSourceSet *set)
{
	MemoryContext old = MemoryContextSwitchTo(set->context);

	if (set->only != NULL)
		EtlSourceRewind(set->only);
	else if (set->target != NULL)
		set->only = open_http(set);
	else
		set->only = EtlFileOpen(set->members[0].name);
	MemoryContextSwitchTo(old);
	return set->only;
}

static EtlSource *
open_one_of_several(Member *member)
{
	EtlSource *file = EtlFileOpen(member->name);

	EtlFileCheckSame(file, &member->identity);
	return file;
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
	old = MemoryContextSwitchTo(set->member_context);
	set->raw = set->n > 1 ? open_one_of_several(member) : open_only(set);
	source = set->raw;
	/* What begins in its midst may look like anything. */
	if (EtlSourceSetNews(set) == ETL_HTTP_ALL)
		source = EtlDecompressOpen(source);
	if (set->encoded)
		source = EtlDecompressOpen(source);
	MemoryContextSwitchTo(old);
	return source;
}

const char *
EtlSourceSetNextName(const EtlSourceSet *set)
{
	return set->next < set->n ? set->members[set->next].name : NULL;
}

void
EtlSourceSetPast(EtlSourceSet *set, const EtlHttpPast *past)
{
	set->past = past;
}

EtlHttpNews
EtlSourceSetNews(const EtlSourceSet *set)
{
	if (set->target == NULL || set->rewindable)
		return ETL_HTTP_ALL;
	return EtlHttpWhatIsNew(set->only);
}

const char *
EtlSourceSetValidator(const EtlSourceSet *set)
{
	return EtlHttpValidator(set->only);
}

uint64
EtlSourceSetUrlHash(const EtlSourceSet *set)
{
	EtlUrl url;
	char *text;

	if (set->target == NULL)
		return 0;
	EtlTargetUrl(set->target, set->path, &url);
	text = EtlUrlText(&url);
	return hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
}

EtlSource *
EtlSourceSetAgain(EtlSourceSet *set)
{
	finish(set);
	set->past = NULL;
	if (set->target != NULL && set->only != NULL)
	{
		EtlSourceClose(set->only);
		set->only = NULL;
	}
	set->next--;
	return EtlSourceSetNext(set);
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
	return set->target != NULL && set->raw != NULL ? set->raw->size : set->size;
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
	if (EtlIsUrl(source) || !EtlFileMayRead())
		return false;
	names = EtlGlobQuietly(source);
	if (names == NIL || !EtlFileSample(linitial(names), buf, len, &first))
		return false;
	*size = first;
	for (int i = 1; i < list_length(names); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (stat(list_nth(names, i), &st) == 0)
			*size += st.st_size;
	}
	if (EtlIsCompressed(buf, *len))
	{
		*size *= COMPRESSION_GUESS;
		*len = 0;
	}
	return true;
}

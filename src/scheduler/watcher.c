/*
 * watcher.c
 *		The process that knows when files arrive.
 *
 *		scheduler	-- paths and patterns of its database -->	watcher
 *		kernel		-- names in directories --------------->	watcher
 *		watcher		-- pipelines whose files came --------->	launcher, scheduler
 *
 * It is there while there is something to watch, connected to no database.  It is no party to the barriers for
 * which DROP DATABASE waits for all other processes, either: looking at directories, it may hang for as long as
 * their file system does, and then nobody but those who wait for files is to notice.
 *
 * Of a path each component is watched for in the directory where it is to be: of /data/in/x.csv "data" in /, "in" in
 * /data, and "x.csv" in /data/in.  So it does not matter what is a pattern or a link, what is not there yet, or is
 * replaced: if a name changes that is on the way, the path is followed anew.  A directory that is found to be watched
 * for the first time may have files already, so it counts as an arrival.
 *
 * Arrivals are told when no more have come for a moment: of a thousand files copied here, the first is no
 * reason to start.  Once a minute all paths are followed anew; that finds what is told by nobody,
 * such as a file system that was mounted, or rights that were granted.
 */
#include "etl.h"

#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "scheduler/inotify.h"
#include "scheduler/scheduler.h"
#include "scheduler/watches.h"
#include "source/clock.h"
#include "source/glob.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define QUIET_MS 100		 /* without another file, before arrivals are reported */
#define LONGEST_BURST_MS 500 /* after which they are told all the same */
#define FOLLOW_AGAIN_MS (60 * 1000)
#define MAX_PLACES 4096 /* where something is watched for; the kernel has a limit, too */

/* A directory, and the component of a path that may come there. */
typedef struct Place
{
	int number; /* of the directory; -1: not watched any more */
	char *directory;
	char *name;
	bool last; /* the component is the file */
} Place;

typedef struct Path
{
	MemoryContext context; /* of all that is below */
	char *database;
	int64 pipeline;
	char *path;
	MemoryContext places_context;
	List *places; /* of Place * */
	bool stale;	  /* to be followed anew */
	bool denied;  /* that a directory cannot be watched was said */
	bool arrived;
	int64 first; /* arrival that was not told yet */
	int64 latest;
} Path;

static int fd = -1;
static List *paths = NIL;
static List *numbers = NIL; /* of directories that are watched */
static bool limit_said = false;

/* ----------------------------------------------------------------
 *	Following a path
 * ---------------------------------------------------------------- */

static void
arrive(Path *path)
{
	path->latest = EtlClock();
	if (!path->arrived)
		path->first = path->latest;
	path->arrived = true;
}

static int
count_places(void)
{
	int n = 0;
	ListCell *lc;

	foreach (lc, paths)
		n += list_length(((Path *) lfirst(lc))->places);
	return n;
}

/*
 * Logs why a directory is not watched.  One that does not exist may appear, so that is not logged; one that cannot be
 * read is logged once.
 */
static void
explain_refusal(Path *path, const char *directory, bool last)
{
	bool limit = errno == ENOSPC || errno == ENOMEM || errno == EMFILE;

	if (errno == ENOENT || errno == ENOTDIR || (!limit && (!last || path->denied)) ||
		(limit && limit_said))
		return;
	ereport(LOG,
			(errmsg("could not watch directory \"%s\": %m", directory),
			 errdetail("Pipelines that wait for files there run by their schedules only."),
			 limit ? errhint("Up to %d directories can be watched, and no more than the kernel's "
							 "fs.inotify.max_user_watches.",
							 MAX_PLACES)
				   : 0));
	limit_said |= limit;
	path->denied |= !limit;
}

static bool
has_place(List *places, const Place *place)
{
	ListCell *lc;

	foreach (lc, places)
	{
		const Place *other = lfirst(lc);

		if (other->number == place->number && other->last == place->last &&
			strcmp(other->directory, place->directory) == 0)
			return true;
	}
	return false;
}

/* Watches a directory for a component of the path. */
static void
add_place(Path *path, List *before, int nbefore, const char *directory, const char *name, bool last)
{
	Place *place;
	int number;

	errno = ENOSPC;
	if (nbefore + list_length(path->places) >= MAX_PLACES ||
		(number = EtlInotifyAdd(fd, directory, last)) < 0)
	{
		explain_refusal(path, directory, last);
		return;
	}
	place = palloc(sizeof(Place));
	place->number = number;
	place->directory = pstrdup(directory);
	place->name = pstrdup(name);
	place->last = last;
	if (last && !has_place(before, place))
		arrive(path);
	path->places = lappend(path->places, place);
}

/* Finds the places of a path, component by component. */
static void
follow(Path *path)
{
	MemoryContext before_context = path->places_context;
	List *before = path->places;
	int nbefore = count_places() - list_length(before);
	const char *s = path->path;
	StringInfoData prefix;
	MemoryContext old;

	path->places_context = AllocSetContextCreate(path->context, "etl places", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(path->places_context);
	path->places = NIL;
	path->stale = false;
	initStringInfo(&prefix);
	appendStringInfoString(&prefix, *s == '/' ? "/" : ".");
	for (s += strspn(s, "/"); *s != '\0'; s += strspn(s, "/"))
	{
		size_t len = strcspn(s, "/");
		char *name = pnstrdup(s, len);
		ListCell *lc;

		foreach (lc, EtlGlobDirectories(prefix.data))
			add_place(path, before, nbefore, lfirst(lc), name, s[len] == '\0');
		if (strcmp(prefix.data, ".") == 0)
			resetStringInfo(&prefix);
		else if (prefix.data[prefix.len - 1] != '/')
			appendStringInfoChar(&prefix, '/');
		appendStringInfoString(&prefix, name);
		s += len;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(before_context);
}

/* Stops to watch directories that are on no path any more. */
static void
forget_directories(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	List *used = NIL;
	int i = 0;
	ListCell *lc, *lc2;

	foreach (lc, paths)
	{
		foreach (lc2, ((Path *) lfirst(lc))->places)
			used = lappend_int(used, ((Place *) lfirst(lc2))->number);
	}
	list_sort(used, list_int_cmp);
	foreach (lc, numbers) /* in their order, too */
	{
		while (i < list_length(used) && list_nth_int(used, i) < lfirst_int(lc))
			i++;
		if (i == list_length(used) || list_nth_int(used, i) != lfirst_int(lc))
			EtlInotifyRemove(fd, lfirst_int(lc));
	}
	list_free(numbers);
	numbers = used;
	MemoryContextSwitchTo(old);
}

static void
open_inotify(void)
{
	fd = EtlInotifyOpen();
	if (fd >= 0 || limit_said)
		return;
	ereport(LOG, (errmsg("could not watch for files: %m"),
				  errdetail("Pipelines that wait for files run by their schedules only."),
				  errhint("The kernel's limit is fs.inotify.max_user_instances.")));
	limit_said = true;
}

/* All paths, or only those on which something has changed. */
static void
follow_paths(bool all)
{
	ListCell *lc;

	if (fd < 0)
		open_inotify();
	foreach (lc, fd >= 0 ? paths : NIL)
	{
		if (all || ((Path *) lfirst(lc))->stale)
			follow(lfirst(lc));
	}
	forget_directories();
}

/* ----------------------------------------------------------------
 *	What happens
 * ---------------------------------------------------------------- */

/* The kernel tells of a file that is written when it is closed, but of a link only that it was made. */
static bool
is_link(const char *directory, const char *name)
{
	char *path = psprintf("%s/%s", directory, name);
	struct stat st;
	bool is = lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || st.st_nlink > 1);

	pfree(path);
	return is;
}

static bool
is_named(const Place *place, const char *name)
{
	return strcmp(place->name, name) == 0 || fnmatch(place->name, name, FNM_PERIOD) == 0;
}

static void
take_event_in(Path *path, Place *place, int events, const char *name)
{
	if (events & ETL_DIRECTORY_CHANGED)
		path->stale = true;
	if (events & ETL_DIRECTORY_GONE)
		place->number = -1;
	if (name[0] == '\0' || !is_named(place, name))
		return;
	if (!place->last)
		path->stale |= (events & ETL_NAME_CHANGED) != 0;
	else if ((events & ETL_FILE_ARRIVED) ||
			 ((events & ETL_NAME_MADE) && is_link(place->directory, name)))
		arrive(path);
}

static void
take_event(int number, int events, const char *name)
{
	ListCell *lc, *lc2;

	foreach (lc, paths)
	{
		Path *path = lfirst(lc);

		if (events & ETL_EVENTS_LOST)
		{
			path->stale = true;
			arrive(path);
		}
		foreach (lc2, path->places)
		{
			if (((Place *) lfirst(lc2))->number == number)
				take_event_in(path, lfirst(lc2), events, name);
		}
	}
}

/* When arrivals of a path are to be told. */
static int64
time_to_tell(const Path *path)
{
	return Min(path->latest + QUIET_MS, path->first + LONGEST_BURST_MS);
}

static void
tell_arrivals(void)
{
	ListCell *lc;

	foreach (lc, paths)
	{
		Path *path = lfirst(lc);

		if (!path->arrived || time_to_tell(path) > EtlClock())
			continue;
		path->arrived = false;
		EtlArrive(path->database, path->pipeline, true);
	}
}

/* ----------------------------------------------------------------
 *	What to watch
 * ---------------------------------------------------------------- */

static Path *
make_path(const EtlWatch *watch)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "etl path", ALLOCSET_SMALL_SIZES);
	Path *path = MemoryContextAllocZero(context, sizeof(Path));

	path->context = context;
	path->places_context = AllocSetContextCreate(context, "etl places", ALLOCSET_SMALL_SIZES);
	path->database = MemoryContextStrdup(context, watch->database);
	path->pipeline = watch->pipeline;
	path->path = MemoryContextStrdup(context, watch->path);
	path->stale = true;
	return path;
}

/* Takes a path that is watched already out of those that were. */
static Path *
take_old_path(const EtlWatch *watch)
{
	ListCell *lc;

	foreach (lc, paths)
	{
		Path *path = lfirst(lc);

		if (path->pipeline == watch->pipeline && strcmp(path->database, watch->database) == 0 &&
			strcmp(path->path, watch->path) == 0)
		{
			paths = foreach_delete_current (paths, lc);
			return path;
		}
	}
	return NULL;
}

static void
take_paths(void)
{
	List *watches;
	List *now = NIL;
	ListCell *lc;

	if (!EtlTakeWatches(&watches))
		return;
	foreach (lc, watches)
	{
		Path *path = take_old_path(lfirst(lc));
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		now = lappend(now, path != NULL ? path : make_path(lfirst(lc)));
		MemoryContextSwitchTo(old);
	}
	foreach (lc, paths)
		MemoryContextDelete(((Path *) lfirst(lc))->context);
	list_free(paths);
	paths = now;
}

/* ----------------------------------------------------------------
 *	The loop
 * ---------------------------------------------------------------- */

static void
stop_watching(int code, Datum arg)
{
	EtlStopWatching();
}

/* Waits for news of any kind; true if it is the kernel's. */
static bool
wait_for_news(int64 follow_at, uint32 wait_event)
{
	static WaitEventSet *set = NULL;
	static bool has_fd = false;
	int64 until = follow_at;
	WaitEvent event;
	ListCell *lc;

	if (set == NULL)
	{
		set = EtlCreateWaitEventSet(3);
		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	}
	if (fd >= 0 && !has_fd)
	{
		AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, NULL, NULL);
		has_fd = true;
	}
	foreach (lc, paths)
	{
		const Path *path = lfirst(lc);

		if (path->arrived)
			until = Min(until, time_to_tell(path));
	}
	return WaitEventSetWait(set, (long) Max(until - EtlClock(), 0), &event, 1, wait_event) > 0 &&
		   (event.events & WL_SOCKET_READABLE);
}

void
EtlWatcherMain(Datum arg)
{
	int64 follow_at = 0;
	uint32 wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	if (!EtlBeWatcher())
		proc_exit(0);
	before_shmem_exit(stop_watching, 0);
	CurrentMemoryContext =
		AllocSetContextCreate(TopMemoryContext, "etl watcher", ALLOCSET_DEFAULT_SIZES);
	wait_event = EtlWaitEventNew("EtlWatcherMain");

	while (!ShutdownRequestPending && !EtlLeaveWatch())
	{
		bool all = EtlClock() >= follow_at;

		MemoryContextReset(CurrentMemoryContext);
		take_paths();
		follow_paths(all);
		if (all)
			follow_at = EtlClock() + FOLLOW_AGAIN_MS;
		tell_arrivals();
		if (wait_for_news(follow_at, wait_event))
			EtlInotifyRead(fd, take_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	proc_exit(0);
}

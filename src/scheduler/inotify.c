/*
 * inotify.c
 *		What the kernel tells about directories.
 *
 * The one file that knows inotify; where there is none, nothing can be watched, and nobody asks for it.
 */
#include "etl.h"

#include <errno.h>

#include "scheduler/inotify.h"
#include "storage/fd.h"

#ifdef __linux__

#include <sys/inotify.h>
#include <unistd.h>

#define NAMES (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define FILES (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE)
#define SELF (IN_DELETE_SELF | IN_MOVE_SELF)

int
EtlInotifyOpen(void)
{
	int fd;

	if (!AcquireExternalFD())
		return -1;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
	{
		int save_errno = errno;

		ReleaseExternalFD();
		errno = save_errno;
	}
	return fd;
}

int
EtlInotifyAdd(int fd, const char *directory, bool files)
{
	return inotify_add_watch(fd, directory,
							 (files ? FILES : NAMES) | SELF | IN_ONLYDIR | IN_MASK_ADD);
}

void
EtlInotifyRemove(int fd, int number)
{
	(void) inotify_rm_watch(fd, number); /* the kernel may have done so */
}

static int
events_of(uint32 mask)
{
	int events = 0;

	if (mask & IN_Q_OVERFLOW)
		events |= ETL_EVENTS_LOST;
	if (mask & (SELF | IN_UNMOUNT))
		events |= ETL_DIRECTORY_CHANGED;
	if (mask & IN_IGNORED)
		events |= ETL_DIRECTORY_CHANGED | ETL_DIRECTORY_GONE;
	if (mask & NAMES)
		events |= ETL_NAME_CHANGED;
	if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) && !(mask & IN_ISDIR))
		events |= ETL_FILE_ARRIVED;
	if ((mask & IN_CREATE) && !(mask & IN_ISDIR))
		events |= ETL_NAME_MADE;
	return events;
}

void
EtlInotifyRead(int fd, void (*handle)(int number, int events, const char *name))
{
	static char buf[64 * 1024] pg_attribute_aligned(8);
	ssize_t n = read(fd, buf, sizeof(buf));

	for (char *s = buf; n > 0 && s < buf + n;)
	{
		const struct inotify_event *event = (const struct inotify_event *) s;

		handle(event->wd, events_of(event->mask), event->len > 0 ? event->name : "");
		s += sizeof(struct inotify_event) + event->len;
	}
}

#else

int
EtlInotifyOpen(void)
{
	errno = ENOSYS;
	return -1;
}

int
EtlInotifyAdd(int fd, const char *directory, bool files)
{
	errno = ENOSYS;
	return -1;
}

void
EtlInotifyRemove(int fd, int number)
{
}

void
EtlInotifyRead(int fd, void (*handle)(int number, int events, const char *name))
{
}

#endif

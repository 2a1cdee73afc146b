/*
 * isolate.c
 *		Which range of records to try next, when a batch holds some that fail.
 *
 * The records are tried in their order, in ranges.  After an error the record that was pulled last is suspected: what is
 * before it is tried, then it alone, then what is behind it, in ranges that begin at a quarter of the
 * distance between the last two faults and double with each success: a range that fails was loaded for
 * nothing, up to the record that failed.
 *
 * A pointer can lie: the plan collects rows, so that the last one of a range is always the one that was pulled last, or
 * the error came at the end of the statement, as that of a foreign key does.  It shows when a suspect loads all
 * the same, or when, several times in a row, the records before a suspect fail and the last of them is suspected
 * next.  From then on a range that fails is halved, until the record that fails alone is found.
 */
#include "etl.h"

#include "pipeline/run/isolate.h"

#define MIN_RANGE 16
#define MAX_DOUBTS 3

void
EtlIsolationGoOn(EtlIsolation *i, int begin, int end)
{
	i->at = begin;
	i->end = end;
	i->length = end - begin;
	i->suspect = ETL_ANY_RECORD;
	i->last_failed = begin - 1;
	i->lying = false;
	i->doubts = 0;
}

void
EtlIsolationBegin(EtlIsolation *i, int begin, int end, int suspect)
{
	EtlIsolationGoOn(i, begin, end);
	if (suspect >= begin && suspect < end)
		i->suspect = suspect;
	else
		i->length = Max(1, (end - begin) / 2);
}

int
EtlIsolationNext(const EtlIsolation *i)
{
	if (i->suspect == i->at)
		return i->at + 1;
	if (i->suspect > i->at)
		return i->suspect;
	return i->length < i->end - i->at ? i->at + i->length : i->end;
}

void
EtlIsolationSucceeded(EtlIsolation *i, int end)
{
	if (i->suspect == i->at)
	{
		i->lying = true;
		i->length = MIN_RANGE;
		i->suspect = ETL_ANY_RECORD;
	}
	else if (i->suspect == ETL_ANY_RECORD)
		i->length = Min(i->length, i->end) * 2;
	i->at = end;
}

bool
EtlIsolationFailed(EtlIsolation *i, int end, int suspect)
{
	if (end == i->at + 1)
	{
		i->length = Max(MIN_RANGE, (i->at - i->last_failed) / 4);
		i->last_failed = i->at;
		i->suspect = ETL_ANY_RECORD;
		i->at = end;
		return true;
	}
	i->doubts = i->suspect > i->at && suspect == end - 1 ? i->doubts + 1 : 0;
	i->lying |= i->doubts == MAX_DOUBTS;
	i->suspect = i->lying ? ETL_ANY_RECORD : suspect;
	if (i->suspect < i->at || i->suspect >= end)
	{
		i->suspect = ETL_ANY_RECORD;
		i->length = Max(1, (end - i->at) / 2);
	}
	return false;
}

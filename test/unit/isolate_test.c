/*
 * isolate_test.c
 *		Which records isolation finds at fault, and in how many attempts, whatever the errors tell.
 */
#include "etl.h"

#include "pipeline/run/isolate.h"

#include "check.h"

#define MOST 300

/* What an error says of the record that it lies in. */
typedef enum Suspicion
{
	RIGHT,	/* the first faulty record of the range */
	SILENT, /* nothing */
	LATE,	/* the last record of the range, as where the plan collects rows */
	FIRST,	/* the first record of the range */
	WILD	/* a record of another range */
} Suspicion;

static int
first_faulty(const bool *faulty, int begin, int end)
{
	for (int i = begin; i < end; i++)
		if (faulty[i])
			return i;
	return -1;
}

static int
suspect(Suspicion suspicion, int first, int begin, int end)
{
	switch (suspicion)
	{
		case RIGHT:
			return first;
		case SILENT:
			return ETL_ANY_RECORD;
		case LATE:
			return end - 1;
		case FIRST:
			return begin;
		default:
			return end;
	}
}

/* Isolates all records between two; marks those that were rejected, and gives the number of attempts. */
static int
isolate(const bool *faulty, int begin, int end, Suspicion suspicion, bool *rejected)
{
	EtlIsolation isolation;
	int attempts = 0;

	EtlIsolationBegin(&isolation, begin, end,
					  suspect(suspicion, first_faulty(faulty, begin, end), begin, end));
	while (isolation.at < end)
	{
		int at = isolation.at;
		int to = EtlIsolationNext(&isolation);
		int first;

		CHECK(to > at && to <= end, "a range from %d to %d of %d", at, to, end);
		CHECK(++attempts <= 20 * MOST, "no end");
		if (to <= at || to > end || attempts > 20 * MOST)
			break;
		first = first_faulty(faulty, at, to);
		if (first < 0)
			EtlIsolationSucceeded(&isolation, to);
		else if (EtlIsolationFailed(&isolation, to, suspect(suspicion, first, at, to)))
			rejected[at] = true;
		CHECK(isolation.at == (first < 0 || to == at + 1 ? to : at), "at %d", isolation.at);
	}
	return attempts;
}

static int
check_isolation(const bool *faulty, int begin, int end, Suspicion suspicion)
{
	bool rejected[MOST] = {false};
	int attempts = isolate(faulty, begin, end, suspicion, rejected);

	for (int i = begin; i < end; i++)
		CHECK(rejected[i] == faulty[i], "record %d of %d, suspicion %d", i, end, suspicion);
	return attempts;
}

/* Faults everywhere, nowhere, and in between, by a generator that is the same everywhere. */
static void
test_finds_all(void)
{
	uint32 state = 1;

	for (int n = 1; n <= MOST; n = n < 20 ? n + 1 : n * 3 / 2)
		for (int one_of = 1; one_of <= 64; one_of *= 2)
		{
			bool faulty[MOST];

			for (int i = 0; i < n; i++)
			{
				state = state * 1103515245 + 12345;
				faulty[i] = (state >> 16) % one_of == 0;
			}
			for (Suspicion suspicion = RIGHT; suspicion <= WILD; suspicion++)
			{
				(void) check_isolation(faulty, 0, n, suspicion);
				(void) check_isolation(faulty, n / 3, n, suspicion);
			}
		}
}

/* What a fault costs in attempts. */
static void
test_costs(void)
{
	bool faulty[MOST] = {false};
	bool none[MOST] = {false};
	EtlIsolation isolation;
	int attempts;

	faulty[200] = true;
	attempts = check_isolation(faulty, 0, MOST, RIGHT);
	CHECK(attempts <= 4, "%d attempts for a fault that is known: before it, it, and what is behind",
		  attempts);
	attempts = check_isolation(faulty, 0, MOST, SILENT);
	CHECK(attempts <= 2 * 9 + 2, "%d attempts for one that is halved", attempts);
	attempts = check_isolation(faulty, 0, MOST, LATE);
	CHECK(attempts <= 2 * 9 + 6, "%d attempts where the last record is always suspected", attempts);
	attempts = check_isolation(faulty, 0, MOST, FIRST);
	CHECK(attempts <= 2 * 9 + 4, "%d attempts where the first record is always suspected",
		  attempts);
	attempts = check_isolation(none, 0, MOST, SILENT);
	CHECK(attempts <= 2, "%d attempts without a fault", attempts);

	EtlIsolationGoOn(&isolation, 100, MOST);
	CHECK(EtlIsolationNext(&isolation) == MOST,
		  "what is tried for the first time is tried at once");
}

int
main(void)
{
	test_finds_all();
	test_costs();
	return check_report("isolate");
}

/*
 * counters.c
 *		Numbers of the whole server that only grow, for etl_metrics().
 *
 * There are two kinds of totals, and each is kept where it costs nobody anything:
 *
 *		requests over http		here, in shared memory.  They are of no pipeline (any query sends them), come by the
 *								thousand, and must be counted even if their transaction is aborted.  They begin at 0
 *								when the server does, which is what Prometheus takes a counter that falls for
 *		runs, rows, durations	in the table etl_catalog.totals, a row for each pipeline.  The run's own row has its
 *								counters while it is under way, written with each batch; the transaction that ends the
 *								run adds them to the totals.  So nothing is counted that is rolled back, nothing twice,
 *								and a restart or a purge of etl_catalog.runs forgets nothing.  Of each pipeline there is
 *								one run at a time, so nobody else writes that row, and a run does so once: it is no hot
 *								row, neither for others nor for the batches
 *
 * What a sample shows of a run under way is its row plus the totals, both of one snapshot.  Only load_failed waits for
 * the end: rows that fail their foreign key are tried again then, and taken back from it if they load.
 */
#include "etl.h"

#include "monitor/counters.h"
#include "monitor/shmem.h"
#include "port/atomics.h"

static pg_atomic_uint64 *counters; /* NULL: not preloaded */

static void
init_counters(void)
{
	for (int i = 0; i < ETL_COUNTERS; i++)
		pg_atomic_init_u64(&counters[i], 0);
}

void
EtlCountersInit(void)
{
	const EtlShmem piece = {.name = "etl_counters",
							.size = ETL_COUNTERS * sizeof(pg_atomic_uint64),
							.memory = (void **) &counters,
							.init = init_counters};

	EtlShmemRequest(&piece);
}

void
EtlCount(EtlCounter counter, uint64 n)
{
	if (counters != NULL && n > 0)
		pg_atomic_fetch_add_u64(&counters[counter], n);
}

bool
EtlReadCounter(EtlCounter counter, uint64 *value)
{
	if (counters == NULL)
		return false;
	*value = pg_atomic_read_u64(&counters[counter]);
	return true;
}

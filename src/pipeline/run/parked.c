/*
 * parked.c
 *		Rows that wait for those that they refer to, and what comes to their keys meanwhile.
 *
 * A row whose foreign key is missing is tried again behind its batch and at the end of the run.  If a later row of the
 * same key has been loaded by then, it is as void as any earlier row of a key.  So the keys of these rows are
 * kept, with the highest position in the source from which a row of that key was loaded since.
 *
 * What was only loaded by an attempt or transaction that was rolled back does not count.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "pipeline/run/engine.h"
#include "utils/datum.h"

#define MAX_PARKED 100000 /* that are known of: a few MB, looked for in each chunk */

/* A row of a key came from a position. */
typedef struct Came
{
	int parked;
	int64 position;
} Came;

/* Where in the source a record of the batch is, in the order of the run; of those that are tried together (-1) the last. */
static int64
position_of(const EtlRun *run, int record)
{
	const EtlBatch *batch = &run->batch;

	if (record < 0)
		record = batch->record_of[run->converted.end - 1];
	return batch->positions != NULL ? batch->positions[record] : batch->position + record;
}

/* Keeps the keys of a record that failed when it was tried alone. */
void
EtlPark(EtlRun *run, int record)
{
	const EtlStatements *s = run->statements;
	int n = run->ntuples > 0 ? run->ntuples : run->nloaded;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	/* With a watermark it is that which tells. */
	if (run->key_order == NULL || !s->updates || s->watermark >= 0 || run->batch.positions != NULL)
		n = 0;
	for (int i = 0; i < n && run->nparked < MAX_PARKED; i++)
	{
		EtlParked *parked;
		HeapTupleData tuple;

		tuple.t_len = run->tuples[i]->t_len + MINIMAL_TUPLE_OFFSET;
		tuple.t_data = (HeapTupleHeader) ((char *) run->tuples[i] - MINIMAL_TUPLE_OFFSET);
		if (run->nparked == run->max_parked)
		{
			run->max_parked = Max(64, run->max_parked * 2);
			run->parked_rows =
				run->parked_rows == NULL
					? palloc(sizeof(EtlParked) * run->max_parked)
					: repalloc(run->parked_rows, sizeof(EtlParked) * run->max_parked);
		}
		parked = &run->parked_rows[run->nparked++];
		*parked = (EtlParked){palloc(sizeof(Datum) * s->nkeys),
							  palloc(sizeof(bool) * s->nkeys),
							  position_of(run, record),
							  0,
							  -1,
							  -1};
		for (int k = 0; k < s->nkeys; k++)
		{
			Form_pg_attribute attr = TupleDescAttr(s->emitted, s->keys[k]);
			Datum value = heap_getattr(&tuple, s->keys[k] + 1, s->emitted, &parked->isnull[k]);

			parked->values[k] =
				parked->isnull[k] ? (Datum) 0 : datumCopy(value, attr->attbyval, attr->attlen);
		}
	}
	MemoryContextSwitchTo(old);
}

/* A record of the batch has become a dead letter. */
void
EtlParkedAs(EtlRun *run, int record, int64 letter)
{
	int64 position = position_of(run, record);

	for (int i = run->nparked - 1; i >= 0 && run->parked_rows[i].position >= position; i--)
		if (run->parked_rows[i].position == position)
			run->parked_rows[i].letter = letter;
}

/* The positions of dead letters that are tried again; one that is not known of is behind all that are. */
void
EtlFindPositions(EtlRun *run)
{
	EtlBatch *batch = &run->batch;
	int p = 0;

	batch->positions = MemoryContextAlloc(batch->context, sizeof(int64) * (batch->n + 1));
	for (int i = 0; i < batch->n; i++)
	{
		while (p < run->nparked && run->parked_rows[p].letter < batch->letters[i])
			p++;
		batch->positions[i] = p < run->nparked && run->parked_rows[p].letter == batch->letters[i]
								  ? run->parked_rows[p].position
								  : run->counters.read;
	}
}

/*
 * Of dead letters that are tried again together it must be known which one a row is of, if that matters: the error
 * makes them be tried one by one.
 */
static void
insist_on_record(EtlRun *run, const EtlParked *parked, int record)
{
	const EtlBatch *batch = &run->batch;

	if (record >= 0 || batch->positions == NULL ||
		parked->latest < batch->positions[batch->record_of[run->converted.begin]])
		return;
	run->loading = false; /* it is not that of a row on its way to the target */
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg_internal("it is not known which record a row is of")));
}

/* Leaves out of the chunk, which is in the order of its keys, the rows that are void by now. */
void
EtlLeaveOutVoid(EtlRun *run, EtlLoadOutcome *outcome)
{
	for (int p = 0; p < run->nparked; p++)
	{
		const EtlParked *parked = &run->parked_rows[p];
		int end;

		for (int i = EtlFindKey(run, parked->values, parked->isnull, &end); i < end; i++)
		{
			int64 position = position_of(run, run->tuple_records[i]);

			insist_on_record(run, parked, run->tuple_records[i]);
			if (run->emitted.left_out == NULL)
			{
				memset(run->superseded, false, run->ntuples);
				run->emitted.left_out = run->superseded;
			}
			if (run->superseded[i])
				continue;
			if (position < parked->latest)
			{
				run->superseded[i] = true;
				outcome->superseded++;
			}
			else
			{
				MemoryContext old = MemoryContextSwitchTo(run->batch.loading);
				Came *came = palloc(sizeof(Came));

				*came = (Came){p, position};
				run->came = lappend(run->came, came);
				MemoryContextSwitchTo(old);
			}
		}
	}
}

/* An attempt has succeeded. */
void
EtlCame(EtlRun *run)
{
	ListCell *lc;

	foreach (lc, run->came)
	{
		const Came *came = lfirst(lc);
		EtlParked *parked = &run->parked_rows[came->parked];

		parked->latest = Max(parked->latest, came->position);
	}
	run->came = NIL;
}

/* The transaction was committed, or not. */
void
EtlSettleParked(EtlRun *run, bool committed)
{
	run->came = NIL;
	if (committed)
		run->nparked_committed = run->nparked;
	run->nparked = run->nparked_committed;
	for (int i = 0; i < run->nparked; i++)
	{
		EtlParked *parked = &run->parked_rows[i];

		if (committed)
			parked->committed = parked->latest;
		else
			parked->latest = parked->committed;
	}
}

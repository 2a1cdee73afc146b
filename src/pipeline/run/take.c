/*
 * take.c
 *		A chunk into its target.
 *
 *		sorted by key -> rows that later ones of their keys supersede are left out
 *		-> the DELETE of rows with the keys of tombstones -> the INSERT or MERGE of the others
 */
#include "etl.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "pipeline/run/report.h"
#include "pipeline/run/take.h"

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_done(DestReceiver *self)
{
}

void
EtlReceiverSet(EtlReceiver *receiver, bool (*receive)(TupleTableSlot *, DestReceiver *),
			   EtlLoading *loading)
{
	memset(receiver, 0, sizeof(*receiver));
	receiver->dest.receiveSlot = receive;
	receiver->dest.rStartup = receiver_startup;
	receiver->dest.rShutdown = receiver->dest.rDestroy = receiver_done;
	receiver->dest.mydest = DestNone;
	receiver->loading = loading;
}

/* RETURNING of the load: whether the row was inserted. */
static bool
receive_inserted(TupleTableSlot *slot, DestReceiver *self)
{
	bool isnull;

	if (DatumGetBool(slot_getattr(slot, 1, &isnull)) && !isnull)
		((EtlReceiver *) self)->loading->outcome->inserted++;
	return true;
}

/* RETURNING of the load: whether delete_scope is true of the row. */
static bool
receive_scope(TupleTableSlot *slot, DestReceiver *self)
{
	const char *message = "the query gave a row that is not in delete_scope";
	EtlRun *run = ((EtlReceiver *) self)->loading->run;
	bool isnull;

	if (DatumGetBool(slot_getattr(slot, 1, &isnull)) && !isnull)
		return true;
	run->fatal = true;
	run->fatal_reason = message;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg_internal("%s", message),
			 errdetail("Without a key each run would insert it once more."),
			 errhint("Leave such rows out in the query, or give a key.")));
	return false;
}

/* An ordinal of a row that is the last of its key. */
static bool
receive_winner(TupleTableSlot *slot, DestReceiver *self)
{
	bool isnull;
	int64 ordinal = DatumGetInt64(slot_getattr(slot, 1, &isnull));

	((EtlReceiver *) self)->loading->chunk->superseded[ordinal - 1] = false;
	return true;
}

/* The first and the last record that the query reads; -1: there is none. */
static int
first_record(const EtlLoading *l)
{
	return l->batch.begin < l->batch.end ? l->converted->record_of[l->batch.begin] : -1;
}

static int
last_record(const EtlLoading *l)
{
	return l->batch.begin < l->batch.end ? l->converted->record_of[l->batch.end - 1] : -1;
}

/* Marks the rows of the chunk which a later one of the same key supersedes. */
static void
find_superseded(EtlLoading *l, EtlLoadOutcome *outcome)
{
	EtlChunk *chunk = l->chunk;
	EtlReceiver receiver;
	uint64 nwinners;

	memset(chunk->superseded, true, chunk->n);
	EtlReceiverSet(&receiver, receive_winner, l);
	nwinners =
		EtlPlanExecute(EtlPlanFor(&l->winners, &l->emitted, chunk->n, l->run->pipeline->batch_size),
					   &receiver.dest);
	outcome->superseded += chunk->n - nwinners;
}

/* The same for rows that were deferred, and those that came to their keys meanwhile. */
static void
supersede_deferred(EtlLoading *l, EtlLoadOutcome *outcome)
{
	l->to_target = false; /* an error in here is not one of the target */
	outcome->superseded += EtlDeferredSupersede(l->deferred, first_record(l), last_record(l));
	l->to_target = true;
}

/* Rows to be loaded, of those between two places. */
static void
take_rows(EtlLoading *l, int nrows)
{
	EtlLoadOutcome *outcome = l->outcome;
	const EtlStatements *s = l->run->statements;
	SPIPlanPtr plan = EtlChoose(&l->chooser, &l->emitted, nrows, l->chunk->partial);
	EtlTaking taken = l->chooser.taken;
	bool returns = s->tells_scope ||
				   (s->tells_inserted && (taken == ETL_TAKE_LOAD || taken == ETL_TAKE_REFRESH));
	EtlReceiver receiver;
	uint64 n;

	EtlReceiverSet(&receiver, s->tells_scope ? receive_scope : receive_inserted, l);
	l->emitted.counted = 0;
	n = EtlPlanExecute(plan, returns ? &receiver.dest : None_Receiver);
	outcome->loaded += n;
	if (taken == ETL_TAKE_INSERT || !s->updates)
		outcome->inserted += n;
	else if (taken == ETL_TAKE_MERGE)
		outcome->inserted += l->emitted.counted;
	if (s->valid_to != NULL)
		outcome->closed += l->emitted.counted;
}

/* The record of such a dead letter may be older than the row that it would delete. */
pg_noreturn static void
raise_doubtful(EtlLoading *l, int begin)
{
	while (l->chunk->left_out[begin])
		begin++;
	l->emitted.pulled = begin; /* the fault is that of this row */
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("a later record may have loaded the row that this one deletes"),
					errhint("With overwrite => true the retry deletes it.")));
}

/* Has the next statement see the rows between two places that delete, or the others; returns how many it sees. */
static int
show_rows(EtlLoading *l, int begin, int end, bool tombstones)
{
	EtlChunk *chunk = l->chunk;
	int n = 0;

	l->emitted.begin = begin;
	l->emitted.end = end;
	l->emitted.left_out = chunk->left_out;
	for (int i = begin; i < end; i++)
	{
		chunk->left_out[i] = chunk->superseded[i] || chunk->tombstones[i] != tombstones;
		n += !chunk->left_out[i];
	}
	return n;
}

static void
take_tombstones(EtlLoading *l, int begin, int end)
{
	int n = show_rows(l, begin, end, true);

	if (n == 0)
		return;
	if (l->chooser.only_new)
		raise_doubtful(l, begin);
	*(l->run->statements->valid_to != NULL ? &l->outcome->closed : &l->outcome->deleted) +=
		EtlPlanExecute(EtlPlanFor(&l->bury, &l->emitted, n, l->run->pipeline->batch_size),
					   None_Receiver);
	l->outcome->tombstones += n;
}

/* Rows of the chunk between two places. */
static void
take_to_target(EtlLoading *l, int begin, int end)
{
	EtlChunk *chunk = l->chunk;

	if (l->bury.text != NULL)
		EtlTombstonesMeet(&l->tombstones, chunk, begin, end);
	if (chunk->buries)
		take_tombstones(l, begin, end);
	if (show_rows(l, begin, end, false) > 0)
		take_rows(l, end - begin);
}

/* Whether each row of a key in the chunk counts: one that lacks columns, or that is a version, does not supersede an earlier one. */
static bool
all_count(const EtlLoading *l)
{
	const EtlStatements *s = l->run->statements;

	return l->chunk->partial || (s->valid_to != NULL && s->watermark >= 0);
}

/* They are taken one after another. */
static void
take_in_turns(EtlLoading *l)
{
	int end;

	for (int begin = 0; begin < l->chunk->n; begin = end)
	{
		CHECK_FOR_INTERRUPTS();
		end = EtlChunkDistinct(l->chunk, begin);
		take_to_target(l, begin, end);
	}
}

void
EtlTakeChunk(EtlLoading *l)
{
	EtlLoadOutcome *outcome = l->outcome;
	EtlChunk *chunk = l->chunk;
	MemoryContext old = CurrentMemoryContext;
	int64 loaded = outcome->loaded;
	bool twice;

	EtlReportStage(ETL_STAGE_LOADING, chunk->n);
	twice = EtlChunkSort(chunk) && (l->run->statements->updates || chunk->buries);
	twice |= chunk->buries && chunk->by == NULL; /* no error shows that a key comes twice */
	l->to_target = true;
	l->emitted.tuples = chunk->tuples;
	l->emitted.lacks = chunk->partial ? chunk->lacks : NULL;
	l->emitted.end = chunk->n;
	l->emitted.pulled = -1;
	l->emitted.left_out = NULL;
	memset(chunk->superseded, false, chunk->n);
	EtlKeysLook(l->keys);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	twice |= l->dedup;
	if (twice && !all_count(l))
		find_superseded(l, outcome);
	supersede_deferred(l, outcome);
	EtlRemovalMakeRoom(&l->removal);
	if (twice && all_count(l))
		take_in_turns(l);
	else
		take_to_target(l, 0, chunk->n);
	SPI_finish();
	MemoryContextSwitchTo(old);
	EtlKeysLoaded(l->keys, chunk, first_record(l), last_record(l));
	if (l->run->read_mode == ETL_READ_WHOLE)
		EtlChooserLearnUnchanged(&l->chooser, chunk->n, outcome->loaded - loaded);
	l->emitted.begin = l->emitted.end = 0;
	chunk->loaded = chunk->n;
	chunk->n = 0;
	l->to_target = false;
}

/*
 * bulk_batch.c
 *		Rows of an INSERT that go into a table, or its partitions, many at once.
 *
 *		a row -> its partition -> generated columns, constraints -> a copy in the batch of its table
 *		batches are full -> table_multi_insert -> indexes, AFTER triggers		for each table
 *
 * This is what ExecInsert of PostgreSQL does to a row, in the same order for each row, and what copyfrom.c does to many.
 * A row is left to ExecInsert where the two could differ:
 *
 *		no plain table on the heap, a BEFORE or INSTEAD trigger for each row, a constraint with a volatile function
 *		AFTER triggers of users for each row, and transition tables, of partitions: their order is that of the rows
 *		a row that may not stay whole in a page, which table_multi_insert could not name in an error
 *
 * An error of an index comes when rows behind have been read: each row is kept with its mark (rows.h), by which the error
 * can say where it comes from.
 */
#include "etl.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/tableam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/execPartition.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "optimizer/optimizer.h"
#include "scan/bulk_batch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MAX_ROWS 1000	/* that are kept, of all tables together, and */
#define MAX_BYTES 65536 /* of memory that they take, about; as in COPY */
#define MAX_BATCHES 32	/* that stay set up for the next rows */

/* The rows of a table; ri_CopyMultiInsertBuffer of the table, which copyfrom.c has for the same, is this. */
typedef struct Batch
{
	ResultRelInfo *table;
	bool fits;		/* rows of the table can be inserted together */
	bool is_set_up; /* bistate and slots are made as they are needed */
	bool generated; /* it has columns that are computed and stored */
	int options;	/* of table_multi_insert */
	BulkInsertState bistate;
	TupleDesc
		desc; /* of the table, a copy: of that no resource owner counts a reference for each slot */
	int n;
	int nslots;
	TupleTableSlot *slots[MAX_ROWS];
	EtlRowMark marks[MAX_ROWS];
} Batch;

struct EtlBulk
{
	EState *estate;
	ResultRelInfo *target;
	ModifyTableState
		*routing; /* as copyfrom.c has it, to find partitions; NULL: the target has none */
	TransitionCaptureState *transition;
	MemoryContext context; /* of this struct, the batches, and */
	MemoryContext kept;	   /* of the rows that are kept, and of the names in their marks */
	EtlRows *rows;		   /* that have read them */
	const char *source;	   /* the name of a part, and */
	int part;			   /* its number */
	bool unfit;			   /* no row fits */
	int nrows;
	Size nbytes;
	List *batches; /* that are set up */
};

/* ----------------------------------------------------------------
 *	What fits
 * ---------------------------------------------------------------- */

static bool
has_volatile_constraint(Relation rel)
{
	const TupleConstr *constr = rel->rd_att->constr;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		if (contain_volatile_functions_not_nextval(stringToNode(constr->check[i].ccbin)))
			return true;
	return false;
}

/* Whether a trigger of a user is called for each row that was inserted; those of foreign keys do not mind the order. */
static bool
has_row_trigger(const TriggerDesc *triggers)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!trigger->tgisinternal && TRIGGER_FOR_ROW(trigger->tgtype) &&
			TRIGGER_FOR_INSERT(trigger->tgtype))
			return true;
	}
	return false;
}

static bool
fits(const EtlBulk *bulk, const ResultRelInfo *table)
{
	Relation rel = table->ri_RelationDesc;
	const TriggerDesc *triggers = table->ri_TrigDesc;

	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
		   (triggers == NULL ||
			(!triggers->trig_insert_before_row && !triggers->trig_insert_instead_row)) &&
		   !(bulk->routing != NULL && has_row_trigger(triggers)) && !has_volatile_constraint(rel);
}

/* ----------------------------------------------------------------
 *	Batches
 * ---------------------------------------------------------------- */

static Batch *
create_batch(EtlBulk *bulk, ResultRelInfo *table)
{
	Relation rel = table->ri_RelationDesc;
	const TupleConstr *constr = rel->rd_att->constr;
	Batch *batch = MemoryContextAllocZero(bulk->context, sizeof(Batch));

	batch->table = table;
	batch->fits = fits(bulk, table);
	batch->generated = constr != NULL && constr->has_generated_stored;
	if (rel->rd_createSubid != InvalidSubTransactionId || EtlIsNewStorage(rel))
		batch->options = TABLE_INSERT_SKIP_FSM; /* no other page has room */
	if (batch->fits && rel->rd_rel->relhasindex && table->ri_IndexRelationDescs == NULL)
		ExecOpenIndices(table, false);
	table->ri_CopyMultiInsertBuffer = (struct CopyMultiInsertBuffer *) batch;
	return batch;
}

static void
set_up_batch(EtlBulk *bulk, Batch *batch)
{
	MemoryContext old = MemoryContextSwitchTo(bulk->context);

	batch->bistate = GetBulkInsertState();
	if (batch->desc == NULL)
		batch->desc = CreateTupleDescCopyConstr(RelationGetDescr(batch->table->ri_RelationDesc));
	batch->is_set_up = true;
	bulk->batches = lappend(bulk->batches, batch);
	MemoryContextSwitchTo(old);
}

static void
release_batches(EtlBulk *bulk)
{
	ListCell *lc;

	foreach (lc, bulk->batches)
	{
		Batch *batch = lfirst(lc);

		for (int i = 0; i < batch->nslots; i++)
			ExecDropSingleTupleTableSlot(batch->slots[i]);
		FreeBulkInsertState(batch->bistate);
		table_finish_bulk_insert(batch->table->ri_RelationDesc, batch->options);
		batch->nslots = 0;
		batch->is_set_up = false;
	}
	list_free(bulk->batches);
	bulk->batches = NIL;
}

static Batch *
batch_of(EtlBulk *bulk, TupleTableSlot *slot)
{
	ResultRelInfo *table = bulk->target;
	Batch *batch;

	if (bulk->routing != NULL)
		table = ExecFindPartition(bulk->routing, table, bulk->routing->mt_partition_tuple_routing,
								  slot, bulk->estate);
	batch = (Batch *) table->ri_CopyMultiInsertBuffer;
	return batch != NULL ? batch : create_batch(bulk, table);
}

/* ----------------------------------------------------------------
 *	Keeping a row
 * ---------------------------------------------------------------- */

/* The row with the columns of a partition. */
static TupleTableSlot *
as_row_of(const EtlBulk *bulk, const Batch *batch, TupleTableSlot *slot)
{
	TupleConversionMap *map = NULL;

	if (bulk->routing != NULL)
		map = EtlRootToPartitionMap(batch->table, bulk->estate);
	return map == NULL
			   ? slot
			   : execute_attr_map_slot(map->attrMap, slot, batch->table->ri_PartitionTupleSlot);
}

static void
check_constraints(const EtlBulk *bulk, const Batch *batch, TupleTableSlot *slot)
{
	Relation rel = batch->table->ri_RelationDesc;

	if (rel->rd_att->constr != NULL)
		ExecConstraints(batch->table, slot, bulk->estate);
	/* a row that was routed to a partition fulfils its condition */
	if (rel->rd_rel->relispartition && bulk->routing == NULL)
		(void) ExecPartitionCheck(batch->table, slot, bulk->estate, true);
}

static TupleTableSlot *
next_slot(EtlBulk *bulk, Batch *batch)
{
	if (!batch->is_set_up)
		set_up_batch(bulk, batch);
	if (batch->n == batch->nslots)
	{
		MemoryContext old = MemoryContextSwitchTo(bulk->context);

		batch->slots[batch->nslots++] = MakeSingleTupleTableSlot(batch->desc, &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	return batch->slots[batch->n];
}

/* Marks the row, with a name of its part that outlives the part. */
static void
mark_row(EtlBulk *bulk, EtlRows *rows, EtlRowMark *mark)
{
	bulk->rows = rows;
	if (rows == NULL)
		return;
	EtlRowsMark(rows, mark);
	if (mark->source != NULL && (bulk->source == NULL || mark->part != bulk->part))
	{
		bulk->source = MemoryContextStrdup(bulk->kept, mark->source);
		bulk->part = mark->part;
	}
	mark->source = bulk->source;
}

/* A copy of the row, with all of its columns, in the memory of those that are kept; its size. */
static Size
copy_row(EtlBulk *bulk, const Batch *batch, TupleTableSlot *slot, TupleTableSlot *copy)
{
	MemoryContext old = MemoryContextSwitchTo(bulk->kept);

	ExecStoreHeapTuple(ExecCopySlotHeapTuple(slot), copy, true);
	MemoryContextSwitchTo(old);
	copy->tts_tableOid = RelationGetRelid(batch->table->ri_RelationDesc);
	if (batch->generated)
		ExecComputeStoredGenerated(batch->table, bulk->estate, copy, CMD_INSERT);
	return ExecFetchSlotHeapTuple(copy, true, NULL)->t_len;
}

EtlBulkStep
EtlBulkAdd(EtlBulk *bulk, TupleTableSlot *slot, EtlRows *rows)
{
	Batch *batch;
	TupleTableSlot *row;
	TupleTableSlot *copy;
	Size size;

	if (bulk->unfit)
		return ETL_BULK_UNFIT;
	batch = batch_of(bulk, slot);
	if (!batch->fits)
		return ETL_BULK_UNFIT;
	row = as_row_of(bulk, batch, slot);
	copy = next_slot(bulk, batch);
	size = copy_row(bulk, batch, row, copy);
	if (size > TOAST_TUPLE_THRESHOLD)
	{
		ExecClearTuple(copy);
		return ETL_BULK_UNFIT;
	}
	row->tts_tableOid = copy->tts_tableOid;
	check_constraints(bulk, batch, batch->generated ? copy : row);
	mark_row(bulk, rows, &batch->marks[batch->n++]);
	bulk->nrows++;
	bulk->nbytes += size;
	return bulk->nrows == MAX_ROWS || bulk->nbytes >= MAX_BYTES ? ETL_BULK_FULL : ETL_BULK_KEPT;
}

/* ----------------------------------------------------------------
 *	Inserting
 * ---------------------------------------------------------------- */

static bool
has_after_triggers(const EtlBulk *bulk, const ResultRelInfo *table)
{
	const TriggerDesc *triggers = table->ri_TrigDesc;

	return triggers != NULL && (triggers->trig_insert_after_row || bulk->transition != NULL);
}

/* What follows when the rows are in the table. */
static void
follow_up(EtlBulk *bulk, Batch *batch)
{
	ResultRelInfo *table = batch->table;
	bool triggers = has_after_triggers(bulk, table);

	for (int i = 0; i < batch->n && (triggers || table->ri_NumIndices > 0); i++)
	{
		TupleTableSlot *slot = batch->slots[i];
		List *recheck = NIL;

		if (bulk->rows != NULL)
			EtlRowsRecall(bulk->rows, &batch->marks[i]);
		ResetPerTupleExprContext(bulk->estate);
		if (table->ri_NumIndices > 0)
			recheck = EtlInsertIndexTuples(table, slot, bulk->estate);
		if (triggers)
			ExecARInsertTriggers(bulk->estate, table, slot, recheck, bulk->transition);
		list_free(recheck);
	}
}

static void
insert_batch(EtlBulk *bulk, Batch *batch)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(bulk->estate));

	table_multi_insert(batch->table->ri_RelationDesc, batch->slots, batch->n,
					   bulk->estate->es_output_cid, batch->options, batch->bistate);
	MemoryContextSwitchTo(old);
	follow_up(bulk, batch);
	for (int i = 0; i < batch->n; i++)
		ExecClearTuple(batch->slots[i]);
	batch->n = 0;
}

uint64
EtlBulkFlush(EtlBulk *bulk)
{
	int n = bulk->nrows;
	ListCell *lc;

	if (n == 0)
		return 0;
	foreach (lc, bulk->batches)
		if (((Batch *) lfirst(lc))->n > 0)
			insert_batch(bulk, lfirst(lc));
	if (bulk->rows != NULL)
		EtlRowsRecall(bulk->rows, NULL);
	if (list_length(bulk->batches) > MAX_BATCHES)
		release_batches(bulk);
	MemoryContextReset(bulk->kept);
	bulk->source = NULL;
	bulk->nrows = 0;
	bulk->nbytes = 0;
	return n;
}

/* ----------------------------------------------------------------
 *	Beginning and end
 * ---------------------------------------------------------------- */

static void
set_up_routing(EtlBulk *bulk)
{
	Relation rel = bulk->target->ri_RelationDesc;

	bulk->routing = makeNode(ModifyTableState);
	bulk->routing->ps.state = bulk->estate;
	bulk->routing->operation = CMD_INSERT;
	bulk->routing->mt_nrels = 1;
	bulk->routing->resultRelInfo = bulk->routing->rootResultRelInfo = bulk->target;
	bulk->routing->mt_partition_tuple_routing = ExecSetupPartitionTupleRouting(bulk->estate, rel);
}

EtlBulk *
EtlBulkBegin(EState *estate, ResultRelInfo *target)
{
	MemoryContext context =
		AllocSetContextCreate(estate->es_query_cxt, "etl bulk insert", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	EtlBulk *bulk = MemoryContextAllocZero(context, sizeof(EtlBulk));
	Relation rel = target->ri_RelationDesc;

	bulk->estate = estate;
	bulk->target = target;
	bulk->context = context;
	/* one block, which stays when it is reset, is mostly enough */
	bulk->kept = AllocSetContextCreate(context, "etl kept rows", 4 * MAX_BYTES, 4 * MAX_BYTES,
									   4 * MAX_BYTES);
	bulk->transition =
		MakeTransitionCaptureState(target->ri_TrigDesc, RelationGetRelid(rel), CMD_INSERT);
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		bulk->unfit = bulk->transition != NULL;
		set_up_routing(bulk);
	}
	else if (rel->rd_rel->relkind != RELKIND_RELATION)
		bulk->unfit = true;
	MemoryContextSwitchTo(old);
	return bulk;
}

void
EtlBulkEnd(EtlBulk *bulk)
{
	release_batches(bulk);
	if (bulk->routing != NULL)
		ExecCleanupTupleRouting(bulk->routing, bulk->routing->mt_partition_tuple_routing);
}

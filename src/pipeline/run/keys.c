/*
 * keys.c
 *		Keys of rows that are loaded, and of dead letters: a later row of the same key resolves an open one.
 *
 *		a record fails		its key is kept with its dead letter, if it can be known
 *		a row is loaded		its hash is looked for in a filter of the keys of open letters; in most runs there is none
 *		before the commit	letters with the keys that were found, and earlier in the order of the source, are superseded
 *
 * So an open letter with a key is the latest record of it, and may be loaded as any other row when it is tried again.  Of
 * one whose key is not known that cannot be said: it is only inserted.
 *
 * Earlier means: by an earlier run, or at an earlier place in this one.  With a watermark, a row with a lower one supersedes
 * nothing.  Keys are equal when they are in the target.  Those that were kept for other columns or types are forgotten
 * before the first row is loaded, since from then on it is not known any more what came to them.
 */
#include "etl.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "pipeline/define/check.h"
#include "pipeline/run/keys.h"
#include "pipeline/run/redact.h"
#include "pipeline/run/stored.h"
#include "scan/input.h"
#include "source/subtransaction.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#define LETTERS_AT_ONCE 10000
#define FILTER_KEYS \
	500000 /* for so many it is exact enough, in 1 MB; with more, more rows are looked up */
#define FILTER_KB 1024

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

/* NULL: a value of one is a value of the other. */
static ExprState *
make_cast(Form_pg_attribute from, int column, Form_pg_attribute to)
{
	Var *var = makeVar(1, column + 1, from->atttypid, from->atttypmod, from->attcollation, 0);
	Node *cast;

	if (from->atttypid == to->atttypid && (to->atttypmod == -1 || from->atttypmod == to->atttypmod))
		return NULL;
	cast = coerce_to_target_type(NULL, (Node *) var, from->atttypid, to->atttypid, to->atttypmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (cast == NULL)
		elog(ERROR, "there is no cast for column \"%s\" of the key", NameStr(to->attname));
	return ExecInitExpr(expression_planner((Expr *) cast), NULL);
}

/* False if the type has no hash. */
static bool
open_column(EtlKeys *keys, EtlKeyColumn *column, int i, Relation target)
{
	const EtlStatements *s = keys->run->statements;
	Form_pg_attribute from = TupleDescAttr(s->emitted, i);
	Form_pg_attribute to = EtlTargetAttribute(s, target, i);
	const TypeCacheEntry *type =
		lookup_type_cache(to->atttypid, TYPECACHE_HASH_EXTENDED_PROC | TYPECACHE_EQ_OPR_FINFO);

	if (!OidIsValid(type->hash_extended_proc) || !OidIsValid(type->eq_opr_finfo.fn_oid))
		return false;
	column->column = i;
	column->passed = s->passed[i];
	column->cast = make_cast(from, i, to);
	column->type = to->atttypid;
	column->collation = to->attcollation;
	column->len = to->attlen;
	column->by_value = to->attbyval;
	fmgr_info_cxt(type->hash_extended_proc, &column->hash, keys->run->context);
	fmgr_info_cxt(type->eq_opr_finfo.fn_oid, &column->equal, keys->run->context);
	keys->all_passed &= column->passed >= 0;
	keys->can_fail |= column->cast != NULL;
	return true;
}

/* Whether what is kept of a key would show a value that is to be kept secret. */
static bool
would_show(const EtlKeys *keys)
{
	const EtlPipeline *pipeline = keys->run->pipeline;
	TupleDesc batch = keys->run->statements->batch;

	if (pipeline->redact == NIL)
		return false;
	for (int k = 0; keys->all_passed && k < keys->n; k++)
		if (EtlMayHoldRedacted(pipeline,
							   NameStr(TupleDescAttr(batch, keys->columns[k].passed)->attname)))
			return true;
	return !keys->all_passed ||
		   (keys->watermark_passed >= 0 &&
			EtlMayHoldRedacted(pipeline,
							   NameStr(TupleDescAttr(batch, keys->watermark_passed)->attname)));
}

/* "id integer, city text; at timestamp with time zone" */
static char *
describe_type(const EtlKeys *keys)
{
	const Form_pg_attribute watermark = keys->watermark->attr;
	StringInfoData text;

	initStringInfo(&text);
	for (int k = 0; k < keys->n; k++)
		appendStringInfo(&text, "%s%s %s", k > 0 ? ", " : "",
						 (const char *) list_nth(keys->run->pipeline->key, k),
						 format_type_be_qualified(keys->columns[k].type));
	if (watermark != NULL)
		appendStringInfo(&text, "; %s %s", NameStr(watermark->attname),
						 format_type_be_qualified(watermark->atttypid));
	return text.data;
}

static void
open_columns(EtlKeys *keys)
{
	const EtlStatements *s = keys->run->statements;
	Relation target = table_open(s->target, NoLock); /* the transaction has one */
	bool known = true;

	keys->columns = palloc0(sizeof(EtlKeyColumn) * (s->nkeys + 1));
	keys->watermark_passed = s->watermark >= 0 ? s->passed[s->watermark] : -1;
	keys->all_passed = s->watermark < 0 || keys->watermark_passed >= 0;
	for (int k = 0; known && k < s->nkeys; k++)
		known = open_column(keys, &keys->columns[k], s->keys[k], target);
	table_close(target, NoLock);
	keys->n = known ? s->nkeys : 0;
	if (would_show(keys))
		keys->n = 0;
}

void
EtlKeysOpen(EtlKeys *keys, const EtlReading *reading, const EtlWatermark *watermark)
{
	const EtlRun *run = reading->run;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	keys->run = run;
	keys->batch = &reading->batch;
	keys->watermark = watermark;
	if (EtlUpserts(run->pipeline) && run->read_mode != ETL_READ_WHOLE &&
		run->statements->key_has_defaults)
		open_columns(keys);
	if (keys->n > 0)
	{
		keys->type = describe_type(keys);
		keys->slot = MakeSingleTupleTableSlot(run->statements->emitted, &TTSOpsVirtual);
		keys->econtext = CreateStandaloneExprContext();
	}
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

/* A value of the slot as the target will have it, in the context of the row. */
static Datum
value_in_target(EtlKeys *keys, const EtlKeyColumn *column)
{
	bool isnull;

	if (column->cast == NULL)
		return keys->slot->tts_values[column->column];
	keys->econtext->ecxt_scantuple = keys->slot;
	return ExecEvalExprSwitchContext(column->cast, keys->econtext, &isnull);
}

static int64
hash_of(EtlKeys *keys, Datum *values)
{
	uint64 hash = 0;

	for (int k = 0; k < keys->n; k++)
	{
		EtlKeyColumn *column = &keys->columns[k];
		Datum part =
			FunctionCall2Coll(&column->hash, column->collation, values[k], UInt64GetDatum(0));

		hash = (hash << 5) - hash + DatumGetUInt64(part);
	}
	return hash != 0 ? (int64) hash : 1; /* 0 says that there is none */
}

/* The key of the row in the slot into "values", in the context of the row; false if a column is null. */
static bool
compute_key(EtlKeys *keys, Datum *values)
{
	ResetExprContext(keys->econtext);
	for (int k = 0; k < keys->n; k++)
	{
		if (keys->slot->tts_isnull[keys->columns[k].column])
			return false;
		values[k] = value_in_target(keys, &keys->columns[k]);
	}
	return true;
}

/* A key that is computed. */
typedef struct KeyCall
{
	EtlKeys *keys;
	Datum *values;
	bool known;
} KeyCall;

static void
call_compute_key(void *arg)
{
	KeyCall *call = arg;

	call->known = compute_key(call->keys, call->values);
}

/* The same; false also if the target's type does not take a value. */
static bool
try_compute_key(EtlKeys *keys, Datum *values)
{
	KeyCall call = {keys, values};
	ErrorData *error;

	if (!keys->can_fail)
		return compute_key(keys, values);
	error = EtlInSubtransaction(call_compute_key, &call, CurrentMemoryContext);
	if (error != NULL && !EtlIsRowFault(error->sqlerrcode))
		ReThrowError(error);
	return error == NULL && call.known;
}

/* Keeps a key with the watermark of the row in the slot. */
static void
keep_key(EtlKeys *keys, const Datum *values, int64 hash, EtlKey *key)
{
	const Form_pg_attribute attr = keys->watermark->attr;
	int w = keys->run->statements->watermark;

	key->hash = hash;
	key->values = palloc(sizeof(Datum) * keys->n);
	for (int k = 0; k < keys->n; k++)
		key->values[k] = datumCopy(values[k], keys->columns[k].by_value, keys->columns[k].len);
	key->has_order = w >= 0 && !keys->slot->tts_isnull[w];
	if (key->has_order)
		key->order = datumCopy(keys->slot->tts_values[w], attr->attbyval, attr->attlen);
}

static EtlKey *
key_of_slot(EtlKeys *keys)
{
	Datum *values = palloc(sizeof(Datum) * keys->n);
	EtlKey *key;

	if (!try_compute_key(keys, values))
		return NULL;
	key = palloc0(sizeof(EtlKey));
	keep_key(keys, values, hash_of(keys, values), key);
	return key;
}

EtlKey *
EtlKeyOfEmitted(EtlKeys *keys, const Datum *values, const bool *isnull)
{
	int natts = keys->run->statements->emitted->natts;

	if (keys->n == 0)
		return NULL;
	ExecClearTuple(keys->slot);
	memcpy(keys->slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(keys->slot->tts_isnull, isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(keys->slot);
	return key_of_slot(keys);
}

/* The column of the batch that stands behind one that the query gives. */
static void
pass(EtlKeys *keys, int column, int passed, const Datum *values, const bool *isnull)
{
	keys->slot->tts_values[column] = values[passed];
	keys->slot->tts_isnull[column] = isnull[passed];
}

EtlKey *
EtlKeyOfPassed(EtlKeys *keys, const Datum *values, const bool *isnull)
{
	if (keys->n == 0 || !keys->all_passed)
		return NULL;
	ExecClearTuple(keys->slot);
	ExecStoreAllNullTuple(keys->slot);
	for (int k = 0; k < keys->n; k++)
		pass(keys, keys->columns[k].column, keys->columns[k].passed, values, isnull);
	if (keys->watermark_passed >= 0)
		pass(keys, keys->run->statements->watermark, keys->watermark_passed, values, isnull);
	return key_of_slot(keys);
}

EtlKey *
EtlKeyOfRecord(EtlKeys *keys, EtlRows *rows, const EtlKept *kept)
{
	Bitmapset *columns = NULL;
	Datum *values = palloc0(sizeof(Datum) * rows->desc->natts);
	bool *isnull = palloc0(sizeof(bool) * rows->desc->natts);

	if (keys->n == 0 || !keys->all_passed)
		return NULL;
	for (int k = 0; k < keys->n; k++)
		columns = bms_add_member(columns, keys->columns[k].passed);
	if (keys->watermark_passed >= 0)
		columns = bms_add_member(columns, keys->watermark_passed);
	if (!EtlRowsUseSome(rows, kept, columns, values, isnull))
		return NULL;
	return EtlKeyOfPassed(keys, values, isnull);
}

static void
use_row(EtlKeys *keys, const EtlChunk *chunk, int row)
{
	TupleDesc desc = keys->run->statements->emitted;
	MinimalTuple minimal = chunk->tuples[row];
	HeapTupleData tuple;

	tuple.t_len = minimal->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) minimal - MINIMAL_TUPLE_OFFSET);
	ExecClearTuple(keys->slot);
	heap_deform_tuple(&tuple, desc, keys->slot->tts_values, keys->slot->tts_isnull);
	ExecStoreVirtualTuple(keys->slot);
}

EtlKey *
EtlKeyOfRow(EtlKeys *keys, const EtlChunk *chunk, int row)
{
	if (keys->n == 0)
		return NULL;
	use_row(keys, chunk, row);
	return key_of_slot(keys);
}

bool
EtlKeyIsStored(EtlKeys *keys, const EtlKey *key, List *stored, const char *type)
{
	if (list_length(stored) != keys->n || strcmp(type, keys->type) != 0)
		return false;
	for (int k = 0; k < keys->n; k++)
	{
		EtlKeyColumn *column = &keys->columns[k];
		Datum value = EtlFromStored(column->type, list_nth(stored, k));

		if (!DatumGetBool(
				FunctionCall2Coll(&column->equal, column->collation, value, key->values[k])))
			return false;
	}
	return true;
}

bool
EtlKeyIsOlder(const EtlKeys *keys, const EtlKey *key, const char *order)
{
	return !key->has_order ||
		   EtlWatermarkIsHigher(keys->watermark,
								EtlFromStored(keys->watermark->attr->atttypid, order), key->order);
}

/* ----------------------------------------------------------------
 *	Dead letters
 * ---------------------------------------------------------------- */

static void
add_to_filter(EtlKeys *keys, int64 hash)
{
	if (keys->open == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(keys->run->context);

		keys->open = bloom_create(FILTER_KEYS, FILTER_KB, 0);
		MemoryContextSwitchTo(old);
	}
	bloom_add_element(keys->open, (unsigned char *) &hash, sizeof(hash));
}

void
EtlKeysLook(EtlKeys *keys)
{
	int64 pipeline;
	int64 after = 0;
	List *letters;
	ListCell *lc;

	if (keys->looked)
		return;
	pipeline = keys->run->pipeline->id;
	EtlCatalogForgetOtherKeys(pipeline, keys->type);
	do
	{
		letters = EtlCatalogOpenKeys(pipeline, after, LETTERS_AT_ONCE);
		foreach (lc, letters)
		{
			const EtlDeadLetter *letter = lfirst(lc);

			add_to_filter(keys, letter->key_hash);
			after = letter->id;
		}
		list_free_deep(letters);
	} while (letters != NIL);
	keys->looked = true;
}

void
EtlKeysExpect(EtlKeys *keys, const EtlKey *key)
{
	if (key != NULL)
		add_to_filter(keys, key->hash);
}

void
EtlKeysDescribe(const EtlKeys *keys, const EtlKey *key, EtlDeadLetter *letter)
{
	if (key == NULL)
		return;
	for (int k = 0; k < keys->n; k++)
		letter->key = lappend(letter->key, EtlStoredText(keys->columns[k].type, key->values[k]));
	letter->key_type = keys->type;
	letter->key_hash = key->hash;
	if (key->has_order)
		letter->key_order = EtlStoredText(keys->watermark->attr->atttypid, key->order);
}

void
EtlKeysWrote(EtlKeys *keys, int64 letter, int record)
{
	EtlWrittenLetter *written = palloc(sizeof(EtlWrittenLetter));

	*written = (EtlWrittenLetter){letter, record};
	keys->written = lappend(keys->written, written);
}

/* ----------------------------------------------------------------
 *	Rows that are loaded
 * ---------------------------------------------------------------- */

void
EtlKeysBeginTransaction(EtlKeys *keys)
{
	keys->loaded = keys->written = NIL;
	keys->certain = 0;
}

void
EtlKeysBegin(EtlKeys *keys)
{
	keys->loaded = list_truncate(keys->loaded, keys->certain);
}

void
EtlKeysSucceeded(EtlKeys *keys)
{
	keys->certain = list_length(keys->loaded);
}

static void
add_loaded(EtlKeys *keys, const Datum *values, int64 hash, int first, int last, bool partial)
{
	MemoryContext old = MemoryContextSwitchTo(keys->batch->loading);
	EtlLoadedKey *loaded = palloc0(sizeof(EtlLoadedKey));

	loaded->first = first;
	loaded->last = last;
	loaded->partial = partial;
	keep_key(keys, values, hash, &loaded->key);
	keys->loaded = lappend(keys->loaded, loaded);
	MemoryContextSwitchTo(old);
}

/* Rows that others of the chunk have superseded count, too: where they stand, the target has no older one afterwards. */
void
EtlKeysLoaded(EtlKeys *keys, const EtlChunk *chunk, int first, int last)
{
	Datum *values = palloc(sizeof(Datum) * (keys->n + 1));
	MemoryContext old = CurrentMemoryContext;

	for (int i = 0; i < chunk->n && keys->n > 0 && keys->open != NULL; i++)
	{
		int record = chunk->records[i];
		int64 hash;

		CHECK_FOR_INTERRUPTS();
		use_row(keys, chunk, i);
		MemoryContextSwitchTo(keys->econtext->ecxt_per_tuple_memory);
		if (!compute_key(keys, values))
			continue;
		hash = hash_of(keys, values);
		if (!bloom_lacks_element(keys->open, (unsigned char *) &hash, sizeof(hash)))
			add_loaded(keys, values, hash, record >= 0 ? record : first,
					   record >= 0 ? record : last, chunk->lacks[i] != NULL);
	}
	MemoryContextSwitchTo(old);
	pfree(values);
}

/* ----------------------------------------------------------------
 *	Settling
 * ---------------------------------------------------------------- */

/* With a watermark the target keeps the row with the highest one. */
static bool
is_lower(const EtlKeys *keys, const EtlKey *key, const EtlDeadLetter *letter)
{
	return keys->watermark->attr != NULL && letter->key_order != NULL &&
		   EtlKeyIsOlder(keys, key, letter->key_order);
}

typedef enum Place
{
	BEFORE,
	BEHIND,
	UNKNOWN
} Place;

static int
compare_written(const void *id, const void *cell)
{
	const EtlWrittenLetter *written = ((const ListCell *) cell)->ptr_value;

	return *(const int64 *) id < written->id ? -1 : *(const int64 *) id > written->id;
}

/* Where a number stands, seen from a row that has one from "first" to "last". */
static Place
place_at(int64 at, int64 first, int64 last)
{
	if (at < first)
		return BEFORE;
	return at > last || first == last ? BEHIND : UNKNOWN;
}

/* Where a letter stands, seen from a row that was loaded. */
static Place
place_of(const EtlKeys *keys, int64 letter, const EtlLoadedKey *loaded)
{
	const EtlBatch *batch = keys->batch;
	const ListCell *cell = NULL;

	if (batch->of != ETL_OF_SOURCE)
		return place_at(letter, batch->letters[loaded->first], batch->letters[loaded->last]);
	if (keys->written != NIL)
		cell = bsearch(&letter, keys->written->elements, list_length(keys->written),
					   sizeof(ListCell), compare_written);
	if (cell == NULL)
		return BEFORE;
	return place_at(((const EtlWrittenLetter *) cell->ptr_value)->record, loaded->first,
					loaded->last);
}

/* Whether the letter was superseded. */
static bool
settle_letter(EtlKeys *keys, const EtlLoadedKey *loaded, const EtlDeadLetter *letter)
{
	Place place = place_of(keys, letter->id, loaded);

	if (place == BEHIND || !EtlKeyIsStored(keys, &loaded->key, letter->key, letter->key_type) ||
		is_lower(keys, &loaded->key, letter))
		return false;
	if (place == BEFORE && !loaded->partial)
		EtlCatalogResolve(letter->id, keys->run->id, ETL_RESOLVED_SUPERSEDED);
	else /* the row may be the later one, or have some of the columns only */
		EtlCatalogForgetKey(letter->id);
	return place == BEFORE && !loaded->partial;
}

static bool
has_waited(const EtlKeys *keys, const EtlDeadLetter *letter)
{
	return letter->run == keys->run->id &&
		   strcmp(letter->sqlstate, unpack_sql_state(ERRCODE_FOREIGN_KEY_VIOLATION)) == 0;
}

int64
EtlKeysSettle(EtlKeys *keys)
{
	int64 waited = 0;
	ListCell *lc;
	ListCell *ld;

	keys->loaded = list_truncate(keys->loaded, keys->certain);
	foreach (lc, keys->loaded)
	{
		const EtlLoadedKey *loaded = lfirst(lc);
		List *letters = EtlCatalogDeadLettersOfKey(keys->run->pipeline->id, loaded->key.hash);

		CHECK_FOR_INTERRUPTS();
		foreach (ld, letters)
			if (settle_letter(keys, loaded, lfirst(ld)))
				waited += has_waited(keys, lfirst(ld));
	}
	return waited;
}

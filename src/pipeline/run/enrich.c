/*
 * enrich.c
 *		What APIs say of the keys of a batch, before its query sees it.
 *
 *		a transaction	the batch is converted; its distinct keys, each with its request; those that are kept already
 *		none			the other requests, several at once (scan/api_many.c)
 *		a transaction	items -> rows of the relation; what is new is kept
 *
 * A run that is killed has asked for the keys of one batch at most whose answers are not kept.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/define/enrichments.h"
#include "pipeline/run/enrich.h"
#include "pipeline/run/report.h"
#include "pipeline/run/slice.h"
#include "pipeline/run/transaction.h"
#include "scan/api_many.h"
#include "scan/names.h"
#include "source/clock.h"
#include "source/http/crypto.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define HASH_TEXT 65

/* A key of the batch. */
typedef struct Key
{
	char *hash;
	Datum *values;
	Datum request; /* jsonb */
	bool is_kept;
	const EtlFault *fault; /* NULL: there is an answer */
	List *items;		   /* of char *: of an answer that was kept; or */
	List *records;		   /* of EtlKept *: of one that has come */
} Key;

/* An enrichment at work on a batch; it lasts as long as that. */
typedef struct Enriching
{
	DestReceiver dest;
	EtlRun *run;
	const EtlEnrichmentCall *call;
	MemoryContext context;
	FmgrInfo *output; /* [nkeys] of their types */
	char definition[HASH_TEXT];
	EtlBatchLoad *load;
	Key **key_of;	  /* the key of each row of the batch; NULL: it has none */
	int nrows;		  /* that were looked at */
	EtlNames *hashes; /* with the number of the key */
	List *keys;		  /* of Key * */
	List *asked;	  /* of Key *: of the requests, in their order */
	EtlArgs *args;	  /* of the call, as the first key has them */
	EtlRows *rows;
	int nfailed;
	const EtlFault *first; /* why the first of them failed */
} Enriching;

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

static char *
hash_of(const StringInfoData *text)
{
	uint8 digest[32];
	char *hex = palloc0(HASH_TEXT);

	if (!EtlSha256(text->data, text->len, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not hash a key")));
	(void) hex_encode((const char *) digest, sizeof(digest), hex);
	return hex;
}

/* Appends a text so that none of two lists of texts is the beginning of another. */
static void
append_part(StringInfo text, const char *part)
{
	appendStringInfo(text, "%zu:%s", strlen(part), part);
}

static void
set_definition(Enriching *e)
{
	const EtlEnrichment *enrichment = e->call->enrichment;
	StringInfoData text;
	ListCell *lc;

	initStringInfo(&text);
	append_part(&text, enrichment->call);
	if (e->run->pipeline->search_path != NULL)
		append_part(&text, e->run->pipeline->search_path);
	foreach (lc, enrichment->key)
		append_part(&text, lfirst(lc));
	strlcpy(e->definition, hash_of(&text), sizeof(e->definition));
}

/* What the arguments of a call ask for, as etl_api_many() takes it. */
static Datum
request_of(const EtlArgs *args)
{
	static const char *const members[] = {"path", "params", "body", "headers"};
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < lengthof(members); i++)
	{
		const char *value = EtlArgAsText(args, members[i]);

		if (value == NULL)
			continue;
		appendStringInfo(&json, "%s\"%s\": ", json.len > 0 ? ", " : "{", members[i]);
		if (i == 0)
			escape_json(&json, value);
		else
			appendStringInfoString(&json, value);
	}
	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(json.len > 0 ? psprintf("%s}", json.data) : "{}"));
}

/* The arguments that a row of the statement has behind the key. */
static EtlArgs *
args_of(const Enriching *e, const TupleTableSlot *slot)
{
	const EtlEnrichmentCall *call = e->call;
	EtlArgs *args = EtlArgsFor(call->function, call->args);

	for (int i = 0; i < args->n; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(slot->tts_tupleDescriptor, call->nkeys + i);

		args->arg[i].isnull = slot->tts_isnull[call->nkeys + i];
		if (!args->arg[i].isnull)
			args->arg[i].value =
				datumCopy(slot->tts_values[call->nkeys + i], attr->attbyval, attr->attlen);
	}
	return args;
}

static void
add_key(Enriching *e, const TupleTableSlot *slot, char *hash)
{
	Key *key = palloc0(sizeof(Key));
	EtlArgs *args = args_of(e, slot);

	key->hash = hash;
	key->values = palloc(sizeof(Datum) * e->call->nkeys);
	for (int i = 0; i < e->call->nkeys; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(e->call->relation, i);

		key->values[i] = datumCopy(slot->tts_values[i], attr->attbyval, attr->attlen);
	}
	key->request = request_of(args);
	if (e->args == NULL)
		e->args = args;
	e->keys = lappend(e->keys, key);
}

/* A row of the statement; one whose key has a null asks for nothing. */
static bool
receive_key(TupleTableSlot *slot, DestReceiver *self)
{
	Enriching *e = (Enriching *) self;
	MemoryContext old = MemoryContextSwitchTo(e->context);
	StringInfoData text;
	bool null = false;
	char *hash;

	slot_getallattrs(slot);
	initStringInfo(&text);
	for (int i = 0; i < e->call->nkeys && !null; i++)
	{
		null = slot->tts_isnull[i];
		if (!null)
			append_part(&text, OutputFunctionCall(&e->output[i], slot->tts_values[i]));
	}
	hash = null ? NULL : hash_of(&text);
	if (hash != NULL && EtlNamesFind(e->hashes, hash) < 0)
	{
		(void) EtlNamesAddNumber(e->hashes, hash, list_length(e->keys));
		add_key(e, slot, hash);
	}
	e->key_of[e->nrows++] = null ? NULL : list_nth(e->keys, EtlNamesFind(e->hashes, hash));
	pfree(text.data);
	MemoryContextSwitchTo(old);
	return true;
}

static void
start_receiver(DestReceiver *self, int operation, TupleDesc desc)
{
	/* the columns are those of the call */
}

static void
end_receiver(DestReceiver *self)
{
	/* nothing is held but memory of the batch */
}

static void
run_statement(Enriching *e)
{
	const EtlEnrichmentCall *call = e->call;
	PlannedStmt *plan = pg_plan_query(copyObject(call->keys), call->text, 0, NULL);
	QueryDesc *query = CreateQueryDesc(plan, call->text, GetActiveSnapshot(), InvalidSnapshot,
									   &e->dest, NULL, NULL, 0);

	ExecutorStart(query, 0);
	EtlExecutorRun(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* The rows of the batch, as the statement and the query see them. */
static void
show_batch(EtlBatchLoad *load, int n)
{
	EtlSlice *slice = &load->loading.batch;

	slice->values = load->converted.values;
	slice->isnull = load->converted.isnull;
	slice->begin = 0;
	slice->end = n;
	slice->expected = n;
	EtlBatchSlice = slice;
}

static void
find_keys(Enriching *e)
{
	EtlBatchLoad *load = e->load;

	e->key_of = palloc(sizeof(Key *) * (load->converted.n + 1));
	e->output = palloc(sizeof(FmgrInfo) * e->call->nkeys);
	for (int i = 0; i < e->call->nkeys; i++)
	{
		Oid output;
		bool is_varlena;

		getTypeOutputInfo(TupleDescAttr(e->call->relation, i)->atttypid, &output, &is_varlena);
		fmgr_info_cxt(output, &e->output[i], e->context);
	}
	e->hashes = EtlNamesCreate();
	set_definition(e);
	show_batch(load, load->converted.n);
	run_statement(e);
	show_batch(load, 0);
}

/* ----------------------------------------------------------------
 *	What is kept, and what is to be asked for
 * ---------------------------------------------------------------- */

static void
find_kept(Enriching *e)
{
	List *hashes = NIL;
	List *found;
	ListCell *lc;

	foreach (lc, e->keys)
		hashes = lappend(hashes, ((Key *) lfirst(lc))->hash);
	found = EtlCatalogEnriched(e->run->pipeline->id, e->call->enrichment->name, e->definition,
							   hashes, e->call->enrichment->cache);
	foreach (lc, found)
	{
		const EtlEnriched *enriched = lfirst(lc);
		Key *key = list_nth(e->keys, EtlNamesFind(e->hashes, enriched->key));

		key->is_kept = true;
		key->items = enriched->items;
	}
}

static void
set_arg(EtlArgs *args, const char *name, Oid type, Datum value)
{
	int i = 0;

	while (i < args->n && strcmp(args->arg[i].name, name) != 0)
		i++;
	args->n = Max(args->n, i + 1);
	args->arg[i] = (EtlArg){.name = name, .type = type, .value = value};
}

static void
remove_arg(EtlArgs *args, const char *name)
{
	for (int i = 0; i < args->n; i++)
		args->arg[i].isnull |= strcmp(args->arg[i].name, name) == 0;
}

/* The call as one of etl_api_many: what differs between keys is in the requests. */
static EtlArgs *
args_of_requests(const Enriching *e, Datum *requests, int n)
{
	static const char *const of_key[] = {"path", "params", "body", "headers"};
	EtlArgs *args = palloc(offsetof(EtlArgs, arg) + sizeof(EtlArg) * (e->args->n + 3));

	memcpy(args, e->args, offsetof(EtlArgs, arg) + sizeof(EtlArg) * e->args->n);
	for (int i = 0; i < lengthof(of_key); i++)
		remove_arg(args, of_key[i]);
	set_arg(args, "requests", JSONBARRAYOID,
			PointerGetDatum(construct_array(requests, n, JSONBOID, -1, false, TYPALIGN_INT)));
	set_arg(args, "in_order", BOOLOID, BoolGetDatum(false));
	set_arg(args, "concurrency", INT4OID, Int32GetDatum(e->call->enrichment->concurrency));
	return args;
}

/* Opens the scan of the requests: with the rights and credentials of the owner, which only a transaction can look up. */
static void
open_requests(Enriching *e)
{
	static const EtlResume resume;
	Datum *requests = palloc(sizeof(Datum) * (list_length(e->keys) + 1));
	int n = 0;
	ListCell *lc;

	foreach (lc, e->keys)
	{
		Key *key = lfirst(lc);

		if (key->is_kept)
			continue;
		requests[n++] = key->request;
		e->asked = lappend(e->asked, key);
	}
	e->rows = EtlRowsOpenForPipeline(&EtlEnrichKind, args_of_requests(e, requests, n),
									 e->call->columns, &resume);
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

static EtlFault *
copy_fault(const EtlFault *fault)
{
	EtlFault *copy = palloc0(sizeof(EtlFault));

	copy->sqlstate = fault->sqlstate;
	copy->message = pstrdup(fault->message);
	copy->detail = fault->detail != NULL ? pstrdup(fault->detail) : NULL;
	return copy;
}

static void
fail_key(Enriching *e, Key *key, const EtlFault *fault)
{
	const EtlEnrichment *enrichment = e->call->enrichment;

	if (enrichment->on_error == ETL_NO_ANSWER_FAILS)
		ereport(ERROR, (errcode(fault->sqlstate), errmsg_internal("%s", fault->message),
						fault->detail != NULL ? errdetail_internal("%s", fault->detail) : 0,
						errcontext("enrichment \"%s\"", enrichment->name)));
	if (key->fault != NULL)
		return;
	key->fault = copy_fault(fault);
	if (e->nfailed++ == 0)
		e->first = key->fault;
}

/* Sends the requests, and takes what they give. */
static void
ask(Enriching *e)
{
	MemoryContext old = MemoryContextSwitchTo(e->context);
	EtlAdvance advance;

	while (e->asked != NIL && (advance = EtlRowsAdvance(e->rows, ETL_FOREVER)) != ETL_NO_MORE_ROWS)
	{
		bool is_faulty;
		Key *key = list_nth(e->asked, EtlApiManyRequest(e->rows, &is_faulty) - 1);
		EtlKept *kept;

		if (advance != ETL_ROW)
		{
			fail_key(e, key, &e->rows->fault);
			continue;
		}
		kept = palloc0(sizeof(EtlKept));
		kept->advance = ETL_ROW;
		EtlRowsKeep(e->rows, kept);
		key->records = lappend(key->records, kept);
	}
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static EtlKept *
revive(Enriching *e, const char *item)
{
	EtlKept *kept = palloc0(sizeof(EtlKept));

	kept->source = "";
	kept->data = item;
	kept->len = strlen(item);
	kept->page = kept->index = 1;
	EtlRowsRevive(e->rows, kept);
	return kept;
}

/* The items of a key, as rows of the relation; a key with a broken one has none. */
static List *
rows_of(Enriching *e, Key *key)
{
	const EtlEnrichmentCall *call = e->call;
	int natts = call->relation->natts;
	Datum *values = palloc0(sizeof(Datum) * natts);
	bool *isnull = palloc0(sizeof(bool) * natts);
	List *records = key->records;
	List *rows = NIL;
	ListCell *lc;

	foreach (lc, key->items)
		records = lappend(records, revive(e, lfirst(lc)));
	memcpy(values, key->values, sizeof(Datum) * call->nkeys);
	foreach (lc, records)
	{
		const EtlKept *kept = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (kept->advance != ETL_ROW ||
			!EtlRowsUse(e->rows, kept, values + call->nkeys, isnull + call->nkeys))
		{
			fail_key(e, key, kept->advance != ETL_ROW ? &kept->fault : &e->rows->fault);
			return NIL;
		}
		rows = lappend(rows, EtlFormMinimalTuple(call->relation, values, isnull));
	}
	return rows;
}

static void
keep_answer(Enriching *e, const Key *key)
{
	EtlEnriched enriched = {.key = key->hash};
	ListCell *lc;

	foreach (lc, key->records)
		enriched.items =
			lappend(enriched.items, unconstify(char *, EtlRowsText(e->rows, lfirst(lc))));
	EtlCatalogKeepEnriched(e->run->pipeline->id, e->call->enrichment->name, e->definition,
						   &enriched);
}

static void
make_relation(Enriching *e, EtlSlice *slice)
{
	List *rows = NIL;
	ListCell *lc;

	foreach (lc, e->keys)
	{
		Key *key = lfirst(lc);
		List *own = key->fault != NULL ? NIL : rows_of(e, key);

		rows = list_concat(rows, own);
		if (key->fault == NULL && !key->is_kept && e->call->enrichment->cache > 0)
			keep_answer(e, key);
	}
	slice->tuples = palloc(sizeof(MinimalTuple) * (list_length(rows) + 1));
	foreach (lc, rows)
		((MinimalTuple *) slice->tuples)[foreach_current_index(lc)] = lfirst(lc);
	slice->end = list_length(rows);
}

static void
reject_record(Enriching *e, int record, const EtlFault *fault)
{
	EtlBatchLoad *load = e->load;
	EtlBatch *batch = &load->reading->batch;
	EtlReject *reject = palloc0(sizeof(EtlReject));
	const char *name = e->call->enrichment->name;

	reject->record = record;
	reject->stage = ETL_FAILED_ENRICH;
	reject->sqlstate = fault->sqlstate;
	reject->message = psprintf("enrichment \"%s\": %s", name, fault->message);
	reject->safe_message = psprintf("enrichment \"%s\" has no answer", name);
	reject->detail = fault->detail;
	if (batch->of == ETL_OF_SOURCE)
		reject->key = EtlKeyOfRecord(&load->keys, load->reading->rows, &batch->records[record]);
	EtlRejectsAdd(&load->rejects, reject);
}

/* The records of keys without an answer become dead letters. */
static void
reject_records(Enriching *e)
{
	bool *out = palloc0(sizeof(bool) * (e->nrows + 1));

	for (int i = 0; i < e->nrows; i++)
	{
		const Key *key = e->key_of[i];

		CHECK_FOR_INTERRUPTS();
		out[i] = key != NULL && key->fault != NULL;
		if (out[i])
			reject_record(e, e->load->converted.record_of[i], key->fault);
	}
	EtlConvertedRemove(&e->load->converted, out);
}

static void
report_failed(const Enriching *e)
{
	if (e->nfailed > 0 && e->call->enrichment->on_error == ETL_NO_ANSWER_NULL)
		ereport(LOG, (errmsg("enrichment \"%s\" of pipeline \"%s\" has no answer for %d of %d keys",
							 e->call->enrichment->name, e->run->pipeline->name, e->nfailed,
							 list_length(e->keys)),
					  errdetail("The first: SQLSTATE %s.", unpack_sql_state(e->first->sqlstate)),
					  errhidestmt(true), errhidecontext(true)));
}

/* ----------------------------------------------------------------
 *	A batch
 * ---------------------------------------------------------------- */

static void
begin_enriching(Enriching *e, EtlBatchLoad *load)
{
	MemoryContext old;

	load->run->in_rows = true;
	EtlBegin();
	EtlConvertBatch(&load->converted);
	old = MemoryContextSwitchTo(e->context);
	find_keys(e);
	if (e->keys != NIL)
	{
		if (e->call->enrichment->cache > 0)
			find_kept(e);
		open_requests(e);
	}
	MemoryContextSwitchTo(old);
	EtlCommit(load->run);
	load->run->in_rows = false;
}

static void
finish_enriching(Enriching *e, EtlSlice *slice)
{
	MemoryContext old;

	e->run->in_rows = true;
	EtlBegin();
	old = MemoryContextSwitchTo(e->context);
	make_relation(e, slice);
	if (e->nfailed > 0 && e->call->enrichment->on_error == ETL_NO_ANSWER_LETTERS)
		reject_records(e);
	MemoryContextSwitchTo(old);
	EtlCommit(e->run);
	e->run->in_rows = false;
	report_failed(e);
}

static void
enrich(EtlBatchLoad *load, const EtlEnrichmentCall *call, EtlSlice *slice)
{
	Enriching e = {
		.dest = {receive_key, start_receiver, end_receiver, end_receiver, DestNone},
		.run = load->run,
		.load = load,
		.call = call,
		.context = load->reading->batch.loading,
	};

	*slice = (EtlSlice){.desc = call->relation, .pulled = -1};
	begin_enriching(&e, load);
	if (e.keys == NIL)
		return;
	ask(&e);
	finish_enriching(&e, slice);
	slice->expected = slice->end;
	EtlRowsClose(e.rows);
}

void
EtlEnrichBatch(EtlBatchLoad *load)
{
	List *calls = load->run->statements->enrichments;
	ListCell *lc;

	if (calls == NIL)
		return;
	if (EtlEnrichedSliceCount == 0)
	{
		EtlEnrichedSlices =
			MemoryContextAllocZero(load->run->context, sizeof(EtlSlice) * list_length(calls));
		EtlEnrichedSliceCount = list_length(calls);
	}
	foreach (lc, calls)
		enrich(load, lfirst(lc), &EtlEnrichedSlices[foreach_current_index(lc)]);
}

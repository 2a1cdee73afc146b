/*
 * convert.c
 *		The records of a batch -> rows, faults of values aside.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/run/convert.h"
#include "pipeline/run/report.h"
#include "pipeline/run/slice.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

void
EtlConvertedReset(EtlConverted *converted)
{
	converted->n = -1;
	converted->rejects->list = NIL;
}

static void
reject_fault(EtlRejects *rejects, int record, const EtlFault *fault)
{
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_PARSE;
	reject->sqlstate = fault->sqlstate;
	reject->message = reject->safe_message = fault->message;
	reject->detail = fault->detail;
	EtlRejectsAdd(rejects, reject);
}

static void
reject_value(EtlRejects *rejects, int record, EtlRows *rows)
{
	const char *text;
	const EtlColumn *column = EtlRowsFaultyValue(rows, &text);
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_CONVERT;
	reject->column = column->name;
	reject->value = text != NULL ? pstrdup(text) : NULL;
	reject->sqlstate = rows->fault.sqlstate;
	reject->message = rows->fault.message;
	reject->safe_message = psprintf("column \"%s\": invalid value for type %s", column->name,
									format_type_be(column->type));
	reject->detail = rows->fault.detail;
	if (rejects->reading->batch.of == ETL_OF_SOURCE)
		reject->key = EtlKeyOfRecord(rejects->keys, rows, &rejects->reading->batch.records[record]);
	EtlRejectsAdd(rejects, reject);
}

static void
allocate(EtlConverted *converted, int records, int natts)
{
	MemoryContext context = converted->reading->batch.loading;

	converted->record_of = palloc(sizeof(int) * (records + 1));
	converted->row_of = palloc(sizeof(int) * (records + 1));
	converted->values = MemoryContextAllocHuge(context, sizeof(Datum) * natts * (records + 1));
	converted->isnull = MemoryContextAllocHuge(context, sizeof(bool) * natts * (records + 1));
}

/* Puts into a row, behind its columns, which of them its record lacks, if that matters. */
static void
note_lacking(EtlConverted *converted, size_t place)
{
	const EtlRows *rows = converted->reading->rows;
	int natts = rows->desc->natts;
	bytea *lacks;

	if (converted->reading->run->statements->rows->natts == natts)
		return;
	lacks = EtlLacksOf(rows->lacking, rows->nlacking, natts);
	converted->values[place + natts] = PointerGetDatum(lacks);
	converted->isnull[place + natts] = lacks == NULL;
	converted->partial |= lacks != NULL;
}

/* Converts a record into the row behind those that there are; false if it is faulty. */
static bool
convert_record(EtlConverted *converted, int record, int nrows)
{
	EtlRows *rows = converted->reading->rows;
	const EtlKept *kept = &converted->reading->batch.records[record];
	size_t place = (size_t) nrows * converted->reading->run->statements->rows->natts;

	if (kept->advance != ETL_ROW)
	{
		reject_fault(converted->rejects, record, &kept->fault);
		return false;
	}
	if (EtlRowsUse(rows, kept, converted->values + place, converted->isnull + place))
	{
		note_lacking(converted, place);
		return true;
	}
	reject_value(converted->rejects, record, rows);
	return false;
}

void
EtlConvertBatch(EtlConverted *converted)
{
	EtlBatch *batch = &converted->reading->batch;
	EtlRejects *rejects = converted->rejects;
	int nrows = 0;
	MemoryContext old;

	if (converted->n >= 0)
	{
		rejects->list = list_truncate(rejects->list, converted->nfaulty);
		return;
	}
	EtlReportStage(ETL_STAGE_CONVERTING, batch->n);
	old = MemoryContextSwitchTo(batch->loading);
	rejects->list = NIL;
	converted->partial = false;
	allocate(converted, batch->n, converted->reading->run->statements->rows->natts);
	for (int i = 0; i < batch->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		EtlReportDone(i);
		converted->row_of[i] = nrows;
		if (convert_record(converted, i, nrows))
			converted->record_of[nrows++] = i;
	}
	converted->row_of[batch->n] = converted->n = nrows;
	converted->nfaulty = list_length(rejects->list);
	MemoryContextSwitchTo(old);
}

static void
move_row(EtlConverted *converted, size_t from, size_t to)
{
	size_t natts = converted->reading->run->statements->rows->natts;

	converted->record_of[to] = converted->record_of[from];
	memmove(converted->values + to * natts, converted->values + from * natts,
			natts * sizeof(Datum));
	memmove(converted->isnull + to * natts, converted->isnull + from * natts, natts * sizeof(bool));
}

void
EtlConvertedRemove(EtlConverted *converted, const bool *out)
{
	int nrecords = converted->reading->batch.n;
	int n = 0;
	int row = 0;

	for (int i = 0; i < converted->n; i++)
		if (!out[i])
			move_row(converted, i, n++);
	converted->n = n;
	for (int record = 0; record <= nrecords; record++)
	{
		while (row < n && converted->record_of[row] < record)
			row++;
		converted->row_of[record] = row;
	}
	converted->nfaulty = list_length(converted->rejects->list);
}

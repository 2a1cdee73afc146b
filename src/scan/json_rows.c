/*
 * json_rows.c
 *		Rows of JSON files: the kind behind etl_json.
 *
 *		items (json_items.c) -> columns (json_columns.c)
 */
#include "etl.h"

#include "optimizer/optimizer.h"
#include "scan/json_absent.h"
#include "scan/json_items.h"
#include "scan/json_kept.h"
#include "scan/json_rows.h"
#include "scan/part_rows.h"
#include "scan/scan.h"
#include "source/set.h"

typedef struct JsonFileRows
{
	EtlJsonRows json;
	EtlJsonItems items;
} JsonFileRows;

static void
json_open(EtlRows *rows)
{
	static const char *const formats[] = {"auto", "ndjson"};
	JsonFileRows *scan = (JsonFileRows *) rows;

	EtlJsonItemsPrepare(&scan->items, rows->args,
						EtlArgChoice(rows->args, "format", formats, lengthof(formats)) == 1);
	scan->json.inside = scan->items.path != NULL;
	EtlJsonColumnsInit(&scan->json, ETL_MISSING_ERROR);
	if (rows->resume != NULL && rows->resume->no_source)
		return;
	scan->items.options.initials = scan->json.initials;
	EtlJsonItemsOpen(&scan->items, EtlStreamSources(rows->args, rows->rewindable), rows->resume);
	rows->parts = &scan->items.parts;
}

static EtlAdvance
json_advance(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;
	EtlStream *stream = &scan->items.stream;
	MemoryContext old = MemoryContextSwitchTo(rows->context); /* of the reader's memory */
	EtlPartsStep step;

	stream->until = rows->until;
	step = EtlJsonItemsNext(&scan->items);
	MemoryContextSwitchTo(old);
	rows->counters.bytes = stream->nbytes;
	if (unlikely(step != ETL_PARTS_RECORD))
		return step == ETL_PARTS_LATE ? ETL_ROW_LATE : ETL_NO_MORE_ROWS;
	scan->json.source = stream->source->name;
	scan->json.page = stream->number;
	return EtlJsonRowsTake(&scan->json, &scan->items.item);
}

static void
json_rewind(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;

	scan->items.has_value = false;
	EtlPartRowsRewind(rows);
}

/* ----------------------------------------------------------------
 *	For the planner
 * ---------------------------------------------------------------- */

#define ITEM_GUESS 200 /* bytes, where nothing can be seen */

/* The mean size of the items that a sample from the start of a file has. */
static double
size_of_items(const EtlArgs *args, const char *sample, size_t len)
{
	EtlJsonOptions options = {.max_depth = 100, .max_item_size = ETL_JSON_MAX_ITEM_SIZE};
	EtlJsonPathFault fault;
	char *items = EtlArgText(args, "items");
	EtlBytes bytes = {sample, len, .cut = true};
	EtlReader *reader;
	EtlJsonItem item;
	uint64 first = 0;
	uint64 end = 0;
	int64 n = 0;

	if (items != NULL && (options.items = EtlJsonPathParse(items, strlen(items), &fault)) == NULL)
		return ITEM_GUESS;
	reader = EtlJsonFormat.create(&options);
	while (EtlReaderNext(reader, &item, EtlFeedBytes, &bytes) == ETL_FORMAT_RECORD)
	{
		first = n++ == 0 ? item.offset : first;
		end = item.offset + item.len;
	}
	reader->format->free(reader);
	return n > 0 ? (double) (end - first) / n : ITEM_GUESS;
}

static bool
json_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	char sample[8192];
	size_t len = sizeof(sample);
	char *path = EtlArgText(args, "source");

	if (path == NULL || !EtlSourceSample(path, sample, &len, nbytes))
		return false;
	*nrows = clamp_row_est(*nbytes / Max(size_of_items(args, sample, len), 1));
	return true;
}

PG_FUNCTION_INFO_V1(etl_json);

const EtlScanKind EtlJsonKind = {
	.function = "etl_json",
	.entry = etl_json,
	.in_parts = true,
	.size = sizeof(JsonFileRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = json_open,
	.advance = json_advance,
	.fetch = EtlJsonRowsFetch,
	.rewind = json_rewind,
	.where = EtlPartRowsWhere,
	.mark = EtlPartRowsMark,
	.missing = EtlJsonMissing,
	.explain = EtlPartRowsExplain,
	.estimate = json_estimate,
	.watches = EtlStreamWatches,
	.keep = EtlJsonKeep,
	.use = EtlJsonUse,
	.look = EtlJsonLookFor,
	.revive = EtlJsonRevive,
	.redact = EtlJsonRedact,
	.text = EtlJsonKeptText,
	.tell = EtlPartRowsTell,
	.leave = EtlPartRowsLeave,
};

/*
 * etl_json(source text, ...) returns setof record
 * etl_json(row_type anyelement, source text, ...) returns setof anyelement
 *
 * Reads the items of a JSON or NDJSON file.
 */
Datum
etl_json(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlJsonKind);
}

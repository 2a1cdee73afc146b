/*
 * json_rows.c
 *		Rows of JSON files: the kind behind etl_json.
 *
 *		files -> decompress -> reader's buffer -> items -> columns (json_columns.c)
 *
 * The structure of a file is checked to its end, whichever columns are read.  A file whose structure is
 * broken is an error under every error policy: nobody can tell where its next item would begin.
 */
#include "etl.h"

#include "api/json_body.h"
#include "optimizer/optimizer.h"
#include "scan/json_columns.h"
#include "scan/json_rows.h"
#include "source/set.h"

typedef struct JsonFileRows
{
	EtlJsonRows json;
	const char *items; /* the path, as it was given; or NULL */
	EtlSourceSet *files;
	EtlSource *file; /* NULL: none is open */
	EtlJsonOptions options;
	EtlJsonReader *reader;
	int64 nitems;	  /* of this file, so far; counting one that could not be read */
	uint64 broken_at; /* byte + 1 where the file is broken; 0: it is not */
} JsonFileRows;

/* ----------------------------------------------------------------
 *	Options
 * ---------------------------------------------------------------- */

static void
read_options(const EtlArgs *args, const char *items, EtlJsonOptions *options)
{
	static const char *const formats[] = {"auto", "ndjson"};

	memset(options, 0, sizeof(*options));
	options->items = EtlJsonPathOfArg("items", items);
	options->many = EtlArgChoice(args, "format", formats, lengthof(formats)) == 1;
	EtlJsonSetLimits(options);
}

static void
json_open(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;
	char *source = EtlArgText(rows->args, "source");

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	scan->items = EtlArgText(rows->args, "items");
	read_options(rows->args, scan->items, &scan->options);
	EtlJsonColumnsInit(&scan->json);
	scan->files = EtlSourceSetOpen(source, EtlArgText(rows->args, "path"), rows->rewindable);
	scan->reader = EtlJsonReaderCreate(&scan->options);
}

/* ----------------------------------------------------------------
 *	Items
 * ---------------------------------------------------------------- */

static bool
next_file(JsonFileRows *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->json.base.context);

	scan->nitems = 0;
	scan->file = EtlSourceSetNext(scan->files);
	if (scan->file != NULL)
	{
		EtlJsonReaderReset(scan->reader);
		scan->json.source = scan->file->name;
		scan->json.page++;
	}
	MemoryContextSwitchTo(old);
	return scan->file != NULL;
}

/* Reads an item of the file in hand; false at its end.  The reader's memory is the scan's. */
static bool
next_item(JsonFileRows *scan, EtlJsonItem *item)
{
	MemoryContext old = MemoryContextSwitchTo(scan->json.base.context);
	EtlJsonStatus status;

	while ((status = EtlJsonReaderNext(scan->reader, item)) == ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room = EtlJsonReaderRoom(scan->reader, &len);

		EtlJsonReaderFed(scan->reader, EtlSourceRead(scan->file, room, len));
		scan->json.base.counters.bytes = EtlSourceSetBytesRead(scan->files);
	}
	MemoryContextSwitchTo(old);
	if (status != ETL_JSON_ITEM && status != ETL_JSON_END)
	{
		const EtlJsonFault *fault = EtlJsonReaderFault(scan->reader);

		scan->nitems = fault->in_item ? scan->nitems + 1 : 0;
		scan->broken_at = fault->offset + 1;
		EtlJsonRaiseFault(fault, "file");
	}
	return status == ETL_JSON_ITEM;
}

/* A path that leads nowhere is a mistake, not an empty file. */
static void
check_found_items(JsonFileRows *scan)
{
	if (scan->options.items == NULL || EtlJsonReaderFoundItems(scan->reader))
		return;
	scan->nitems = 0;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND), errmsg("the path \"%s\" leads nowhere", scan->items),
			 errhint("Check argument \"items\" against the file; without it, a file is an array "
					 "of items or one value after another.")));
}

static EtlAdvance
json_advance(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;
	EtlJsonItem item;

	for (;;)
	{
		if (scan->file == NULL && !next_file(scan))
			return ETL_NO_MORE_ROWS;
		if (next_item(scan, &item))
			break;
		check_found_items(scan);
		scan->file = NULL;
	}
	scan->nitems++;
	return EtlJsonRowsTake(&scan->json, &item);
}

static void
json_rewind(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;

	EtlSourceSetRewind(scan->files);
	scan->file = NULL;
	scan->json.page = 0;
}

/* ----------------------------------------------------------------
 *	For people and for the planner
 * ---------------------------------------------------------------- */

static void
json_where(const EtlRows *rows, StringInfo buf)
{
	const JsonFileRows *scan = (const JsonFileRows *) rows;

	if (scan->file == NULL)
		return;
	appendStringInfo(buf, "file \"%s\"", scan->json.source);
	if (scan->nitems > 0)
		appendStringInfo(buf, ", item " INT64_FORMAT, scan->nitems);
	if (scan->broken_at > 0)
		appendStringInfo(buf, ", byte " UINT64_FORMAT, scan->broken_at);
}

static void
json_explain(const EtlRows *rows, ExplainState *es)
{
	const JsonFileRows *scan = (const JsonFileRows *) rows;
	const EtlHttpStats *http = EtlSourceSetHttpStats(scan->files);

	if (EtlSourceSetCount(scan->files) > 1)
		ExplainPropertyInteger("Files", NULL, EtlSourceSetCount(scan->files), es);
	if (http != NULL)
		EtlExplainHttp(http, es);
}

#define ITEM_GUESS 200 /* bytes, where nothing can be seen */

/* The mean size of the items that a sample from the start of a file has. */
static double
size_of_items(const EtlArgs *args, const char *sample, size_t len)
{
	EtlJsonOptions options = {.max_depth = 100, .max_item_size = ETL_JSON_MAX_ITEM_SIZE};
	EtlJsonPathFault fault;
	char *items = EtlArgText(args, "items");
	EtlJsonReader *reader;
	EtlJsonItem item;
	uint64 first = 0;
	uint64 end = 0;
	int64 n = 0;
	size_t room;

	if (items != NULL && (options.items = EtlJsonPathParse(items, strlen(items), &fault)) == NULL)
		return ITEM_GUESS;
	reader = EtlJsonReaderCreate(&options);
	memcpy(EtlJsonReaderRoom(reader, &room), sample, len);
	EtlJsonReaderFed(reader, len);
	while (EtlJsonReaderNext(reader, &item) == ETL_JSON_ITEM)
	{
		first = n++ == 0 ? item.offset : first;
		end = item.offset + item.len;
	}
	EtlJsonReaderFree(reader);
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

extern Datum etl_json(PG_FUNCTION_ARGS);

const EtlScanKind EtlJsonKind = {
	.function = "etl_json",
	.entry = etl_json,
	.size = sizeof(JsonFileRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = json_open,
	.advance = json_advance,
	.fetch = EtlJsonRowsFetch,
	.rewind = json_rewind,
	.where = json_where,
	.explain = json_explain,
	.estimate = json_estimate,
};

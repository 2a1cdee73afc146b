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
#include "scan/json_absent.h"
#include "scan/json_kept.h"
#include "scan/json_rows.h"
#include "scan/parts.h"
#include "scan/scan.h"
#include "source/set.h"

typedef struct JsonFileRows
{
	EtlJsonRows json;
	const char *items; /* the path, as it was given; or NULL */
	EtlJsonOptions options;
	EtlStream stream;
	EtlParts parts;
	EtlJsonItem next; /* what the parts have handed out */
	bool empty;		  /* the part in hand has no value, and is passed over */
	bool has_value;	  /* some part has one */
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

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

static void
start_file(void *arg)
{
	JsonFileRows *scan = arg;

	scan->json.source = scan->stream.source->name;
	scan->json.page = scan->stream.number;
	scan->empty = false;
}

/* A path that leads nowhere is a mistake; a file of a pattern that has no value is none. */
static void
end_file(void *arg)
{
	JsonFileRows *scan = arg;

	scan->has_value |= !scan->empty;
	if (scan->empty || scan->options.items == NULL ||
		EtlJsonReaderFoundItems((EtlJsonReader *) scan->stream.reader))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND), errmsg("the path \"%s\" leads nowhere", scan->items),
			 errhint("Check argument \"items\" against the file; without it, a file is an array "
					 "of items or one value after another.")));
}

static void
raise_broken(void *arg, int step)
{
	JsonFileRows *scan = arg;

	scan->empty = step == ETL_FORMAT_EMPTY && EtlSourceSetIsPattern(scan->stream.set);
	if (scan->empty)
		return;
	EtlJsonRaiseFault(EtlJsonReaderFault((EtlJsonReader *) scan->stream.reader), "file");
}

/*
 * At the end of all files.  Where no rows would mean that there are none, a value is due that says so; a pipeline that
 * goes on where it stopped may well find nothing.
 */
static void
check_files(const JsonFileRows *scan)
{
	const EtlResume *resume = scan->json.base.resume;

	if (scan->has_value || !EtlSourceSetIsPattern(scan->stream.set) ||
		(resume != NULL && !resume->complete))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_JSON_TEXT), errmsg("no file has a JSON value"),
					errdetail("Each is empty, or only white space."),
					errhint("Among the files of a pattern, an empty one is passed over.")));
}

static const EtlPartKind part_kind = {
	.ready = start_file,
	.end = end_file,
	.broken = raise_broken,
};

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static void
json_open(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;

	scan->items = EtlArgText(rows->args, "items");
	read_options(rows->args, scan->items, &scan->options);
	EtlJsonColumnsInit(&scan->json, ETL_MISSING_ERROR);
	if (rows->resume != NULL && rows->resume->no_source)
		return;
	EtlStreamPrepare(&scan->stream);
	EtlStreamOpen(&scan->stream, rows->args, rows->rewindable);
	scan->options.initials = scan->json.initials;
	scan->stream.reader = EtlJsonFormat.create(&scan->options);
	scan->parts = (EtlParts){
		.stream = &scan->stream,
		.record = &scan->next,
		.kind = &part_kind,
		.arg = scan,
		.resume = rows->resume,
		.reachable = scan->options.items == NULL,
		.remote = EtlSourceSetIsRemote(scan->stream.set),
	};
}

static EtlAdvance
json_advance(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;
	MemoryContext old = MemoryContextSwitchTo(rows->context); /* of the reader's memory */
	EtlPartsStep step;

	scan->stream.until = rows->until;
	step = EtlPartsNext(&scan->parts);
	MemoryContextSwitchTo(old);
	rows->counters.bytes = scan->stream.nbytes;
	if (likely(step == ETL_PARTS_RECORD))
	{
		scan->has_value = true;
		return EtlJsonRowsTake(&scan->json, &scan->next);
	}
	if (step == ETL_PARTS_LATE)
		return ETL_NOTHING_YET;
	check_files(scan);
	return ETL_NO_MORE_ROWS;
}

static void
json_rewind(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;

	scan->has_value = false;
	EtlStreamRewind(&scan->stream);
}

static void
json_tell(EtlRows *rows)
{
	EtlPartsTell(&((JsonFileRows *) rows)->parts);
}

static bool
json_leave(EtlRows *rows)
{
	return EtlPartsLeave(&((JsonFileRows *) rows)->parts);
}

/* ----------------------------------------------------------------
 *	For people and for the planner
 * ---------------------------------------------------------------- */

static void
json_where(const EtlRows *rows, StringInfo buf)
{
	EtlStreamWhere(&((const JsonFileRows *) rows)->stream, buf);
}

static void
json_explain(const EtlRows *rows, ExplainState *es)
{
	EtlStreamExplain(&((const JsonFileRows *) rows)->stream, es);
}

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
	.size = sizeof(JsonFileRows),
	.provenance = ETL_JSON_PROVENANCE,
	.open = json_open,
	.advance = json_advance,
	.fetch = EtlJsonRowsFetch,
	.rewind = json_rewind,
	.where = json_where,
	.missing = EtlJsonMissing,
	.explain = json_explain,
	.estimate = json_estimate,
	.watches = EtlStreamWatches,
	.keep = EtlJsonKeep,
	.use = EtlJsonUse,
	.revive = EtlJsonRevive,
	.redact = EtlJsonRedact,
	.text = EtlJsonKeptText,
	.tell = json_tell,
	.leave = json_leave,
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

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
#include "monitor/progress.h"
#include "optimizer/optimizer.h"
#include "scan/json_kept.h"
#include "scan/json_rows.h"
#include "scan/resume.h"
#include "source/clock.h"
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

	/* for pipelines: behind the last item that was handed out are */
	uint64 end;		/* this byte */
	uint64 hash;	/* and, before it, items of this hash */
	uint64 nbefore; /* and number */
	bool growing;	/* somebody may be writing the file in hand */
	bool held;		/* its last value was held back for that reason */
	bool late;		/* the next item has not come in time */
	bool unmarked;	/* the start of the file: only its first item tells what it holds */
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
	if (rows->resume != NULL && rows->resume->no_source)
		return;
	scan->files = EtlSourceSetOpen(source, EtlArgText(rows->args, "path"), rows->rewindable);
	scan->options.initials = scan->json.initials;
	scan->reader = EtlJsonReaderCreate(&scan->options);
}

/* ----------------------------------------------------------------
 *	Items
 * ---------------------------------------------------------------- */

static void
begin_file(JsonFileRows *scan, uint64 offset, int64 nitems, uint64 hash)
{
	MemoryContext old = MemoryContextSwitchTo(scan->json.base.context);

	EtlJsonReaderResetAt(scan->reader, offset, nitems, hash);
	MemoryContextSwitchTo(old);
	scan->nitems = nitems;
	scan->end = offset;
	scan->nbefore = nitems;
	scan->hash = hash;
	scan->held = false;
}

static void
report_progress(const JsonFileRows *scan)
{
	const EtlRows *rows = &scan->json.base;

	EtlProgressReport(rows->counters.bytes, EtlSourceSetSize(scan->files), rows->counters.records);
}

/*
 * Reads a value of the file in hand, as far as it has come in time; false at its end.  The reader's memory is the
 * scan's.
 */
static EtlJsonStatus
next_status(JsonFileRows *scan, EtlJsonItem *item)
{
	EtlRows *rows = &scan->json.base;
	MemoryContext old = MemoryContextSwitchTo(rows->context);
	EtlJsonStatus status;

	while ((status = EtlJsonReaderNext(scan->reader, item)) == ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room;

		if (rows->until != ETL_FOREVER && !EtlSourceReady(scan->file, rows->until))
			break;
		room = EtlJsonReaderRoom(scan->reader, &len);
		EtlJsonReaderFed(scan->reader, EtlSourceRead(scan->file, room, len));
		rows->counters.bytes = EtlSourceSetBytesRead(scan->files);
		report_progress(scan);
	}
	MemoryContextSwitchTo(old);
	return status;
}

/* Whether what was read last, the end of a file that somebody may be writing, may not be all there. */
static bool
may_be_cut_off(const JsonFileRows *scan, EtlJsonStatus status, const EtlJsonItem *item)
{
	if (!scan->growing)
		return false;
	if (status == ETL_JSON_EMPTY)
		return true;
	if (!EtlJsonReaderIsSequence(scan->reader))
		return false;
	if (status == ETL_JSON_TRUNCATED)
		return true;
	return status == ETL_JSON_ITEM && item->tokens[0].type == ETL_JSON_NUMBER &&
		   (int64) (item->offset + item->len) == scan->file->size;
}

/* For pipelines: how far the file in hand was handed out. */
static void
mark(JsonFileRows *scan, bool finished)
{
	EtlPosition position = {
		.offset = scan->end,
		.records = (uint64) scan->nitems,
		.hash = scan->hash,
		.finished = finished,
		.sequence = EtlJsonReaderIsSequence(scan->reader),
	};

	scan->unmarked = false;
	EtlResumeMark(&scan->json.base, scan->files, scan->file, &position);
}

/* Reads an item of the file in hand; false at its end, or if it is late. */
static bool
next_item(JsonFileRows *scan, EtlJsonItem *item)
{
	EtlJsonStatus status = next_status(scan, item);

	scan->late = status == ETL_JSON_NEED_DATA;
	scan->held = may_be_cut_off(scan, status, item);
	if (scan->late || scan->held || status == ETL_JSON_END ||
		(status == ETL_JSON_EMPTY && scan->nbefore > 0))
		return false;
	if (status != ETL_JSON_ITEM)
	{
		const EtlJsonFault *fault = EtlJsonReaderFault(scan->reader);

		scan->nitems = fault->in_item ? scan->nitems + 1 : 0;
		scan->broken_at = fault->offset + 1;
		EtlJsonRaiseFault(fault, "file");
	}
	if (scan->unmarked)
		mark(scan, false);
	scan->nitems++;
	scan->end = item->offset + item->len;
	scan->hash = EtlJsonReaderHash(scan->reader);
	return true;
}

/* ----------------------------------------------------------------
 *	Going on where a run stopped
 * ---------------------------------------------------------------- */

static void
json_tell(EtlRows *rows)
{
	JsonFileRows *scan = (JsonFileRows *) rows;

	if (scan->file != NULL)
		mark(scan, false);
}

/* What was read of a part before; NULL: nothing. */
static const EtlSourcePast *
past_of(JsonFileRows *scan, const EtlPart *part)
{
	MemoryContext old = MemoryContextSwitchTo(EtlSourceSetContext(scan->files));
	EtlSourcePast *past = NULL;
	EtlPosition position;

	if (scan->json.base.resume != NULL && EtlResumeFind(&scan->json.base, part, &position))
	{
		past = palloc(sizeof(EtlSourcePast));
		EtlResumePast(&position,
					  position.sequence && scan->options.items == NULL ? position.offset : 0, past);
	}
	MemoryContextSwitchTo(old);
	return past;
}

/* Reads the items before a position, and tells whether they are the same. */
static bool
pass_over(JsonFileRows *scan, const EtlPosition *position)
{
	EtlJsonItem item;

	scan->json.base.until = ETL_FOREVER;
	while ((uint64) scan->nitems < position->records && next_item(scan, &item))
		;
	return (uint64) scan->nitems == position->records && scan->hash == position->hash;
}

/* The file in hand was opened: goes to where the last run stopped; false if there is nothing behind it. */
static bool
go_on(JsonFileRows *scan)
{
	const EtlRows *rows = &scan->json.base;
	EtlPosition position;
	EtlSourcePlan plan;

	(void) EtlResumeFind(rows, EtlSourceSetPart(scan->files), &position);
	plan = EtlResumeDecide(rows, scan->files, scan->file, &position, position.sequence,
						   &scan->growing);
	if (plan == ETL_READ_NOTHING)
		return false;
	if ((plan == ETL_READ_HERE || plan == ETL_READ_FROM) && position.sequence &&
		scan->file->plain && scan->options.items == NULL)
	{
		if (plan == ETL_READ_FROM)
			EtlSourceSkip(scan->file, position.offset);
		begin_file(scan, position.offset, (int64) position.records, position.hash);
	}
	else if (plan == ETL_READ_ALL || !pass_over(scan, &position))
	{
		if (scan->nitems > 0)
			scan->file = EtlSourceSetOpenPart(scan->files, NULL);
		begin_file(scan, 0, 0, 0);
		scan->unmarked = true;
		return true;
	}
	EtlResumeMarkFound(rows, scan->files, &position);
	return true;
}

static bool
next_file(JsonFileRows *scan)
{
	const EtlPart *part;

	do
	{
		scan->file = NULL;
		part = EtlSourceSetNextPart(scan->files);
		if (part == NULL)
			break;
		scan->file = EtlSourceSetOpenPart(scan->files, past_of(scan, part));
		begin_file(scan, 0, 0, 0);
		scan->json.source = scan->file->name;
		scan->json.page++;
	} while (scan->json.base.resume != NULL && !go_on(scan));
	return scan->file != NULL;
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

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
		if (scan->late)
			return ETL_NOTHING_YET;
		if (!scan->held)
			check_found_items(scan);
		if (rows->resume != NULL)
			mark(scan, !scan->held);
		if (scan->held)
			EtlResumeTellHeld(rows, scan->files);
		scan->file = NULL;
	}
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
	.keep = EtlJsonKeep,
	.use = EtlJsonUse,
	.revive = EtlJsonRevive,
	.redact = EtlJsonRedact,
	.text = EtlJsonKeptText,
	.tell = json_tell,
};

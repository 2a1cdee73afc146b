/*
 * export.c
 *		etl_export: the way back, from the rows of a query to a file.
 *
 *		query -> rows -> text of a row (rows_text.c) -> compressed (compress.c) -> file (sink.c)
 *
 * A row is text once and gone, as the executor gives it; memory is a row and buffers of fixed size.
 */
#include "etl.h"

#include "executor/executor.h"
#include "executor/spi.h"
#include "export/compress.h"
#include "export/rows_text.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "scan/args.h"
#include "source/http/url.h"
#include "storage/ipc.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#define invalid(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

typedef struct Export
{
	DestReceiver receiver; /* of the query's rows */
	const char *query;
	const char *target;
	EtlTextOptions options;
	EtlCompression compression;
	bool overwrite;
	MemoryContext context;	   /* of all that lasts */
	MemoryContext row_context; /* of what a row takes */
	EtlRowsText *text;
	EtlCompressor *compressor;
	EtlSink *sink;
	uint64 nrows;
} Export;

/* ----------------------------------------------------------------
 *	Arguments
 * ---------------------------------------------------------------- */

static const char *
required(const EtlArgs *args, const char *name)
{
	const char *value = EtlArgText(args, name);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
	return value;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t len = strlen(s);
	size_t end_len = strlen(end);

	return len > end_len && strcmp(s + len - end_len, end) == 0;
}

/* By the name of the target, if nothing is said. */
static EtlCompression
read_compression(const EtlArgs *args, const char *target)
{
	static const char *const names[] = {"none", "gzip", "zstd"};

	if (EtlArgFind(args, "compress") != NULL)
		return (EtlCompression) EtlArgChoice(args, "compress", names, lengthof(names));
	if (ends_with(target, ".gz"))
		return ETL_COMPRESS_GZIP;
	return ends_with(target, ".zst") ? ETL_COMPRESS_ZSTD : ETL_COMPRESS_NONE;
}

static int
read_encoding(const EtlArgs *args)
{
	const char *name = EtlArgText(args, "encoding");
	int encoding = name == NULL ? pg_get_client_encoding() : pg_char_to_encoding(name);

	if (encoding < 0)
		invalid("\"%s\" is not the name of an encoding", name);
	return encoding;
}

static void
read_options(const EtlArgs *args, Export *export)
{
	static const char *const formats[] = {"csv", "ndjson"};
	EtlTextOptions *options = &export->options;
	const char *delimiter = EtlArgText(args, "delimiter");
	const char *null_string = EtlArgText(args, "null_string");

	export->query = required(args, "query");
	export->target = required(args, "target");
	if (EtlIsUrl(export->target) || strstr(export->target, "://") != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("rows can be exported only to a file on the database server")));
	export->compression = read_compression(args, export->target);
	export->overwrite = EtlArgBool(args, "overwrite", true);
	options->json = EtlArgChoice(args, "format", formats, lengthof(formats)) == 1;
	options->header = EtlArgBool(args, "header", true);
	options->delimiter = delimiter != NULL ? delimiter : ",";
	options->null_string = null_string != NULL ? null_string : "";
	options->encoding = options->json ? PG_UTF8 : read_encoding(args);
	if (strlen(options->delimiter) != 1 || strpbrk(options->delimiter, "\r\n\"") != NULL)
		invalid("delimiter must be a single one-byte character, and no quote or line end");
	if (strpbrk(options->null_string, "\r\n\"") != NULL ||
		strchr(options->null_string, options->delimiter[0]) != NULL)
		invalid("null_string cannot hold a delimiter, a quote or a line end");
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static void
write_line(Export *export, const StringInfoData *line)
{
	if (line != NULL)
		EtlCompressorWrite(export->compressor, line->data, line->len);
}

static void
start_rows(DestReceiver *receiver, int operation, TupleDesc desc)
{
	Export *export = (Export *) receiver;
	MemoryContext old = MemoryContextSwitchTo(export->context);

	export->text = EtlRowsTextCreate(&export->options, desc);
	write_line(export, EtlRowsTextHeader(export->text));
	MemoryContextSwitchTo(old);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *receiver)
{
	Export *export = (Export *) receiver;
	MemoryContext old;

	MemoryContextReset(export->row_context);
	old = MemoryContextSwitchTo(export->row_context);
	write_line(export, EtlRowsTextRow(export->text, slot));
	export->nrows++;
	MemoryContextSwitchTo(old);
	return true;
}

static void
end_rows(DestReceiver *receiver)
{
	/* the file is finished when the query is */
}

/* The plan of a query that gives rows. */
static SPIPlanPtr
prepare(const char *query)
{
	SPIPlanPtr plan = SPI_prepare(query, 0, NULL);
	List *sources;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	sources = SPI_plan_get_plan_sources(plan);
	if (list_length(sources) != 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("query must be one statement")));
	if (((CachedPlanSource *) linitial(sources))->resultDesc == NULL)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("query must return rows"),
						errhint("Give a SELECT, or a statement with RETURNING.")));
	return plan;
}

static void
run_query(Export *export)
{
	SPIExecuteOptions options = {.dest = &export->receiver, .must_return_tuples = true};
	SPIPlanPtr plan;
	int result;

	SPI_connect();
	plan = prepare(export->query);
	export->compressor = EtlCompressorOpen(export->compression, export->sink);
	result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(result));
	EtlCompressorFinish(export->compressor);
	SPI_finish();
}

static void
abandon(int code, Datum sink)
{
	EtlSinkAbandon((EtlSink *) DatumGetPointer(sink));
}

/* Returns the version of what was written. */
static char *
run_export(Export *export)
{
	char *version;

	export->receiver = (DestReceiver){receive_row, start_rows, end_rows, end_rows, DestNone};
	export->context = CurrentMemoryContext;
	export->row_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl export", ALLOCSET_DEFAULT_SIZES);
	export->sink = EtlFileSinkOpen(export->target, export->overwrite);
	PG_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(export->sink));
	{
		run_query(export);
		version = EtlSinkFinish(export->sink);
	}
	PG_END_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(export->sink));
	return version;
}

PG_FUNCTION_INFO_V1(etl_export);

/*
 * etl_export(query text, target text, ...) returns record: rows bigint, bytes bigint, version text
 *
 * Writes the rows of a query to a file; sql/etl--1.0.sql declares and documents the arguments.
 */
Datum
etl_export(PG_FUNCTION_ARGS)
{
	Export *export = palloc0(sizeof(Export));
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {0};
	char *version;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	read_options(EtlArgsOfCall(fcinfo), export);
	version = run_export(export);
	values[0] = Int64GetDatum((int64) export->nrows);
	values[1] = Int64GetDatum((int64) EtlSinkBytes(export->sink));
	values[2] = CStringGetTextDatum(version);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * rows.c
 *		Rows of a declared type: columns, error policy, provenance.
 *
 *		kind->advance	a record, or what is wrong with its structure
 *		kind->fetch		fields of it -> EtlColumnConvert -> values
 *		here			what becomes of a row that is faulty
 *
 * Everything of a scan lives in one memory context.  Sources register with it what they must give back, so
 * deleting it, by Close or by the end of the query, is all the cleaning up there is.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "scan/input.h"
#include "scan/names.h"
#include "scan/rows.h"
#include "source/clock.h"
#include "source/hidden.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define ROWS_PER_RESET 32
#define SHOWN_VALUE_BYTES 100 /* of a faulty value in CONTEXT, as COPY has it */

EtlLoad *EtlRowsCurrentLoad = NULL;

static void push_error_context(EtlRows *rows, ErrorContextCallback *callback);
static void pop_error_context(EtlRows *rows, ErrorContextCallback *callback);

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

static const struct
{
	const char *name;
	Oid type;
	EtlColumnKind kind;
} provenance[] = {
	{"_etl_source", TEXTOID, ETL_FROM_SOURCE},
	{"_etl_line", INT8OID, ETL_FROM_LINE},
	{"_etl_page", INT4OID, ETL_FROM_PAGE},
	{"_etl_index", INT4OID, ETL_FROM_INDEX},
	{"_etl_raw", TEXTOID, ETL_FROM_RAW},
	{"_etl_item", JSONBOID, ETL_FROM_ITEM},
	{"_etl_error", TEXTOID, ETL_FROM_ERROR},
	{"_etl_request", INT4OID, ETL_FROM_REQUEST},
	{"_etl_key", TEXTOID, ETL_FROM_KEY},
	{"_etl_key", BYTEAOID, ETL_FROM_KEY},
	{"_etl_key", JSONBOID, ETL_FROM_KEY},
	{"_etl_headers", JSONBOID, ETL_FROM_HEADERS},
	{"_etl_timestamp", TIMESTAMPTZOID, ETL_FROM_TIMESTAMP},
	{"_etl_partition", INT4OID, ETL_FROM_PARTITION},
	{"_etl_offset", INT8OID, ETL_FROM_OFFSET},
	{"_etl_tombstone", BOOLOID, ETL_FROM_TOMBSTONE},
};

/* The provenance columns of a kind, for people. */
static char *
list_provenance(const EtlScanKind *kind)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(provenance); i++)
		if ((kind->provenance & ETL_COLUMN_SET(provenance[i].kind)) &&
			(i == 0 || provenance[i].kind != provenance[i - 1].kind))
			appendStringInfo(&list, "%s%s", list.len == 0 ? "" : ", ", provenance[i].name);
	return list.data;
}

/* Raises that a provenance column has none of the types that it may have. */
pg_noreturn static void
raise_wrong_type(const EtlColumn *column)
{
	StringInfoData types;

	initStringInfo(&types);
	for (int i = 0; i < lengthof(provenance); i++)
		if (strcmp(provenance[i].name, column->name) == 0)
			appendStringInfo(&types, "%s%s", types.len == 0 ? "" : " or ",
							 format_type_be(provenance[i].type));
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("column \"%s\" must be of type %s, not %s", column->name, types.data,
						   format_type_be(column->type))));
}

/* What a column of this name holds. */
static EtlColumnKind
column_kind(const EtlRows *rows, const EtlColumn *column)
{
	bool found = false;

	/* What a kind without any gives has whatever names it had where it comes from. */
	if (rows->kind->provenance == 0 || strncmp(column->name, "_etl_", 5) != 0)
		return ETL_FIELD;
	for (int i = 0; i < lengthof(provenance); i++)
	{
		if (strcmp(provenance[i].name, column->name) != 0 ||
			!(rows->kind->provenance & ETL_COLUMN_SET(provenance[i].kind)))
			continue;
		if (provenance[i].type == column->type)
			return provenance[i].kind;
		found = true;
	}
	if (found)
		raise_wrong_type(column);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" does not exist", column->name),
					errdetail("Names that begin with \"_etl_\" are reserved; %s has these: %s.",
							  rows->kind->function, list_provenance(rows->kind))));
}

static bool
has_guessed_types(const EtlRows *rows)
{
	return rows->load != NULL && rows->load->converter != NULL;
}

static void
set_up_column(EtlRows *rows, int i)
{
	Form_pg_attribute attr = TupleDescAttr(rows->desc, i);
	EtlColumn *column = &rows->columns[i];
	Oid function;

	column->name = NameStr(attr->attname);
	column->type = attr->atttypid;
	column->typmod = attr->atttypmod;
	column->field = -1;
	column->kind = attr->attisdropped ? ETL_DROPPED : column_kind(rows, column);
	if (column->kind != ETL_FIELD && column->kind != ETL_FROM_ITEM && column->kind != ETL_FROM_KEY)
		return;
	column->takes_bytes =
		column->type == TEXTOID || (column->type == VARCHAROID && column->typmod < 0);
	column->fast = has_guessed_types(rows) ? rows->load->converter(column->type)
										   : EtlFastConverterFor(column->type, column->typmod);
	getTypeInputInfo(column->type, &function, &column->ioparam);
	fmgr_info_cxt(function, &column->input, rows->context);
	column->pure = EtlInputIsPure(function);
}

static bool
has_column(const EtlRows *rows, EtlColumnKind kind)
{
	for (int i = 0; i < rows->desc->natts; i++)
		if (rows->columns[i].kind == kind)
			return true;
	return false;
}

static void
set_error_policy(EtlRows *rows)
{
	static const char *const policies[] = {"fail", "skip", "return"};

	rows->on_error = EtlArgChoice(rows->args, "on_error", policies, lengthof(policies));
	if (rows->on_error == ETL_ON_ERROR_RETURN && !has_column(rows, ETL_FROM_ERROR))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("on_error \"return\" needs a column for the reason"),
						errhint("Add \"_etl_error text\" to the columns.")));
	rows->reject_limit = EtlArgInt(rows->args, "reject_limit", -1);
	if (rows->reject_limit < 0 && EtlArgFind(rows->args, "reject_limit") != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("reject_limit must not be negative")));
}

/*
 * A query that reads _etl_error wants to know of any fault, so all columns are converted for it, also those
 * that it does not read.
 */
static void
set_wanted(EtlRows *rows, const Bitmapset *wanted)
{
	bool all = false;

	for (int i = 0; i < rows->desc->natts; i++)
		all |= rows->on_error == ETL_ON_ERROR_RETURN && bms_is_member(i, wanted) &&
			   rows->columns[i].kind == ETL_FROM_ERROR;
	for (int i = 0; i < rows->desc->natts; i++)
		if (all || bms_is_member(i, wanted))
			rows->wanted[rows->nwanted++] = (EtlWanted){i, i};
}

static EtlRows *
open_rows(const EtlScanKind *kind, const EtlArgs *args, TupleDesc desc, const Bitmapset *wanted,
		  bool rewindable, int64 enough, EtlShare *share, const EtlResume *resume)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EtlRows *rows = palloc0(kind->size);
	ErrorContextCallback callback;

	rows->kind = kind;
	rows->args = args;
	rows->desc = desc;
	rows->context = context;
	rows->row_context = AllocSetContextCreate(context, "etl row", ALLOCSET_DEFAULT_SIZES);
	rows->rewindable = rewindable;
	rows->enough = enough;
	rows->until = ETL_FOREVER;
	rows->resume = resume;
	rows->share = share;
	if (EtlRowsCurrentLoad != NULL && EtlRowsCurrentLoad->rows == NULL)
	{
		rows->load = EtlRowsCurrentLoad;
		rows->load->rows = rows;
	}
	rows->converting = -1;
	rows->columns = palloc0(sizeof(EtlColumn) * desc->natts);
	rows->values = palloc0(sizeof(Datum) * desc->natts);
	rows->isnull = palloc0(sizeof(bool) * desc->natts);
	rows->wanted = palloc(sizeof(EtlWanted) * desc->natts);
	initStringInfo(&rows->text);
	initStringInfo(&rows->first_skipped);
	for (int i = 0; i < desc->natts; i++)
		set_up_column(rows, i);
	set_error_policy(rows);
	set_wanted(rows, wanted);
	push_error_context(rows, &callback);
	kind->open(rows);
	pop_error_context(rows, &callback);
	rows->args = NULL; /* the caller's, and soon gone */
	MemoryContextSwitchTo(old);
	return rows;
}

/*
 * Opens a scan for the current user.  The struct of args and desc are borrowed; wanted are the numbers, from 0, of
 * the columns that will be fetched.
 */
EtlRows *
EtlRowsOpen(const EtlScanKind *kind, const EtlArgs *args, TupleDesc desc, const Bitmapset *wanted,
			bool rewindable, int64 enough, EtlShare *share)
{
	return open_rows(kind, args, desc, wanted, rewindable, enough, share, NULL);
}

EtlRows *
EtlRowsOpenForPipeline(const EtlScanKind *kind, const EtlArgs *args, TupleDesc desc,
					   const EtlResume *resume)
{
	EtlRows *rows = open_rows(kind, args, desc, bms_add_range(NULL, 0, desc->natts - 1), false, 0,
							  NULL, resume);

	rows->lacking = MemoryContextAlloc(rows->context, sizeof(int) * Max(desc->natts, 1));
	/* what "fail" would raise is a fault now; the pipeline decides what becomes of it */
	rows->on_error = ETL_ON_ERROR_SKIP;
	return rows;
}

/* ----------------------------------------------------------------
 *	Faulty rows
 * ---------------------------------------------------------------- */

/* The value that is being converted. */
static void
add_value(const EtlRows *rows, StringInfo buf)
{
	int len = pg_mbcliplen(rows->text.data, rows->text.len, SHOWN_VALUE_BYTES);

	appendStringInfo(buf, ", column \"%s\": ", rows->columns[rows->converting].name);
	if (rows->converting_null)
		appendStringInfoString(buf, "null input");
	else
		appendStringInfo(buf, "\"%s%s\"", EtlVisible(pnstrdup(rows->text.data, len)),
						 len < rows->text.len ? "..." : "");
}

/* Somebody who cannot see what is wrong with a value is told. */
static void
hint_at_hidden(const EtlRows *rows)
{
	const EtlColumn *column = &rows->columns[rows->converting];
	const char *name = rows->converting_null ? NULL : EtlNameHidden(rows->text.data);

	if (name == NULL)
		return;
	if (strncmp(rows->text.data, "\xEF\xBB\xBF", 3) == 0 && column->field == 0)
		errhint(
			"The line begins with a byte order mark (U+FEFF): files may have been put together to "
			"this one.");
	else
		errhint("The value holds %s, which does not show.", name);
}

/* Says in CONTEXT which row, column and value an error comes from. */
static void
rows_error_context(void *arg)
{
	EtlRows *rows = arg;
	StringInfoData where;

	initStringInfo(&where);
	rows->kind->where(rows, &where);
	if (rows->converting >= 0)
	{
		add_value(rows, &where);
		hint_at_hidden(rows);
	}
	if (where.len > 0)
		errcontext("%s", where.data);
}

void
EtlRowsErrorContext(EtlRows *rows)
{
	const EtlRowMark *mark = rows->recalled;

	if (rows->reading)
		return;
	if (mark == NULL)
		rows_error_context(rows);
	else if (mark->number > 0)
		errcontext("file \"%s\", %s " UINT64_FORMAT, mark->source, mark->unit, mark->number);
}

void
EtlRowsMark(const EtlRows *rows, EtlRowMark *mark)
{
	memset(mark, 0, sizeof(*mark));
	if (rows->kind->mark != NULL)
		rows->kind->mark(rows, mark);
}

void
EtlRowsRecall(EtlRows *rows, const EtlRowMark *mark)
{
	rows->recalled = mark;
	if (rows->kind->recall != NULL)
		rows->kind->recall(rows, mark);
}

static void
push_error_context(EtlRows *rows, ErrorContextCallback *callback)
{
	callback->callback = rows_error_context;
	callback->arg = rows;
	callback->previous = error_context_stack;
	error_context_stack = callback;
	rows->reading = true;
}

static void
pop_error_context(EtlRows *rows, ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
	rows->reading = false;
}

void
EtlRowsSetFault(EtlRows *rows, int sqlstate, char *message, char *detail, char *hint)
{
	rows->faulty = true;
	rows->fault.sqlstate = sqlstate;
	rows->fault.message = message;
	rows->fault.detail = detail;
	rows->fault.hint = hint;
}

void
EtlInvalidBytesFault(EtlFault *fault, const unsigned char *s, int len)
{
	StringInfoData message;

	initStringInfo(&message);
	appendStringInfo(&message,
					 "invalid byte sequence for encoding \"%s\":", GetDatabaseEncodingName());
	for (int i = 0; i < len; i++)
		appendStringInfo(&message, " 0x%02x", s[i]);
	*fault = (EtlFault){ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, message.data, NULL, NULL};
}

void
EtlRaiseFault(const EtlFault *fault)
{
	ereport(ERROR, (errcode(fault->sqlstate), errmsg_internal("%s", fault->message),
					fault->detail ? errdetail_internal("%s", fault->detail) : 0,
					fault->hint ? errhint("%s", fault->hint) : 0));
}

static void
count_fault(EtlRows *rows, bool returned)
{
	rows->nrejected++;
	rows->counters.rejected++;
	if (!returned && rows->nskipped++ == 0)
	{
		resetStringInfo(&rows->first_skipped);
		rows->kind->where(rows, &rows->first_skipped);
		appendStringInfo(&rows->first_skipped, ": %s", rows->fault.message);
	}
	if (rows->reject_limit >= 0 && rows->nrejected > (uint64) rows->reject_limit)
		ereport(ERROR, (errcode(rows->fault.sqlstate),
						errmsg("more than %lld rows are faulty, the limit set by reject_limit",
							   (long long) rows->reject_limit),
						errdetail("The last was: %s", rows->fault.message)));
}

/* A row of NULLs, but for where it comes from and what is wrong with it. */
static void
fill_faulty_row(EtlRows *rows)
{
	for (int i = 0; i < rows->nwanted; i++)
	{
		int column = rows->wanted[i].column;
		EtlColumnKind kind = rows->columns[column].kind;

		rows->isnull[column] = true;
		if (kind == ETL_FROM_ERROR)
		{
			rows->values[column] = CStringGetTextDatum(rows->fault.message);
			rows->isnull[column] = false;
		}
		else if (kind != ETL_FIELD && kind != ETL_DROPPED)
			rows->kind->fetch(rows, &rows->wanted[i], 1, rows->values, rows->isnull);
	}
}

/* Applies the error policy to the current row; true if it is returned in spite of its fault. */
static bool
dispose_of_faulty_row(EtlRows *rows, bool leave_out)
{
	bool returned = rows->on_error == ETL_ON_ERROR_RETURN && !leave_out;

	if (rows->on_error == ETL_ON_ERROR_FAIL && !leave_out)
		EtlRaiseFault(&rows->fault);
	count_fault(rows, returned);
	if (returned)
		fill_faulty_row(rows);
	return returned;
}

/* ----------------------------------------------------------------
 *	Columns that no record has
 * ---------------------------------------------------------------- */

static bool
lacks_columns(const EtlRows *rows)
{
	return rows->nunseen > 0 && rows->missing != ETL_MISSING_NULL && rows->nsearched > 0 &&
		   rows->nsearched == rows->nsearchable;
}

/* At the end of all records; what was not read to its end is not judged. */
static void
judge_columns(EtlRows *rows)
{
	EtlFault fault;

	if (!lacks_columns(rows))
		return;
	rows->kind->missing(rows, &fault);
	if (rows->missing == ETL_MISSING_ERROR)
		EtlRaiseFault(&fault);
	ereport(NOTICE, (errcode(fault.sqlstate), errmsg_internal("%s", fault.message),
					 errdetail_internal("%s", fault.detail), errhint("%s", fault.hint),
					 errhidecontext(true)));
	rows->nunseen = 0; /* said once */
}

/* ----------------------------------------------------------------
 *	Reading
 * ---------------------------------------------------------------- */

static bool
convert_all(EtlRows *rows)
{
	rows->kind->fetch(rows, rows->wanted, rows->nwanted, rows->values, rows->isnull);
	return !rows->faulty;
}

/*
 * Frees what rows before took.  A reset costs more than the few values of a row, so a number of rows share one,
 * unless they are large.
 */
static inline void
reset_row_context(EtlRows *rows)
{
	if (++rows->rows_in_context < ROWS_PER_RESET &&
		rows->row_context->mem_allocated <= ALLOCSET_DEFAULT_INITSIZE)
		return;
	MemoryContextReset(rows->row_context);
	rows->rows_in_context = 0;
}

EtlAdvance
EtlRowsAdvance(EtlRows *rows, int64 until)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row_context);
	ErrorContextCallback callback;
	EtlAdvance advance;

	push_error_context(rows, &callback);
	CHECK_FOR_INTERRUPTS();
	reset_row_context(rows);
	rows->faulty = false;
	rows->until = until;
	advance = rows->kind->advance(rows);
	if (advance != ETL_NO_MORE_ROWS && advance != ETL_ROW_LATE)
		rows->counters.records++;
	pop_error_context(rows, &callback);
	MemoryContextSwitchTo(old);
	return advance;
}

/* Goes to the next row; false when there is none. */
bool
EtlRowsNext(EtlRows *rows)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row_context);
	ErrorContextCallback callback;
	EtlAdvance advance;

	push_error_context(rows, &callback);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		reset_row_context(rows);
		rows->faulty = false;
		advance = rows->kind->advance(rows);
		if (advance == ETL_NO_MORE_ROWS)
			break;
		rows->counters.records++;
		if (advance == ETL_ROW && (rows->on_error == ETL_ON_ERROR_FAIL || convert_all(rows)))
			break;
		if (dispose_of_faulty_row(rows, advance == ETL_ROW_REJECTED))
			break;
	}
	if (advance == ETL_NO_MORE_ROWS)
		judge_columns(rows);
	pop_error_context(rows, &callback);
	MemoryContextSwitchTo(old);
	return advance != ETL_NO_MORE_ROWS;
}

/* Gives the values of some wanted columns. */
void
EtlRowsFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	MemoryContext old;
	ErrorContextCallback callback;

	if (rows->on_error != ETL_ON_ERROR_FAIL)
	{
		for (int i = 0; i < n; i++)
		{
			values[targets[i].place] = rows->values[targets[i].column];
			isnull[targets[i].place] = rows->isnull[targets[i].column];
		}
		return;
	}
	old = MemoryContextSwitchTo(rows->row_context);
	push_error_context(rows, &callback);
	rows->kind->fetch(rows, targets, n, values, isnull);
	pop_error_context(rows, &callback);
	MemoryContextSwitchTo(old);
}

void
EtlRowsRewind(EtlRows *rows)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row_context);
	ErrorContextCallback callback;

	Assert(rows->rewindable);
	rows->most_skipped = Max(rows->most_skipped, rows->nskipped);
	rows->nrejected = rows->nskipped = 0;
	push_error_context(rows, &callback);
	rows->kind->rewind(rows);
	pop_error_context(rows, &callback);
	MemoryContextSwitchTo(old);
}

/* Releases everything, and reports how many rows were skipped. */
void
EtlRowsClose(EtlRows *rows)
{
	unsigned long long nskipped = Max(rows->most_skipped, rows->nskipped);

	if (rows->load != NULL)
		rows->load->rows = NULL;
	if (nskipped > 0)
		ereport(NOTICE, (errmsg_plural("%llu row was skipped due to errors",
									   "%llu rows were skipped due to errors", nskipped, nskipped),
						 errdetail("The first was %s", rows->first_skipped.data)));
	if (rows->kind->report != NULL)
		rows->kind->report(rows);
	MemoryContextDelete(rows->context);
}

/* ----------------------------------------------------------------
 *	For pipelines
 * ---------------------------------------------------------------- */

void
EtlRowsKeep(EtlRows *rows, EtlKept *kept)
{
	rows->kind->keep(rows, kept);
}

void
EtlRowsRevive(EtlRows *rows, EtlKept *kept)
{
	rows->kind->revive(rows, kept);
}

void
EtlRowsTell(EtlRows *rows)
{
	rows->kind->tell(rows);
}

bool
EtlRowsLeave(EtlRows *rows)
{
	return rows->kind->leave(rows);
}

void
EtlRowsCommitted(EtlRows *rows, bool all)
{
	if (rows->kind->committed != NULL)
		rows->kind->committed(rows, all);
}

bool
EtlRowsGoOn(EtlRows *rows)
{
	return rows->kind->goes_on != NULL && rows->kind->goes_on(rows);
}

bool
EtlRowsAreTogether(EtlRows *rows, const EtlKept *record, const EtlKept *next)
{
	return rows->kind->together != NULL && rows->kind->together(rows, record, next);
}

List *
EtlRowsUnseen(const EtlRows *rows)
{
	List *names = NIL;

	for (int i = 0; i < rows->nunseen && rows->nsearched > 0; i++)
		names = lappend(names, unconstify(char *, rows->columns[rows->unseen[i]].name));
	return names;
}

void
EtlRowsLook(EtlRows *rows, const EtlKept *kept)
{
	if (kept->advance == ETL_ROW && rows->kind->look != NULL)
		rows->kind->look(rows, kept);
}

bool
EtlRowsMayLack(const EtlRows *rows, const EtlNames *seen)
{
	for (int i = 0; i < rows->nunseen && rows->missing == ETL_MISSING_ERROR; i++)
		if (EtlNamesFind(seen, rows->columns[rows->unseen[i]].name) < 0)
			return true;
	return false;
}

bool
EtlRowsMissing(EtlRows *rows, const EtlNames *seen, EtlFault *fault)
{
	int *unseen = rows->unseen;
	int nunseen = rows->nunseen;

	if (rows->nsearched == 0 || !EtlRowsMayLack(rows, seen))
		return false;
	rows->unseen = palloc(sizeof(int) * nunseen);
	rows->nunseen = 0;
	for (int i = 0; i < nunseen; i++)
		if (EtlNamesFind(seen, rows->columns[unseen[i]].name) < 0)
			rows->unseen[rows->nunseen++] = unseen[i];
	rows->kind->missing(rows, fault);
	rows->unseen = unseen;
	rows->nunseen = nunseen;
	return true;
}

const char *
EtlRowsText(EtlRows *rows, const EtlKept *kept)
{
	if (!kept->is_text)
		return NULL;
	return rows->kind->text != NULL ? rows->kind->text(rows, kept) : kept->data;
}

const char *
EtlRowsHeader(EtlRows *rows, const EtlKept *kept)
{
	return rows->kind->header != NULL ? rows->kind->header(rows, kept) : kept->header;
}

char *
EtlRowsPosition(EtlRows *rows, const EtlKept *kept)
{
	return rows->kind->position != NULL ? rows->kind->position(rows, kept) : NULL;
}

char *
EtlRowsRedacted(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns)
{
	return rows->kind->redact(rows, kept, columns);
}

bool
EtlRowsUse(EtlRows *rows, const EtlKept *kept, Datum *values, bool *isnull)
{
	rows->nlacking = 0;
	rows->kind->use(rows, kept);
	rows->kind->fetch(rows, rows->wanted, rows->nwanted, values, isnull);
	return !rows->faulty;
}

bool
EtlRowsUseSome(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns, Datum *values,
			   bool *isnull)
{
	EtlWanted *wanted = palloc(sizeof(EtlWanted) * (bms_num_members(columns) + 1));
	int n = 0;
	int i = -1;

	if (kept->advance != ETL_ROW)
		return false;
	while ((i = bms_next_member(columns, i)) >= 0)
		wanted[n++] = (EtlWanted){i, i};
	rows->nlacking = 0;
	rows->kind->use(rows, kept);
	rows->kind->fetch(rows, wanted, n, values, isnull);
	return !rows->faulty;
}

const EtlColumn *
EtlRowsFaultyValue(const EtlRows *rows, const char **text)
{
	*text = rows->converting_null ? NULL : rows->text.data;
	return &rows->columns[rows->fault_column];
}

char *
EtlKeptWhere(const EtlKept *kept)
{
	if (kept->line > 0)
		return psprintf("file \"%s\", line %lld", kept->source, (long long) kept->line);
	if (kept->page == 0)
		return psprintf("\"%s\", offset %llu, item %lld", kept->source,
						(unsigned long long) kept->offset, (long long) kept->index);
	return psprintf("\"%s\", page %lld, item %lld", kept->source, (long long) kept->page,
					(long long) kept->index);
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

/* Runs an input function; under a policy other than 'fail' its error becomes the fault of the row. */
static Datum
input(EtlRows *rows, int column, char *text)
{
	EtlColumn *col = &rows->columns[column];
	EtlFault fault;
	Datum value = (Datum) 0;

	rows->converting = column;
	rows->converting_null = text == NULL;
	if (rows->on_error == ETL_ON_ERROR_FAIL)
		value = InputFunctionCall(&col->input, text, col->ioparam, col->typmod);
	else if (!EtlInputTry(col, text, &value, &fault))
	{
		rows->faulty = true;
		rows->fault_column = column;
		rows->fault = fault;
		rows->fault.message = psprintf("column \"%s\": %s", col->name, fault.message);
	}
	rows->converting = -1;
	return value;
}

Datum
EtlColumnInput(EtlRows *rows, int column, const char *s, size_t len)
{
	if (has_guessed_types(rows) && !rows->load->has_form(rows->columns[column].type, s, len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("a value of column \"%s\" is not plainly of type %s",
						rows->columns[column].name, format_type_be(rows->columns[column].type))));
	resetStringInfo(&rows->text);
	appendBinaryStringInfo(&rows->text, s, len);
	return input(rows, column, rows->text.data);
}

void
EtlColumnNull(EtlRows *rows, int column, Datum *value, bool *isnull)
{
	*value = (Datum) 0;
	*isnull = true;
	if (!rows->columns[column].input.fn_strict)
		(void) input(rows, column, NULL);
}

void
EtlColumnOrigin(const EtlColumn *column, const EtlOrigin *origin, Datum *value, bool *isnull)
{
	*isnull = false;
	switch (column->kind)
	{
		case ETL_FROM_SOURCE:
			*value = CStringGetTextDatum(origin->source);
			break;
		case ETL_FROM_LINE:
			*value = Int64GetDatum(origin->line);
			break;
		case ETL_FROM_RAW:
			*isnull = origin->raw == NULL;
			if (!*isnull)
				*value = PointerGetDatum(cstring_to_text_with_len(origin->raw, (int) origin->len));
			break;
		default:
			*isnull = true;
			break;
	}
}

void
EtlColumnLacking(EtlRows *rows, int column, Datum *value, bool *isnull)
{
	if (rows->lacking != NULL)
		rows->lacking[rows->nlacking++] = column;
	EtlColumnNull(rows, column, value, isnull);
}

/* ----------------------------------------------------------------
 *	EXPLAIN
 * ---------------------------------------------------------------- */

void
EtlExplainHttp(const EtlHttpStats *http, ExplainState *es)
{
	ExplainPropertyUInteger("Requests", NULL, http->requests, es);
	ExplainPropertyUInteger("Retries", NULL, http->retries, es);
	ExplainPropertyInteger("Waited", "ms", http->waited, es);
}

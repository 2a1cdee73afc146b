/*
 * import.c
 *		etl_import: from a file to a table in one call.
 *
 *		EtlPropose	format, names and types, from a sample
 *		CREATE TABLE, INSERT INTO ... SELECT ... FROM etl_csv(...), or whichever function reads the format
 *
 * If a value behind the sample is not one that its type would have been proposed for, or has no column, the attempt is
 * rolled back, the whole source is looked at, and the table is made and loaded again with types that fit every value: no
 * row is lost to a guess, and no value changed by one.  What is loaded is always what the file says, since the source is
 * read again rather than converted back.
 *
 * A table that exists already is taken as it is: its types are somebody's decision.
 */
#include "etl.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "format/header.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "monitor/progress.h"
#include "scan/look.h"
#include "source/subtransaction.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"

typedef struct Import
{
	const EtlArgs *args;
	const EtlLookKind *kind; /* of the source */
	const char *schema;		 /* of the function that reads it: users may have set any search_path */
	const char *target;		 /* the table, quoted */
	RangeVar *relation;		 /* the same */
	bool is_new;			 /* it is made; else it existed */
	bool made;				 /* it exists now */
	uint64 nloaded;			 /* rows */
	EtlProposal *proposal;
	StringInfoData names;	/* the table's columns to fill */
	StringInfoData columns; /* those of the function, with their types, in the same order */
} Import;

/* Why columns cannot go by their names. */
#define UNFIT_NAMES                                                                          \
	"Some name is empty, longer than 63 bytes, reserved (_etl_), or there twice, also when " \
	"folded to snake case."

/* Whether an argument of etl_import is handed on to the function that reads the source. */
static bool
is_handed_on(const Import *import, const char *name)
{
	return strcmp(name, "target") != 0 && strcmp(name, "sample_rows") != 0 &&
		   import->kind->takes(name);
}

/* ----------------------------------------------------------------
 *	What to load
 * ---------------------------------------------------------------- */

/* A new table has the proposed columns. */
static void
plan_new_table(Import *import)
{
	const EtlProposal *proposal = import->proposal;

	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &proposal->columns[i];
		const char *comma = i > 0 ? ", " : "";

		appendStringInfo(&import->names, "%s%s", comma, quote_identifier(column->name));
		appendStringInfo(&import->columns, "%s%s %s", comma, quote_identifier(column->declared),
						 format_type_be(EtlProposedType(column)));
	}
}

/* Adds a column of the table, which the function is to give under the same name. */
static void
add_table_column(Import *import, Form_pg_attribute attr)
{
	const char *comma = import->names.len > 0 ? ", " : "";
	const char *name = quote_identifier(NameStr(attr->attname));

	appendStringInfo(&import->names, "%s%s", comma, name);
	appendStringInfo(&import->columns, "%s%s %s", comma, name,
					 format_type_with_typemod(attr->atttypid, attr->atttypmod));
}

static void
refuse_generated_column(const Import *import, Relation rel, Form_pg_attribute attr)
{
	ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
					errmsg("column \"%s\" of table \"%s\" is a generated column",
						   NameStr(attr->attname), RelationGetRelationName(rel)),
					errhint("Use INSERT with SELECT from %s for the other columns of the file.",
							import->kind->function)));
}

/* The columns of a table that the file has.  Sets "taken" for the columns of the file. */
static void
match_to_table(Import *import, Relation rel, bool *taken)
{
	const EtlProposal *proposal = import->proposal;
	TupleDesc desc = RelationGetDescr(rel);
	EtlName *names = palloc(sizeof(EtlName) * (proposal->ncolumns + 1));

	for (int i = 0; i < proposal->ncolumns; i++)
		names[i] = (EtlName){proposal->columns[i].header, strlen(proposal->columns[i].header)};
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		EtlNameMatch match;

		if (attr->attisdropped)
			continue;
		match = EtlMatchName(NameStr(attr->attname), names, proposal->ncolumns);
		if (match.index < 0)
			continue; /* the table's default */
		if (strcmp(names[match.index].name, NameStr(attr->attname)) != 0 &&
			get_attnum(RelationGetRelid(rel), names[match.index].name) > 0)
			continue; /* another column is called just so */
		if (attr->attgenerated != '\0')
			refuse_generated_column(import, rel, attr);
		taken[match.index] = true;
		if (match.other >= 0)
			taken[match.other] = true; /* the function says what is ambiguous */
		add_table_column(import, attr);
	}
}

static void
tell_doubts(const Import *import)
{
	if (import->kind->tell_doubts != NULL)
		import->kind->tell_doubts(import->proposal, true);
}

/* A table that exists gets the columns of the file that it has; it must have all of them. */
static void
plan_by_name(Import *import, Relation rel)
{
	const EtlProposal *proposal = import->proposal;
	bool *taken = palloc0(sizeof(bool) * (proposal->ncolumns + 1));

	if (!proposal->by_name)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot match the columns of the file to table \"%s\" by name",
							   RelationGetRelationName(rel)),
						errdetail(UNFIT_NAMES),
						errhint("Use INSERT with SELECT from %s.", import->kind->otherwise)));
	match_to_table(import, rel, taken);
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		if (taken[i])
			continue;
		tell_doubts(import);
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of the file is not a column of table \"%s\"",
							   proposal->columns[i].header, RelationGetRelationName(rel)),
						errhint("Add the column, or use INSERT with SELECT from %s for some of "
								"the file's columns.",
								import->kind->function)));
	}
}

/* Without a header the file has the columns of the table in their order, as COPY would have it. */
static void
plan_by_position(Import *import, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && attr->attgenerated == '\0')
			add_table_column(import, attr);
	}
}

/* Keeps the lock, so that the columns are still these when they are loaded. */
static void
plan_existing_table(Import *import)
{
	Relation rel = relation_openrv(import->relation, AccessShareLock);

	if (import->kind->by_position != NULL && import->kind->by_position(import->args))
		plan_by_position(import, rel);
	else
		plan_by_name(import, rel);
	relation_close(rel, NoLock);
}

/* ----------------------------------------------------------------
 *	Loading
 * ---------------------------------------------------------------- */

/*
 * Another session that makes the same table is waited for, and then PostgreSQL speaks of a duplicate key of its
 * catalog, which reads as if the file had one.
 */
static void
execute_create_table(const Import *import, const char *sql)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not execute \"%s\"", sql);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->schema_name == NULL ||
			strcmp(error->schema_name, "pg_catalog") != 0)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
						errmsg("another session has created table %s meanwhile", import->target),
						errhint("To load the rows into that table, try again.")));
	}
	PG_END_TRY();
}

static void
create_table(const Import *import)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", import->target);
	for (int i = 0; i < import->proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &import->proposal->columns[i];

		appendStringInfo(&sql, "%s%s %s", i > 0 ? ", " : "", quote_identifier(column->name),
						 format_type_be(EtlProposedType(column)));
	}
	appendStringInfoChar(&sql, ')');
	execute_create_table(import, sql.data);
}

/* Re-throws the error without the generated statement, which names every column. */
pg_noreturn static void
rethrow_without(const char *sql, MemoryContext context)
{
	ErrorData *error;
	char *at;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	at = error->context != NULL ? strstr(error->context, sql) : NULL;
	if (at != NULL)
	{
		char *behind = at + strlen(sql);

		behind += strcspn(behind, "\n");
		while (at > error->context && at[-1] != '\n')
			at--;
		if (*behind == '\n')
			behind++;
		else if (at > error->context)
			at--;
		memmove(at, behind, strlen(behind) + 1);
		if (error->context[0] == '\0')
			error->context = NULL;
	}
	if (error->internalquery != NULL && strcmp(error->internalquery, sql) == 0)
	{
		error->internalquery = NULL;
		error->internalpos = 0;
	}
	ReThrowError(error);
}

/* INSERT ... SELECT, with the arguments of this call handed on as parameters. */
static uint64
insert_rows(const Import *import)
{
	const EtlArgs *args = import->args;
	Oid *types = palloc(sizeof(Oid) * args->n);
	Datum *values = palloc(sizeof(Datum) * args->n);
	char *nulls = palloc(args->n);
	MemoryContext context = CurrentMemoryContext;
	StringInfoData sql;
	int n = 0;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (%s) SELECT * FROM %s(", import->target,
					 import->names.data,
					 quote_qualified_identifier(import->schema, import->kind->function));
	for (int i = 0; i < args->n; i++)
	{
		if (!is_handed_on(import, args->arg[i].name))
			continue;
		types[n] = args->arg[i].type;
		values[n] = args->arg[i].value;
		nulls[n++] = args->arg[i].isnull ? 'n' : ' ';
		appendStringInfo(&sql, "%s => $%d, ", quote_identifier(args->arg[i].name), n);
	}
	appendStringInfo(&sql, "%s) AS t(%s)", import->kind->adds(args, import->proposal),
					 import->columns.data);
	PG_TRY();
	{
		if (SPI_execute_with_args(sql.data, n, types, values, nulls, false, 0) < 0)
			elog(ERROR, "could not execute \"%s\"", sql.data);
	}
	PG_CATCH();
	{
		rethrow_without(sql.data, context);
	}
	PG_END_TRY();
	return SPI_processed; /* as INSERT would say; a rule may have made anything of it */
}

/* Says where the row comes from that the table refuses. */
static void
load_error_context(void *arg)
{
	EtlLoad *load = arg;

	if (load->rows != NULL)
		EtlRowsErrorContext(load->rows);
}

/* Loads the table; with guesses for its types, a value that they do not fit is an error. */
static uint64
load(const Import *import, bool guesses)
{
	EtlLoad load = {0};
	EtlLoad *outer = EtlRowsCurrentLoad;
	ErrorContextCallback callback = {error_context_stack, load_error_context, &load};
	volatile uint64 n = 0;

	if (guesses)
	{
		load.guesses = true;
		load.converter = import->kind->converter;
		load.has_form = import->kind->has_form;
	}
	EtlProgressBegin(RangeVarGetRelid(import->relation, NoLock, false), 0);
	EtlRowsCurrentLoad = &load;
	error_context_stack = &callback;
	PG_TRY();
	{
		n = insert_rows(import);
	}
	PG_FINALLY();
	{
		EtlRowsCurrentLoad = outer;
		EtlProgressEnd();
	}
	PG_END_TRY();
	error_context_stack = callback.previous; /* PG_END_TRY has set it to what it was in there */
	return n;
}

/*
 * Whether a look at all records may propose columns that do without the error.  Input functions complain of a value in
 * these classes, and a reader of a member that has no column; broken structure and bytes that are no text stay what they
 * are.
 */
static bool
may_be_misfit(const Import *import, const ErrorData *error)
{
	if (!import->proposal->settled && error->sqlerrcode == ERRCODE_UNDEFINED_COLUMN)
		return true;
	return import->is_new &&
		   (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED) &&
		   error->sqlerrcode != ERRCODE_BAD_COPY_FILE_FORMAT &&
		   error->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
}

static void
load_guesses(void *arg)
{
	Import *import = arg;

	if (import->is_new)
		create_table(import);
	import->made = true;
	import->nloaded = load(import, import->is_new);
}

/*
 * Makes the table, if it is to be made, and loads it, in a subtransaction.  If a record does not fit what was guessed,
 * everything is as it was before, and the error is returned; otherwise NULL.
 */
static ErrorData *
try_guesses(Import *import)
{
	ErrorData *error = EtlInSubtransaction(load_guesses, import, CurrentMemoryContext);

	if (error != NULL && (!import->made || !may_be_misfit(import, error)))
		ReThrowError(error);
	return error;
}

/* Whether a column is another one than the sample had it; tells if its type is. */
static bool
is_widened(const EtlProposedColumn *sampled, const EtlProposedColumn *whole)
{
	Oid was = EtlProposedType(sampled);
	Oid is = EtlProposedType(whole);

	if (strcmp(sampled->header, whole->header) != 0)
		return true;
	if (was != is)
		ereport(NOTICE, (errmsg("column \"%s\" becomes %s, since not all its values are %s",
								whole->name, format_type_be(is), format_type_be(was))));
	return was != is;
}

/* Looks at the whole source, and tells which columns the sample was wrong about; false if it was right. */
static bool
widen(Import *import)
{
	EtlProposal *sampled = import->proposal;
	EtlProposal *whole = EtlPropose(import->args, &import->kind, -1, import->is_new);
	bool widened = whole->ncolumns != sampled->ncolumns;

	for (int i = 0; import->is_new && i < Min(sampled->ncolumns, whole->ncolumns); i++)
		widened |= is_widened(&sampled->columns[i], &whole->columns[i]);
	import->proposal = whole;
	return widened;
}

/* What the source gives must make one table. */
static void
check_columns(const Import *import)
{
	const EtlProposal *proposal = import->proposal;

	if (proposal->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("cannot create table %s from a source without columns", import->target)));
	if (!proposal->by_name && !(proposal->alike && import->kind->by_position != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot match the columns of the files by name"), errdetail(UNFIT_NAMES),
				 proposal->alike
					 ? errhint("Use INSERT with SELECT from %s.", import->kind->otherwise)
					 : errhint("Import files with the same header together, or use etl_csv.")));
	tell_doubts(import);
}

/* What is loaded into which columns, as the proposal has it. */
static void
plan(Import *import)
{
	resetStringInfo(&import->names);
	resetStringInfo(&import->columns);
	if (import->is_new)
	{
		check_columns(import);
		plan_new_table(import);
	}
	else
		plan_existing_table(import);
	if (import->names.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("cannot load table %s from a source without columns", import->target)));
}

/* With a sample, first as that has it. */
static uint64
load_table(Import *import)
{
	ErrorData *error;

	plan(import);
	if (import->is_new ? !import->proposal->complete : !import->proposal->settled)
	{
		error = try_guesses(import);
		if (error == NULL)
			return import->nloaded;
		if (!widen(import))
			ReThrowError(error);
		plan(import);
	}
	if (import->is_new)
		create_table(import);
	return load(import, false);
}

/* Whether there are rows in the target that the user may see. */
static bool
has_rows(const Import *import)
{
	Oid relid = RangeVarGetRelid(import->relation, AccessShareLock, false);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	if (SPI_execute(psprintf("SELECT FROM %s", import->target), true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look into %s", import->target);
	return SPI_processed > 0;
}

/* Tells the caller when rows were appended to others, because an import that is repeated doubles them. */
static uint64
load_existing_table(Import *import)
{
	bool had_rows = has_rows(import);
	uint64 n = load_table(import);

	if (had_rows && n > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu row was appended to table %s, which had rows before",
							   "%llu rows were appended to table %s, which had rows before", n,
							   (unsigned long long) n, import->target),
				 errhint("To replace the rows, empty the table first, in the same transaction.")));
	return n;
}

/*
 * How many records the types of a new table are proposed from.  All, where faulty rows are skipped: a value that only
 * does not fit a guess must not be taken for a fault.
 */
static int64
sample_size(const EtlArgs *args)
{
	static const char *const policies[] = {"fail", "skip"};
	int64 sample = EtlSampleRows(args);

	return EtlArgChoice(args, "on_error", policies, lengthof(policies)) == 0 ? sample : -1;
}

PG_FUNCTION_INFO_V1(etl_import);

/*
 * etl_import(target text, source text, sample_rows bigint, ...) returns bigint
 *
 * sql/etl--1.0.sql documents the arguments.
 */
Datum
etl_import(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	Import import = {.args = args};
	List *names;
	uint64 n = 0;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("target must not be null")));
	names = textToQualifiedNameList(PG_GETARG_TEXT_PP(0));
	import.relation = makeRangeVarFromNameList(names);
	import.target = NameListToQuotedString(names);
	import.schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	initStringInfo(&import.names);
	initStringInfo(&import.columns);

	import.is_new = !OidIsValid(RangeVarGetRelid(import.relation, NoLock, true));
	import.proposal = EtlPropose(args, &import.kind, sample_size(args), import.is_new);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (import.is_new)
		n = load_table(&import);
	else if (import.proposal->nparts > 0) /* there is something, if only a header */
		n = load_existing_table(&import);
	SPI_finish();
	PG_RETURN_INT64((int64) n);
}

/*
 * import.c
 *		etl_import: from a file to a table in one call.
 *
 *		EtlPropose	names and types, from a sample
 *		CREATE TABLE, INSERT INTO ... SELECT ... FROM etl_csv(...)
 *
 * If a value behind the sample is not one that its type would have been proposed for, the attempt is rolled back,
 * the whole source is looked at, and the table is made and loaded again with types that fit every value: no row is
 * lost to a guess, and no value changed by one.  What is loaded is always what the file says, since the source is
 * read again rather than converted back.
 *
 * A table that exists already is taken as it is: its types are somebody's decision.
 */
#include "etl.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "monitor/progress.h"
#include "scan/csv_records.h"
#include "scan/infer.h"
#include "scan/input.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/varlena.h"

typedef struct Import
{
	const EtlArgs *args;
	const char *etl_csv;	/* the function, qualified: users may have set any search_path */
	const char *target;		/* the table, quoted */
	RangeVar *relation;		/* the same */
	EtlProposal *proposal;	/* NULL: the table existed */
	StringInfoData names;	/* the table's columns to fill */
	StringInfoData columns; /* the columns of etl_csv, with their types, in the same order */
} Import;

/* Why columns cannot go by their names. */
#define UNFIT_HEADER                                                                                     \
	"Some name in a header is empty, longer than 63 bytes, reserved (_etl_), or there twice, also when " \
	"folded to snake case."

/* Arguments of etl_import that etl_csv does not have. */
static bool
is_own_argument(const char *name)
{
	return strcmp(name, "target") == 0 || strcmp(name, "sample_rows") == 0 ||
		   strcmp(name, "match") == 0 || strcmp(name, "union_by_name") == 0;
}

/* ----------------------------------------------------------------
 *	What to load
 * ---------------------------------------------------------------- */

/* A new table has the proposed columns. */
static void
plan_new_table(Import *import)
{
	const EtlProposal *proposal = import->proposal;

	resetStringInfo(&import->names);
	resetStringInfo(&import->columns);
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &proposal->columns[i];
		const char *comma = i > 0 ? ", " : "";

		appendStringInfo(&import->names, "%s%s", comma, quote_identifier(column->name));
		appendStringInfo(&import->columns, "%s%s %s", comma,
						 quote_identifier(proposal->by_name ? column->header : column->name),
						 format_type_be(EtlProposedType(column)));
	}
}

/* Adds a column of the table, which etl_csv is to give under the same name. */
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
refuse_generated_column(Relation rel, Form_pg_attribute attr)
{
	ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
					errmsg("column \"%s\" of table \"%s\" is a generated column",
						   NameStr(attr->attname), RelationGetRelationName(rel)),
					errhint("Use INSERT with SELECT from etl_csv for the other columns of the "
							"file.")));
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
			refuse_generated_column(rel, attr);
		taken[match.index] = true;
		if (match.other >= 0)
			taken[match.other] = true; /* etl_csv says what is ambiguous */
		add_table_column(import, attr);
	}
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
						errdetail(UNFIT_HEADER),
						errhint("Use INSERT with SELECT from etl_csv and match => 'position'.")));
	match_to_table(import, rel, taken);
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		if (taken[i])
			continue;
		EtlDoubtsTell(&proposal->doubts, true);
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of the file is not a column of table \"%s\"",
							   proposal->columns[i].header, RelationGetRelationName(rel)),
						errhint("Add the column, or use INSERT with SELECT from etl_csv for "
								"some of the file's columns.")));
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
plan_existing_table(Import *import, Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);

	if (EtlArgBool(import->args, "header", true))
		plan_by_name(import, rel);
	else
		plan_by_position(import, rel);
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

/* Throws the error again without the statement, which nobody wrote and which names each column. */
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
					 import->names.data, import->etl_csv);
	for (int i = 0; i < args->n; i++)
	{
		if (is_own_argument(args->arg[i].name))
			continue;
		types[n] = args->arg[i].type;
		values[n] = args->arg[i].value;
		nulls[n++] = args->arg[i].isnull ? 'n' : ' ';
		appendStringInfo(&sql, "%s => $%d, ", quote_identifier(args->arg[i].name), n);
	}
	appendStringInfo(&sql, "match => '%s', union_by_name => %s) AS t(%s)",
					 import->proposal->by_name ? "name" : "position",
					 import->proposal->by_name && import->proposal->nfiles > 1 ? "true" : "false",
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
		load.converter = EtlProposedConverterFor;
		load.has_form = EtlHasProposedForm;
	}
	EtlProgressBegin(RangeVarGetRelid(import->relation, NoLock, false));
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
 * Whether a look at all values may propose types that do without the error.  Input functions complain of a value in
 * these classes; broken structure and bytes that are no text stay what they are.
 */
static bool
may_be_misfit(const ErrorData *error)
{
	return (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED) &&
		   error->sqlerrcode != ERRCODE_BAD_COPY_FILE_FORMAT &&
		   error->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
}

/*
 * Makes the table and loads it, in a subtransaction.  If a value may not have the type that was guessed, everything
 * is as it was before, and the error is returned; otherwise NULL.
 */
static ErrorData *
try_guesses(Import *import, uint64 *n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool made = false;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		create_table(import);
		made = true;
		*n = load(import, true);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!made || !may_be_misfit(error))
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* Looks at the whole source, and tells which columns the sample was wrong about; false if it was right. */
static bool
widen(Import *import)
{
	EtlProposal *sampled = import->proposal;
	EtlProposal *whole = EtlPropose(import->args, -1);
	bool widened = whole->ncolumns != sampled->ncolumns;

	for (int i = 0; i < Min(sampled->ncolumns, whole->ncolumns); i++)
	{
		Oid was = EtlProposedType(&sampled->columns[i]);
		Oid is = EtlProposedType(&whole->columns[i]);

		if (was == is)
			continue;
		widened = true;
		ereport(NOTICE, (errmsg("column \"%s\" becomes %s, since not all its values are %s",
								whole->columns[i].name, format_type_be(is), format_type_be(was))));
	}
	import->proposal = whole;
	return widened;
}

/* What the files give must make one table. */
static void
check_columns(const Import *import)
{
	if (import->proposal->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("cannot create table %s from a source without columns", import->target)));
	if (!import->proposal->by_name && !import->proposal->alike)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot match the columns of the files by name"), errdetail(UNFIT_HEADER),
				 errhint("Import files with the same header together, or use etl_csv.")));
	EtlTellDoubts(import->proposal, true);
}

static uint64
load_new_table(Import *import)
{
	ErrorData *error;
	uint64 n;

	check_columns(import);
	plan_new_table(import);
	if (!import->proposal->complete)
	{
		error = try_guesses(import, &n);
		if (error == NULL)
			return n;
		if (!widen(import))
			ReThrowError(error);
		plan_new_table(import);
	}
	create_table(import);
	return load(import, false);
}

/* Whether there are rows in the target that the user may see. */
static bool
has_rows(const Import *import, Oid relid)
{
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	if (SPI_execute(psprintf("SELECT FROM %s", import->target), true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look into %s", import->target);
	return SPI_processed > 0;
}

/* Once more is once too often, if nobody says what becomes of the rows before. */
static uint64
load_existing_table(Import *import, Oid relid)
{
	bool had_rows;
	uint64 n;

	plan_existing_table(import, relid);
	had_rows = has_rows(import, relid);
	n = load(import, false);
	if (had_rows && n > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu row was appended to table %s, which had rows before",
							   "%llu rows were appended to table %s, which had rows before", n,
							   (unsigned long long) n, import->target),
				 errhint("To replace the rows, empty the table first, in the same transaction.")));
	return n;
}

/*
 * How many records the types of a new table are proposed from.  Where faulty rows are skipped, all: a row whose
 * value only a guess does not fit is not faulty.
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
	Oid relid;
	uint64 n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("target must not be null")));
	names = textToQualifiedNameList(PG_GETARG_TEXT_PP(0));
	import.relation = makeRangeVarFromNameList(names);
	import.target = NameListToQuotedString(names);
	import.etl_csv = quote_qualified_identifier(
		get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)), "etl_csv");
	initStringInfo(&import.names);
	initStringInfo(&import.columns);

	relid = RangeVarGetRelid(import.relation, NoLock, true);
	import.proposal = EtlPropose(args, OidIsValid(relid) ? 0 : sample_size(args));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (!OidIsValid(relid))
		n = load_new_table(&import);
	else if (import.proposal->nfiles == 0)
		n = 0; /* nothing, not even a header */
	else
		n = load_existing_table(&import, relid);
	SPI_finish();
	PG_RETURN_INT64((int64) n);
}

/*
 * removals.c
 *		The statements of a definition that delete rows of the target, or mark them as gone.
 */
#include "etl.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pipeline/define/check.h"
#include "pipeline/define/history.h"
#include "pipeline/define/lacks.h"
#include "pipeline/define/phrases.h"
#include "pipeline/define/removals.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

static TupleDesc
key_desc(const EtlStatements *s)
{
	TupleDesc desc = CreateTemplateTupleDesc(s->nkeys);

	for (int k = 0; k < s->nkeys; k++)
		TupleDescCopyEntry(desc, k + 1, s->emitted, s->keys[k] + 1);
	return desc;
}

/* "EXISTS (SELECT FROM keys WHERE ...)", by an operator between the columns of the key. */
static void
add_such_key(StringInfo text, const EtlStatements *s, Relation target, const char *operator)
{
	appendStringInfo(text, "EXISTS (SELECT FROM etl_internal.etl_emitted() AS e(%s) WHERE ",
					 EtlDefinitionList(s->key_desc, true));
	for (int k = 0; k < s->nkeys; k++)
	{
		Form_pg_attribute from = TupleDescAttr(s->key_desc, k);
		Form_pg_attribute attr = EtlTargetAttribute(s, target, s->keys[k]);

		appendStringInfo(text, "%st.%s %s %s", k > 0 ? " AND " : "",
						 EtlColumnName(s->emitted, s->keys[k]), operator,
						 EtlCollated(attr, EtlAssigned(from->atttypid, from->atttypmod, attr, k)));
	}
	appendStringInfoChar(text, ')');
}

/*
 * Rows that the load has found to be as they are in the source need not be looked for among the keys.  Where NULLs are
 * equal, too, keys with a NULL are looked for in a second way, which no hash can go.
 */
static char *
remove_others(const EtlStatements *s, Relation target, const char *rows)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s AND ", rows);
	if (s->notes_places)
		appendStringInfoString(&text, "NOT etl_internal.etl_kept(t.ctid) AND ");
	appendStringInfoString(&text, "NOT ");
	add_such_key(&text, s, target, "=");
	if (s->key_takes_null)
	{
		appendStringInfoString(&text, " AND (ROW(");
		for (int k = 0; k < s->nkeys; k++)
			appendStringInfo(&text, "%st.%s", k > 0 ? ", " : "",
							 EtlColumnName(s->emitted, s->keys[k]));
		appendStringInfoString(&text, ") IS NOT NULL OR NOT ");
		add_such_key(&text, s, target, "IS NOT DISTINCT FROM");
		appendStringInfoChar(&text, ')');
	}
	return text.data;
}

/* ----------------------------------------------------------------
 *	Marks
 * ---------------------------------------------------------------- */

/* A column that says of a row that the source has it no more. */
typedef struct Mark
{
	const char *name;
	const char *marked; /* a condition on the target, t */
	const char *value;
	const char *none; /* the value of others */
} Mark;

pg_noreturn static void
raise_no_mark(const EtlPipeline *pipeline, Relation target, int sqlstate, const char *reason)
{
	ereport(ERROR, (errcode(sqlstate),
					errmsg("rows of \"%s\" cannot be marked in column \"%s\", which %s",
						   RelationGetRelationName(target), EtlMarkColumn(pipeline), reason),
					errhint("Add a column that the query does not give, as in ALTER TABLE %s ADD "
							"deleted_at timestamptz;",
							pipeline->target)));
}

static Mark
mark_of(const EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(target), EtlMarkColumn(pipeline));
	const char *name = quote_identifier(EtlMarkColumn(pipeline));
	Form_pg_attribute attr;

	if (attnum <= 0)
		raise_no_mark(pipeline, target, ERRCODE_UNDEFINED_COLUMN, "does not exist");
	attr = TupleDescAttr(RelationGetDescr(target), attnum - 1);
	if (bms_is_member(attnum, s->given))
		raise_no_mark(pipeline, target, ERRCODE_INVALID_PARAMETER_VALUE, "the query gives");
	if (attr->attgenerated != '\0')
		raise_no_mark(pipeline, target, ERRCODE_GENERATED_ALWAYS, "is generated");
	if (attr->atttypid == BOOLOID)
		return (Mark){name, psprintf("t.%s IS TRUE", name), "true", "false"};
	if (attr->atttypid != TIMESTAMPTZOID && attr->atttypid != TIMESTAMPOID &&
		attr->atttypid != DATEOID)
		raise_no_mark(pipeline, target, ERRCODE_DATATYPE_MISMATCH,
					  "is neither a boolean nor a time");
	if (attr->attnotnull)
		raise_no_mark(pipeline, target, ERRCODE_INVALID_PARAMETER_VALUE, "is not null");
	return (Mark){name, psprintf("t.%s IS NOT NULL", name), "pg_catalog.now()", "NULL"};
}

/* Those that come again. */
static char *
unmark(const EtlStatements *s, const EtlPipeline *pipeline, Relation target, const Mark *mark)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "UPDATE %s%s AS t SET %s = %s WHERE %s AND (", EtlOnly(target),
					 pipeline->target, mark->name, mark->none, mark->marked);
	add_such_key(&text, s, target, "=");
	if (s->key_takes_null)
	{
		appendStringInfoString(&text, " OR ");
		add_such_key(&text, s, target, "IS NOT DISTINCT FROM");
	}
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* ----------------------------------------------------------------
 *	Rows that the source has no more
 * ---------------------------------------------------------------- */

/* TRUNCATE asks for no policy, and would take rows that the owner does not see. */
static char *
truncate_target(const EtlPipeline *pipeline, Relation target)
{
	AclResult allowed = pg_class_aclcheck(RelationGetRelid(target), GetUserId(), ACL_TRUNCATE);

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_TABLE, RelationGetRelationName(target));
	if (check_enable_rls(RelationGetRelid(target), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("replace_by => 'truncate' would remove rows of \"%s\" that row "
							   "security hides",
							   RelationGetRelationName(target)),
						errhint("Leave it out, so that rows are deleted.")));
	return psprintf("TRUNCATE %s%s", EtlOnly(target), pipeline->target);
}

static void
make_clear(EtlStatements *s, const EtlPipeline *pipeline, Relation target, const char *from)
{
	if (pipeline->replace_by == ETL_REPLACE_TRUNCATE)
	{
		s->clear = truncate_target(pipeline, target);
		return;
	}
	s->clear = psprintf("DELETE %s", from);
	EtlCheckLoad(s->clear);
}

/* The statement that removes, up to where it is said which rows; they are those of "where". */
static char *
make_remove(EtlStatements *s, const EtlPipeline *pipeline, Relation target, const char *where)
{
	Mark mark;

	if (s->valid_to != NULL)
		return psprintf("UPDATE %s%s AS t SET %s WHERE %s", EtlOnly(target), pipeline->target,
						EtlEndVersion(s, EtlRunInstant(s, target)), where);
	if (EtlMarkColumn(pipeline) == NULL)
		return psprintf("DELETE FROM %s%s AS t WHERE %s", EtlOnly(target), pipeline->target, where);
	mark = mark_of(s, pipeline, target);
	s->unmark = unmark(s, pipeline, target, &mark);
	EtlCheckLoad(s->unmark);
	return psprintf("UPDATE %s%s AS t SET %s = %s WHERE %s", EtlOnly(target), pipeline->target,
					mark.name, mark.value, where);
}

/* A condition on the rows of the target, as t, that may be removed. */
static char *
removable(const EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	const char *scope = "true";

	if (pipeline->delete_scope != NULL)
	{
		EtlCheckScope(pipeline, psprintf("SELECT (\n%s\n) FROM %s%s AS t", pipeline->delete_scope,
										 EtlOnly(target), pipeline->target));
		scope = psprintf("(\n%s\n)", pipeline->delete_scope);
	}
	if (s->valid_to != NULL)
		return psprintf("%s AND t.%s IS NULL", scope, s->valid_to);
	if (EtlMarkColumn(pipeline) == NULL)
		return pstrdup(scope);
	return psprintf("%s AND (%s) IS NOT TRUE", scope, mark_of(s, pipeline, target).marked);
}

void
EtlMakeRemoval(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	char *where = removable(s, pipeline, target);
	char *from = psprintf("FROM %s%s AS t WHERE %s", EtlOnly(target), pipeline->target, where);

	s->delete_limit = EtlShareOf("delete_limit", pipeline->delete_limit);
	s->key_desc = key_desc(s);
	s->count = psprintf("SELECT pg_catalog.count(*) %s", from);
	EtlCheckLoad(s->count);
	s->notes_places =
		s->nkeys > 0 && s->valid_to == NULL && target->rd_rel->relkind == RELKIND_RELATION;
	s->tells_scope = s->nkeys == 0 && pipeline->delete_scope != NULL;
	if (s->nkeys == 0)
	{
		make_clear(s, pipeline, target, from);
		return;
	}
	s->remove = remove_others(s, target, make_remove(s, pipeline, target, where));
	EtlCheckLoad(s->remove);
}

/* ----------------------------------------------------------------
 *	Rows that delete
 * ---------------------------------------------------------------- */

/* As with an update, an older row does nothing to a newer one. */
void
EtlMakeBurial(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	StringInfoData text;

	initStringInfo(&text);
	if (s->valid_to != NULL)
		appendStringInfo(&text,
						 "UPDATE %s%s AS t SET %s FROM etl_internal.etl_emitted() AS e(%s) WHERE "
						 "t.%s IS NULL AND ",
						 EtlOnly(target), pipeline->target, EtlEndVersion(s, s->version_time),
						 EtlDefinitionList(s->emitted, true), s->valid_to);
	else
		appendStringInfo(&text,
						 "DELETE FROM %s%s AS t USING etl_internal.etl_emitted() AS e(%s) WHERE ",
						 EtlOnly(target), pipeline->target, EtlDefinitionList(s->emitted, true));
	for (int k = 0; k < s->nkeys; k++)
	{
		const char *name = EtlColumnName(s->emitted, s->keys[k]);
		const char *value = EtlAsInTarget(s, target, s->keys[k]);

		appendStringInfo(&text, "%s(t.%s = %s", k > 0 ? " AND " : "", name, value);
		if (s->key_takes_null)
			appendStringInfo(&text, " OR (t.%s IS NULL AND %s IS NULL)", name, value);
		appendStringInfoChar(&text, ')');
	}
	if (s->watermark >= 0)
	{
		const char *name = EtlColumnName(s->emitted, s->watermark);

		appendStringInfo(&text, " AND (t.%s IS NULL OR %s >= t.%s)", name,
						 EtlAsInTarget(s, target, s->watermark), name);
	}
	s->bury = text.data;
	EtlCheckLoad(s->bury);
}

/* ----------------------------------------------------------------
 *	What a record has no more
 * ---------------------------------------------------------------- */

pg_noreturn static void
refuse_within(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("delete_within needs all rows of a parent in one record of the source"),
			 errdetail("%s", detail),
			 errhint("Make the parent the target of the pipeline, with its key as the source "
					 "has it, and its children in a list of the record.")));
}

/* The column of the query that has a name; -1: none. */
static int
find_emitted(const EtlStatements *s, const char *name)
{
	for (int i = 0; i < s->emitted->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(s->emitted, i)->attname), name) == 0)
			return i;
	return -1;
}

/* A record is known by the key of the first target, which is as it stands in the record. */
static void
check_first(const EtlStatements *first)
{
	if (!EtlUpserts(first->pipeline) || first->pipeline->on_conflict != ETL_CONFLICT_UPDATE)
		refuse_within("The first target of the pipeline is no upsert that updates.");
	for (int k = 0; k < first->nkeys; k++)
		if (first->passed[first->keys[k]] < 0)
			refuse_within("The query of the pipeline computes a column of the key.");
	if (!first->key_is_plain)
		refuse_within("The source and the first target compare the key in different ways, as with "
					  "another type or collation.");
	if (first->watermark >= 0 && first->passed[first->watermark] < 0)
		refuse_within("The query of the pipeline computes the watermark.");
}

static void
check_within(const EtlStatements *s, const EtlPipeline *pipeline, const EtlStatements *first)
{
	ListCell *lc;

	if (!EtlUpserts(pipeline))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("delete_within needs a key of the target")));
	check_first(first);
	if (list_member_oid(first->references, s->target))
		refuse_within("The first target refers to this one by a foreign key.");
	if (!s->key_has_defaults || s->key_takes_null)
		refuse_within("The unique index of the target on the key compares it in a way of its own.");
	if (list_length(pipeline->delete_within) != first->nkeys)
		refuse_within("It is not the key of the pipeline, so a parent may have several records.");
	foreach (lc, pipeline->delete_within)
	{
		int column = find_emitted(s, lfirst(lc));
		bool found = false;

		if (column < 0)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("delete_within column \"%s\" is no column of the query",
								   (const char *) lfirst(lc))));
		for (int k = 0; k < first->nkeys; k++)
			found |= s->passed[column] == first->passed[first->keys[k]];
		if (!found)
			refuse_within(
				"It is not the key of the pipeline, so a parent may have several records.");
	}
}

/* A column of etl_batch() as a value of a column of a table. */
static char *
batch_column(const EtlStatements *s, int column, Form_pg_attribute attr)
{
	Form_pg_attribute from = TupleDescAttr(s->batch, column);

	return EtlCollated(attr, EtlAssigned(from->atttypid, from->atttypmod, attr, column));
}

/* The records whose row in the first target is newer: the load has left that as it is. */
static char *
find_stale(const EtlStatements *first)
{
	Relation table = table_open(first->target, NoLock);
	const char *watermark = EtlColumnName(first->emitted, first->watermark);
	char *given = batch_column(first, first->passed[first->watermark],
							   EtlTargetAttribute(first, table, first->watermark));
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text,
					 "SELECT e.ordinal FROM ROWS FROM (etl_internal.etl_batch() AS (%s)) WITH "
					 "ORDINALITY AS e(",
					 EtlDefinitionList(first->batch, true));
	for (int i = 0; i < first->batch->natts; i++)
		appendStringInfo(&text, "c%d, ", i + 1);
	appendStringInfo(&text, "ordinal) JOIN %s%s AS t ON ", EtlOnly(table), first->pipeline->target);
	for (int k = 0; k < first->nkeys; k++)
		appendStringInfo(&text, "%st.%s = %s", k > 0 ? " AND " : "",
						 EtlColumnName(first->emitted, first->keys[k]),
						 batch_column(first, first->passed[first->keys[k]],
									  EtlTargetAttribute(first, table, first->keys[k])));
	appendStringInfo(&text, " WHERE t.%s > %s OR (t.%s IS NOT NULL AND %s IS NULL)", watermark,
					 given, watermark, given);
	table_close(table, NoLock);
	return text.data;
}

void
EtlMakeWithin(EtlStatements *s, const EtlPipeline *pipeline, Relation target,
			  const EtlStatements *first)
{
	StringInfoData text;
	ListCell *lc;

	check_within(s, pipeline, first);
	s->key_desc = key_desc(s);
	if (pipeline->missing == ETL_LACKING_KEEP)
		s->rows = EtlWithLacks(s->batch);
	initStringInfo(&text);
	appendStringInfo(&text, "DELETE FROM %s%s AS t USING etl_internal.etl_batch() AS e(%s) WHERE ",
					 EtlOnly(target), pipeline->target, EtlDefinitionList(s->batch, true));
	foreach (lc, pipeline->delete_within)
	{
		int column = find_emitted(s, lfirst(lc));

		appendStringInfo(&text, "t.%s = %s AND ", EtlColumnName(s->emitted, column),
						 batch_column(s, s->passed[column], EtlTargetAttribute(s, target, column)));
	}
	appendStringInfoString(&text, "NOT ");
	add_such_key(&text, s, target, "=");
	s->delete_within = text.data;
	EtlCheckLoad(s->delete_within);
	if (first->watermark < 0)
		return;
	s->stale = find_stale(first);
	EtlCheckLoad(s->stale);
}

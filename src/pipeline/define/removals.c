/*
 * removals.c
 *		The statements of a definition that delete rows of the target.
 */
#include "etl.h"

#include "access/table.h"
#include "miscadmin.h"
#include "pipeline/define/check.h"
#include "pipeline/define/lacks.h"
#include "pipeline/define/phrases.h"
#include "pipeline/define/removals.h"
#include "utils/acl.h"
#include "utils/rls.h"

static TupleDesc
key_desc(const EtlStatements *s)
{
	TupleDesc desc = CreateTemplateTupleDesc(s->nkeys);

	for (int k = 0; k < s->nkeys; k++)
		TupleDescCopyEntry(desc, k + 1, s->emitted, s->keys[k] + 1);
	return desc;
}

/* "NOT EXISTS (SELECT FROM keys WHERE ...)", by an operator between the columns of the key. */
static void
add_no_such_key(StringInfo text, const EtlStatements *s, Relation target, const char *operator)
{
	appendStringInfo(text, "NOT EXISTS (SELECT FROM etl_internal.etl_emitted() AS e(%s) WHERE ",
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
remove_others(const EtlStatements *s, Relation target, const char *from)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "DELETE %s AND ", from);
	if (s->notes_places)
		appendStringInfoString(&text, "NOT etl_internal.etl_kept(t.ctid) AND ");
	add_no_such_key(&text, s, target, "=");
	if (s->key_takes_null)
	{
		appendStringInfoString(&text, " AND (ROW(");
		for (int k = 0; k < s->nkeys; k++)
			appendStringInfo(&text, "%st.%s", k > 0 ? ", " : "",
							 EtlColumnName(s->emitted, s->keys[k]));
		appendStringInfoString(&text, ") IS NOT NULL OR ");
		add_no_such_key(&text, s, target, "IS NOT DISTINCT FROM");
		appendStringInfoChar(&text, ')');
	}
	return text.data;
}

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

void
EtlMakeRemoval(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	const char *scope = "true";
	char *from;

	s->delete_limit = EtlShareOf("delete_limit", pipeline->delete_limit);
	s->key_desc = key_desc(s);
	if (pipeline->delete_scope != NULL)
	{
		EtlCheckScope(pipeline, psprintf("SELECT (\n%s\n) FROM %s%s AS t", pipeline->delete_scope,
										 EtlOnly(target), pipeline->target));
		scope = psprintf("(\n%s\n)", pipeline->delete_scope);
	}
	from = psprintf("FROM %s%s AS t WHERE %s", EtlOnly(target), pipeline->target, scope);
	s->count = psprintf("SELECT pg_catalog.count(*) %s", from);
	EtlCheckLoad(s->count);
	s->notes_places = s->nkeys > 0 && target->rd_rel->relkind == RELKIND_RELATION;
	s->tells_scope = s->nkeys == 0 && pipeline->delete_scope != NULL;
	if (s->nkeys == 0)
	{
		make_clear(s, pipeline, target, from);
		return;
	}
	s->remove = remove_others(s, target, from);
	EtlCheckLoad(s->remove);
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
	add_no_such_key(&text, s, target, "=");
	s->delete_within = text.data;
	EtlCheckLoad(s->delete_within);
	if (first->watermark < 0)
		return;
	s->stale = find_stale(first);
	EtlCheckLoad(s->stale);
}

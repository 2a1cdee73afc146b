/*
 * removals.c
 *		The statements of a definition that delete rows of the target.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/define/check.h"
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

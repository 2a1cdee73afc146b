/*
 * removals.c
 *		The statements of a definition that delete rows of the target.
 */
#include "etl.h"

#include "pipeline/define/check.h"
#include "pipeline/define/phrases.h"
#include "pipeline/define/removals.h"

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

/* Where NULLs are equal, too, keys with a NULL are looked for in a second way, which no hash can go. */
void
EtlMakeRemoval(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	const char *only = EtlOnly(target);
	const char *scope = "true";
	StringInfoData text;

	s->delete_limit = EtlShareOf("delete_limit", pipeline->delete_limit);
	s->key_desc = key_desc(s);
	if (pipeline->delete_scope != NULL)
	{
		EtlCheckScope(pipeline, psprintf("SELECT (\n%s\n) FROM %s%s AS t", pipeline->delete_scope,
										 only, pipeline->target));
		scope = psprintf("(\n%s\n)", pipeline->delete_scope);
	}
	s->count = psprintf("SELECT pg_catalog.count(*) FROM %s%s AS t WHERE %s", only,
						pipeline->target, scope);
	initStringInfo(&text);
	appendStringInfo(&text, "DELETE FROM %s%s AS t WHERE %s AND ", only, pipeline->target, scope);
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
	s->remove = text.data;
	EtlCheckLoad(s->remove);
	EtlCheckLoad(s->count);
}

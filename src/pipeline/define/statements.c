/*
 * statements.c
 *		The texts of a definition as the statements that a run executes.
 *
 *		source	SELECT * FROM source
 *		query	SELECT q.*, (rule), ... FROM (WITH batch AS (... etl_batch() ...) query) AS q
 *		target	INSERT INTO target SELECT ... FROM etl_emitted() ON CONFLICT (key) DO UPDATE ...
 *				or MERGE INTO target USING etl_emitted() ..., which locks no row before it updates it,
 *				where it does the same: a simple table whose triggers do not see the difference
 *		bury	DELETE FROM target USING etl_emitted() ..., for rows that say so (delete_when)
 *		history	WITH closed AS (UPDATE ...) before the INSERT (history.c)
 *		removal	DELETE FROM target WHERE NOT EXISTS (... etl_emitted() ...), or of all rows, if the mode is to replace
 *
 * A further target has a query and a load of its own, over the same batch (further.c).
 *
 * The load has a second form for rows whose records lack columns that the query passes through (lacks.h).  In it
 * etl_has(n), of the row in hand, says whether its record has a column; if not, an update leaves that of the target as
 * it is, and an insert takes its default.
 *
 * The query and the load are two statements, with the rows in memory in between, where rules, keys and
 * watermarks are looked at: so it is known of each of these rows which record it came from, and an error
 * of the query writes nothing.
 *
 * A user's text is put into parentheses, after it was parsed alone as what it should be.  All of this is
 * parsed, planned and run with the rights of the pipeline's owner.
 */
#include "etl.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/define/check.h"
#include "pipeline/define/enrichments.h"
#include "pipeline/define/further.h"
#include "pipeline/define/history.h"
#include "pipeline/define/lacks.h"
#include "pipeline/define/phrases.h"
#include "pipeline/define/removals.h"
#include "pipeline/define/statements.h"
#include "pipeline/source_call.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

static char *
query_over_batch(const EtlPipeline *pipeline, const EtlStatements *s)
{
	return psprintf(
		"(WITH batch AS NOT MATERIALIZED (SELECT * FROM etl_internal.etl_batch() AS batch(%s))%s "
		"SELECT * FROM (\n%s\n) AS query) AS q",
		EtlDefinitionList(s->batch, false), EtlEnrichmentRelations(s->enrichments),
		pipeline->query);
}

/* Leaves out columns that the target does not have, and that only say whether a row deletes. */
static void
hide_columns(EtlStatements *s, const Bitmapset *looked_at)
{
	TupleDesc all = s->emitted;
	int *kept = palloc(sizeof(int) * Max(all->natts, 1));
	int n = 0;

	for (int i = 0; i < all->natts; i++)
		if (!bms_is_member(i + 1, looked_at) ||
			get_attnum(s->target, NameStr(TupleDescAttr(all, i)->attname)) != InvalidAttrNumber)
			kept[n++] = i;
	s->emitted = CreateTemplateTupleDesc(n);
	for (int i = 0; i < n; i++)
	{
		s->passed[i] = s->passed[kept[i]];
		TupleDescCopyEntry(s->emitted, i + 1, all, kept[i] + 1);
	}
}

/* The columns of the query that are loaded. */
static void
add_query_columns(StringInfo text, const EtlStatements *s)
{
	for (int i = 0; i < s->emitted->natts; i++)
		appendStringInfo(text, "%sq.%s", i > 0 ? ", " : "", EtlColumnName(s->emitted, i));
}

static void
add_condition_column(StringInfo text, EtlStatements *s, const char *expression)
{
	appendStringInfo(text, ", (\n%s\n)", expression);
	s->nconditions++;
}

static void
make_transform(EtlStatements *s, const EtlPipeline *pipeline)
{
	char *from = query_over_batch(pipeline, s);
	StringInfoData text;
	ListCell *lc;

	s->emitted =
		EtlCheckQuery(pipeline, psprintf("SELECT q.* FROM %s", from), s->target, &s->passed);
	if (pipeline->delete_when != NULL)
		hide_columns(s, EtlCheckDeleteWhen(pipeline, psprintf("SELECT (\n%s\n) FROM %s",
															  pipeline->delete_when, from)));
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	add_query_columns(&text, s);
	foreach (lc, pipeline->rules_list)
	{
		const EtlRule *rule = lfirst(lc);

		EtlCheckRule(rule, psprintf("SELECT (\n%s\n) FROM %s", rule->expression, from));
		add_condition_column(&text, s, rule->expression);
	}
	if (pipeline->delete_when != NULL)
		add_condition_column(&text, s, pipeline->delete_when);
	appendStringInfo(&text, " FROM %s", from);
	s->full.transform = text.data;
}

/* ----------------------------------------------------------------
 *	Columns that the record of a row may lack
 * ---------------------------------------------------------------- */

/* What is written to a column: a value, or if the record lacks it, another one. */
static char *
if_there(const EtlStatements *s, bool partial, int i, char *value, const char *other)
{
	if (!partial || s->from[i] < 0)
		return value;
	return psprintf("CASE WHEN etl_internal.etl_has(%d) THEN %s ELSE %s END", s->from[i], value,
					other);
}

/* The default of a column; NULL: it has none. */
static char *
default_of(Relation target, Form_pg_attribute attr)
{
	Node *value = build_column_default(target, attr->attnum);

	return value != NULL ? psprintf("(%s)", deparse_expression(value, NIL, false, false)) : NULL;
}

/* Columns for which a row that is to be inserted may be refused, also where it is about to become an update. */
static Bitmapset *
constrained_columns(Relation target)
{
	TupleDesc desc = RelationGetDescr(target);
	const TupleConstr *constr = desc->constr;
	Bitmapset *columns = NULL;

	for (int i = 0; i < (constr != NULL ? constr->num_check : 0); i++)
		pull_varattnos(stringToNode(constr->check[i].ccbin), 1, &columns);
	for (int i = 0; i < (constr != NULL ? constr->num_defval : 0); i++)
		if (TupleDescAttr(desc, constr->defval[i].adnum - 1)->attgenerated != '\0')
			pull_varattnos(stringToNode(constr->defval[i].adbin), 1, &columns);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && (attr->attnotnull || DomainHasConstraints(attr->atttypid)))
			columns = bms_add_member(columns, attr->attnum - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

static bool
is_constrained(const EtlStatements *s, Relation target, const Bitmapset *constrained, int i)
{
	return bms_is_member(
		EtlTargetAttribute(s, target, i)->attnum - FirstLowInvalidHeapAttributeNumber, constrained);
}

/* Whether it makes a difference that the record of a row lacks a column. */
static bool
lacking_matters(const EtlPipeline *pipeline, const EtlStatements *s, Relation target, int i)
{
	Form_pg_attribute attr = EtlTargetAttribute(s, target, i);

	if (attr->attidentity != '\0' || (EtlUpserts(pipeline) && EtlIsKeyColumn(s, i)))
		return false;
	return s->updates || build_column_default(target, attr->attnum) != NULL;
}

/* ----------------------------------------------------------------
 *	Parts of the load
 * ---------------------------------------------------------------- */

/* "(target.a, target.b) IS DISTINCT FROM (other's)"; NULL if there is nothing to compare. */
static char *
rows_differ(const EtlStatements *s, Relation target, const char *alias, bool excluded, bool partial)
{
	StringInfoData ours, theirs;

	initStringInfo(&ours);
	initStringInfo(&theirs);
	for (int i = EtlNextUpdated(s, target, 0); i >= 0; i = EtlNextUpdated(s, target, i + 1))
	{
		const char *name = EtlColumnName(s->emitted, i);
		char *kept = psprintf("%s.%s", alias, name);
		char *other =
			if_there(s, partial, i,
					 excluded ? psprintf("excluded.%s", name) : EtlAsInTarget(s, target, i), kept);

		appendStringInfo(&ours, "%s%s", ours.len > 0 ? ", " : "",
						 EtlComparable(s, target, i, kept));
		appendStringInfo(&theirs, "%s%s", theirs.len > 0 ? ", " : "",
						 EtlComparable(s, target, i, other));
	}
	if (ours.len == 0)
		return NULL;
	return psprintf("ROW(%s) IS DISTINCT FROM ROW(%s)", ours.data, theirs.data);
}

static void
add_set(StringInfo text, const EtlStatements *s, Relation target, bool excluded, bool partial)
{
	const char *separator = " SET ";

	for (int i = EtlNextUpdated(s, target, 0); i >= 0; i = EtlNextUpdated(s, target, i + 1))
	{
		const char *name = EtlColumnName(s->emitted, i);

		appendStringInfo(text, "%s%s = %s", separator, name,
						 if_there(s, partial, i,
								  excluded	? psprintf("excluded.%s", name)
								  : partial ? EtlAsAssigned(s, target, i)
											: psprintf("e.c%d", i + 1),
								  psprintf("target.%s", name)));
		separator = ", ";
	}
}

/* When a row is updated: if it is another, and not an older one.  Without a watermark it is older, as with NULL. */
static void
add_condition(StringInfo text, const EtlStatements *s, Relation target, bool excluded, bool partial)
{
	const char *name;

	appendStringInfoString(text, rows_differ(s, target, "target", excluded, partial));
	if (s->watermark < 0)
		return;
	name = EtlColumnName(s->emitted, s->watermark);
	appendStringInfo(text, " AND (target.%s IS NULL OR %s >= target.%s)", name,
					 excluded
						 ? if_there(s, partial, s->watermark, psprintf("excluded.%s", name), "NULL")
						 : EtlAsInTarget(s, target, s->watermark),
					 name);
}

static void
add_on_conflict(StringInfo text, const EtlPipeline *pipeline, EtlStatements *s, Relation target,
				bool partial)
{
	if (pipeline->on_conflict == ETL_CONFLICT_ERROR)
		return;
	appendStringInfoString(text, " ON CONFLICT (");
	for (int i = 0; i < s->nkeys; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "", EtlColumnName(s->emitted, s->keys[i]));
	appendStringInfoString(text, ")");
	if (s->valid_to != NULL)
		appendStringInfo(text, " WHERE %s IS NULL", s->valid_to);
	if (pipeline->on_conflict == ETL_CONFLICT_IGNORE || EtlNextUpdated(s, target, 0) < 0)
	{
		appendStringInfoString(text, " DO NOTHING");
		return;
	}
	appendStringInfoString(text, " DO UPDATE");
	add_set(text, s, target, true, partial);
	appendStringInfoString(text, " WHERE ");
	add_condition(text, s, target, true, partial);
	s->updates = true;
	if (target->rd_rel->relkind != RELKIND_RELATION)
		return; /* rows that are routed to partitions need not have their system columns at hand */
	/* a row that was not there before has no deleter */
	appendStringInfoString(text, " RETURNING target.xmax OPERATOR(pg_catalog.=) 0");
	s->tells_inserted = true;
}

/* The rows of the target that have the key of the row in hand, as t. */
static void
add_same_row(StringInfo text, const EtlPipeline *pipeline, const EtlStatements *s, Relation target)
{
	appendStringInfo(text, " FROM %s%s AS t WHERE ", EtlOnly(target), pipeline->target);
	EtlAddSameKey(text, s, target, "t");
}

/* Leaves out rows that are in the target as they are: ON CONFLICT would lock, and so write, each of them. */
static char *
filter_unchanged(const EtlPipeline *pipeline, const EtlStatements *s, Relation target, bool partial)
{
	char *differ = rows_differ(s, target, "t", false, partial);
	StringInfoData text;

	if (differ == NULL)
		return "";
	if (s->notes_places)
		differ = psprintf("etl_internal.etl_differs(t.ctid, %s)", differ);
	initStringInfo(&text);
	appendStringInfo(&text, " WHERE (SELECT NOT (%s)", differ);
	add_same_row(&text, pipeline, s, target);
	appendStringInfoString(&text, ") IS NOT TRUE");
	return text.data;
}

/* The columns of an INSERT, up to where its rows begin. */
static void
add_columns(StringInfo text, const EtlStatements *s, Relation target)
{
	const char *overriding = "";

	for (int i = 0; i < s->emitted->natts; i++)
	{
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "(", EtlColumnName(s->emitted, i));
		if (EtlTargetAttribute(s, target, i)->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			overriding = " OVERRIDING SYSTEM VALUE";
	}
	if (s->valid_from != NULL)
		appendStringInfo(text, ", %s", s->valid_from);
	appendStringInfo(text, ")%s", overriding);
}

typedef enum Load
{
	INSERT_ONLY,
	UPSERT,
	REFRESH,
	MERGE
} Load;

/* A column as it is in the version that the same statement closes, and sees as it was. */
static char *
keep_of_version(const EtlPipeline *pipeline, const EtlStatements *s, Relation target,
				const char *name, const char *otherwise)
{
	StringInfoData open;

	initStringInfo(&open);
	add_same_row(&open, pipeline, s, target);
	return psprintf("CASE WHEN EXISTS (SELECT%s) THEN (SELECT t.%s%s) ELSE %s END", open.data, name,
					open.data, otherwise);
}

/*
 * What a row is inserted with where its record lacks a column: its default.  ON CONFLICT holds the row against constraints
 * before it finds the one that it updates; so what has a constraint is as in that one, which is locked then as it
 * would be later.
 */
static char *
stand_in(const EtlPipeline *pipeline, const EtlStatements *s, Relation target, Load load, int i)
{
	Form_pg_attribute attr = EtlTargetAttribute(s, target, i);
	char *otherwise = default_of(target, attr);
	StringInfoData text;

	if (otherwise == NULL)
		otherwise = "NULL";
	if (s->valid_to != NULL)
		return keep_of_version(pipeline, s, target, quote_identifier(NameStr(attr->attname)),
							   otherwise);
	if ((load != UPSERT && load != REFRESH) || pipeline->on_conflict == ETL_CONFLICT_ERROR ||
		!is_constrained(s, target, s->constrained, i))
		return otherwise;
	initStringInfo(&text);
	appendStringInfo(&text, "coalesce((SELECT t.%s", quote_identifier(NameStr(attr->attname)));
	add_same_row(&text, pipeline, s, target);
	appendStringInfo(&text, "%s), %s)", s->updates ? " FOR NO KEY UPDATE" : "", otherwise);
	return text.data;
}

static void
add_emitted(StringInfo text, const EtlPipeline *pipeline, const EtlStatements *s, Relation target,
			Load load, bool partial)
{
	for (int i = 0; i < s->emitted->natts; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "",
						 partial && s->from[i] >= 0
							 ? if_there(s, true, i, EtlAsAssigned(s, target, i),
										stand_in(pipeline, s, target, load, i))
							 : psprintf("e.c%d", i + 1));
	if (s->version_time != NULL)
		appendStringInfo(text, ", %s", s->version_time);
}

/* "target.a IS DISTINCT FROM ... OR ...", of columns that make a version; of what records lack, e.hN says whether it is there. */
static char *
versions_differ(const EtlStatements *s, Relation target, bool partial)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = EtlNextUpdated(s, target, 0); i >= 0; i = EtlNextUpdated(s, target, i + 1))
	{
		char *kept = psprintf("t.%s", EtlColumnName(s->emitted, i));

		if (!EtlMakesVersion(s, i))
			continue;
		appendStringInfo(&text, "%s(", text.len > 0 ? " OR " : "");
		if (partial && s->from[i] >= 0)
			appendStringInfo(&text, "e.h%d AND ", i + 1);
		appendStringInfo(&text, "%s IS DISTINCT FROM %s)", EtlComparable(s, target, i, kept),
						 EtlComparable(s, target, i, EtlAsInTarget(s, target, i)));
	}
	return text.len > 0 ? text.data : "false";
}

/* Closes open versions, before the load in the same statement.  Rows are joined, so etl_has() is asked before. */
static void
add_closing(StringInfo text, const EtlPipeline *pipeline, const EtlStatements *s, Relation target,
			bool partial)
{
	appendStringInfo(text, "WITH closed AS (UPDATE %s%s AS t SET %s = %s FROM (SELECT e.*",
					 EtlOnly(target), pipeline->target, s->valid_to, s->version_time);
	for (int i = 0; i < s->emitted->natts && partial; i++)
		if (s->from[i] >= 0)
			appendStringInfo(text, ", etl_internal.etl_has(%d) AS h%d", s->from[i], i + 1);
	appendStringInfo(text, " FROM etl_internal.etl_emitted() AS e(%s) OFFSET 0) AS e WHERE ",
					 EtlDefinitionList(s->emitted, true));
	EtlAddSameKey(text, s, target, "t");
	appendStringInfo(text, " AND (%s) AND t.%s < %s", versions_differ(s, target, partial),
					 s->valid_from, s->version_time);
	if (s->watermark >= 0)
	{
		const char *name = EtlColumnName(s->emitted, s->watermark);

		appendStringInfo(text, " AND (t.%s IS NULL OR %s >= t.%s)", name,
						 EtlAsInTarget(s, target, s->watermark), name);
	}
	appendStringInfoString(text, " RETURNING etl_internal.etl_count_new()) ");
}

static char *
make_load(const EtlPipeline *pipeline, EtlStatements *s, Relation target, Load load, bool partial)
{
	bool closes = s->valid_to != NULL && load != INSERT_ONLY;
	StringInfoData text;

	initStringInfo(&text);
	if (closes)
		add_closing(&text, pipeline, s, target, partial);
	appendStringInfo(&text, "INSERT INTO %s AS %s ", pipeline->target,
					 s->tells_scope ? "t" : "target");
	add_columns(&text, s, target);
	appendStringInfoString(&text, " SELECT ");
	add_emitted(&text, pipeline, s, target, load, partial);
	appendStringInfo(&text, " FROM etl_internal.etl_emitted() AS e(%s)",
					 EtlDefinitionList(s->emitted, true));
	if (closes) /* that is done before the first row is inserted */
		appendStringInfoString(
			&text, " WHERE (SELECT pg_catalog.count(*) FROM closed) OPERATOR(pg_catalog.>=) 0");
	if (load == REFRESH)
		appendStringInfoString(&text, filter_unchanged(pipeline, s, target, partial));
	if (load != INSERT_ONLY)
		add_on_conflict(&text, pipeline, s, target, partial);
	if (s->tells_scope)
		appendStringInfo(&text, " RETURNING (\n%s\n)", pipeline->delete_scope);
	return text.data;
}

/* Whether triggers of the target would be called otherwise by MERGE than by INSERT ... ON CONFLICT. */
static bool
triggers_tell(const TriggerDesc *triggers)
{
	return triggers != NULL &&
		   (triggers->trig_insert_before_row || triggers->trig_insert_before_statement ||
			triggers->trig_insert_after_statement || triggers->trig_update_before_statement ||
			triggers->trig_update_after_statement);
}

/*
 * Whether an expression over the target's columns is the same for the row to be inserted and for the one that it
 * updates: it looks at nothing that the query does not give, directly or by way of generated columns.
 */
static bool
is_of_given(const EtlStatements *s, Relation target, const char *expression)
{
	Bitmapset *attnums = NULL;
	int i = -1;

	pull_varattnos(stringToNode(expression), 1, &attnums);
	while ((i = bms_next_member(attnums, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 ||
			(TupleDescAttr(RelationGetDescr(target), attnum - 1)->attgenerated == '\0' &&
			 !bms_is_member(attnum, s->given)))
			return false;
	}
	return true;
}

static bool
constraints_are_of_given(const EtlStatements *s, Relation target)
{
	TupleDesc desc = RelationGetDescr(target);
	const TupleConstr *constr = desc->constr;

	if (constr == NULL)
		return true;
	for (int i = 0; i < constr->num_check; i++)
		if (!is_of_given(s, target, constr->check[i].ccbin))
			return false;
	for (int i = 0; i < constr->num_defval; i++)
	{
		const AttrDefault *def = &constr->defval[i];

		if (TupleDescAttr(desc, def->adnum - 1)->attgenerated != '\0' &&
			!is_of_given(s, target, def->adbin))
			return false;
	}
	return true;
}

/*
 * Whether a row can be inserted with the columns of the query alone, and other columns of the one that it updates make
 * no difference: ON CONFLICT holds it against all constraints before it looks for the other one.
 */
static bool
gives_all_needed(const EtlStatements *s, Relation target)
{
	TupleDesc desc = RelationGetDescr(target);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (attr->attisdropped || attr->attidentity || bms_is_member(attr->attnum, s->given))
			continue;
		if (DomainHasConstraints(attr->atttypid) || (attr->attnotnull && !attr->atthasdef))
			return false;
	}
	return constraints_are_of_given(s, target);
}

static bool
merge_is_the_same(const EtlStatements *s, Relation target)
{
	return s->tells_inserted && s->key_is_plain && !target->rd_rel->relrowsecurity &&
		   !triggers_tell(target->trigdesc) && gives_all_needed(s, target);
}

static char *
make_merge(const EtlPipeline *pipeline, const EtlStatements *s, Relation target, bool partial)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text,
					 "MERGE INTO ONLY %s AS target USING etl_internal.etl_emitted() AS e(%s) ON ",
					 pipeline->target, EtlDefinitionList(s->emitted, true));
	EtlAddSameKey(&text, s, target, "target");
	appendStringInfoString(&text, " WHEN MATCHED AND ");
	add_condition(&text, s, target, false, partial);
	appendStringInfoString(&text, " THEN UPDATE");
	add_set(&text, s, target, false, partial);
	appendStringInfoString(&text,
						   " WHEN NOT MATCHED AND etl_internal.etl_count_new() THEN INSERT ");
	add_columns(&text, s, target);
	appendStringInfoString(&text, " VALUES (");
	add_emitted(&text, pipeline, s, target, MERGE, partial);
	appendStringInfoChar(&text, ')');
	return text.data;
}

/*
 * The last row of each key: the highest watermark, then the latest.  Keys are equal when they are in the
 * target, so they are cast as the target will cast them.
 */
static char *
make_winners(const EtlStatements *s, Relation target)
{
	StringInfoData keys, text;

	initStringInfo(&keys);
	for (int i = 0; i < s->nkeys; i++)
	{
		Form_pg_attribute attr = EtlTargetAttribute(s, target, s->keys[i]);

		appendStringInfo(&keys, "%s(e.c%d::%s)", i > 0 ? ", " : "", s->keys[i] + 1,
						 EtlTypeName(attr->atttypid, attr->atttypmod));
		if (OidIsValid(attr->attcollation))
			appendStringInfo(&keys, " COLLATE %s", generate_collation_name(attr->attcollation));
	}
	initStringInfo(&text);
	appendStringInfo(
		&text,
		"SELECT DISTINCT ON (%s) e.ordinal FROM ROWS FROM (etl_internal.etl_emitted() AS (%s)) "
		"WITH ORDINALITY AS e(",
		keys.data, EtlDefinitionList(s->emitted, true));
	for (int i = 0; i < s->emitted->natts; i++)
		appendStringInfo(&text, "c%d, ", i + 1);
	appendStringInfo(&text, "ordinal) ORDER BY %s, ", keys.data);
	if (s->watermark >= 0)
		appendStringInfo(&text, "e.c%d DESC NULLS LAST, ", s->watermark + 1);
	appendStringInfoString(&text, "e.ordinal DESC");
	return text.data;
}

/* ----------------------------------------------------------------
 *	All of them
 * ---------------------------------------------------------------- */

char *
EtlQualifiedTarget(const char *name)
{
	List *names = EtlQualifiedNameList(name);
	Oid relid = RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("target \"%s\" does not exist", name),
				 errhint("Create the table first; a pipeline creates none.")));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

static void
make_loads(EtlStatements *s, const EtlPipeline *pipeline, Relation target, bool partial)
{
	EtlTexts *texts = partial ? &s->partial : &s->full;
	bool upsert = EtlUpserts(pipeline);

	texts->load = make_load(pipeline, s, target, upsert ? UPSERT : INSERT_ONLY, partial);
	if (!upsert)
		return;
	if (s->updates)
		texts->insert = make_load(pipeline, s, target, INSERT_ONLY, partial);
	if (s->valid_to != NULL) /* the others close nothing */
		return;
	if (s->updates && s->key_is_plain)
		texts->refresh = make_load(pipeline, s, target, REFRESH, partial);
	if (merge_is_the_same(s, target))
		texts->merge = make_merge(pipeline, s, target, partial);
}

/* Without planning, which executes what is immutable: the other form was planned. */
static void
analyze(const char *text)
{
	(void) parse_analyze_fixedparams(linitial_node(RawStmt, pg_parse_query(text)), text, NULL, 0,
									 NULL);
}

/* The statements for rows whose records lack columns, if it matters to any column. */
static void
make_partial(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	char *transform;
	bool any = false;

	s->from = palloc(sizeof(int) * s->emitted->natts);
	transform = EtlCarryLacks(s->full.transform, s->emitted->natts, s->from);
	s->constrained = constrained_columns(target);
	for (int i = 0; i < s->emitted->natts; i++)
	{
		if (s->from[i] >= 0 && !lacking_matters(pipeline, s, target, i))
			s->from[i] = -1;
		any |= s->from[i] >= 0;
		s->lacks_constrained |= s->from[i] >= 0 && is_constrained(s, target, s->constrained, i);
	}
	if (!any)
		return;
	s->partial.transform = transform;
	s->rows = EtlWithLacks(s->batch);
	make_loads(s, pipeline, target, true);
	analyze(s->partial.transform);
	analyze(s->partial.load);
}

/* What reads the source; a further target has its batches from the first one. */
static void
make_source(EtlStatements *s, const EtlPipeline *pipeline, const EtlStatements *first)
{
	if (first == NULL)
	{
		s->open = EtlSourceStatement(pipeline->source);
		s->batch = EtlCheckSource(pipeline, s->open, &s->files);
		s->enrichments = EtlCheckEnrichments(pipeline, s->batch);
	}
	else
	{
		s->batch = first->batch;
		s->enrichments = first->enrichments;
	}
	s->rows = s->batch;
}

static void
make_all(EtlStatements *s, EtlPipeline *pipeline, Relation target, const EtlStatements *first)
{
	s->target = RelationGetRelid(target);
	make_source(s, pipeline, first);
	make_transform(s, pipeline);
	if (first != NULL)
		EtlAdaptFurther(pipeline, s);
	EtlFindVersions(s, pipeline, target);
	EtlCheckTarget(pipeline, s, target);
	EtlTimeVersions(s, pipeline, target);
	if (first != NULL)
		EtlBeCautious(pipeline, s, first);
	if (EtlRemoves(pipeline))
		EtlMakeRemoval(s, pipeline, target);
	make_loads(s, pipeline, target, false);
	EtlCheckLoad(s->full.load);
	if (EtlUpserts(pipeline))
	{
		s->winners = make_winners(s, target);
		EtlCheckLoad(s->winners);
	}
	if (pipeline->delete_within != NIL)
		EtlMakeWithin(s, pipeline, target, first);
	if (pipeline->delete_when != NULL)
		EtlMakeBurial(s, pipeline, target);
	if (pipeline->missing == ETL_LACKING_KEEP)
		make_partial(s, pipeline, target);
}

EtlStatements *
EtlMakeTarget(const EtlPipeline *pipeline, const EtlStatements *first)
{
	EtlStatements *s = palloc0(sizeof(EtlStatements));
	EtlPipeline *own = palloc(sizeof(EtlPipeline));
	List *names = EtlQualifiedNameList(pipeline->target);
	Relation target = table_openrv_extended(makeRangeVarFromNameList(names), AccessShareLock, true);

	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("target \"%s\" does not exist", pipeline->target),
				 first == NULL
					 ? errhint("If it was renamed, call etl_alter_pipeline(%s, target => ...).",
							   quote_literal_cstr(pipeline->name))
					 : errhint("Call etl_drop_target(%s, %s), and add it anew if it was renamed.",
							   quote_literal_cstr(pipeline->name),
							   quote_literal_cstr(pipeline->target))));
	*own = *pipeline;
	s->pipeline = own;
	s->watermark = -1;
	make_all(s, own, target, first);
	EtlFindReferences(s, target);
	table_close(target, NoLock);
	return s;
}

EtlStatements *
EtlMakeStatements(const EtlPipeline *pipeline)
{
	EtlStatements *s = EtlMakeTarget(pipeline, NULL);

	EtlMakeFurther(s);
	return s;
}

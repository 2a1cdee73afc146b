/*
 * statements.c
 *		The texts of a definition as the statements that a run executes.
 *
 *		source	SELECT * FROM source
 *		query	SELECT q.*, (rule), ... FROM (WITH batch AS (... etl_batch() ...) query) AS q
 *		target	INSERT INTO target SELECT ... FROM etl_emitted() ON CONFLICT (key) DO UPDATE ...
 *
 * The query and the load are two statements, with the rows in memory in between, where rules, keys and
 * watermarks are looked at: so it is known of each of these rows which record it came from, and an error
 * of the query writes nothing.
 *
 * A user's text is put into parentheses, after it was parsed alone as what it should be.  All of this is
 * parsed, planned and run with the rights of the pipeline's owner.
 */
#include "etl.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "pipeline/catalog.h"
#include "pipeline/check.h"
#include "pipeline/statements.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

/* ----------------------------------------------------------------
 *	Parts of statements
 * ---------------------------------------------------------------- */

static const char *
column_name(TupleDesc desc, int i)
{
	return quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));
}

static char *
type_name(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* A column definition list.  With generic names no column can be mistaken for one of provenance. */
static char *
definition_list(TupleDesc desc, bool generic)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		appendStringInfo(&list, "%s%s %s", i > 0 ? ", " : "",
						 generic ? psprintf("c%d", i + 1) : column_name(desc, i),
						 type_name(attr->atttypid, attr->atttypmod));
		if (OidIsValid(attr->attcollation) && attr->attcollation != DEFAULT_COLLATION_OID)
			appendStringInfo(&list, " COLLATE %s", generate_collation_name(attr->attcollation));
	}
	return list.data;
}

/* The attribute of the target that a column of the query goes to. */
static Form_pg_attribute
target_attribute(Relation target, TupleDesc emitted, int i)
{
	return EtlTargetAttribute(target, NameStr(TupleDescAttr(emitted, i)->attname));
}

static bool
is_key(const EtlStatements *s, int column)
{
	for (int i = 0; i < s->nkeys; i++)
		if (s->keys[i] == column)
			return true;
	return false;
}

/* Columns of the query that an update writes; i is the one to begin with, -1 the end. */
static int
next_updated(const EtlStatements *s, Relation target, int i)
{
	for (; i < s->emitted->natts; i++)
		if (!is_key(s, i) &&
			target_attribute(target, s->emitted, i)->attidentity != ATTRIBUTE_IDENTITY_ALWAYS)
			return i;
	return -1;
}

/* A column in a comparison of rows; of a type that has no equality, as text. */
static char *
comparable(Relation target, TupleDesc emitted, int i, const char *value)
{
	Form_pg_attribute attr = target_attribute(target, emitted, i);

	if (OidIsValid(lookup_type_cache(attr->atttypid, TYPECACHE_EQ_OPR)->eq_opr))
		return pstrdup(value);
	return psprintf("(%s)::pg_catalog.text", value);
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

static char *
query_over_batch(const EtlPipeline *pipeline, const EtlStatements *s, const char *schema)
{
	return psprintf("(WITH batch AS NOT MATERIALIZED (SELECT * FROM %s.etl_batch() AS batch(%s)) "
					"SELECT * FROM (\n%s\n) AS query) AS q",
					schema, definition_list(s->batch, false), pipeline->query);
}

static void
make_transform(EtlStatements *s, const EtlPipeline *pipeline, const char *schema)
{
	char *from = query_over_batch(pipeline, s, schema);
	StringInfoData text;
	ListCell *lc;

	s->emitted = EtlCheckQuery(pipeline, psprintf("SELECT q.* FROM %s", from), s->target);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT q.*");
	foreach (lc, pipeline->rules)
	{
		const EtlRule *rule = lfirst(lc);

		EtlCheckRule(rule, psprintf("SELECT (\n%s\n) FROM %s", rule->expression, from));
		appendStringInfo(&text, ", (\n%s\n)", rule->expression);
	}
	appendStringInfo(&text, " FROM %s", from);
	s->transform = text.data;
}

/* ----------------------------------------------------------------
 *	The load
 * ---------------------------------------------------------------- */

/* "(target.a, target.b) IS DISTINCT FROM (other's)"; NULL if there is nothing to compare. */
static char *
rows_differ(const EtlStatements *s, Relation target, const char *alias, bool excluded)
{
	StringInfoData ours, theirs;

	initStringInfo(&ours);
	initStringInfo(&theirs);
	for (int i = next_updated(s, target, 0); i >= 0; i = next_updated(s, target, i + 1))
	{
		Oid type = target_attribute(target, s->emitted, i)->atttypid;
		const char *name = column_name(s->emitted, i);
		char *other = excluded ? psprintf("excluded.%s", name)
							   : psprintf("e.c%d::%s", i + 1, type_name(type, -1));

		appendStringInfo(&ours, "%s%s", ours.len > 0 ? ", " : "",
						 comparable(target, s->emitted, i, psprintf("%s.%s", alias, name)));
		appendStringInfo(&theirs, "%s%s", theirs.len > 0 ? ", " : "",
						 comparable(target, s->emitted, i, other));
	}
	if (ours.len == 0)
		return NULL;
	return psprintf("ROW(%s) IS DISTINCT FROM ROW(%s)", ours.data, theirs.data);
}

static void
add_do_update(StringInfo text, const EtlStatements *s, Relation target)
{
	const char *separator = " DO UPDATE SET ";

	for (int i = next_updated(s, target, 0); i >= 0; i = next_updated(s, target, i + 1))
	{
		const char *name = column_name(s->emitted, i);

		appendStringInfo(text, "%s%s = excluded.%s", separator, name, name);
		separator = ", ";
	}
	appendStringInfo(text, " WHERE %s", rows_differ(s, target, "target", true));
	if (s->watermark >= 0)
	{
		const char *name = column_name(s->emitted, s->watermark);

		appendStringInfo(text, " AND (target.%s IS NULL OR excluded.%s >= target.%s)", name, name,
						 name);
	}
}

static void
add_on_conflict(StringInfo text, const EtlPipeline *pipeline, EtlStatements *s, Relation target)
{
	if (strcmp(pipeline->on_conflict, "error") == 0)
		return;
	appendStringInfoString(text, " ON CONFLICT (");
	for (int i = 0; i < s->nkeys; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "", column_name(s->emitted, s->keys[i]));
	appendStringInfoString(text, ")");
	if (strcmp(pipeline->on_conflict, "ignore") == 0 || next_updated(s, target, 0) < 0)
	{
		appendStringInfoString(text, " DO NOTHING");
		return;
	}
	add_do_update(text, s, target);
	s->updates = true;
	if (target->rd_rel->relkind != RELKIND_RELATION)
		return; /* rows that are routed to partitions need not have their system columns at hand */
	/* a row that was not there before has no deleter */
	appendStringInfoString(text, " RETURNING target.xmax OPERATOR(pg_catalog.=) 0");
	s->tells_inserted = true;
}

/* Leaves out rows that are in the target as they are: ON CONFLICT would lock, and so write, each of them. */
static char *
filter_unchanged(const EtlPipeline *pipeline, const EtlStatements *s, Relation target)
{
	char *differ = rows_differ(s, target, "t", false);
	StringInfoData text;

	if (differ == NULL)
		return "";
	initStringInfo(&text);
	appendStringInfo(&text, " WHERE (SELECT NOT (%s) FROM %s%s AS t WHERE ", differ,
					 target->rd_rel->relkind == RELKIND_RELATION ? "ONLY " : "", pipeline->target);
	for (int i = 0; i < s->nkeys; i++)
		appendStringInfo(&text, "%st.%s = e.c%d::%s", i > 0 ? " AND " : "",
						 column_name(s->emitted, s->keys[i]), s->keys[i] + 1,
						 type_name(target_attribute(target, s->emitted, s->keys[i])->atttypid, -1));
	appendStringInfoString(&text, ") IS NOT TRUE");
	return text.data;
}

typedef enum Load
{
	INSERT_ONLY,
	UPSERT,
	REFRESH
} Load;

static char *
make_load(const EtlPipeline *pipeline, EtlStatements *s, Relation target, const char *schema,
		  Load load)
{
	StringInfoData text;
	const char *overriding = "";

	initStringInfo(&text);
	appendStringInfo(&text, "INSERT INTO %s AS target (", pipeline->target);
	for (int i = 0; i < s->emitted->natts; i++)
	{
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", column_name(s->emitted, i));
		if (target_attribute(target, s->emitted, i)->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			overriding = " OVERRIDING SYSTEM VALUE";
	}
	appendStringInfo(&text, ")%s SELECT", overriding);
	for (int i = 0; i < s->emitted->natts; i++)
		appendStringInfo(&text, "%s e.c%d", i > 0 ? "," : "", i + 1);
	appendStringInfo(&text, " FROM %s.etl_emitted() AS e(%s)", schema,
					 definition_list(s->emitted, true));
	if (load == REFRESH)
		appendStringInfoString(&text, filter_unchanged(pipeline, s, target));
	if (load != INSERT_ONLY)
		add_on_conflict(&text, pipeline, s, target);
	return text.data;
}

/*
 * The last row of each key: the highest watermark, then the latest.  Keys are equal when they are in the
 * target, so they are cast as the target will cast them.
 */
static char *
make_winners(const EtlStatements *s, Relation target, const char *schema)
{
	StringInfoData keys, text;

	initStringInfo(&keys);
	for (int i = 0; i < s->nkeys; i++)
	{
		Form_pg_attribute attr = target_attribute(target, s->emitted, s->keys[i]);

		appendStringInfo(&keys, "%s(e.c%d::%s)", i > 0 ? ", " : "", s->keys[i] + 1,
						 type_name(attr->atttypid, attr->atttypmod));
		if (OidIsValid(attr->attcollation))
			appendStringInfo(&keys, " COLLATE %s", generate_collation_name(attr->attcollation));
	}
	initStringInfo(&text);
	appendStringInfo(&text,
					 "SELECT DISTINCT ON (%s) e.ordinal FROM ROWS FROM (%s.etl_emitted() AS (%s)) "
					 "WITH ORDINALITY AS e(",
					 keys.data, schema, definition_list(s->emitted, true));
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
make_all(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	char *schema = EtlCatalogFunctionSchema();

	s->target = RelationGetRelid(target);
	s->open = psprintf("SELECT * FROM\n%s", pipeline->source);
	s->batch = EtlCheckSource(pipeline, s->open);
	make_transform(s, pipeline, schema);
	EtlCheckTarget(pipeline, s, target);
	s->load = make_load(pipeline, s, target, schema, EtlIsUpsert(pipeline) ? UPSERT : INSERT_ONLY);
	EtlCheckLoad(s->load);
	if (!EtlIsUpsert(pipeline))
		return;
	if (s->tells_inserted)
		s->insert = make_load(pipeline, s, target, schema, INSERT_ONLY);
	s->winners = make_winners(s, target, schema);
	EtlCheckLoad(s->winners);
	if (s->updates)
		s->refresh = make_load(pipeline, s, target, schema, REFRESH);
}

EtlStatements *
EtlMakeStatements(const EtlPipeline *pipeline)
{
	EtlStatements *s = palloc0(sizeof(EtlStatements));
	List *names = EtlQualifiedNameList(pipeline->target);
	Relation target = table_openrv(makeRangeVarFromNameList(names), AccessShareLock);

	s->watermark = -1;
	make_all(s, pipeline, target);
	table_close(target, NoLock);
	return s;
}

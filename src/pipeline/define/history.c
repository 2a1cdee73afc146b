/*
 * history.c
 *		Targets that keep each version of a row (mode => 'history').
 *
 *		closed	UPDATE target SET valid_to = time of open versions that differ from the row of their key
 *		load	INSERT INTO target ... ON CONFLICT (key) WHERE valid_to IS NULL DO UPDATE ...
 *
 * are one statement, so a history is an upsert into its open versions, but that those which are to stay as they were are closed
 * before.  What is left for the UPDATE of ON CONFLICT are columns that make no version, and rows of the very time at which the open
 * version began: a version of no duration would tell nothing.
 *
 * The time is the watermark of the row.  Without one it is the time of the run, so that all of a snapshot is of one time.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "pipeline/define/history.h"
#include "pipeline/define/phrases.h"
#include "scan/names.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static void
refuse(const char *option, const char *reason)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("a pipeline with mode => 'history' cannot have %s", option),
					errdetail("%s", reason)));
}

void
EtlCheckHistoryOptions(const EtlPipeline *p)
{
	if (p->mode != ETL_MODE_HISTORY)
	{
		if (p->valid_from != NULL || p->valid_to != NULL || p->compared != NIL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("valid_from, valid_to and compared need mode => 'history'")));
		return;
	}
	if (p->key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("mode => 'history' needs a key"),
				 errhint("Give the columns that all versions of a row have in common, as in "
						 "key => 'id'.")));
	if (p->whole)
		refuse("whole => true", "It keeps versions of single rows, which come in batches.");
	if (p->on_conflict != ETL_CONFLICT_UPDATE)
		refuse("on_conflict", "A row of a key that is there is another version, or none.");
	if (EtlMarkColumn(p) != NULL)
		refuse("deletes => 'mark:column'",
			   "With deletes => 'delete' the version of a key that is gone is closed.");
	if (p->watermark != NULL && EtlRemoves(p))
		refuse("deletes and a watermark",
			   "When a key has gone, no watermark tells: its next version might begin before.");
	if (p->targets != NIL)
		refuse("further targets", "They would refer to keys of which it has several rows.");
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

static Form_pg_attribute
find_column(const EtlPipeline *pipeline, Relation target, const char *option, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(target), name);
	Form_pg_attribute attr =
		attnum > 0 ? TupleDescAttr(RelationGetDescr(target), attnum - 1) : NULL;

	if (attr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("\"%s\" has no column \"%s\" for the times of its versions",
						RelationGetRelationName(target), name),
				 errhint("Add it, as in ALTER TABLE %s ADD %s timestamptz; or name another one by "
						 "%s => ...",
						 pipeline->target, quote_identifier(name), option)));
	return attr;
}

void
EtlFindVersions(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	Form_pg_attribute from, to;

	if (pipeline->mode != ETL_MODE_HISTORY)
		return;
	from = find_column(pipeline, target, "valid_from", EtlValidFrom(pipeline));
	to = find_column(pipeline, target, "valid_to", EtlValidTo(pipeline));
	if (from == to || from->atttypid != to->atttypid)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("valid_from and valid_to must be two columns of one type")));
	if (to->attnotnull)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("valid_to \"%s\" is not null", EtlValidTo(pipeline)),
						errdetail("It is null of the version that holds."),
						errhint("ALTER TABLE %s ALTER %s DROP NOT NULL;", pipeline->target,
								quote_identifier(EtlValidTo(pipeline)))));
	s->valid_from = pstrdup(quote_identifier(EtlValidFrom(pipeline)));
	s->valid_to = pstrdup(quote_identifier(EtlValidTo(pipeline)));
}

/* ----------------------------------------------------------------
 *	Times
 * ---------------------------------------------------------------- */

static Form_pg_attribute
time_column(const EtlStatements *s, Relation target)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(target), EtlValidFrom(s->pipeline));

	return TupleDescAttr(RelationGetDescr(target), attnum - 1);
}

char *
EtlRunInstant(const EtlStatements *s, Relation target)
{
	Form_pg_attribute attr = time_column(s, target);

	return psprintf("etl_internal.etl_run_instant()::%s",
					EtlTypeName(attr->atttypid, attr->atttypmod));
}

char *
EtlEndVersion(const EtlStatements *s, const char *time)
{
	return psprintf("%s = GREATEST(t.%s, %s)", s->valid_to, s->valid_from, time);
}

/* Nobody else writes the times. */
static void
check_written(const EtlStatements *s, Relation target, const char *option, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(target), name);
	bool generated = TupleDescAttr(RelationGetDescr(target), attnum - 1)->attgenerated != '\0';

	if (generated || bms_is_member(attnum, s->given))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s \"%s\" is a column that the %s", option, name,
							   generated ? "table generates" : "query gives"),
						errhint("Name a column that only the pipeline writes.")));
}

static void
check_compared(const EtlStatements *s, const EtlPipeline *pipeline)
{
	ListCell *lc;

	foreach (lc, pipeline->compared)
	{
		bool found = false;

		for (int i = 0; i < s->emitted->natts; i++)
			found |= !EtlIsKeyColumn(s, i) &&
					 strcmp(NameStr(TupleDescAttr(s->emitted, i)->attname), lfirst(lc)) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("compared column \"%s\" is no column of the query beside the key",
							(const char *) lfirst(lc))));
	}
}

void
EtlTimeVersions(EtlStatements *s, const EtlPipeline *pipeline, Relation target)
{
	Form_pg_attribute attr;
	Oid type = TIMESTAMPTZOID;

	if (s->valid_from == NULL)
		return;
	check_written(s, target, "valid_from", EtlValidFrom(pipeline));
	check_written(s, target, "valid_to", EtlValidTo(pipeline));
	check_compared(s, pipeline);
	attr = time_column(s, target);
	if (s->watermark >= 0)
		type = TupleDescAttr(s->emitted, s->watermark)->atttypid;
	if (!can_coerce_type(1, &type, &attr->atttypid, COERCION_ASSIGNMENT) ||
		!OidIsValid(lookup_type_cache(attr->atttypid, TYPECACHE_LT_OPR)->lt_opr) ||
		(s->watermark < 0 && TypeCategory(attr->atttypid) != TYPCATEGORY_DATETIME))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("valid_from \"%s\" is of type %s, and the time of a version of type %s",
					EtlValidFrom(pipeline), format_type_be(attr->atttypid), format_type_be(type)),
			 s->watermark >= 0 ? errdetail("A version begins with the watermark of its row.")
							   : errdetail("A version begins with the run that has seen it.")));
	s->version_time =
		s->watermark >= 0 ? EtlAssigned(type, -1, attr, s->watermark) : EtlRunInstant(s, target);
	if (s->watermark >= 0 && !s->key_is_plain)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the query and \"%s\" compare the key in different ways",
						RelationGetRelationName(target)),
				 errdetail("Several versions of a key in one batch need one order."),
				 errhint("Cast the key in the query to the types that it has in the target.")));
}

bool
EtlMakesVersion(const EtlStatements *s, int column)
{
	if (s->pipeline->compared == NIL)
		return column != s->watermark;
	return EtlListHas(s->pipeline->compared, NameStr(TupleDescAttr(s->emitted, column)->attname));
}

/*
 * further.c
 *		Further targets of a pipeline: what their statements have to do with those of the first one.
 *
 * Each target has a query of its own over the same batch.  What is said of the source, of batches and of dead letters
 * holds for all of them; the watermark of the pipeline is that of the first target, and if the query of a further one gives a
 * column of that name, an older row does not overwrite a newer one there either.
 *
 * A record is loaded into all targets or is one dead letter, so each row must be of a record: a query over a whole
 * source, which may make a row of many, has no further targets.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/pg_constraint.h"
#include "pipeline/define/further.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

/* ----------------------------------------------------------------
 *	Options
 * ---------------------------------------------------------------- */

void
EtlAdaptFurther(EtlPipeline *target, const EtlStatements *s)
{
	bool found = false;

	for (int i = 0; i < s->emitted->natts && target->watermark != NULL; i++)
		found |= strcmp(NameStr(TupleDescAttr(s->emitted, i)->attname), target->watermark) == 0;
	target->watermark_max = NULL;
	if (found)
		return;
	target->watermark = NULL;
	target->watermark_as = ETL_WATERMARK_VALUE;
}

/* Whether the key of a further target holds that of the first one, so that no record with another key has its rows. */
static bool
covers_key(const EtlStatements *s, const EtlStatements *first)
{
	for (int k = 0; k < first->nkeys; k++)
	{
		int passed = first->passed[first->keys[k]];
		bool found = false;

		for (int j = 0; j < s->nkeys; j++)
			found |= passed >= 0 && s->passed[s->keys[j]] == passed;
		if (!found)
			return false;
	}
	return EtlUpserts(first->pipeline);
}

void
EtlBeCautious(EtlPipeline *target, const EtlStatements *s, const EtlStatements *first)
{
	if (target->cautious && target->on_conflict == ETL_CONFLICT_UPDATE && !covers_key(s, first))
		target->on_conflict = ETL_CONFLICT_IGNORE;
}

static bool
is_deferrable(Oid constraint)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool deferrable;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", constraint);
	deferrable = ((Form_pg_constraint) GETSTRUCT(tuple))->condeferrable;
	ReleaseSysCache(tuple);
	return deferrable;
}

void
EtlFindReferences(EtlStatements *s, Relation target)
{
	ListCell *lc;

	foreach (lc, RelationGetFKeyList(target))
	{
		const ForeignKeyCacheInfo *key = lfirst_node(ForeignKeyCacheInfo, lc);

		s->references = list_append_unique_oid(s->references, key->confrelid);
		if (!is_deferrable(key->conoid))
			s->references_now = list_append_unique_oid(s->references_now, key->confrelid);
	}
}

/* ----------------------------------------------------------------
 *	All of them
 * ---------------------------------------------------------------- */

static void
check_pipeline(const EtlPipeline *pipeline)
{
	if (EtlReadsWhole(pipeline))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a pipeline with %s cannot have several targets",
						pipeline->whole ? "whole => true" : "mode => 'replace'"),
				 errdetail("Of a whole source it is not known which record a row is of, so a "
						   "record could not be loaded into all targets or none.")));
}

static void
check_distinct(const EtlStatements *first, const EtlStatements *s)
{
	bool same = s->target == first->target;
	ListCell *lc;

	foreach (lc, first->further)
		same |= ((const EtlStatements *) lfirst(lc))->target == s->target;
	if (same)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("pipeline \"%s\" has target %s already", s->pipeline->name,
							   s->pipeline->target),
						errhint("Give the table one query that makes all of its rows.")));
}

static void
name_target(void *arg)
{
	errcontext("target %s of pipeline \"%s\"", ((const EtlPipeline *) arg)->target,
			   ((const EtlPipeline *) arg)->name);
}

static void
make_one(EtlStatements *first, EtlPipeline *target)
{
	ErrorContextCallback callback = {error_context_stack, name_target, target};
	EtlStatements *s;

	error_context_stack = &callback;
	s = EtlMakeTarget(target, first);
	check_distinct(first, s);
	error_context_stack = callback.previous;
	first->further = lappend(first->further, s);
	if (s->rows->natts > s->batch->natts)
		first->rows = s->rows;
}

void
EtlMakeFurther(EtlStatements *s)
{
	ListCell *lc;

	if (s->pipeline->targets != NIL)
		check_pipeline(s->pipeline);
	foreach (lc, s->pipeline->targets)
		make_one(s, lfirst(lc));
}

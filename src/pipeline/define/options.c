/*
 * options.c
 *		What holds for one option of a definition, or for several together.
 */
#include "etl.h"

#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "nodes/makefuncs.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/define/history.h"
#include "pipeline/define/options.h"
#include "pipeline/done.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#define MAX_BATCH_SIZE 1000000

/* What the key may be: the primary key of the target, if it has one. */
static const char *
proposed_key(const EtlPipeline *p)
{
	List *names = EtlQualifiedNameList(p->target);
	Oid target = RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
	Bitmapset *attnums;
	Oid constraint;
	StringInfoData key;
	int i = -1;

	attnums = OidIsValid(target) ? get_primary_key_attnos(target, false, &constraint) : NULL;
	initStringInfo(&key);
	while ((i = bms_next_member(attnums, i)) >= 0)
		appendStringInfo(
			&key, "%s%s", key.len > 0 ? ", " : "",
			quote_identifier(get_attname(target, i + FirstLowInvalidHeapAttributeNumber, false)));
	return key.len > 0 ? quote_literal_cstr(key.data) : "'id'";
}

/* The target becomes what the source says: no row of it is left as it is because it is newer, or there already. */
static void
check_replace(const EtlPipeline *p)
{
	(void) EtlShareOf("delete_limit", p->delete_limit);
	if (p->delete_scope != NULL && !EtlRemoves(p))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("delete_scope needs mode => 'replace' or deletes => 'delete'")));
	if (p->snapshot == ETL_SNAPSHOT_NEWEST && !EtlRemoves(p))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("snapshot => 'newest' needs mode => 'replace' or deletes => "
							   "'delete'")));
	if (p->mode == ETL_MODE_REPLACE &&
		(p->watermark != NULL || p->on_conflict != ETL_CONFLICT_UPDATE))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a pipeline with mode => 'replace' cannot have %s",
					p->watermark != NULL ? "a watermark" : "on_conflict"),
			 errdetail(
				 "Each run makes the target what all of the source says, whatever was there.")));
	if (p->replace_by == ETL_REPLACE_TRUNCATE &&
		(p->mode != ETL_MODE_REPLACE || p->key != NIL || p->delete_scope != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("replace_by => 'truncate' needs mode => 'replace' without %s",
						p->delete_scope != NULL && p->mode == ETL_MODE_REPLACE ? "delete_scope"
																			   : "a key"),
				 errdetail("All rows of the target are replaced at once.")));
}

/* An upsert in batches that also has the last word on what is gone: after each run that has read all there is. */
static void
check_deletes(const EtlPipeline *p)
{
	const char *mark = EtlMarkColumn(p);
	const char *other = NULL;

	if ((mark == NULL && strcmp(p->deletes, ETL_DELETES_KEEP) != 0 &&
		 strcmp(p->deletes, "delete") != 0) ||
		(mark != NULL && mark[0] == '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"%s\": \"%s\"", "deletes", p->deletes),
				 errhint("It may be 'keep', 'delete', or 'mark:' and the name of a column.")));
	if (strcmp(p->deletes, ETL_DELETES_KEEP) == 0)
		return;
	if (p->mode != ETL_MODE_UPSERT && p->mode != ETL_MODE_HISTORY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("deletes needs mode => 'upsert'"),
				 p->mode == ETL_MODE_REPLACE
					 ? errdetail("A replace deletes what the source has no more.")
					 : 0));
	if (p->on_conflict != ETL_CONFLICT_UPDATE)
		other = "on_conflict";
	else if (p->delete_when != NULL)
		other = "delete_when";
	else if (p->on_bad_part == ETL_BAD_PART_SET_ASIDE)
		other = "on_bad_part => 'set_aside'";
	else if (EtlDoesWhenDone(p))
		other = "when_done";
	if (other != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline with deletes => '%s' cannot have %s", p->deletes, other),
						errdetail("Each of its runs reads all of the source, and what is not "
								  "there is gone.")));
}

/* A row that deletes is one of many, of which the last one of a key counts. */
static void
check_delete_when(const EtlPipeline *p)
{
	const char *other = NULL;

	if (p->delete_when == NULL)
		return;
	if (p->mode != ETL_MODE_UPSERT && p->mode != ETL_MODE_HISTORY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delete_when needs mode => 'upsert'"),
				 errhint("Leave rows that are deleted out in the query, as in WHERE op <> 'd'.")));
	if (p->whole)
		other = "whole => true";
	else if (p->on_conflict != ETL_CONFLICT_UPDATE)
		other = "on_conflict";
	if (other != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline with delete_when cannot have %s", other)));
}

/*
 * Several processes read parts of the source at the same time.  Of rows of one key in two parts none is the later one, unless
 * a watermark says it.
 */
static void
check_parallel(const EtlPipeline *p)
{
	const char *other = NULL;
	bool by_watermark = p->watermark != NULL && p->on_conflict == ETL_CONFLICT_UPDATE;

	if (p->parallel < 1 || p->parallel > ETL_MAX_PARALLEL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("parallel must be between 1 and %d", ETL_MAX_PARALLEL)));
	if (p->parallel == 1)
		return;
	if (EtlReadsWhole(p))
		other = p->whole ? "whole => true" : "mode => 'replace'";
	else if (p->mode == ETL_MODE_HISTORY)
		other = "mode => 'history'";
	else if (EtlRemoves(p))
		other = "deletes";
	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pipeline with parallel => %d cannot have %s", p->parallel, other)));
	for (int i = -1; i < list_length(p->targets); i++)
	{
		const EtlPipeline *target = i < 0 ? p : list_nth(p->targets, i);

		if (EtlUpserts(target) && !p->parts_disjoint && !(i < 0 && by_watermark))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an upsert with parallel => %d needs %s", p->parallel,
							i < 0 && p->on_conflict == ETL_CONFLICT_UPDATE
								? "a watermark, or parts_disjoint => true"
								: "parts_disjoint => true"),
					 errdetail("Rows of one key may be in two parts of the source, which are read "
							   "at the same time, so none of them would be the last."),
					 errhint("If rows of one key are in one part only, say so with "
							 "parts_disjoint.")));
	}
}

/* Requests are for the keys of a batch, and their answers are there when it is loaded. */
static void
check_enrich(const EtlPipeline *p)
{
	if (p->enrichments != NIL && EtlReadsWhole(p))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline with %s cannot have enrich",
							   p->whole ? "whole => true" : "mode => 'replace'")));
}

void
EtlCheckOptions(const EtlPipeline *p)
{
	if (p->source == NULL || p->target == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a pipeline needs a %s", p->source == NULL ? "source" : "target")));
	if (p->mode == ETL_MODE_UPSERT && p->key == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an upsert needs a key"),
						errhint("Give the key, as in key => %s, or use mode => 'append'.",
								proposed_key(p))));
	EtlCheckHistoryOptions(p);
	check_replace(p);
	check_delete_when(p);
	check_deletes(p);
	check_parallel(p);
	if (p->batch_size < 1 || p->batch_size > MAX_BATCH_SIZE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch_size must be between 1 and %d", MAX_BATCH_SIZE)));
	if (p->whole && p->mode == ETL_MODE_APPEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("whole => true needs a key"),
				 errdetail("Each run reads all of the source, so it would append all of the "
						   "rows once more."),
				 errhint("Give the key of the rows that the query gives, as in key => %s.",
						 proposed_key(p))));
	if (EtlReadsWhole(p) && p->on_bad_part == ETL_BAD_PART_SET_ASIDE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline with %s cannot have on_bad_part => 'set_aside'",
							   p->whole ? "whole => true" : "mode => 'replace'"),
						errdetail("Its query is to see all of the source.")));
	if (EtlDoesWhenDone(p) && EtlReadsWhole(p))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline with %s cannot have when_done",
							   p->whole ? "whole => true" : "mode => 'replace'"),
						errdetail("Each of its runs reads all of the source again.")));
	check_enrich(p);
	if (p->watermark == NULL && (p->watermark_as != ETL_WATERMARK_VALUE ||
								 p->watermark_lag != NULL || p->watermark_max != NULL))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("watermark_as, watermark_lag and watermark_max need a watermark")));
}

/*
 * targets.c
 *		SQL functions that add further targets to a pipeline, and drop them.
 *
 * The texts of a further target are read with the settings that the pipeline keeps, as all of it is.
 */
#include "etl.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/define/define.h"
#include "pipeline/define/options.h"
#include "pipeline/define/statements.h"
#include "pipeline/run/lock.h"
#include "pipeline/schedule_define.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

PG_FUNCTION_INFO_V1(etl_add_target);
PG_FUNCTION_INFO_V1(etl_drop_target);

static char *
pipeline_argument(const EtlArgs *args)
{
	char *name = EtlArgText(args, "pipeline");

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a pipeline must not be null or empty")));
	return name;
}

static void
check_options(const EtlPipeline *target)
{
	ListCell *lc;

	foreach (lc, target->rules_list)
		EtlCheckName("name of a rule", ((EtlRule *) lfirst(lc))->name);
	if (target->mode == ETL_MODE_REPLACE || target->mode == ETL_MODE_HISTORY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a further target cannot have mode => '%s'",
							   EtlWordName(&EtlModeWords, target->mode))));
	if (target->mode == ETL_MODE_UPSERT && target->key == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an upsert needs a key"),
						errhint("Give the key, as in key => 'id', or use mode => 'append'.")));
}

/* The target that the arguments describe. */
static EtlPipeline *
take_target(const EtlArgs *args, const EtlPipeline *pipeline)
{
	EtlPipeline *target = palloc(sizeof(EtlPipeline));

	*target = *pipeline;
	target->further = true;
	target->targets = target->key = target->delete_within = NIL;
	target->query = ETL_DEFAULT_QUERY;
	target->target = NULL;
	target->rules = "{}";
	target->delete_when = NULL;
	target->deletes = ETL_DELETES_KEEP;
	target->on_conflict = ETL_CONFLICT_UPDATE;
	(void) EtlTakeOptions(args, EtlTargetOptions, EtlTargetOptionCount, target);
	if (EtlArgFind(args, "mode") == NULL)
		target->mode = target->key != NIL ? ETL_MODE_UPSERT : ETL_MODE_APPEND;
	if (target->target == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a target must not be null or empty")));
	if (target->query == NULL)
		target->query = ETL_DEFAULT_QUERY;
	target->target = EtlQualifiedTarget(target->target);
	target->rules_list = EtlRulesOf(target->rules);
	check_options(target);
	return target;
}

static const EtlPipeline *
find_target(const EtlPipeline *pipeline, const char *name)
{
	ListCell *lc;

	foreach (lc, pipeline->targets)
		if (strcmp(((const EtlPipeline *) lfirst(lc))->target, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* etl_add_target(pipeline text, target text, ...) returns void */
Datum
etl_add_target(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlPipeline *pipeline;
	EtlPipeline *target;

	EtlPreventIfReadOnly(fcinfo);
	pipeline = EtlFindToChange(pipeline_argument(args));
	EtlCheckOwnerExists(pipeline);
	target = take_target(args, pipeline);
	if (find_target(pipeline, target->target) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("pipeline \"%s\" has target %s already", pipeline->name, target->target),
				 errhint("Drop it with etl_drop_target first.")));
	pipeline->targets = lappend(pipeline->targets, target);
	EtlCheckOptions(pipeline);
	if (pipeline->accepted)
		EtlCheckAsOwner(pipeline);
	EtlCatalogAddTarget(pipeline->id, target);
	PG_RETURN_VOID();
}

/* As it is stored, which the table need not be there for; or as a name of the table. */
static const EtlPipeline *
find_by_name(const EtlPipeline *pipeline, const char *name)
{
	const EtlPipeline *target = find_target(pipeline, name);
	Oid relid;

	if (target != NULL)
		return target;
	relid = RangeVarGetRelid(makeRangeVarFromNameList(EtlQualifiedNameList(name)), NoLock, true);
	if (!OidIsValid(relid))
		return NULL;
	return find_target(pipeline,
					   quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												  get_rel_name(relid)));
}

/* etl_drop_target(pipeline text, target text) returns void */
Datum
etl_drop_target(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	EtlPipeline *pipeline;
	const EtlPipeline *target;

	EtlPreventIfReadOnly(fcinfo);
	pipeline = EtlFindToChange(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	target = find_by_name(pipeline, name);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" has no further target \"%s\"", pipeline->name, name),
				 errhint("The view etl_targets lists them.")));
	EtlCatalogDropTarget(pipeline->id, target->target);
	PG_RETURN_VOID();
}

/*
 * define.c
 *		SQL functions that create, change and remove definitions of pipelines.
 *
 * A definition belongs to the role that created it, and runs with the rights and the search_path which that
 * role had then.  Another member of the role may change it; what it says is then checked as the
 * owner's, in a restricted operation, so that nothing in it ever runs with the rights of who changes it.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pipeline/catalog.h"
#include "pipeline/check.h"
#include "pipeline/lock.h"
#include "pipeline/schedule_define.h"
#include "pipeline/statements.h"
#include "scan/args.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(etl_create_pipeline);
PG_FUNCTION_INFO_V1(etl_alter_pipeline);
PG_FUNCTION_INFO_V1(etl_drop_pipeline);
PG_FUNCTION_INFO_V1(etl_pause);
PG_FUNCTION_INFO_V1(etl_resume);
PG_FUNCTION_INFO_V1(etl_reset);
PG_FUNCTION_INFO_V1(etl_adopt);

#define MAX_BATCH_SIZE 1000000

/* ----------------------------------------------------------------
 *	Arguments
 * ---------------------------------------------------------------- */

/* Takes a text over the old value if it is given; an empty one takes the option away. */
static void
take_text(const EtlArgs *args, const char *name, char **value)
{
	char *text = EtlArgText(args, name);

	if (text != NULL)
		*value = text[0] != '\0' ? text : NULL;
}

/* The same for one of several words, of which the first is the default. */
static void
take_choice(const EtlArgs *args, const char *name, const char *const *choices, int n, char **value)
{
	if (EtlArgFind(args, name) != NULL || *value == NULL)
		*value = pstrdup(choices[EtlArgChoice(args, name, choices, n)]);
}

static void
take_list(const EtlArgs *args, const char *name, List **list)
{
	const EtlArg *arg = EtlArgFind(args, name);
	Datum *elements;
	bool *nulls;
	int n;

	if (arg == NULL)
		return;
	deconstruct_array(DatumGetArrayTypeP(arg->value), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &n);
	*list = NIL;
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" must not hold a null", name)));
		*list = lappend(*list, TextDatumGetCString(elements[i]));
	}
}

/* An interval as text; one of no length takes the option away. */
static void
take_interval(const EtlArgs *args, const char *name, char **value, int64 *ms)
{
	const EtlArg *arg = EtlArgFind(args, name);
	Interval *interval;

	if (arg == NULL)
		return;
	interval = DatumGetIntervalP(arg->value);
	*ms = interval->time / 1000 + (interval->day + interval->month * INT64CONST(30)) * 86400000;
	if (*ms < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"%s\" must not be negative", name)));
	*value = *ms > 0 ? DatumGetCString(DirectFunctionCall1(interval_out, arg->value)) : NULL;
}

static List *
rules_of(Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	List *rules = NIL;
	EtlRule *rule = NULL;
	JsonbIteratorToken token;
	JsonbValue v;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rules must be a JSON object"),
				 errhint("As in {\"email required\": \"email IS NOT NULL\"}.")));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			rule = palloc(sizeof(EtlRule));
			rule->name = pnstrdup(v.val.string.val, v.val.string.len);
		}
		else if (token == WJB_VALUE)
		{
			if (v.type != jbvString)
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("rule \"%s\" must be a string that holds an expression",
									   rule->name)));
			rule->expression = pnstrdup(v.val.string.val, v.val.string.len);
			rules = lappend(rules, rule);
		}
	}
	return rules;
}

static void
take_rules(const EtlArgs *args, EtlPipeline *p)
{
	const EtlArg *arg = EtlArgFind(args, "rules");
	Jsonb *jsonb;

	if (arg == NULL)
		return;
	jsonb = DatumGetJsonbP(arg->value);
	p->rules = rules_of(jsonb);
	p->rules_json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

static void
take_key_and_mode(const EtlArgs *args, EtlPipeline *p)
{
	static const char *const modes[] = {"upsert", "append"};

	take_list(args, "key", &p->key);
	if (EtlArgFind(args, "mode") != NULL || p->mode == NULL)
		p->mode = pstrdup(EtlArgFind(args, "mode") == NULL && p->key == NIL
							  ? "append"
							  : modes[EtlArgChoice(args, "mode", modes, lengthof(modes))]);
	if (EtlIsUpsert(p) && p->key == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an upsert needs a key"),
						errhint("Give the key, as in key => '{id}', or use mode => 'append'.")));
}

static void
take_numbers(const EtlArgs *args, EtlPipeline *p)
{
	p->batch_size = (int) EtlArgInt(args, "batch_size", p->batch_size);
	if (p->batch_size < 1 || p->batch_size > MAX_BATCH_SIZE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch_size must be between 1 and %d", MAX_BATCH_SIZE)));
	p->reject_limit = Max(EtlArgInt(args, "reject_limit", p->reject_limit), -1);
	p->enabled = EtlArgBool(args, "enabled", p->enabled);
	p->whole = EtlArgBool(args, "whole", p->whole);
}

/* Takes what is given over the old values, or over the defaults. */
static void
take_arguments(const EtlArgs *args, EtlPipeline *p)
{
	static const char *const on_conflict[] = {"update", "ignore", "error"};
	static const char *const on_error[] = {"dead_letter", "fail"};
	static const char *const on_shutdown[] = {"drain", "drop"};
	char *target = EtlArgText(args, "target");

	take_text(args, "source", &p->source);
	take_text(args, "query", &p->query);
	if (p->query == NULL)
		p->query = "SELECT * FROM batch";
	if (target != NULL)
		p->target = EtlQualifiedTarget(target);
	if (p->source == NULL || p->target == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a pipeline needs a %s", p->source == NULL ? "source" : "target")));
	take_key_and_mode(args, p);
	take_choice(args, "on_conflict", on_conflict, lengthof(on_conflict), &p->on_conflict);
	take_text(args, "watermark", &p->watermark);
	take_text(args, "watermark_lag", &p->watermark_lag);
	take_text(args, "watermark_max", &p->watermark_max);
	take_rules(args, p);
	take_list(args, "redact", &p->redact);
	take_numbers(args, p);
	take_interval(args, "flush_interval", &p->flush_interval, &p->flush_ms);
	if (p->flush_interval == NULL)
		p->flush_interval = "5 seconds";
	take_choice(args, "on_error", on_error, lengthof(on_error), &p->on_error);
	take_choice(args, "on_shutdown", on_shutdown, lengthof(on_shutdown), &p->on_shutdown);
	take_interval(args, "max_runtime", &p->max_runtime, &p->max_runtime_ms);
	if (p->whole && !EtlIsUpsert(p))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("whole => true needs a key"),
				 errdetail("Each run reads all of the source, so it would append all of the "
						   "rows once more."),
				 errhint("Give the key of the rows that the query gives.")));
	if (p->watermark == NULL && (p->watermark_lag != NULL || p->watermark_max != NULL))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("watermark_lag and watermark_max need a watermark")));
}

/* ----------------------------------------------------------------
 *	Definitions
 * ---------------------------------------------------------------- */

/*
 * The work executes what the owner wrote, be it only by planning it: immutable functions run then.  So it is a
 * restricted operation, also for the owner, whose session may be that of a superuser who has SET ROLE; and no setting
 * that it changes is kept.
 */
void
EtlDoAsOwner(const EtlPipeline *pipeline, void (*work)(void *arg), void *arg)
{
	Oid user;
	int sec_context;
	int guc_level;

	EtlCheckOwnerExists(pipeline);
	guc_level = NewGUCNestLevel();
	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(pipeline->owner, sec_context | SECURITY_LOCAL_USERID_CHANGE |
												SECURITY_RESTRICTED_OPERATION);
	(void) set_config_option("search_path", pipeline->search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	work(arg);
	AtEOXact_GUC(false, guc_level);
	SetUserIdAndSecContext(user, sec_context);
}

static void
make_statements(void *arg)
{
	(void) EtlMakeStatements(arg);
}

/* Checks a definition as its owner, who may be another role than the one that calls. */
static void
check_as_owner(EtlPipeline *pipeline)
{
	EtlDoAsOwner(pipeline, make_statements, pipeline);
}

static char *
name_argument(const EtlArgs *args)
{
	char *name = EtlArgText(args, "name");

	if (name == NULL || name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a pipeline must not be null or empty")));
	return name;
}

/* A pipeline that the current user may change. */
EtlPipeline *
EtlFindOwnPipeline(const char *name)
{
	EtlPipeline *pipeline = EtlCatalogFind(name, false);
	const char *owner;

	if (has_privs_of_role(GetUserId(), pipeline->owner))
		return pipeline;
	owner = GetUserNameFromId(pipeline->owner, true);
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("permission denied for pipeline \"%s\"", name),
		 owner != NULL
			 ? errdetail("Only members of role \"%s\", which owns it, may do that.", owner)
			 : errdetail("Its owner does not exist any more, so only superusers may do that.")));
}

/* No dependency keeps a role from being dropped that owns pipelines. */
void
EtlCheckOwnerExists(const EtlPipeline *pipeline)
{
	if (GetUserNameFromId(pipeline->owner, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the owner of pipeline \"%s\" does not exist any more", pipeline->name),
				 errhint("A superuser can give it another, etl_alter_pipeline(%s, owner => ...), "
						 "or drop it.",
						 quote_literal_cstr(pipeline->name))));
}

/* Nothing shall run while this transaction lasts. */
static void
lock(const EtlPipeline *pipeline)
{
	if (!EtlLockPipeline(pipeline->id, false))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("pipeline \"%s\" is running", pipeline->name),
						errhint("Wait for the run to end, or end it by etl_cancel.")));
}

static EtlPipeline *
find_and_lock(const char *name)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(name);

	lock(pipeline);
	return pipeline;
}

/* As with any object: who gives it away must be able to become who gets it. */
static void
take_owner(const EtlArgs *args, EtlPipeline *pipeline)
{
	const EtlArg *arg = EtlArgFind(args, "owner");

	if (arg == NULL)
		return;
	lock(pipeline);
	pipeline->owner = DatumGetObjectId(arg->value);
	EtlCheckOwnerExists(pipeline);
	EtlCheckCanBecome(GetUserId(), pipeline->owner);
}

/* etl_create_pipeline(name text, source text, ...) returns void */
Datum
etl_create_pipeline(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlPipeline *pipeline = palloc0(sizeof(EtlPipeline));

	pipeline->name = name_argument(args);
	pipeline->owner = GetUserId();
	pipeline->search_path = pstrdup(namespace_search_path);
	pipeline->batch_size = 10000;
	pipeline->reject_limit = -1;
	pipeline->enabled = true;
	pipeline->rules_json = "{}";
	if (EtlCatalogFind(pipeline->name, true) != NULL)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("pipeline \"%s\" already exists", pipeline->name),
						errhint("Change it with etl_alter_pipeline.")));
	take_arguments(args, pipeline);
	check_as_owner(pipeline);
	pipeline->id = EtlCatalogInsert(pipeline);
	EtlTakeSchedule(args, pipeline);
	PG_RETURN_VOID();
}

/* etl_alter_pipeline(name text, ...) returns void */
Datum
etl_alter_pipeline(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlPipeline *pipeline = EtlFindOwnPipeline(name_argument(args));

	take_owner(args, pipeline);
	take_arguments(args, pipeline);
	check_as_owner(pipeline);
	EtlCatalogUpdate(pipeline);
	EtlTakeSchedule(args, pipeline);
	PG_RETURN_VOID();
}

/* etl_drop_pipeline(name text) returns void */
Datum
etl_drop_pipeline(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = find_and_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	EtlCatalogDelete(pipeline->id);
	PG_RETURN_VOID();
}

/* etl_pause(name text) returns void */
Datum
etl_pause(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	EtlCatalogSetEnabled(pipeline->id, false);
	PG_RETURN_VOID();
}

/* etl_resume(name text) returns void */
Datum
etl_resume(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	EtlCatalogSetEnabled(pipeline->id, true);
	PG_RETURN_VOID();
}

/* etl_reset(name text) returns void: forgets checkpoint and watermark */
Datum
etl_reset(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = find_and_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	EtlCatalogReset(pipeline->id);
	PG_RETURN_VOID();
}

/* etl_adopt() returns bigint: the pipelines of a copy become its own */
Datum
etl_adopt(PG_FUNCTION_ARGS)
{
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to adopt pipelines"),
						errdetail("Only superusers may do that: it concerns pipelines of all "
								  "roles.")));
	PG_RETURN_INT64(EtlCatalogAdopt());
}

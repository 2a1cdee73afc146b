/*
 * define.c
 *		SQL functions that create, change and remove definitions of pipelines.
 *
 * A definition belongs to the role that created it, and runs with the rights of that role and the settings of the
 * session which gave its texts.  Another member of the role may change it; what it says is then checked as the
 * owner's, in a restricted operation, so that nothing in it ever runs with the rights of who changes it.  With another
 * owner it is paused, until that one has resumed it.
 */
#include "etl.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/check.h"
#include "pipeline/define/define.h"
#include "pipeline/define/enrichments.h"
#include "pipeline/define/options.h"
#include "pipeline/define/session.h"
#include "pipeline/done.h"
#include "pipeline/run/lock.h"
#include "pipeline/schedule_define.h"
#include "pipeline/define/statements.h"
#include "scan/args.h"
#include "source/glob.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(etl_create_pipeline);
PG_FUNCTION_INFO_V1(etl_alter_pipeline);
PG_FUNCTION_INFO_V1(etl_drop_pipeline);
PG_FUNCTION_INFO_V1(etl_pause);
PG_FUNCTION_INFO_V1(etl_resume);
PG_FUNCTION_INFO_V1(etl_reset);
PG_FUNCTION_INFO_V1(etl_adopt);
PG_FUNCTION_INFO_V1(etl_purge);
PG_FUNCTION_INFO_V1(etl_retry_parts);

#define MAX_INTERVAL_MS (INT64CONST(10) * 366 * 24 * 3600 * 1000)
#define OLDEST_MS (INT64CONST(1000) * 366 * 24 * 3600 * 1000)
#define DEFAULT_DELETE_LIMIT "10%"

/* ----------------------------------------------------------------
 *	Arguments
 * ---------------------------------------------------------------- */

/* A text; an empty one takes the option away. */
static char *
text_of(const EtlArg *arg)
{
	char *value = TextDatumGetCString(arg->value);

	return value[0] != '\0' ? value : NULL;
}

/* Names as one text, "id, day": split at commas, and in double quotes if they hold such, or spaces. */
static List *
split_names(const EtlArg *arg, char *written)
{
	List *list;

	if (!SplitGUCList(written, ',', &list))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a list of names", arg->name),
				 errhint("Separate names by commas, and put a name that is not plain in double "
						 "quotes.")));
	return list;
}

/* An array of names, or a text that lists them or says the array. */
static List *
list_of(const EtlArg *arg)
{
	bool is_array = OidIsValid(get_element_type(arg->type));
	List *list = NIL;
	Datum *elements;
	Datum array;
	bool *nulls;
	bool is_varlena;
	Oid output;
	char *written;
	int n;

	if (!is_array && arg->type != UNKNOWNOID && TypeCategory(arg->type) != TYPCATEGORY_STRING)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("argument \"%s\" must be text or text[], not %s", arg->name,
							   format_type_be(arg->type))));
	getTypeOutputInfo(arg->type, &output, &is_varlena);
	written = OidOutputFunctionCall(output, arg->value);
	if (!is_array && written[0] != '{')
		return split_names(arg, written);
	array = OidInputFunctionCall(F_ARRAY_IN, written, TEXTOID, -1);
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" must not hold a null", arg->name)));
		list = lappend(list, TextDatumGetCString(elements[i]));
	}
	return list;
}

/* One of no length takes the option away. */
static EtlInterval
interval_of(const EtlArg *arg)
{
	EtlInterval interval = {NULL, EtlIntervalMs(arg->value)};

	if (interval.ms < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"%s\" must not be negative", arg->name)));
	if (interval.ms > MAX_INTERVAL_MS)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("argument \"%s\" must be at most 10 years", arg->name),
						errhint("An interval of no length takes the option away.")));
	if (interval.ms > 0)
		interval.text = DatumGetCString(DirectFunctionCall1(interval_out, arg->value));
	return interval;
}

static char *
json_of(const EtlArg *arg)
{
	Jsonb *jsonb = DatumGetJsonbP(arg->value);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Takes an argument over the old value of its option. */
static void
take_option(const EtlArg *arg, const EtlSqlColumn *option, void *member)
{
	switch (option->type)
	{
		case ETL_SQL_TEXT:
			*(char **) member = text_of(arg);
			break;
		case ETL_SQL_TEXTS:
			*(List **) member = list_of(arg);
			break;
		case ETL_SQL_JSON:
			*(char **) member = json_of(arg);
			break;
		case ETL_SQL_INTERVAL:
			*(EtlInterval *) member = interval_of(arg);
			break;
		default:
			EtlSqlStore(option, arg->value, member);
			break;
	}
}

bool
EtlTakeOptions(const EtlArgs *args, const EtlSqlColumn *options, int n, void *definition)
{
	bool given = false;

	for (int i = 0; i < n; i++)
	{
		const EtlArg *arg = EtlArgFind(args, options[i].name);

		given |= arg != NULL;
		if (arg != NULL)
			take_option(arg, &options[i], (char *) definition + options[i].offset);
	}
	return given;
}

/* Takes what is given over the old values, or over the defaults. */
static void
take_arguments(const EtlArgs *args, EtlPipeline *p)
{
	ListCell *lc;

	(void) EtlTakeOptions(args, EtlPipelineOptions, EtlPipelineOptionCount, p);
	if (p->query == NULL)
		p->query = ETL_DEFAULT_QUERY;
	if (p->deletes == NULL)
		p->deletes = ETL_DELETES_KEEP;
	if (p->delete_limit == NULL)
		p->delete_limit = DEFAULT_DELETE_LIMIT;
	if (EtlArgFind(args, "target") != NULL && p->target != NULL)
		p->target = EtlQualifiedTarget(p->target);
	if (p->flush_interval.text == NULL)
		p->flush_interval = (EtlInterval){"5 seconds", 5000};
	p->reject_limit = Max(p->reject_limit, -1);
	p->rules_list = EtlRulesOf(p->rules);
	p->enrichments = EtlEnrichmentsOf(p->enrich);
	foreach (lc, p->rules_list)
		EtlCheckName("name of a rule", ((EtlRule *) lfirst(lc))->name);
	EtlCheckOptions(p);
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
	EtlPinForNow(pipeline);
	work(arg);
	AtEOXact_GUC(false, guc_level);
	SetUserIdAndSecContext(user, sec_context);
}

static void
make_statements(void *arg)
{
	const EtlPipeline *pipeline = arg;
	const EtlStatements *statements = EtlMakeStatements(pipeline);

	if (EtlDoesWhenDone(pipeline))
		EtlCheckWhenDoneOf(pipeline);
	if (statements->files != NULL && has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES) &&
		EtlGlobQuietly(statements->files) == NIL)
		ereport(NOTICE,
				(errmsg("no file matches \"%s\" yet", statements->files),
				 errdetail("Pipeline \"%s\" reads files on the database server, and a relative "
						   "path counts from its data directory.",
						   pipeline->name)));
}

void
EtlCheckAsOwner(EtlPipeline *pipeline)
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
	if (!has_privs_of_role(GetUserId(), ROLE_PG_MONITOR)) /* by the views it is not there, either */
		EtlRaiseNoPipeline(name);
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

EtlPipeline *
EtlFindToChange(const char *name)
{
	EtlPipeline *pipeline;

	(void) EtlFindOwnPipeline(name); /* no lock for others */
	pipeline = EtlCatalogFindToChange(name);
	if (pipeline == NULL || !has_privs_of_role(GetUserId(), pipeline->owner))
		return EtlFindOwnPipeline(
			name); /* it was dropped or given away just now, which is an error */
	return pipeline;
}

static EtlPipeline *
find_and_lock(const char *name)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(name);

	lock(pipeline);
	return pipeline;
}

/*
 * As with any object: who gives it away must be able to become who gets it.  Whether the pipeline gets another
 * owner.
 */
static bool
take_owner(const EtlArgs *args, EtlPipeline *pipeline)
{
	const EtlArg *arg = EtlArgFind(args, "owner");

	if (arg == NULL)
		return false;
	lock(pipeline);
	if (DatumGetObjectId(arg->value) == pipeline->owner)
		return false;
	pipeline->owner = DatumGetObjectId(arg->value);
	EtlCheckOwnerExists(pipeline);
	EtlCheckCanBecome(GetUserId(), pipeline->owner);
	return true;
}

/* ----------------------------------------------------------------
 *	Whose code a definition is
 *
 * Source, query, rules, enrich, delete_when and delete_scope are code, and so is the target: its defaults, constraints and triggers run.  A new
 * owner may have more rights than whoever wrote them, so they are not even planned with those before the new
 * owner has accepted them: by resuming the pipeline, which is as good as to define it with the same texts.
 * ---------------------------------------------------------------- */

static bool
gives_any(const EtlArgs *args, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (EtlArgFind(args, names[i]) != NULL)
			return true;
	return false;
}

static bool
gives_any_code(const EtlArgs *args)
{
	static const char *const names[] = {"source",		"query",	   "rules", "target",
										"delete_scope", "delete_when", "enrich"};

	return gives_any(args, names, lengthof(names));
}

/* Whether something is given that is held against the source, the query or the target. */
static bool
gives_any_meaning(const EtlArgs *args)
{
	static const char *const names[] = {
		"key",		 "mode",		 "on_conflict",	  "replace_by",	   "deletes", "missing",
		"watermark", "watermark_as", "watermark_lag", "watermark_max", "redact",  "whole",
		"when_done", "valid_from",	 "valid_to",	  "compared"};

	return gives_any_code(args) || gives_any(args, names, lengthof(names));
}

/* What is not given has to be what it is without anybody's doing. */
static bool
gives_all_code(const EtlArgs *args, const EtlPipeline *pipeline)
{
	return EtlArgFind(args, "source") != NULL && EtlArgFind(args, "target") != NULL &&
		   (EtlArgFind(args, "query") != NULL || strcmp(pipeline->query, ETL_DEFAULT_QUERY) == 0) &&
		   (EtlArgFind(args, "rules") != NULL || pipeline->rules_list == NIL) &&
		   (EtlArgFind(args, "enrich") != NULL || pipeline->enrichments == NIL) &&
		   (EtlArgFind(args, "delete_scope") != NULL || pipeline->delete_scope == NULL) &&
		   (EtlArgFind(args, "delete_when") != NULL || pipeline->delete_when == NULL) &&
		   pipeline->targets == NIL;
}

static void
accept(EtlPipeline *pipeline)
{
	if (pipeline->accepted)
		return;
	pipeline->accepted = true;
	EtlTakeSession(pipeline);
}

static void
set_aside(const EtlArgs *args, EtlPipeline *pipeline)
{
	if (EtlArgBool(args, "enabled", false))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline that gets another owner is paused"),
						errhint("Leave out \"enabled\", and call etl_resume(%s) afterwards.",
								quote_literal_cstr(pipeline->name))));
	pipeline->accepted = pipeline->enabled = false;
}

/* "redefined": what is given, or who gives it, makes it another one than before. */
static void
store(EtlPipeline *pipeline, const EtlArgs *args, bool redefined)
{
	if (pipeline->accepted && redefined)
		EtlCheckAsOwner(pipeline);
	EtlCatalogUpdate(pipeline);
	if (EtlArgFind(args, "source") != NULL)
		(void) EtlCatalogRetryParts(pipeline->id, NULL);
	EtlTakeSchedule(args, pipeline, redefined);
}

/* The error names the function that was called. */
void
EtlPreventIfReadOnly(FunctionCallInfo fcinfo)
{
	char *call = psprintf("%s()", get_func_name(fcinfo->flinfo->fn_oid));

	PreventCommandDuringRecovery(call);
	PreventCommandIfReadOnly(call);
}

/* The name of the pipeline that a function changes, its first argument. */
static char *
name_of(FunctionCallInfo fcinfo)
{
	EtlPreventIfReadOnly(fcinfo);
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* Names are those of the database: that one is taken is what every role can learn. */
static void
check_name_is_free(const char *name)
{
	const EtlPipeline *other = EtlCatalogFind(name, true);

	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("pipeline \"%s\" already exists", name),
				 has_privs_of_role(GetUserId(), other->owner)
					 ? errhint("Change it with etl_alter_pipeline.")
					 : errhint("It is another role's: choose another name.")));
}

/* etl_create_pipeline(name text, source text, ...) returns void */
Datum
etl_create_pipeline(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	const EtlArg *key = EtlArgFind(args, "key");
	EtlPipeline *pipeline = palloc0(sizeof(EtlPipeline));

	EtlPreventIfReadOnly(fcinfo);
	pipeline->name = name_argument(args);
	EtlCheckName("name of a pipeline", pipeline->name);
	pipeline->owner = GetUserId();
	pipeline->accepted = true;
	EtlTakeSession(pipeline);
	pipeline->batch_size = 10000;
	pipeline->parallel = 1;
	pipeline->reject_limit = -1;
	pipeline->enabled = true;
	pipeline->rules = "{}";
	pipeline->enrich = "{}";
	pipeline->deletes = ETL_DELETES_KEEP;
	pipeline->system_identifier = (int64) GetSystemIdentifier();
	pipeline->database = MyDatabaseId;
	pipeline->mode = key != NULL && list_of(key) != NIL ? ETL_MODE_UPSERT : ETL_MODE_APPEND;
	check_name_is_free(pipeline->name);
	take_arguments(args, pipeline);
	EtlCheckAsOwner(pipeline);
	pipeline->id = EtlCatalogInsert(pipeline);
	EtlTakeSchedule(args, pipeline, true);
	PG_RETURN_VOID();
}

/* etl_alter_pipeline(name text, ...) returns void */
Datum
etl_alter_pipeline(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlPipeline *pipeline;
	bool was_accepted, taken_over;

	EtlPreventIfReadOnly(fcinfo);
	pipeline = EtlFindToChange(name_argument(args));
	was_accepted = pipeline->accepted;
	taken_over = take_owner(args, pipeline);
	EtlCheckOwnerExists(pipeline);
	take_arguments(args, pipeline);
	if (gives_any_code(args))
		EtlTakeSession(pipeline);
	if (gives_all_code(args, pipeline))
		pipeline->accepted = true;
	else if (taken_over)
		set_aside(args, pipeline);
	else if (pipeline->enabled)
		accept(pipeline);
	store(pipeline, args, gives_any_meaning(args) || !was_accepted || taken_over);
	if (!pipeline->accepted)
		ereport(
			NOTICE,
			(errmsg("pipeline \"%s\" is paused", pipeline->name),
			 errdetail(
				 "Another role than its owner wrote its source, query, rules or target, so nothing "
				 "of it is checked or runs before its owner has resumed it."),
			 errhint(
				 "Look at them in the views etl_pipelines and etl_targets; then call etl_resume(%s), with the "
				 "search_path that they are meant for.",
				 quote_literal_cstr(pipeline->name))));
	PG_RETURN_VOID();
}

/* etl_drop_pipeline(name text) returns void */
Datum
etl_drop_pipeline(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = find_and_lock(name_of(fcinfo));
	char *followers = EtlScheduleFollowers(pipeline->name, GetUserId());

	EtlCatalogDelete(pipeline->id);
	if (followers != NULL)
		ereport(NOTICE,
				(errmsg("other pipelines run after pipeline \"%s\"", pipeline->name),
				 errdetail("Until there is one of that name again, \"after\" starts none of "
						   "them: %s.",
						   followers)));
	PG_RETURN_VOID();
}

/* etl_pause(name text) returns void */
Datum
etl_pause(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(name_of(fcinfo));

	EtlCatalogSetEnabled(pipeline->id, false);
	PG_RETURN_VOID();
}

/* etl_resume(name text) returns void */
Datum
etl_resume(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindToChange(name_of(fcinfo));
	bool was_accepted = pipeline->accepted;

	EtlCheckOwnerExists(pipeline);
	pipeline->enabled = true;
	accept(pipeline);
	if (was_accepted)
		EtlCatalogSetEnabled(pipeline->id, true);
	else
		store(pipeline, EtlArgsOfCall(fcinfo), true);
	PG_RETURN_VOID();
}

/* etl_reset(name text) returns void: forgets checkpoint and watermark */
Datum
etl_reset(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = find_and_lock(name_of(fcinfo));

	EtlCatalogReset(pipeline->id);
	PG_RETURN_VOID();
}

/* etl_adopt() returns bigint: the pipelines of a copy become its own */
Datum
etl_adopt(PG_FUNCTION_ARGS)
{
	int64 adopted;
	int64 orphans;

	EtlPreventIfReadOnly(fcinfo);
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to adopt pipelines"),
						errdetail("Only superusers may do that: it concerns pipelines of all "
								  "roles.")));
	EtlCatalogDisown();
	adopted = EtlCatalogAdopt();
	orphans = EtlCatalogCountOrphans();
	if (orphans > 0)
		ereport(NOTICE,
				(errmsg("%lld pipelines belong to nobody", (long long) orphans),
				 errdetail("The roles that they belonged to do not exist here."),
				 errhint("Give them other owners by etl_alter_pipeline(name, owner => ...), or "
						 "drop them.")));
	PG_RETURN_INT64(adopted);
}

/* etl_purge(name text, older_than interval, open boolean) returns bigint */
Datum
etl_purge(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(name_of(fcinfo));
	char *age = DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(1)));
	int64 ms = EtlIntervalMs(PG_GETARG_DATUM(1));

	if (ms < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("older_than must not be negative")));
	if (ms > OLDEST_MS)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("older_than must be at most 1000 years")));
	PG_RETURN_INT64(EtlCatalogPurge(pipeline->id, age, PG_GETARG_BOOL(2), 0));
}

/* etl_retry_parts(name text, part text) returns bigint */
Datum
etl_retry_parts(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a pipeline must not be null or empty")));
	pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_INT64(EtlCatalogRetryParts(
		pipeline->id, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

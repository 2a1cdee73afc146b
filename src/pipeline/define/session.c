/*
 * session.c
 *		The settings with which the texts of a definition are read, and a run works.
 *
 *		define		the session's search_path, DateStyle, TimeZone ... are kept with the definition
 *		check		they hold while the definition is planned, with the rights of its owner
 *		run			they are the defaults of the worker's session, and so are a few that a run depends on; behind
 *					each transaction the session goes back to them
 *
 * So a value means in a run what it meant in the session that defined the pipeline, whatever ALTER DATABASE, ALTER ROLE
 * and the owner's own code say.
 */
#include "etl.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "pipeline/define/session.h"
#include "utils/guc.h"

/* Settings on which the meaning of a text, or of a value that is read or written as text, depends. */
static const char *const kept[] = {"DateStyle",
								   "IntervalStyle",
								   "TimeZone",
								   "timezone_abbreviations",
								   "client_encoding",
								   "lc_monetary",
								   "lc_numeric",
								   "lc_time",
								   "extra_float_digits",
								   "bytea_output",
								   "xmlbinary",
								   "xmloption",
								   "array_nulls",
								   "default_text_search_config",
								   "transform_null_equals",
								   "standard_conforming_strings",
								   "backslash_quote"};

/* Settings without which a run does something else, or nothing. */
static const struct
{
	const char *name;
	const char *value;
} of_run[] = {
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"statement_timeout", "0"}, /* max_runtime bounds a run */
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"row_security", "on"},
	{"exit_on_error", "off"}, /* an error in a row is no reason to go */
	{"gin_fuzzy_search_limit", "0"},
};

/* Canonical forms, in which a value reads the same in every session. */
static const struct
{
	const char *name;
	const char *value;
} canonical[] = {
	{"DateStyle", "ISO, YMD"},	 {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"},
	{"extra_float_digits", "1"}, {"lc_monetary", "C"},			{"bytea_output", "hex"},
};

/* ----------------------------------------------------------------
 *	Definitions
 * ---------------------------------------------------------------- */

void
EtlTakeSession(EtlPipeline *pipeline)
{
	pipeline->search_path = pstrdup(namespace_search_path);
	pipeline->settings = NIL;
	for (int i = 0; i < lengthof(kept); i++)
	{
		const char *value = GetConfigOption(kept[i], false, false);

		if (value != NULL)
			pipeline->settings = lappend(pipeline->settings, psprintf("%s=%s", kept[i], value));
	}
}

/* Calls a function with each setting of a definition. */
static void
for_each_setting(const EtlPipeline *pipeline, void (*set)(const char *name, const char *value))
{
	ListCell *lc;

	set("search_path", pipeline->search_path);
	foreach (lc, pipeline->settings)
	{
		char *name = pstrdup(lfirst(lc));
		char *end = strchr(name, '=');

		if (end == NULL)
			elog(ERROR, "invalid setting \"%s\" of a pipeline", name);
		*end = '\0';
		set(name, end + 1);
	}
}

/* The client goes on getting its messages in the encoding that it asked for. */
static void
set_for_now(const char *name, const char *value)
{
	if (strcmp(name, "client_encoding") == 0)
		return;
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

void
EtlPinForNow(const EtlPipeline *pipeline)
{
	for_each_setting(pipeline, set_for_now);
}

void
EtlPinCanonicalForNow(void)
{
	for (int i = 0; i < lengthof(canonical); i++)
		set_for_now(canonical[i].name, canonical[i].value);
}

/* ----------------------------------------------------------------
 *	Runs
 * ---------------------------------------------------------------- */

/* As the default, to which RESET leads, too. */
static void
set_default(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_USERSET, PGC_S_OVERRIDE);
}

void
EtlPinForRun(void)
{
	for (int i = 0; i < lengthof(of_run); i++)
		if (GetConfigOption(of_run[i].name, true, false) != NULL) /* as this major has it */
			set_default(of_run[i].name, of_run[i].value);
}

void
EtlPinDefinition(const EtlPipeline *pipeline)
{
	for_each_setting(pipeline, set_default);
}

void
EtlResetSettings(void)
{
	ResetAllOptions();
}

void
EtlBecomeOwner(void)
{
	if (GetSessionUserId() != GetAuthenticatedUserId())
		SetConfigOption("session_authorization", NULL, PGC_USERSET, PGC_S_SESSION);
	if (GetUserId() != GetSessionUserId())
		SetConfigOption("role", "none", PGC_USERSET, PGC_S_SESSION);
}

/*
 * api_explain.c
 *		etl_api_explain: one request, and what can be concluded from its answer.
 *
 * The first page is read as etl_api would read it, with the one difference that nothing follows it.
 */
#include "etl.h"

#include "api/pages.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scan/api_call.h"
#include "scan/json_infer.h"
#include "source/clock.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/json.h"

#define SAMPLE 1000 /* items that columns are inferred from */

typedef struct Explanation
{
	ReturnSetInfo *result;
	EtlApiCall *call;
	EtlPages *pages;
	EtlJsonProposal *proposal;
} Explanation;

static void
say(Explanation *explanation, const char *property, const char *value)
{
	Datum values[2];
	bool isnull[2] = {false, value == NULL};

	values[0] = CStringGetTextDatum(property);
	values[1] = value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
	tuplestore_putvalues(explanation->result->setResult, explanation->result->setDesc, values,
						 isnull);
}

/* Reads the page to its end. */
static void
read_page(Explanation *explanation)
{
	EtlJsonItem item;
	int64 n = 0;

	while (EtlPagesNext(explanation->pages, &item, ETL_FOREVER) == ETL_PAGES_ITEM)
		if (n++ < SAMPLE)
			EtlJsonProposalSee(explanation->proposal, &item);
}

static void
say_paging(Explanation *explanation)
{
	const EtlDetection *detection = EtlPagesDetection(explanation->pages);
	const EtlDialect *dialect = &explanation->call->dialect;

	if (explanation->call->preset != NULL)
		say(explanation, "dialect", explanation->call->preset);
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
		if (dialect->given[i] != NULL)
			say(explanation, EtlDialectOption(i), EtlShowUtf8(dialect->given[i]));
	if (detection != NULL && detection->evidence != NULL)
		say(explanation, "detected by", EtlShowUtf8(detection->evidence));
}

static void
say_page(Explanation *explanation)
{
	const EtlPageFacts *facts = EtlPagesFacts(explanation->pages);
	const EtlDecision *decision = EtlPagesDecision(explanation->pages);

	say(explanation, "items on the first page", psprintf(INT64_FORMAT, facts->nitems));
	if (facts->total >= 0)
		say(explanation, "items in all", psprintf(INT64_FORMAT, facts->total));
	if (facts->npages >= 0)
		say(explanation, "pages in all", psprintf(INT64_FORMAT, facts->npages));
	if (decision->problem != NULL)
	{
		say(explanation, "problem", EtlShowUtf8(decision->problem));
		say(explanation, "what was seen", EtlShowUtf8(decision->detail));
		say(explanation, "hint", EtlShowUtf8(decision->hint));
	}
	else
		say(explanation, "next page",
			EtlPagesEnded(explanation->pages) == ETL_END_CAP
				? "there is one"
				: psprintf("there is none: %s", EtlEndName(EtlPagesEnded(explanation->pages))));
}

/* Headers by which servers say how often they may be asked. */
static void
say_wait_signals(Explanation *explanation)
{
	static const char *const headers[] = {"Retry-After",
										  "RateLimit",
										  "RateLimit-Reset",
										  "RateLimit-Remaining",
										  "X-RateLimit-Reset",
										  "X-RateLimit-Remaining",
										  "X-Rate-Limit-Reset",
										  "X-Rate-Limit-Interval",
										  "X-RateLimit-Reset-After"};

	for (int i = 0; i < lengthof(headers); i++)
	{
		char *value = EtlPagesHeader(explanation->pages, headers[i]);

		if (value != NULL)
			say(explanation, psprintf("header %s", headers[i]), value);
	}
}

/* Adds an option to a call, as an argument, or else to its options. */
static void
add_option(StringInfo call, StringInfo options, const EtlArgs *args, const char *name,
		   const char *value)
{
	char *end;
	bool is_number = *value != '\0' && (strtoll(value, &end, 10), *end == '\0');

	if (EtlArgIsDeclared(args, name))
		appendStringInfo(call, ",\n    %s => %s", name,
						 is_number ? value : quote_literal_cstr(value));
	else
	{
		appendStringInfo(options, "%s\"%s\": ", options->len > 0 ? ", " : "", name);
		escape_json(options, value);
	}
}

/* Options that the preset has need not be repeated, and a doubt is not to be silenced. */
static bool
is_in_call(const Explanation *explanation, int option)
{
	const char *name = EtlDialectOption(option);

	if (explanation->call->dialect.given[option] == NULL)
		return false;
	if (strcmp(name, "pagination") == 0)
		return explanation->call->preset == NULL &&
			   EtlPagesDecision(explanation->pages)->problem == NULL;
	return explanation->call->preset == NULL || explanation->call->given[option];
}

/* A call that needs no detection any more. */
static void
say_call(Explanation *explanation, const EtlArgs *args)
{
	static const char *const others[] = {"params", "body", "headers"};
	EtlDialect *dialect = &explanation->call->dialect;
	StringInfoData call, columns, options;
	char *path = EtlArgText(args, "path");

	initStringInfo(&columns);
	EtlJsonProposalSetNames(explanation->proposal);
	EtlJsonProposalWrite(explanation->proposal, &columns);
	say(explanation, "columns", columns.data);

	initStringInfo(&call);
	initStringInfo(&options);
	appendStringInfo(&call, "SELECT * FROM etl_api(%s",
					 quote_literal_cstr(explanation->call->base.target->server != NULL
											? explanation->call->base.target->server
											: EtlUrlRedact(EtlArgText(args, "source"))));
	if (path != NULL)
		appendStringInfo(&call, ", %s", quote_literal_cstr(path));
	for (int i = 0; i < lengthof(others); i++)
	{
		const EtlArg *arg = EtlArgFind(args, others[i]);

		if (arg != NULL)
			appendStringInfo(
				&call, ",\n    %s => %s", others[i],
				quote_literal_cstr(JsonbToCString(NULL, &DatumGetJsonbP(arg->value)->root, 0)));
	}
	if (explanation->call->preset != NULL)
		add_option(&call, &options, args, "pagination", explanation->call->preset);
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
		if (is_in_call(explanation, i))
			add_option(&call, &options, args, EtlDialectOption(i), EtlShowUtf8(dialect->given[i]));
	if (options.len > 0)
		appendStringInfo(&call, ",\n    options => %s",
						 quote_literal_cstr(psprintf("{%s}", options.data)));
	appendStringInfo(&call, ")\n  AS t(%s);", columns.data);
	say(explanation, "call", call.data);
}

PG_FUNCTION_INFO_V1(etl_api_explain);

/*
 * etl_api_explain(source text, ...) returns table (property text, value text)
 */
Datum
etl_api_explain(PG_FUNCTION_ARGS)
{
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	Explanation explanation;
	EtlDialect *dialect;
	int64 max_pages;

	InitMaterializedSRF(fcinfo, 0);
	memset(&explanation, 0, sizeof(explanation));
	explanation.result = (ReturnSetInfo *) fcinfo->resultinfo;
	explanation.call = EtlApiCallRead(args);
	explanation.proposal = EtlJsonProposalCreate(EtlProposalCreate(), true);
	dialect = &explanation.call->dialect;
	max_pages = dialect->max_pages;
	dialect->max_pages = 1;
	dialect->truncation = ETL_TRUNCATION_IGNORED;
	explanation.pages = EtlPagesOpen(&explanation.call->base, dialect, 0);
	read_page(&explanation);
	dialect->max_pages = max_pages;

	say(&explanation, "source", EtlUrlDisplay(&explanation.call->base.url));
	say_paging(&explanation);
	say_page(&explanation);
	say_wait_signals(&explanation);
	say_call(&explanation, args);
	EtlPagesClose(explanation.pages);
	return (Datum) 0;
}

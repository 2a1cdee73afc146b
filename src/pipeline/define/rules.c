/*
 * rules.c
 *		Options of a definition that have a form of their own: rules, a JSON object of names and boolean expressions, and parts
 *		of a whole.
 */
#include "etl.h"

#include "fmgr.h"
#include "pipeline/pipeline.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

double
EtlShareOf(const char *option, const char *text)
{
	char *end;
	double share = strtod(text, &end);

	if (end == text || strcmp(end, "%") != 0 || strspn(text, "0123456789.") != end - text ||
		share > 100)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be a percentage, not \"%s\"", option, text),
						errhint("As in '10%%'.")));
	return share / 100;
}

List *
EtlRulesOf(const char *json)
{
	Jsonb *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
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

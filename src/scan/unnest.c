/*
 * unnest.c
 *		etl_unnest(): the objects of a JSON array as rows, with their numbers.
 *
 * PostgreSQL's jsonb_to_recordset makes the rows.  The number of an object is a member that is put into it before.
 */
#include "etl.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#define ORDINAL "_etl_ordinal"

PG_FUNCTION_INFO_V1(etl_unnest);

static void
check_array(const Jsonb *list)
{
	if (!JB_ROOT_IS_ARRAY(list) || JB_ROOT_IS_SCALAR(list))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("etl_unnest needs a JSON array"),
				 errhint("Declare the column of the list as jsonb in the source.")));
}

static bool
is_null(Jsonb *list)
{
	return JB_ROOT_IS_SCALAR(list) &&
		   getIthJsonbValueFromContainer(&list->root, 0)->type == jbvNull;
}

static bool
wants_ordinal(const TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), ORDINAL) == 0)
			return true;
	return false;
}

/* An object with its number as one member more; what it calls so itself comes before, and does not count. */
static void
push_object(JsonbParseState **state, const JsonbValue *object, int64 ordinal)
{
	JsonbValue key = {.type = jbvString, .val.string = {strlen(ORDINAL), ORDINAL}};
	JsonbValue number = {.type = jbvNumeric, .val.numeric = int64_to_numeric(ordinal)};
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue v;

	(void) JsonbIteratorNext(&it, &v, true);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_END_OBJECT)
		(void) pushJsonbValue(state, token, &v);
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_VALUE, &number);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* The same array, whose elements must be objects; with their numbers, if these are wanted. */
static Jsonb *
prepare(Jsonb *list, bool with_ordinal)
{
	JsonbIterator *it = JsonbIteratorInit(&list->root);
	JsonbParseState *state = NULL;
	JsonbIteratorToken token;
	JsonbValue v;
	int64 n = 0;

	if (with_ordinal)
		(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		n++;
		if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("element %lld of the JSON array is no object", (long long) n)));
		if (with_ordinal)
			push_object(&state, &v, n);
	}
	return with_ordinal ? JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)) : list;
}

/* etl_unnest(list jsonb) returns setof record */
Datum
etl_unnest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb *list = PG_GETARG_JSONB_P(0);

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || rsinfo->expectedDesc == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("etl_unnest must be called in FROM, with its columns"),
						errhint("As in FROM batch, etl_unnest(lines) AS l(sku text, qty int).")));
	if (is_null(list))
	{
		InitMaterializedSRF(fcinfo, 0);
		PG_RETURN_NULL();
	}
	check_array(list);
	fcinfo->args[0].value = JsonbPGetDatum(prepare(list, wants_ordinal(rsinfo->expectedDesc)));
	return jsonb_to_recordset(fcinfo);
}

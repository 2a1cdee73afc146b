/*
 * list.c
 *		etl_list(): the objects of a bucket.
 */
#include "etl.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "source/http/bucket_list.h"
#include "source/utf8.h"

PG_FUNCTION_INFO_V1(etl_list);

typedef struct Objects
{
	EtlTarget *target;
	EtlBucketList *objects;
	EtlHttpStats stats;
	size_t prefix; /* bytes of each key that the server has */
} Objects;

/* A path that is no pattern and ends like a folder, or is not there, means all that is below. */
static EtlKeyPattern *
pattern_of(const EtlTarget *target, const char *path)
{
	EtlKeyPattern *pattern = EtlBucketPattern(target, path);
	const char *prefix = EtlKeyPatternPrefix(pattern);
	size_t len = strlen(prefix);

	if (EtlKeyPatternIsPattern(pattern) || (len > 0 && prefix[len - 1] != '/'))
		return pattern;
	return EtlKeyPatternCreate(psprintf("%s**", prefix), len);
}

static Objects *
open_list(const char *source, const char *path)
{
	Objects *list = palloc0(sizeof(Objects));

	list->target = EtlTargetOf(source);
	if (list->target->bucket == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a bucket", EtlUrlRedact(source)),
			 errhint("Give s3://BUCKET/PREFIX, or a server whose URL is one of s3:// or az://.")));
	if (path == NULL && list->target->server != NULL)
		path = "";
	list->objects = EtlBucketListOpen(list->target, pattern_of(list->target, path), &list->stats);
	list->prefix = list->target->server != NULL ? strlen(EtlBucketPrefix(list->target)) : 0;
	return list;
}

static HeapTuple
form_object(TupleDesc desc, const EtlBucketObject *object, size_t prefix)
{
	Datum values[4] = {0};
	bool nulls[4] = {false, object->size < 0, object->etag == NULL, object->modified == NULL};

	values[0] = CStringGetTextDatum(EtlFromUtf8(object->key + prefix));
	values[1] = Int64GetDatum(object->size);
	if (!nulls[2])
		values[2] = CStringGetTextDatum(EtlFromUtf8(object->etag));
	if (!nulls[3])
		values[3] = DirectFunctionCall3(timestamptz_in, CStringGetDatum(object->modified),
										ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return heap_form_tuple(desc, values, nulls);
}

/* etl_list(source text, path text): one object with each call */
Datum
etl_list(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	const EtlBucketObject *object;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &call->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "the result is no row");
		call->tuple_desc = BlessTupleDesc(call->tuple_desc);
		if (PG_ARGISNULL(0))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
		call->user_fctx = open_list(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	object = EtlBucketListNext(((Objects *) call->user_fctx)->objects);
	if (object == NULL)
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(form_object(call->tuple_desc, object,
														((Objects *) call->user_fctx)->prefix)));
}

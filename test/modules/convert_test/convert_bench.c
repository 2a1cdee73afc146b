/*
 * convert_bench.c
 *		How long a value takes, by the fast converter and by the input function.
 *
 * Both read the same thousand texts over and over, in a memory context that is reset after each
 * thousand, so that the allocation of the result counts as it does in a scan.  The input function
 * gets what a scan must give it: a NUL-terminated string and a call through the function manager.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "scan/convert/convert.h"

PG_FUNCTION_INFO_V1(convert_nanoseconds);

/* Reads every text once, by the converter or, if that is NULL, the input function. */
static void
read_texts(EtlFastConverter convert, FmgrInfo *input, Oid ioparam, int32 typmod, char **texts,
		   const size_t *lengths, int n)
{
	Datum value;

	for (int i = 0; i < n; i++)
	{
		if (convert == NULL)
			InputFunctionCall(input, texts[i], ioparam, typmod);
		else if (!convert(texts[i], lengths[i], typmod, &value))
			ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("not canonical: \"%s\"", texts[i]));
	}
}

/*
 * convert_nanoseconds(type regtype, typmod int, fast boolean, texts text[], rounds int) returns
 * float8
 */
Datum
convert_nanoseconds(PG_FUNCTION_ARGS)
{
	Oid typid = PG_GETARG_OID(0);
	int32 typmod = PG_GETARG_INT32(1);
	EtlFastConverter convert = PG_GETARG_BOOL(2) ? EtlFastConverterFor(typid, typmod) : NULL;
	int rounds = PG_GETARG_INT32(4);
	MemoryContext values = AllocSetContextCreate(CurrentMemoryContext, "values", 0, 8192, 8388608);
	MemoryContext old;
	FmgrInfo input;
	Oid input_oid;
	Oid ioparam;
	Datum *elements;
	char **texts;
	size_t *lengths;
	int n;
	instr_time start;
	instr_time duration;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	texts = palloc(n * sizeof(char *));
	lengths = palloc(n * sizeof(size_t));
	for (int i = 0; i < n; i++)
	{
		texts[i] = TextDatumGetCString(elements[i]);
		lengths[i] = strlen(texts[i]);
	}
	getTypeInputInfo(typid, &input_oid, &ioparam);
	fmgr_info(input_oid, &input);

	old = MemoryContextSwitchTo(values);
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < rounds; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(values);
		read_texts(convert, &input, ioparam, typmod, texts, lengths, n);
	}
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	MemoryContextSwitchTo(old);

	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(duration) * 1e9 / rounds / n);
}

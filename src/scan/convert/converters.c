/*
 * converters.c
 *		Which types have a fast converter.
 *
 * The scan asks once per column and then calls what it got for each field; a field that the
 * converter leaves alone, and every field of a type that is not listed here, goes through the
 * type's input function.  A converter must be quick to say no, so each of them knows one shape of
 * text, the one that programs write.  test/modules/convert_test holds all of them against the
 * input functions.
 */
#include "etl.h"

#include "catalog/pg_type_d.h"

#include "scan/convert/types.h"

/*
 * Part of the answer may rest on the session's settings (see datetime.c): ask at the start
 * of a scan, not once for a session.
 */
EtlFastConverter
EtlFastConverterFor(Oid typid, int32 typmod)
{
	switch (typid)
	{
		case INT2OID:
			return EtlConvertInt2;
		case INT4OID:
			return EtlConvertInt4;
		case INT8OID:
			return EtlConvertInt8;
		case FLOAT4OID:
			return EtlConvertFloat4;
		case FLOAT8OID:
			return EtlConvertFloat8;
		case NUMERICOID:
			return EtlNumericConverterFor(typmod);
		case BOOLOID:
			return EtlConvertBool;
		case TEXTOID:
			return EtlConvertText;
		case VARCHAROID:
			return EtlConvertVarchar;
		case BPCHAROID:
			return EtlConvertBpchar;
		case DATEOID:
			return EtlConvertDate;
		case TIMESTAMPOID:
			return EtlTimestampConverter();
		case TIMESTAMPTZOID:
			return EtlTimestampTzConverter();
		case UUIDOID:
			return EtlConvertUuid;
		default:
			return NULL;
	}
}

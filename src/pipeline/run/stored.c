/*
 * stored.c
 *		Values as texts in etl_catalog, which do not depend on the session.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pipeline/define/session.h"
#include "pipeline/run/stored.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

Datum
EtlFromText(Oid type, int32 typmod, const char *text)
{
	Oid input, ioparam;

	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, pstrdup(text), ioparam, typmod);
}

/* A time as ISO 8601: in UTC, marked by Z, if it is one of a time zone, else without an offset. */
static char *
time_text(Oid type, Datum value)
{
	const int utc = 0;
	char *text = JsonEncodeDateTime(NULL, value, type, &utc);
	size_t len = strlen(text);

	if (type == TIMESTAMPTZOID && len > 6 && strcmp(text + len - 6, "+00:00") == 0)
		strcpy(text + len - 6, "Z");
	return text;
}

/* Other types have a text that does not depend on the session either. */
static char *
plain_text(Oid type, Datum value)
{
	int guc_level = NewGUCNestLevel();
	Oid output;
	bool varlena;
	char *text;

	EtlPinCanonicalForNow();
	getTypeOutputInfo(type, &output, &varlena);
	text = OidOutputFunctionCall(output, value);
	AtEOXact_GUC(false, guc_level);
	return text;
}

char *
EtlStoredText(Oid type, Datum value)
{
	Oid base = getBaseType(type);

	if (base == TIMESTAMPTZOID || base == TIMESTAMPOID || base == DATEOID)
		return time_text(base, value);
	return plain_text(type, value);
}

Datum
EtlFromStored(Oid type, const char *text)
{
	int guc_level = NewGUCNestLevel();
	Datum value;

	EtlPinCanonicalForNow();
	value = EtlFromText(type, -1, text);
	AtEOXact_GUC(false, guc_level);
	return value;
}

/*
 * forms.c
 *		Which types a text has the plain form of.
 *
 * What a form is, the fast converters say (convert.h), since they know only canonical texts; numbers are held to more: no
 * leading zeros, and an exponent only behind a decimal point, for 12E4 may well be a part number.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "scan/convert/types.h"
#include "scan/forms.h"
#include "scan/input.h"
#include "utils/lsyscache.h"

#define MAX_NUMBER_BYTES 1000 /* what numeric surely takes */

typedef struct Form
{
	Oid type;
	bool (*has)(const char *s, size_t len);
} Form;

static size_t
skip_digits(const char *s, size_t len, size_t pos)
{
	while (pos < len && s[pos] >= '0' && s[pos] <= '9')
		pos++;
	return pos;
}

/* The end of -?(0|[1-9][0-9]*) at the start of s; 0 if it does not start so. */
static size_t
skip_integer(const char *s, size_t len)
{
	size_t start = (len > 0 && s[0] == '-') ? 1 : 0;
	size_t end = skip_digits(s, len, start);

	if (end == start || (s[start] == '0' && end > start + 1))
		return 0;
	return end;
}

static bool
fast_takes(Oid type, const char *s, size_t len)
{
	EtlFastConverter convert = EtlFastConverterFor(type, -1);
	Datum value;

	return convert != NULL && convert(s, len, -1, &value);
}

static bool
is_bigint(const char *s, size_t len)
{
	return len > 0 && skip_integer(s, len) == len && fast_takes(INT8OID, s, len);
}

static bool
is_numeric(const char *s, size_t len)
{
	size_t pos = skip_integer(s, len);
	size_t end;

	if (pos == 0 || len > MAX_NUMBER_BYTES)
		return false;
	if (pos == len)
		return true;
	if (s[pos] != '.' || (end = skip_digits(s, len, pos + 1)) == pos + 1)
		return false;
	if (end < len && (s[end] == 'e' || s[end] == 'E'))
	{
		pos = end + 1;
		if (pos < len && (s[pos] == '-' || s[pos] == '+'))
			pos++;
		end = skip_digits(s, len, pos);
		if (end == pos || end > pos + 3) /* to 10^999 */
			return false;
	}
	return end == len;
}

static bool
is_boolean(const char *s, size_t len)
{
	return (len == 1 && strchr("tfTF", s[0]) != NULL) ||
		   (len == 4 && pg_strncasecmp(s, "true", 4) == 0) ||
		   (len == 5 && pg_strncasecmp(s, "false", 5) == 0);
}

static bool
is_date(const char *s, size_t len)
{
	return fast_takes(DATEOID, s, len);
}

static bool
is_timestamptz(const char *s, size_t len)
{
	return fast_takes(TIMESTAMPTZOID, s, len) || is_date(s, len);
}

static bool
is_uuid(const char *s, size_t len)
{
	return fast_takes(UUIDOID, s, len);
}

static bool
may_be_jsonb(const char *s, size_t len)
{
	return len > 0 && (s[0] == '{' || s[0] == '[');
}

static bool
is_jsonb(const char *s, size_t len)
{
	EtlColumn column = {.type = JSONBOID, .typmod = -1, .pure = true};
	EtlFault fault;
	Datum value;
	Oid function;

	if (!may_be_jsonb(s, len))
		return false;
	getTypeInputInfo(JSONBOID, &function, &column.ioparam);
	fmgr_info(function, &column.input);
	return EtlInputTry(&column, pnstrdup(s, len), &value, &fault);
}

/* In the order in which they are preferred. */
static const Form forms[] = {
	{INT8OID, is_bigint}, {NUMERICOID, is_numeric},			{BOOLOID, is_boolean},
	{DATEOID, is_date},	  {TIMESTAMPTZOID, is_timestamptz}, {UUIDOID, is_uuid},
	{JSONBOID, is_jsonb},
};
StaticAssertDecl(ETL_ALL_FORMS == (1 << lengthof(forms)) - 1, "each form has its bit");

EtlForms
EtlFormsOf(EtlForms among, const char *s, size_t len)
{
	for (int i = 0; among >> i != 0; i++)
		if ((among & (1 << i)) != 0 && !forms[i].has(s, len))
			among &= ~(1 << i);
	return among;
}

EtlForms
EtlFormOf(Oid type)
{
	for (int i = 0; i < lengthof(forms); i++)
		if (forms[i].type == type)
			return 1 << i;
	return 0;
}

Oid
EtlTypeOfForms(EtlForms among)
{
	for (int i = 0; i < lengthof(forms); i++)
		if ((among & (1 << i)) != 0)
			return forms[i].type;
	return TEXTOID;
}

bool
EtlHasPlainForm(Oid type, const char *s, size_t len)
{
	if (type == JSONBOID)
		return may_be_jsonb(s, len); /* its input will tell */
	for (int i = 0; i < lengthof(forms); i++)
		if (forms[i].type == type)
			return forms[i].has(s, len);
	return true;
}

static bool
convert_bigint(const char *s, size_t len, int32 typmod, Datum *value)
{
	return len > 0 && skip_integer(s, len) == len && EtlConvertInt8(s, len, typmod, value);
}

static bool
convert_numeric(const char *s, size_t len, int32 typmod, Datum *value)
{
	return is_numeric(s, len) && EtlNumericConverterFor(-1)(s, len, typmod, value);
}

static bool
convert_boolean(const char *s, size_t len, int32 typmod, Datum *value)
{
	return is_boolean(s, len) && EtlConvertBool(s, len, typmod, value);
}

EtlFastConverter
EtlPlainConverterFor(Oid type)
{
	switch (type)
	{
		case INT8OID:
			return convert_bigint;
		case NUMERICOID:
			return convert_numeric;
		case BOOLOID:
			return convert_boolean;
		default:
			return EtlFastConverterFor(type, -1); /* which knows the one form only */
	}
}

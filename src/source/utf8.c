/*
 * utf8.c
 *		Text in the encoding of the database, and the same in UTF-8.
 *
 * pg_server_to_any and its like look for the conversion in the catalogs at each call, which needs a transaction.  A
 * pipeline reads outside of any.  So the two functions are looked up once per backend, and called directly from then on.
 */
#include "etl.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "source/catalogs.h"
#include "source/utf8.h"
#include "utils/memutils.h"

/* A conversion that is wanted, and then the function that does it. */
typedef struct Conversion
{
	int from;
	int to;
	FmgrInfo *function;
} Conversion;

static void
find_function(void *arg)
{
	Conversion *conversion = arg;
	Oid proc = FindDefaultConversionProc(conversion->from, conversion->to);

	if (!OidIsValid(proc))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("default conversion function for encoding \"%s\" to \"%s\" does not "
							   "exist",
							   pg_encoding_to_char(conversion->from),
							   pg_encoding_to_char(conversion->to))));
	fmgr_info(proc, conversion->function);
}

static bool
is_same(int from, int to)
{
	return from == to || from == PG_SQL_ASCII || to == PG_SQL_ASCII;
}

bool
EtlFindConversion(int from, FmgrInfo *function)
{
	Conversion conversion = {from, GetDatabaseEncoding(), function};

	if (is_same(from, conversion.to))
		return false;
	EtlWithCatalogs(find_function, &conversion);
	return true;
}

bool
EtlUtf8IsForeign(void)
{
	return !is_same(PG_UTF8, GetDatabaseEncoding());
}

/* One of the two that a backend keeps. */
static FmgrInfo *
kept_function(int from, int to)
{
	static FmgrInfo kept[2];
	FmgrInfo *function = &kept[to == PG_UTF8];

	if (function->fn_addr == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		FmgrInfo found = {0};
		Conversion conversion = {from, to, &found};

		EtlWithCatalogs(find_function, &conversion);
		*function = found;
		MemoryContextSwitchTo(old);
	}
	return function;
}

/* Converts what can be converted, or (whole) raises an error if that is not all.  Returns how many bytes it was. */
static size_t
convert(int from, int to, const char *text, size_t len, bool whole, char **out)
{
	size_t size = len * MAX_CONVERSION_GROWTH + 1;

	*out = palloc_extended(size, MCXT_ALLOC_HUGE);
	**out = '\0'; /* which no function writes where there is nothing to convert */
	if (len == 0)
		return 0;
	/* The function takes an int; texts are smaller. */
	return DatumGetInt32(FunctionCall6(
		kept_function(from, to), Int32GetDatum(from), Int32GetDatum(to), CStringGetDatum(text),
		CStringGetDatum(*out), Int32GetDatum((int) len), BoolGetDatum(!whole)));
}

static const char *
convert_whole(int from, int to, const char *text)
{
	size_t len = strlen(text);
	char *out;

	if (from == to)
		return text;
	if (is_same(from, to))
	{
		(void) pg_verify_mbstr(PG_UTF8, text, (int) len, false);
		return text;
	}
	(void) convert(from, to, text, len, true, &out);
	return out;
}

const char *
EtlToUtf8(const char *text)
{
	return convert_whole(GetDatabaseEncoding(), PG_UTF8, text);
}

const char *
EtlFromUtf8(const char *text)
{
	return convert_whole(PG_UTF8, GetDatabaseEncoding(), text);
}

size_t
EtlFromUtf8Part(const char *text, size_t len, char **out, size_t *out_len)
{
	size_t done = convert(PG_UTF8, GetDatabaseEncoding(), text, len, false, out);

	*out_len = strlen(*out);
	return done;
}

const char *
EtlShowUtf8Len(const char *text, size_t len)
{
	const char *end = text + len;
	StringInfoData shown;

	if (!EtlUtf8IsForeign())
		return pnstrdup(text, len);
	initStringInfo(&shown);
	while (text < end)
	{
		char *out;

		CHECK_FOR_INTERRUPTS();
		text += convert(PG_UTF8, GetDatabaseEncoding(), text, end - text, false, &out);
		appendStringInfoString(&shown, out);
		pfree(out);
		if (text == end)
			break;
		appendStringInfoChar(&shown, '?');
		text += Min(pg_encoding_mblen(PG_UTF8, text), end - text);
	}
	return shown.data;
}

const char *
EtlShowUtf8(const char *text)
{
	return text != NULL ? EtlShowUtf8Len(text, strlen(text)) : NULL;
}

/*
 * rows_text.c
 *		Rows as lines of CSV (RFC 4180, as COPY writes it) or of JSON.
 *
 * A field has quotes if it would be read as something else without: one that is the null string, or holds a delimiter, a quote or
 * a line end; "\." alone, which is an end to COPY; and a byte order mark at its start, which at the start of a file is none
 * of its text.
 */
#include "etl.h"

#include <limits.h>

#include "export/rows_text.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#define QUOTE '"'
#define MARK "\xef\xbb\xbf"

struct EtlRowsText
{
	const EtlTextOptions *options;
	TupleDesc desc;
	FmgrInfo *outputs;			 /* [natts] of CSV */
	bool special[UCHAR_MAX + 1]; /* a field with such a byte has quotes */
	StringInfoData line;
	StringInfoData encoded; /* the same in the encoding of the file, if that is another one */
};

EtlRowsText *
EtlRowsTextCreate(const EtlTextOptions *options, TupleDesc desc)
{
	EtlRowsText *rows = palloc0(sizeof(EtlRowsText));

	rows->options = options;
	rows->desc = desc;
	rows->outputs = palloc0(sizeof(FmgrInfo) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts && !options->json; i++)
	{
		Oid function;
		bool is_varlena;

		getTypeOutputInfo(TupleDescAttr(desc, i)->atttypid, &function, &is_varlena);
		fmgr_info(function, &rows->outputs[i]);
	}
	rows->special[QUOTE] = rows->special['\r'] = rows->special['\n'] = true;
	if (!options->json)
		rows->special[(unsigned char) options->delimiter[0]] = true;
	initStringInfo(&rows->line);
	initStringInfo(&rows->encoded);
	return rows;
}

/* The line in the encoding of the file. */
static const StringInfoData *
end_line(EtlRowsText *rows)
{
	char *encoded;

	appendStringInfoChar(&rows->line, '\n');
	encoded = pg_server_to_any(rows->line.data, rows->line.len, rows->options->encoding);
	if (encoded == rows->line.data)
		return &rows->line;
	resetStringInfo(&rows->encoded);
	appendStringInfoString(&rows->encoded, encoded);
	pfree(encoded);
	return &rows->encoded;
}

static bool
needs_quotes(const EtlRowsText *rows, const char *s)
{
	if (strcmp(s, rows->options->null_string) == 0 || strcmp(s, "\\.") == 0 ||
		strncmp(s, MARK, strlen(MARK)) == 0)
		return true;
	while (*s != '\0' && !rows->special[(unsigned char) *s])
		s++;
	return *s != '\0';
}

static void
add_field(EtlRowsText *rows, const char *s)
{
	StringInfo line = &rows->line;
	const char *quote;

	if (!needs_quotes(rows, s))
	{
		appendStringInfoString(line, s);
		return;
	}
	appendStringInfoChar(line, QUOTE);
	while ((quote = strchr(s, QUOTE)) != NULL)
	{
		appendBinaryStringInfo(line, s, quote + 1 - s);
		appendStringInfoChar(line, QUOTE);
		s = quote + 1;
	}
	appendStringInfoString(line, s);
	appendStringInfoChar(line, QUOTE);
}

const StringInfoData *
EtlRowsTextHeader(EtlRowsText *rows)
{
	if (rows->options->json || !rows->options->header)
		return NULL;
	resetStringInfo(&rows->line);
	for (int i = 0; i < rows->desc->natts; i++)
	{
		if (i > 0)
			appendStringInfoChar(&rows->line, rows->options->delimiter[0]);
		add_field(rows, NameStr(TupleDescAttr(rows->desc, i)->attname));
	}
	return end_line(rows);
}

static void
add_csv(EtlRowsText *rows, TupleTableSlot *slot)
{
	for (int i = 0; i < rows->desc->natts; i++)
	{
		if (i > 0)
			appendStringInfoChar(&rows->line, rows->options->delimiter[0]);
		if (slot->tts_isnull[i])
			appendStringInfoString(&rows->line, rows->options->null_string);
		else
			add_field(rows, OutputFunctionCall(&rows->outputs[i], slot->tts_values[i]));
	}
}

/* As row_to_json has it; line ends, which can only stand between tokens (of a value of type json), become blanks. */
static void
add_json(EtlRowsText *rows, TupleTableSlot *slot)
{
	char *json;

	BlessTupleDesc(slot->tts_tupleDescriptor);
	json = TextDatumGetCString(DirectFunctionCall1(row_to_json, ExecFetchSlotHeapTupleDatum(slot)));

	for (char *p = json; (p = strpbrk(p, "\r\n")) != NULL; p++)
		*p = ' ';
	appendStringInfoString(&rows->line, json);
}

const StringInfoData *
EtlRowsTextRow(EtlRowsText *rows, TupleTableSlot *slot)
{
	resetStringInfo(&rows->line);
	slot_getallattrs(slot);
	if (rows->options->json)
		add_json(rows, slot);
	else
		add_csv(rows, slot);
	return end_line(rows);
}

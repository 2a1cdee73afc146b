/*
 * json_path.c
 *		Fuzz target: the path language of the JSON reader.
 *
 * Whatever the text, the parser either says at which of its bytes it fails, or gives a path whose names, put
 * together again with quotes, parse to the same path.
 */
#include "etl.h"

#include "lib/stringinfo.h"

#include "format/json_path.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
quote(StringInfo out, const EtlJsonName *name)
{
	appendStringInfoChar(out, '"');
	for (uint32 i = 0; i < name->len; i++)
	{
		if (name->text[i] == '"' || name->text[i] == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, name->text[i]);
	}
	appendStringInfoChar(out, '"');
}

static void
write_path(StringInfo out, const EtlJsonPath *path)
{
	resetStringInfo(out);
	appendStringInfoChar(out, '$');
	for (int i = 0; i < path->nsteps; i++)
	{
		const EtlJsonStep *step = &path->steps[i];

		if (step->kind == ETL_JSON_STEP_ELEMENT)
		{
			appendStringInfoChar(out, '[');
			for (int j = 0; step->test != NULL && j < step->test->nkeys; j++)
			{
				appendStringInfoString(out, j > 0 ? "." : "");
				quote(out, &step->test->keys[j]);
			}
			if (step->test != NULL)
			{
				appendStringInfoChar(out, '=');
				quote(out, &step->test->literal);
			}
			appendStringInfoChar(out, ']');
			continue;
		}
		appendStringInfoChar(out, '.');
		if (step->kind == ETL_JSON_STEP_ANY_VALUE)
			appendStringInfoChar(out, '*');
		else
			quote(out, &step->name);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path = EtlJsonPathParse((const char *) data, size, &fault);
	EtlJsonPath *again;
	StringInfoData first;
	StringInfoData second;

	if (path == NULL)
	{
		if (fault.at > size || fault.problem == NULL)
			abort();
		return 0;
	}
	initStringInfo(&first);
	initStringInfo(&second);
	write_path(&first, path);
	again = EtlJsonPathParse(first.data, first.len, &fault);
	if (again == NULL)
		abort();
	write_path(&second, again);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	pfree(first.data);
	pfree(second.data);
	pfree(path);
	pfree(again);
	return 0;
}

/*
 * doubts.c
 *		What makes it doubtful that a file is CSV of the dialect in which it is read.
 *
 * A guess never changes how bytes are read: what is doubtful is said, with the argument that would make it right.
 */
#include "etl.h"

#include "scan/doubts.h"
#include "source/content.h"

/* What often stands between fields. */
typedef struct EtlSeparator
{
	char byte;
	const char *name;
	const char *literal;
} EtlSeparator;

static const EtlSeparator separators[] = {
	{'\t', "tabs", "E'\\t'"},
	{';', "semicolons", "';'"},
	{'|', "bars", "'|'"},
	{',', "commas", "','"},
};

static int
count_bytes(const char *s, size_t len, char byte)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == byte;
	return n;
}

/* What often stands between fields, and is in the only name of a header; NULL: there is nothing. */
static const EtlSeparator *
find_separator(const EtlCsvRecords *records)
{
	for (int i = 0; records->nnames == 1 && i < lengthof(separators); i++)
		if (memchr(records->names[0].name, separators[i].byte, records->names[0].len) != NULL)
			return &separators[i];
	return NULL;
}

bool
EtlDoubtsOfHeader(EtlDoubts *doubts, const EtlCsvRecords *records)
{
	memset(doubts, 0, sizeof(*doubts));
	doubts->begins_as = EtlBeginsAs(records->stream.start, records->stream.nstart);
	doubts->separator = find_separator(records);
	if (doubts->separator != NULL)
		doubts->nseparators =
			count_bytes(records->names[0].name, records->names[0].len, doubts->separator->byte);
	if (doubts->begins_as == NULL && doubts->separator == NULL)
		return false;
	doubts->source = pstrdup(records->stream.source->name);
	return true;
}

void
EtlDoubtsSee(EtlDoubts *doubts, const EtlCsvRecords *records)
{
	const EtlCsvRecord *record = &records->record;

	if (doubts->separator != NULL && !doubts->contradicted)
		doubts->contradicted =
			count_bytes(record->data, record->len, doubts->separator->byte) < doubts->nseparators;
}

const char *
EtlDoubtsHint(const EtlCsvRecords *records)
{
	const EtlSeparator *separator = find_separator(records);
	const char *begins_as = EtlBeginsAs(records->stream.start, records->stream.nstart);

	if (begins_as != NULL)
		return psprintf(strcmp(begins_as, "JSON") == 0
							? "The file begins as %s does: is it to be read by etl_json?"
							: "The file begins as %s does: check whether the path or URL leads to "
							  "the file itself.",
						begins_as);
	if (separator != NULL)
		return psprintf("There are %s in it: is it delimiter => %s?", separator->name,
						separator->literal);
	return NULL;
}

static void
tell_format(const EtlDoubts *doubts, int elevel)
{
	bool json = strcmp(doubts->begins_as, "JSON") == 0;

	ereport(elevel,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("\"%s\" is not CSV", doubts->source),
			 errdetail("It begins as %s does.", doubts->begins_as),
			 json ? errhint("Read it with etl_json.")
				  : errhint("Check whether the path or URL leads to the file itself.")));
}

static void
tell_delimiter(const EtlDoubts *doubts, int elevel)
{
	ereport(elevel,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("\"%s\" has one column, whose name holds %s", doubts->source,
					doubts->separator->name),
			 elevel == ERROR
				 ? errhint("If they separate columns, set delimiter => %s; if they do not, load it "
						   "into a table that has this column.",
						   doubts->separator->literal)
				 : errhint("If they separate columns, set delimiter => %s.",
						   doubts->separator->literal)));
}

void
EtlDoubtsTell(const EtlDoubts *doubts, bool refuse)
{
	if (doubts->begins_as != NULL)
		tell_format(doubts, refuse ? ERROR : NOTICE);
	else if (doubts->separator != NULL)
		tell_delimiter(doubts, refuse && !doubts->contradicted ? ERROR : NOTICE);
}

/*
 * csv_options.c
 *		The options of etl_csv, checked.
 *
 * The rules are COPY's, where COPY has the option.  Their reason is the same: no character may have two
 * meanings, or the same file could be read in two ways.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "scan/csv_options.h"

#define invalid(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

static bool
has_line_end(const char *s)
{
	return strpbrk(s, "\r\n") != NULL;
}

static void
read_delimiter(const EtlArgs *args, EtlCsvDialect *dialect)
{
	char *delimiter = EtlArgText(args, "delimiter");

	if (delimiter == NULL)
		delimiter = ",";
	if (strcmp(delimiter, "\\t") == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("delimiter is a backslash and the letter t, not a tab"),
						errhint("Write a tab as E'\\t'.")));
	dialect->delimiter = delimiter;
	dialect->delimiter_len = strlen(delimiter);
	if (dialect->delimiter_len < 1 || dialect->delimiter_len > ETL_CSV_MAX_DELIMITER)
		invalid("delimiter must have 1 to %d bytes", ETL_CSV_MAX_DELIMITER);
	if (has_line_end(delimiter))
		invalid("delimiter cannot be newline or carriage return");
}

/* A one-byte option; absent is "otherwise", and 0 stands for none. */
static char
read_char(const EtlArgs *args, const char *name, char otherwise)
{
	char *s = EtlArgText(args, name);

	if (s == NULL)
		return otherwise;
	if (strlen(s) != 1)
		invalid("%s must be a single one-byte character", name);
	if (has_line_end(s))
		invalid("%s cannot be newline or carriage return", name);
	return s[0];
}

/* Quoting is off when quote is given as NULL: the argument is there, and has no value. */
static void
read_quoting(const EtlArgs *args, EtlCsvDialect *dialect)
{
	dialect->quote = read_char(args, "quote", '\0');
	dialect->has_quote = dialect->quote != '\0';
	dialect->escape = read_char(args, "escape", dialect->quote);
	if (!dialect->has_quote)
	{
		if (dialect->escape != '\0')
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("escape has no meaning where quote is null")));
		return;
	}
	if (memchr(dialect->delimiter, dialect->quote, dialect->delimiter_len) != NULL)
		invalid("delimiter and quote must be different");
}

static void
read_comment(const EtlArgs *args, EtlCsvDialect *dialect)
{
	char *comment = EtlArgText(args, "comment");

	if (comment == NULL)
		return;
	if (comment[0] == '\0')
		invalid("comment must not be empty");
	if (has_line_end(comment))
		invalid("comment cannot contain newline or carriage return");
	if (dialect->has_quote && comment[0] == dialect->quote)
		invalid("comment must not begin with the quote");
	dialect->comment = comment;
	dialect->comment_len = strlen(comment);
	if (strncmp(comment, dialect->delimiter, Min(dialect->comment_len, dialect->delimiter_len)) ==
		0)
		invalid("comment and delimiter must not begin with one another");
}

static void
read_null_string(const EtlArgs *args, EtlCsvOptions *options)
{
	char *null_string = EtlArgText(args, "null_string");

	if (null_string == NULL)
		null_string = "";
	if (has_line_end(null_string))
		invalid("null_string cannot contain newline or carriage return");
	if (strstr(null_string, options->dialect.delimiter) != NULL)
		invalid("delimiter must not appear in null_string");
	if (options->dialect.has_quote && strchr(null_string, options->dialect.quote) != NULL)
		invalid("quote must not appear in null_string");
	options->null_string = null_string;
	options->null_len = strlen(null_string);
}

/* Quotes that stand where COPY would take them and others would not, and those that are never closed. */
static void
read_tolerance(const EtlArgs *args, EtlCsvDialect *dialect)
{
	static const char *const stray[] = {"copy", "error"};
	char *on_error = EtlArgText(args, "on_error");

	dialect->strict_quotes = EtlArgChoice(args, "stray_quotes", stray, lengthof(stray)) == 1;
	dialect->sets_aside = on_error != NULL && strcmp(on_error, "fail") != 0;
}

void
EtlCsvReadOptions(const EtlArgs *args, EtlCsvOptions *options)
{
	static const char *const matches[] = {"name", "position"};
	static const char *const raggeds[] = {"error", "pad", "reject"};

	memset(options, 0, sizeof(*options));
	read_delimiter(args, &options->dialect);
	read_quoting(args, &options->dialect);
	read_comment(args, &options->dialect);
	read_tolerance(args, &options->dialect);
	read_null_string(args, options);
	options->dialect.encoding = GetDatabaseEncoding();
	options->dialect.skip_lines = EtlArgInt(args, "skip_lines", 0);
	if (options->dialect.skip_lines < 0)
		invalid("skip_lines must not be negative");
	options->header = EtlArgBool(args, "header", true);
	options->by_position =
		EtlArgChoice(args, "match", matches, lengthof(matches)) == 1 || !options->header;
	options->union_by_name = EtlArgBool(args, "union_by_name", false);
	if (options->union_by_name && options->by_position)
		invalid("union_by_name needs a header and match => 'name'");
	options->ragged = EtlArgChoice(args, "ragged", raggeds, lengthof(raggeds));
	options->encoding = EtlArgText(args, "encoding");
}

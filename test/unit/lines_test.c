/*
 * lines_test.c
 *		The reader of lines against the simplest one, in pieces of every size; and what patterns do beyond their limits.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "format/lines.h"

#include "check.h"

static EtlPattern *
compile(const char *text)
{
	EtlPatternFault fault;
	EtlPattern *pattern = EtlPatternCompile(text, true, &fault);

	CHECK(pattern != NULL, "%s: %s", text, fault.message);
	return pattern;
}

static void
dump(StringInfo out, const EtlLinesOptions *options, const EtlLine *line)
{
	appendStringInfo(out, "line %d, byte %d, defect %d: [%.*s]", (int) line->line,
					 (int) line->offset, line->defect, (int) line->len, line->data);
	for (int i = 0; line->defect == ETL_LINE_SOUND && i < options->nfields; i++)
		appendStringInfo(out, " %d+%d", line->fields[i].start, line->fields[i].len);
	appendStringInfoChar(out, '\n');
}

/* What the reader makes of a text that comes in pieces of so many bytes, from a place on. */
static char *
read_in_pieces(const EtlLinesOptions *options, const char *text, size_t len, size_t chunk,
			   const EtlRecordPlace *at)
{
	EtlReader *reader = EtlLinesFormat.create(options);
	StringInfoData out;
	EtlLine line;
	int step;

	initStringInfo(&out);
	EtlReaderReset(reader, at);
	if (at != NULL)
	{
		text += at->offset;
		len -= at->offset;
	}
	for (;;)
	{
		EtlBytes bytes = {text, Min(chunk, len), .cut = true};

		while ((step = EtlReaderNext(reader, &line, EtlFeedBytes, &bytes)) == ETL_FORMAT_RECORD)
			dump(&out, options, &line);
		if (step != ETL_FORMAT_NEED_DATA)
			break;
		text += Min(chunk, len);
		len -= Min(chunk, len);
		if (len == 0)
		{
			bytes = (EtlBytes){text, 0};
			while ((step = EtlReaderNext(reader, &line, EtlFeedBytes, &bytes)) == ETL_FORMAT_RECORD)
				dump(&out, options, &line);
			break;
		}
	}
	appendStringInfo(&out, "step %d", step);
	if (step == ETL_LINES_TOO_LONG)
		appendStringInfo(&out, " at line %d", (int) EtlLinesFaultLine(reader));
	reader->format->free(reader);
	return out.data;
}

/* The same by looking at all of the text. */
static char *
read_simply(const EtlLinesOptions *options, const char *text, size_t len)
{
	EtlSpan spans[16];
	StringInfoData out;
	uint64 number = 1;
	size_t at = 0;

	initStringInfo(&out);
	while (at < len)
	{
		EtlLine line = {.line = number, .offset = at};
		size_t end = at;

		for (;;)
		{
			size_t start = end;

			while (end < len && text[end] != '\n')
				end++;
			if (start > at && options->continuation != NULL &&
				EtlPatternMatch(options->continuation, text + start,
								end - start - (end < len && end > start && text[end - 1] == '\r'),
								NULL) != ETL_PATTERN_MATCHES)
			{
				end = start;
				break;
			}
			if (start > at && options->continuation == NULL)
			{
				end = start;
				break;
			}
			line.len = end - at - (end < len && end > start && text[end - 1] == '\r');
			number++;
			if (end < len)
				end++;
			if (end == len || line.len == 0)
				break;
		}
		line.data = text + at;
		at = end;
		if (line.len == 0)
			continue;
		EtlLineSplit(options, &line, spans);
		dump(&out, options, &line);
	}
	appendStringInfo(&out, "step %d", ETL_FORMAT_END);
	return out.data;
}

static const char sample[] =
	"\n1 one\n\n2 two\r\n\r\n at x\n  at y\n3\xc3\xa4 three\n4 f\xff\n5 \r\r\n 6 six";

static void
test_pieces(EtlLinesOptions *options)
{
	char *expected = read_simply(options, sample, strlen(sample));

	for (size_t chunk = 1; chunk <= strlen(sample) + 1; chunk++)
		CHECK_STR(read_in_pieces(options, sample, strlen(sample), chunk, NULL), expected);
}

/* From behind each record on, the rest is the same. */
static void
test_places(EtlLinesOptions *options)
{
	EtlReader *reader = EtlLinesFormat.create(options);
	EtlBytes bytes = {sample, strlen(sample)};
	const char *rest = read_in_pieces(options, sample, strlen(sample), 1000, NULL);
	EtlLine line;

	while (EtlReaderNext(reader, &line, EtlFeedBytes, &bytes) == ETL_FORMAT_RECORD)
	{
		EtlRecordPlace place = EtlReaderPlace(reader);

		rest = strchr(rest, '\n');
		while (strncmp(++rest, "line ", 5) != 0 && strncmp(rest, "step ", 5) != 0)
			rest = strchr(rest, '\n');
		CHECK_STR(read_in_pieces(options, sample, strlen(sample), 3, &place), rest);
	}
	reader->format->free(reader);
}

static void
test_widths(void)
{
	static const int32 widths[] = {2, 1, 3};
	EtlLinesOptions options = {
		.widths = widths, .nfields = 3, .encoding = PG_UTF8, .max_record = 100};
	static const char *const lines[][2] = {
		{"ab1xyz", "line 1, byte 0, defect 0: [ab1xyz] 0+2 2+1 3+3\nstep 2"},
		{"\xc3\xa4"
		 "b1xyz  ",
		 "line 1, byte 0, defect 0: [\xc3\xa4"
		 "b1xyz  ] 0+3 3+1 4+3\nstep 2"},
		{"ab1xy", "line 1, byte 0, defect 5: [ab1xy]\nstep 2"},
		{"ab1xyz.", "line 1, byte 0, defect 6: [ab1xyz.]\nstep 2"},
	};

	for (int i = 0; i < lengthof(lines); i++)
		CHECK_STR(read_in_pieces(&options, lines[i][0], strlen(lines[i][0]), 4, NULL), lines[i][1]);
	options.pad = true;
	CHECK_STR(read_in_pieces(&options, "ab", 2, 4, NULL),
			  "line 1, byte 0, defect 0: [ab] 0+2 2+0 2+0\nstep 2");
}

static void
test_limits(void)
{
	EtlLinesOptions options = {
		.pattern = compile("(?<a>.*)"), .nfields = 1, .encoding = PG_UTF8, .max_record = 8};

	CHECK_STR(read_in_pieces(&options, "12345678\n123456789\n", 19, 5, NULL),
			  "line 1, byte 0, defect 0: [12345678] 0+8\nstep 4 at line 2");
	CHECK_STR(read_in_pieces(&options, "12345678901234567890", 20, 5, NULL), "step 4 at line 1");
	EtlPatternFree(options.pattern);
}

static void
test_patterns(void)
{
	static const char *const evil[] = {"(?:a+)+", "(*NO_JIT)(?:a+)+", "(?:a|a)*",
									   "(?:(?=(a+))a*b|a)*", "(*NO_JIT)(?:(?=(a+))a*b|a)*"};
	static const char *const wrong[] = {"(", "(?<a>.)(?<a>.)", "\\C", "a{99999}", "(?<1>a)"};
	EtlPatternFault fault;
	EtlPattern *pattern;
	EtlSpan spans[3];
	char *line = palloc(ETL_PATTERN_MAX_TEXT + 1);

	memset(line, 'a', ETL_PATTERN_MAX_TEXT + 1);
	line[ETL_PATTERN_MAX_TEXT - 1] = '!';
	for (int i = 0; i < lengthof(evil); i++)
	{
		pattern = compile(evil[i]);
		CHECK(EtlPatternMatch(pattern, line, ETL_PATTERN_MAX_TEXT, NULL) == ETL_PATTERN_GAVE_UP,
			  "%s", evil[i]);
		EtlPatternFree(pattern);
	}
	pattern = compile(".*");
	CHECK(EtlPatternMatch(pattern, line, ETL_PATTERN_MAX_TEXT, NULL) == ETL_PATTERN_MATCHES,
		  "the longest text");
	CHECK(EtlPatternMatch(pattern, line, ETL_PATTERN_MAX_TEXT + 1, NULL) == ETL_PATTERN_GAVE_UP,
		  "beyond it");
	EtlPatternFree(pattern);
	for (int i = 0; i < lengthof(wrong); i++)
		CHECK(EtlPatternCompile(wrong[i], true, &fault) == NULL && fault.message[0] != '\0',
			  "%s is a pattern", wrong[i]);
	CHECK(EtlPatternCompile("(*UTF).", false, &fault) == NULL,
		  "where characters are bytes they stay bytes");
	pattern = compile("(?:(?<x>b)|(?<y>.))(?<z>c?)");
	CHECK(EtlPatternGroups(pattern) == 3, "three groups");
	CHECK_STR(EtlPatternGroupName(pattern, 1), "y");
	CHECK(EtlPatternMatch(pattern, "ac", 2, spans) == ETL_PATTERN_MATCHES, "ac");
	CHECK(spans[0].start == -1 && spans[1].start == 0 && spans[1].len == 1 && spans[2].start == 1,
		  "groups of ac");
	CHECK(EtlPatternMatch(pattern, "acd", 3, spans) == ETL_PATTERN_DIFFERS,
		  "all of the text has to match");
	EtlPatternFree(pattern);
}

int
main(void)
{
	EtlLinesOptions options = {.nfields = 2, .encoding = PG_UTF8, .max_record = 1000};

	options.pattern = compile("(?<n>\\d+|\\s*)(?<rest>.*)");
	test_pieces(&options);
	test_places(&options);
	options.continuation = compile("\\s.*");
	test_pieces(&options);
	test_places(&options);
	options.continuation = compile("\\s.*|");
	test_pieces(&options);
	test_widths();
	test_limits();
	test_patterns();
	return check_report("lines");
}

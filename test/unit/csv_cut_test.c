/*
 * csv_cut_test.c
 *		Tests of csv_cut.h: the records of a file, read in pieces of any size, are those of one reader.
 *
 * Each piece is looked at with nothing known of the others, by each tokenizer; then the pieces are put in their order,
 * as their numbers of quotes and lines say, and a reader of its own reads the records that start in each.
 */
#include "etl.h"

#include "mb/pg_wchar.h"

#include "format/csv_tokenizer.h"

#define MAX_LEN 600
#define MAX_TEXT (64 * 1024)

static int passed = 0;
static int failed = 0;

static uint64 random_state = 20261201;

static uint32
random_below(uint32 n)
{
	random_state =
		random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (uint32) (random_state >> 33) % n;
}

static EtlCsvDialect
random_dialect(void)
{
	EtlCsvDialect dialect = {
		.delimiter = random_below(4) == 0 ? "||" : ",",
		.has_quote = random_below(6) != 0,
		.quote = '"',
		.escape = '"',
		.encoding = PG_UTF8,
		.max_field_size = 1024 * 1024,
	};

	dialect.delimiter_len = strlen(dialect.delimiter);
	return dialect;
}

/* The first line ends with an LF; where others end with a CR alone, they are defects. */
static size_t
random_input(char *data)
{
	static const char *const words[] = {",",  ",",	"\"",	"\"\"", "\"",
										"\n", "\n", "\r\n", "\n",	"a",
										"bc", "||", "é",	"\r",	"a long word, with a comma"};
	size_t want = random_below(MAX_LEN);
	size_t len = 0;

	memcpy(data, "h\n", 2);
	for (len = 2; len < want;)
	{
		const char *word = words[random_below(lengthof(words) - (random_below(5) != 0 ? 2 : 0))];

		memcpy(data + len, word, strlen(word));
		len += strlen(word);
	}
	return len;
}

/* What a reader makes of the bytes from a place on: records that start before "end", one a line; then how it ended there. */
static void
read_records(StringInfo out, const EtlCsvDialect *dialect, const char *data, size_t len,
			 const EtlRecordPlace *at, size_t end)
{
	EtlReader *reader = EtlCsvFormat.create(dialect);
	EtlBytes bytes = {data + at->offset, len - at->offset};
	EtlCsvRecord record;
	int step;

	EtlReaderReset(reader, at->offset == 0 ? NULL : at);
	while ((step = EtlReaderNext(reader, &record, EtlFeedBytes, &bytes)) == ETL_FORMAT_RECORD &&
		   record.offset < end)
		appendStringInfo(out, "%llu: line %llu, %zu bytes, %d fields, defect %d\n",
						 (unsigned long long) record.offset, (unsigned long long) record.line,
						 record.len, record.nfields, record.defect);
	if (step > ETL_FORMAT_END)
		appendStringInfo(out, "broken: %d, line %llu\n", step,
						 (unsigned long long) EtlCsvReaderFaultLine((EtlCsvReader *) reader));
	EtlCsvFormat.free(reader);
}

/* The same, piece by piece. */
static void
read_pieces(StringInfo out, const EtlCsvTokenizer *tokenizer, const EtlCsvDialect *dialect,
			const char *data, size_t len, size_t size)
{
	bool inside = false;
	uint64 line = 1;

	for (size_t at = 0; at < len; at += size)
	{
		size_t n = Min(size, len - at);
		char before = at == 0 ? '\n' : data[at - 1];
		EtlCsvCut cut;
		EtlCsvCut by_tokenizer;

		EtlCsvFindCut(dialect, before, data + at, n, &cut);
		tokenizer->cut(dialect, before, data + at, n, &by_tokenizer);
		if (by_tokenizer.odd != cut.odd || by_tokenizer.nlines != cut.nlines)
			appendStringInfo(out, "%s differs\n", tokenizer->name);
		if (cut.nlines != EtlCsvCountLines(before, data + at, n))
			appendStringInfo(out, "lines are counted in two ways\n");
		if (cut.first[inside] < n)
		{
			EtlRecordPlace place = {.offset = at + cut.first[inside]};

			place.line = line + EtlCsvCountLines(before, data + at, cut.first[inside]);
			place.after_cr = place.offset > 0 && data[place.offset - 1] == '\r';
			read_records(out, dialect, data, len, &place, at + n);
		}
		inside ^= cut.odd;
		line += cut.nlines;
	}
}

/*
 * A carriage return alone is a defect that ends a scan, as a quote does that is not closed, whoever comes upon it first:
 * nothing behind it is compared.
 */
static void
cut_at_error(char *records)
{
	char lone_cr[32];
	char *error;

	snprintf(lone_cr, sizeof(lone_cr), "defect %d", ETL_CSV_LONE_CR);
	if ((error = strstr(records, lone_cr)) != NULL || (error = strstr(records, "broken")) != NULL)
		error[strcspn(error, "\n")] = '\0';
}

static void
test_input(const EtlCsvTokenizer *tokenizer, const EtlCsvDialect *dialect, const char *data,
		   size_t len, size_t size)
{
	const EtlRecordPlace start = {.line = 1};
	StringInfoData expected;
	StringInfoData got;

	initStringInfo(&expected);
	initStringInfo(&got);
	read_records(&expected, dialect, data, len, &start, SIZE_MAX);
	read_pieces(&got, tokenizer, dialect, data, len, size);
	cut_at_error(expected.data);
	cut_at_error(got.data);
	if (strcmp(expected.data, got.data) == 0)
		passed++;
	else if (failed++ < 10)
		printf("FAILED: %s, pieces of %zu\n--- input\n%.*s\n--- expected\n%s--- got\n%s---\n",
			   tokenizer->name, size, (int) len, data, expected.data, got.data);
	pfree(expected.data);
	pfree(got.data);
}

int
main(void)
{
	static const size_t sizes[] = {1, 2, 3, 5, 63, 64, 65, 200, MAX_TEXT};
	char data[MAX_LEN + 64];

	for (int i = 0; i < 4000; i++)
	{
		EtlCsvDialect dialect = random_dialect();
		size_t len = random_input(data);

		for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
			if ((*tokenizer)->can(&dialect))
				test_input(*tokenizer, &dialect, data, len, sizes[i % lengthof(sizes)]);
	}
	printf("csv_cut_test: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

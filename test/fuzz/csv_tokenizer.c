/*
 * csv_tokenizer.c
 *		libFuzzer target: every tokenizer against the simple reader of csv_reference.h.
 *
 * The first eight bytes of the input choose dialect, sizes and chunks; the rest is the CSV:
 *
 *		0 delimiter   1 quote, and what becomes of those that stray or stay open   2 escape   3 comment   4 encoding and lines to skip
 *		5 chunk size   6 sizes of buffer and slice   7 limits of field and record
 *
 * so that "00000000" and a CSV is the usual dialect, and seeds can be written by hand.
 */
#include "etl.h"

#include "../unit/csv_reference.h"

#define OPTION_BYTES 8

extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* Option i as a number from 0 to 79: digits and letters stand for what one expects. */
static int
option(const uint8 *options, int i)
{
	return (uint8) (options[i] - '0') % 80;
}

static EtlCsvDialect
choose_dialect(const uint8 *options)
{
	static const char *const delimiters[] = {",",	";",		"\t",		"||",
											 "aab", "\xc3\xa9", "\xa2\xa4", "a"};
	static const char *const comments[] = {NULL, "#", "--", "\"", ",", "a", "\xc3\xa9"};
	static const pg_enc encodings[] = {PG_UTF8, PG_LATIN1, PG_SQL_ASCII, PG_EUC_JP};
	static const char quotes[] = {'"', '\'', 'q'};
	static const char escapes[] = {'"', '\\', 'e'};
	EtlCsvDialect dialect = {0};

	dialect.delimiter = delimiters[option(options, 0) % lengthof(delimiters)];
	dialect.delimiter_len = strlen(dialect.delimiter);
	dialect.has_quote = option(options, 1) % 4 != 3;
	dialect.quote = quotes[option(options, 1) % lengthof(quotes)];
	dialect.strict_quotes = option(options, 1) / 20 % 2 == 1;
	dialect.sets_aside = option(options, 1) / 20 >= 2;
	dialect.escape =
		option(options, 2) == 0 ? dialect.quote : escapes[option(options, 2) % lengthof(escapes)];
	dialect.comment = comments[option(options, 3) % lengthof(comments)];
	dialect.comment_len = dialect.comment ? strlen(dialect.comment) : 0;
	dialect.encoding = encodings[option(options, 4) % lengthof(encodings)];
	dialect.skip_lines = option(options, 4) / 20;
	dialect.max_field_size = option(options, 7) < 40 ? 1024 * 1024 : option(options, 7) - 40;
	return dialect;
}

static Feeding
choose_feeding(const uint8 *options)
{
	Feeding feeding = {{0}};

	feeding.chunk = option(options, 5) == 0 ? SIZE_MAX : option(options, 5);
	feeding.end_at_once = option(options, 5) % 2 == 1;
	feeding.tuning.buffer_size = 16 + option(options, 6) * 4;
	feeding.tuning.slice_size = 16 + option(options, 6) * 3;
	feeding.tuning.max_record = option(options, 7) < 60 ? 1024 * 1024 : option(options, 7) * 2;
	return feeding;
}

static void
fuzz_one(const EtlCsvDialect *dialect, Feeding *feeding, const char *csv, size_t len)
{
	StringInfoData expected;
	StringInfoData got;

	initStringInfo(&expected);
	initStringInfo(&got);
	dump_reference(&expected, dialect, feeding->tuning.max_record, csv, len);
	for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
	{
		if (!(*tokenizer)->can(dialect))
			continue;
		feeding->tuning.tokenizer = *tokenizer;
		resetStringInfo(&got);
		dump_reader(&got, dialect, feeding, csv, len);
		if (strcmp(got.data, expected.data) != 0)
		{
			fprintf(stderr, "%s differs\n--- expected\n%s--- got\n%s", (*tokenizer)->name,
					expected.data, got.data);
			abort();
		}
	}
	pfree(expected.data);
	pfree(got.data);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	EtlCsvDialect dialect;
	Feeding feeding;

	if (size < OPTION_BYTES)
		return 0;
	dialect = choose_dialect(data);
	feeding = choose_feeding(data);
	fuzz_one(&dialect, &feeding, (const char *) data + OPTION_BYTES, size - OPTION_BYTES);
	return 0;
}

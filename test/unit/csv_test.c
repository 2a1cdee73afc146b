/*
 * csv_test.c
 *		Tests of the CSV reader that need no server.
 *
 * usage: csv_test [fixtures]			run all tests; fixtures defaults to test/fixtures
 *		  csv_test --dump file.csv		show what the reader makes of a fixture, for a new .expected
 *
 * Fixtures are csv/<name>.csv with csv/<name>.expected, a dump as csv_dump.h describes it, and, if they need
 * it, csv/<name>.options: words like delimiter=\t that set_option() knows.  Each is read by every tokenizer,
 * in pieces of many sizes, with a buffer of the usual size and with a tiny one.
 *
 * Random inputs, made of the bytes that mean something, are compared with csv_reference.h.
 */
#include "etl.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include "csv_dump.h"
#include "csv_reference.h"

static const size_t chunk_sizes[] = {1, 2, 3, 7, 64, 4096, SIZE_MAX};

static int passed = 0;
static int failed = 0;

static void
check(bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("FAILED: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static void
check_same(const StringInfoData *got, const StringInfoData *expected, const char *format, ...)
{
	char name[256];
	va_list args;
	bool same = strcmp(got->data, expected->data) == 0;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	check(same, "%s", name);
	if (!same)
		printf("--- expected\n%s--- got\n%s---\n", expected->data, got->data);
}

static EtlCsvDialect
default_dialect(void)
{
	EtlCsvDialect dialect = {
		.delimiter = ",",
		.delimiter_len = 1,
		.has_quote = true,
		.quote = '"',
		.escape = '"',
		.encoding = PG_UTF8,
		.max_field_size = 1024 * 1024,
	};

	return dialect;
}

/* A buffer so small that everything has to move and grow all the time. */
static EtlCsvReaderTuning
tiny_tuning(void)
{
	EtlCsvReaderTuning tuning = {.buffer_size = 16, .slice_size = 24};

	tuning.max_record = ETL_CSV_MAX_RECORD;
	return tuning;
}

/*
 * Fixtures
 */

typedef struct Fixture
{
	char *name;
	StringInfoData csv;
	StringInfoData options; /* the dialect points into it */
	EtlCsvDialect dialect;
} Fixture;

static bool
read_whole(const char *dir, const char *name, const char *extension, StringInfo contents)
{
	char *path = psprintf("%s/%s%s", dir, name, extension);
	FILE *file = fopen(path, "rb");
	char buf[4096];
	size_t n;

	initStringInfo(contents);
	pfree(path);
	if (file == NULL)
		return false;
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		appendBinaryStringInfo(contents, buf, n);
	fclose(file);
	return true;
}

/* Replaces \t, \\ and \xNN in place, and returns how many bytes are left. */
static int
unescape(char *s)
{
	char *out = s;
	char *start = s;

	while (*s)
	{
		if (s[0] == '\\' && s[1] == 't')
		{
			*out++ = '\t';
			s += 2;
		}
		else if (s[0] == '\\' && s[1] == 'x')
		{
			char hex[3] = {s[2], s[3], '\0'};

			*out++ = (char) strtol(hex, NULL, 16);
			s += 4;
		}
		else
		{
			s += s[0] == '\\' ? 1 : 0;
			*out++ = *s++;
		}
	}
	return out - start;
}

static void
set_option(EtlCsvDialect *dialect, const char *name, char *value)
{
	if (strcmp(name, "skip_lines") == 0)
		dialect->skip_lines = atol(value);
	else if (strcmp(name, "stray_quotes") == 0)
		dialect->strict_quotes = strcmp(value, "error") == 0;
	else if (strcmp(name, "sets_aside") == 0)
		dialect->sets_aside = strcmp(value, "yes") == 0;
	else if (strcmp(name, "max_field_size") == 0)
		dialect->max_field_size = atol(value);
	else if (strcmp(name, "encoding") == 0)
		dialect->encoding = pg_char_to_encoding(value);
	else if (strcmp(name, "quote") == 0 && strcmp(value, "none") == 0)
		dialect->has_quote = false;
	else if (strcmp(name, "quote") == 0)
	{
		unescape(value);
		dialect->quote = dialect->escape = *value;
	}
	else if (strcmp(name, "escape") == 0)
	{
		unescape(value);
		dialect->escape = *value;
	}
	else if (strcmp(name, "delimiter") == 0)
	{
		dialect->delimiter = value;
		dialect->delimiter_len = unescape(value);
	}
	else if (strcmp(name, "comment") == 0)
	{
		dialect->comment = value;
		dialect->comment_len = unescape(value);
	}
	else
	{
		fprintf(stderr, "csv_test: no such option: %s\n", name);
		exit(2);
	}
}

static bool
open_fixture(const char *dir, const char *name, Fixture *fixture)
{
	char *word;

	fixture->name = pstrdup(name);
	fixture->dialect = default_dialect();
	(void) read_whole(dir, name, ".options", &fixture->options);
	for (word = strtok(fixture->options.data, " \n"); word; word = strtok(NULL, " \n"))
	{
		char *value = strchr(word, '=');

		*value++ = '\0';
		set_option(&fixture->dialect, word, value);
	}
	return read_whole(dir, name, ".csv", &fixture->csv);
}

static void
close_fixture(Fixture *fixture)
{
	pfree(fixture->name);
	pfree(fixture->csv.data);
	pfree(fixture->options.data);
}

static void
test_fixture(const Fixture *fixture, const StringInfoData *expected, const char *size,
			 EtlCsvReaderTuning tuning)
{
	for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
	{
		if (!(*tokenizer)->can(&fixture->dialect))
			continue;
		tuning.tokenizer = *tokenizer;
		for (int i = 0; i < lengthof(chunk_sizes); i++)
		{
			Feeding feeding = {tuning, chunk_sizes[i]};
			StringInfoData got;

			initStringInfo(&got);
			dump_reader(&got, &fixture->dialect, &feeding, fixture->csv.data, fixture->csv.len);
			check_same(&got, expected, "%s, %s, %s, chunks of %zu", fixture->name,
					   (*tokenizer)->name, size, chunk_sizes[i]);
			pfree(got.data);
		}
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int
list_fixtures(const char *path, char **names, int max)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir && n < max && (entry = readdir(dir)) != NULL)
	{
		size_t len = strlen(entry->d_name);

		if (len > 4 && strcmp(entry->d_name + len - 4, ".csv") == 0)
			names[n++] = pnstrdup(entry->d_name, len - 4);
	}
	if (dir)
		closedir(dir);
	qsort(names, n, sizeof(char *), compare_names);
	return n;
}

static void
test_fixtures(const char *fixtures)
{
	char *dir = psprintf("%s/csv", fixtures);
	char *names[1000];
	int n = list_fixtures(dir, names, lengthof(names));

	check(n > 0, "there are fixtures in %s", dir);
	for (int i = 0; i < n; i++)
	{
		Fixture fixture;
		StringInfoData expected;

		open_fixture(dir, names[i], &fixture);
		check(read_whole(dir, names[i], ".expected", &expected), "%s.expected exists", names[i]);
		test_fixture(&fixture, &expected, "usual buffer", EtlCsvDefaultTuning);
		test_fixture(&fixture, &expected, "tiny buffer", tiny_tuning());
		pfree(expected.data);
		close_fixture(&fixture);
		pfree(names[i]);
	}
	pfree(dir);
}

static void
dump_fixture(const char *path)
{
	char *name = pnstrdup(path, strlen(path) - strlen(".csv"));
	Feeding feeding = {EtlCsvDefaultTuning, SIZE_MAX};
	Fixture fixture;
	StringInfoData got;

	open_fixture(".", name, &fixture);
	feeding.tuning.tokenizer = &EtlCsvScalarTokenizer;
	initStringInfo(&got);
	dump_reader(&got, &fixture.dialect, &feeding, fixture.csv.data, fixture.csv.len);
	fwrite(got.data, 1, got.len, stdout);
	pfree(got.data);
	close_fixture(&fixture);
	pfree(name);
}

/*
 * Random inputs
 */

static uint64 random_state = 20240607;

static uint32
random_below(uint32 n)
{
	random_state =
		random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (uint32) (random_state >> 33) % n;
}

/* Strings that mean something in one dialect or another; the frequent ones stand there more often. */
static const struct
{
	const char *bytes;
	int len;
} pieces[] = {
	{",", 1},		 {",", 1},		  {",", 1},	   {"\"", 1},	{"\"", 1},
	{"\"\"", 2},	 {"\\", 1},		  {"\\\"", 2}, {"\r", 1},	{"\n", 1},
	{"\n", 1},		 {"\r\n", 2},	  {"a", 1},	   {"ab", 2},	{"aab", 3},
	{"|", 1},		 {"||", 2},		  {"#", 1},	   {"#a", 2},	{"\n#", 2},
	{" ", 1},		 {"\xc3\xa9", 2}, {"\xc3", 1}, {"\xa9", 1}, {"plain words", 11},
	{"\xa4\xa2", 2}, {"\xa4", 1},	  {"\0", 1},   {"\xff", 1}, {"\t", 1},
};

/* Rare bytes would be everywhere if they were as likely as others, and no record would be sound. */
static size_t
random_input(char *data, size_t max)
{
	size_t want = random_below(8) == 0 ? random_below(max) : random_below(80);
	int npieces = random_below(3) == 0 ? lengthof(pieces) : lengthof(pieces) - 9;
	size_t len = 0;

	while (len < want)
	{
		int i = random_below(npieces);

		if (len + pieces[i].len > max)
			break;
		memcpy(data + len, pieces[i].bytes, pieces[i].len);
		len += pieces[i].len;
	}
	return len;
}

static EtlCsvDialect
random_dialect(void)
{
	static const char *const delimiters[] = {"||", "aab", "\xc3\xa9", "|", "a", "\t"};
	static const char *const comments[] = {"#", "#a", "a", "\"", ",", "\xc3\xa9"};
	static const pg_enc encodings[] = {PG_LATIN1, PG_SQL_ASCII, PG_EUC_JP, PG_EUC_JP};
	EtlCsvDialect dialect = default_dialect();

	if (random_below(3) == 0)
		dialect.delimiter = delimiters[random_below(lengthof(delimiters))];
	dialect.has_quote = random_below(8) != 0;
	if (random_below(4) == 0)
		dialect.escape = '\\';
	if (random_below(4) == 0)
	{
		dialect.comment = comments[random_below(lengthof(comments))];
		dialect.comment_len = strlen(dialect.comment);
	}
	if (random_below(8) == 0)
		dialect.skip_lines = random_below(4);
	if (random_below(8) == 0)
	{
		dialect.encoding = encodings[random_below(lengthof(encodings))];
		if (dialect.encoding == PG_EUC_JP)
			dialect.delimiter = "\xa2\xa4";
	}
	dialect.delimiter_len = strlen(dialect.delimiter);
	dialect.strict_quotes = random_below(2) == 0;
	dialect.sets_aside = random_below(2) == 0;
	if (random_below(8) == 0)
		dialect.max_field_size = random_below(40);
	return dialect;
}

static EtlCsvReaderTuning
random_tuning(void)
{
	EtlCsvReaderTuning tuning = tiny_tuning();

	tuning.buffer_size = 16 + random_below(300);
	tuning.slice_size = 24 + random_below(200);
	if (random_below(8) == 0)
		tuning.max_record = random_below(80);
	return tuning;
}

/* Everybody must make the same of this input as the reference. */
static void
test_random_input(int seed, const char *data, size_t len)
{
	EtlCsvDialect dialect = random_dialect();
	EtlCsvReaderTuning tuning = random_tuning();
	StringInfoData expected;
	StringInfoData got;

	initStringInfo(&expected);
	initStringInfo(&got);
	dump_reference(&expected, &dialect, tuning.max_record, data, len);
	for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
	{
		Feeding feeding = {tuning, 1 + random_below(random_below(2) ? 8 : 300), random_below(2)};

		if (!(*tokenizer)->can(&dialect))
			continue;
		feeding.tuning.tokenizer = *tokenizer;
		resetStringInfo(&got);
		dump_reader(&got, &dialect, &feeding, data, len);
		check_same(&got, &expected, "random input %d, %s, chunks of %zu", seed, (*tokenizer)->name,
				   feeding.chunk);
	}
	pfree(expected.data);
	pfree(got.data);
}

static void
test_random_inputs(void)
{
	char data[1000];

	for (int i = 0; i < 200000 && failed < 10; i++)
		test_random_input(i, data, random_input(data, sizeof(data)));
}

/*
 * Tokenizers alone, on input that ends where memory ends
 */

typedef struct Tokens
{
	EtlCsvTokens tokens;
	uint32 marks[1000 + ETL_CSV_SPARE_MARKS];
	EtlCsvLine lines[1000];
} Tokens;

static void
tokenize(Tokens *result, const EtlCsvTokenizer *tokenizer, const EtlCsvDialect *dialect,
		 const char *data, size_t len)
{
	result->tokens.marks = result->marks;
	result->tokens.lines = result->lines;
	EtlCsvTokensReset(&result->tokens, dialect);
	tokenizer->scan(&result->tokens, data, 0, len, true);
}

/* Suspicions may differ, but may not be missing.  Of stray quotes the scalar tokenizer suspects every quote. */
static bool
same_tokens(const Tokens *got, const Tokens *expected)
{
	if (got->tokens.nmarks != expected->tokens.nmarks ||
		got->tokens.nlines != expected->tokens.nlines ||
		memcmp(got->marks, expected->marks, got->tokens.nmarks * sizeof(uint32)) != 0)
		return false;
	for (uint32 i = 0; i < got->tokens.nlines; i++)
	{
		if (got->lines[i].end_mark != expected->lines[i].end_mark ||
			(expected->lines[i].seen & ~got->lines[i].seen & ~ETL_CSV_SEEN_STRAY))
			return false;
	}
	return true;
}

static void
test_end_of_memory(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static Tokens got;
	static Tokens expected;
	char data[300];

	if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) != 0)
	{
		check(false, "memory with an end");
		return;
	}
	for (int i = 0; i < 5000; i++)
	{
		EtlCsvDialect dialect = random_dialect();
		size_t len = random_input(data, sizeof(data));
		char *input = memory + page - len;

		memcpy(input, data, len);
		tokenize(&expected, &EtlCsvScalarTokenizer, &dialect, data, len);
		for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
		{
			if (!(*tokenizer)->can(&dialect))
				continue;
			tokenize(&got, *tokenizer, &dialect, input, len);
			check(same_tokens(&got, &expected), "input %d at the end of memory, %s", i,
				  (*tokenizer)->name);
		}
	}
	munmap(memory, 2 * page);
}

/*
 * Effort and limits
 */

static const EtlCsvTokenizer *counted;
static size_t bytes_counted;

static size_t
scan_counted(EtlCsvTokens *tokens, const char *buf, size_t from, size_t to, bool final)
{
	bytes_counted += to - from;
	return counted->scan(tokens, buf, from, to, final);
}

static void
feed(EtlCsvReader *reader, const char *data, size_t len)
{
	size_t room;
	char *buf = EtlCsvReaderRoom(reader, &room);

	memcpy(buf, data, len);
	EtlCsvReaderFed(reader, len);
}

/* A field that comes byte by byte is not tokenized again with each of them. */
static void
test_each_byte_once(const EtlCsvTokenizer *tokenizer)
{
	EtlCsvTokenizer counting = {"counting", NULL, scan_counted};
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;
	EtlCsvDialect dialect = default_dialect();
	EtlCsvReader *reader;
	EtlCsvRecord record;
	EtlCsvStatus status = ETL_CSV_NEED_DATA;
	size_t len = 1000 * 1000;

	counted = tokenizer;
	bytes_counted = 0;
	tuning.tokenizer = &counting;
	reader = EtlCsvReaderCreateTuned(&dialect, &tuning);
	for (size_t i = 0; i < len && status == ETL_CSV_NEED_DATA; i++)
	{
		feed(reader, i == 0 || i == len - 2 ? "\"" : i == len - 1 ? "\n" : "x", 1);
		status = EtlCsvReaderNext(reader, &record);
	}
	check(status == ETL_CSV_RECORD && record.len == len - 1, "%s reads a long field byte by byte",
		  tokenizer->name);
	check(bytes_counted == len, "%s tokenizes each byte once: %zu of %zu", tokenizer->name,
		  bytes_counted, len);
	EtlCsvReaderFree(reader);
}

/* A record is there with its CR, and an LF that follows makes no other. */
static void
test_record_with_its_cr(const EtlCsvTokenizer *tokenizer)
{
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;
	EtlCsvDialect dialect = default_dialect();
	EtlCsvReader *reader;
	EtlCsvRecord record;

	tuning.tokenizer = tokenizer;
	reader = EtlCsvReaderCreateTuned(&dialect, &tuning);
	feed(reader, "a\r", 2);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_RECORD && record.len == 1,
		  "%s gives a record as soon as its CR is there", tokenizer->name);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_NEED_DATA, "%s: and no other",
		  tokenizer->name);
	feed(reader, "\nb", 2);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_NEED_DATA &&
			  EtlCsvReaderPending(reader) == 1,
		  "%s: the LF belongs to the CR", tokenizer->name);
	feed(reader, "\n\n", 2);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_RECORD && record.len == 1 &&
			  record.line == 2 && record.offset == 3,
		  "%s: the record behind it", tokenizer->name);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_RECORD && record.len == 0 &&
			  record.line == 3 && record.offset == 5,
		  "%s: a blank line", tokenizer->name);

	EtlCsvReaderReset(reader);
	feed(reader, "\n", 1);
	check(EtlCsvReaderNext(reader, &record) == ETL_CSV_RECORD && record.line == 1 &&
			  record.offset == 0,
		  "%s: an LF at the beginning of the next stream", tokenizer->name);
	EtlCsvReaderFree(reader);
}

/*
 * Feeds the same piece again and again, at most as many bytes; returns how many it took until the reader
 * gave up.
 */
static size_t
feed_endlessly(const EtlCsvDialect *dialect, const EtlCsvReaderTuning *tuning, const char *piece,
			   size_t most, EtlCsvStatus *status, size_t *largest_room)
{
	EtlCsvReader *reader = EtlCsvReaderCreateTuned(dialect, tuning);
	const char *next = piece;
	size_t fed = 0;
	EtlCsvRecord record;

	*largest_room = 0;
	while ((*status = EtlCsvReaderNext(reader, &record)) == ETL_CSV_NEED_DATA && fed < most)
	{
		size_t room;
		char *buf = EtlCsvReaderRoom(reader, &room);

		*largest_room = Max(*largest_room, room);
		for (size_t i = 0; i < room; i++)
		{
			buf[i] = *next++;
			next = *next ? next : piece;
		}
		EtlCsvReaderFed(reader, room);
		fed += room;
	}
	EtlCsvReaderFree(reader);
	return fed;
}

static void
test_limits(const EtlCsvTokenizer *tokenizer)
{
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;
	EtlCsvDialect dialect = default_dialect();
	size_t most = 100 * 1000 * 1000;
	EtlCsvStatus status;
	size_t room;
	size_t fed;

	tuning.tokenizer = tokenizer;
	fed = feed_endlessly(&dialect, &tuning, "x", most, &status, &room);
	check(status == ETL_CSV_FIELD_TOO_LONG, "%s: endless field", tokenizer->name);
	check(fed <= 2 * dialect.max_field_size, "%s: endless field, after %zu bytes", tokenizer->name,
		  fed);

	fed = feed_endlessly(&dialect, &tuning, ",", most, &status, &room);
	check(status == ETL_CSV_RECORD_TOO_LONG, "%s: endlessly many fields", tokenizer->name);
	check(fed <= 2 * ETL_CSV_MAX_FIELDS + tuning.buffer_size, "%s: endless record, after %zu bytes",
		  tokenizer->name, fed);

	tuning.max_record = 10 * 1000 * 1000;
	fed = feed_endlessly(&dialect, &tuning, "a,\"b\",", most, &status, &room);
	check(status == ETL_CSV_RECORD_TOO_LONG, "%s: endless record", tokenizer->name);
	check(fed <= tuning.max_record + tuning.buffer_size, "%s: endless record, after %zu bytes",
		  tokenizer->name, fed);
}

/* What is passed over takes no memory, however long it is. */
static void
test_endless_comment(void)
{
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;
	EtlCsvDialect dialect = default_dialect();
	size_t most = 20 * 1000 * 1000;
	EtlCsvStatus status;
	size_t room;

	tuning.tokenizer = &EtlCsvScalarTokenizer;
	dialect.comment = "#";
	dialect.comment_len = 1;
	(void) feed_endlessly(&dialect, &tuning, "#", most, &status, &room);
	check(status == ETL_CSV_NEED_DATA && room <= tuning.buffer_size, "endless comment");

	dialect.comment = NULL;
	dialect.skip_lines = 1;
	(void) feed_endlessly(&dialect, &tuning, "\"", most, &status, &room);
	check(status == ETL_CSV_NEED_DATA && room <= tuning.buffer_size, "endless line to skip");
}

static void
check_choice(const EtlCsvDialect *dialect, const char *expected)
{
	EtlCsvReader *reader = EtlCsvReaderCreate(dialect);
	const char *got = EtlCsvReaderTokenizer(reader);

	check(strcmp(got, expected) == 0, "%s is chosen, got %s", expected, got);
	EtlCsvReaderFree(reader);
}

/* Which tokenizer is taken, if nobody forces one. */
static void
test_choice(void)
{
	EtlCsvDialect usual = default_dialect();
	EtlCsvDialect dialects[] = {usual, usual, usual};
	const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers;

	while (!(*tokenizer)->can(&usual))
		tokenizer++;
	check_choice(&usual, (*tokenizer)->name);
	dialects[0].escape = '\\';
	dialects[1].delimiter = "||";
	dialects[1].delimiter_len = 2;
	dialects[2].comment = "#";
	dialects[2].comment_len = 1;
	for (int i = 0; i < lengthof(dialects); i++)
		check_choice(&dialects[i], "scalar");
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--dump") == 0)
	{
		dump_fixture(argv[2]);
		return 0;
	}

	test_fixtures(argc > 1 ? argv[1] : "test/fixtures");
	test_random_inputs();
	test_end_of_memory();
	test_endless_comment();
	test_choice();
	for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
	{
		EtlCsvDialect dialect = default_dialect();

		if (!(*tokenizer)->can(&dialect))
			continue;
		test_each_byte_once(*tokenizer);
		test_record_with_its_cr(*tokenizer);
		test_limits(*tokenizer);
	}

	printf("csv_test: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

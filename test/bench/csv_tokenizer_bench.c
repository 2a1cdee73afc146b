/*
 * csv_tokenizer_bench.c
 *		GB per CPU second of the CSV reader on a file in memory, for each tokenizer: counting records, and
 *		looking at the length of every field.
 *
 * usage: csv_tokenizer_bench [file.csv [repetitions]]
 *
 * Without a file it makes 64 MB with 16 columns and about 104 bytes a row, 10 % of one column in quotes.  The bytes
 * are copied into the reader's buffer as read() would do it; the best repetition counts.
 */
#include "etl.h"

#include <time.h>

#include "mb/pg_wchar.h"

#include "format/csv_tokenizer.h"

#define MADE_SIZE (64 * 1024 * 1024)

typedef struct Input
{
	char *data;
	size_t len;
} Input;

typedef struct Totals
{
	uint64 records;
	uint64 field_bytes;
	EtlCsvStatus status;
} Totals;

static Input
make_input(void)
{
	Input input = {malloc(MADE_SIZE + 256), 0};
	uint64 random = 42;

	for (int row = 1; input.len < MADE_SIZE; row++)
	{
		random = random * UINT64CONST(6364136223846793005) + 1442695040888963407;
		input.len += sprintf(
			input.data + input.len,
			"%d,%u,%u,%u.%02u,%s,2024-%02u-%02u,name%u,%s,%u,1.%u,t,%u,2021-05-06,word,%u,x\n",
			1000000 + row, (unsigned) (random >> 60), (unsigned) (random >> 45) & 0x7fff,
			(unsigned) (random >> 50), (unsigned) (random >> 40) % 100,
			(random >> 33) % 10 == 0 ? "\"a, \"\"quoted\"\"\"" : "some plain text",
			(unsigned) (random >> 40) % 12 + 1, (unsigned) (random >> 35) % 28 + 1,
			(unsigned) (random >> 52), "", (unsigned) (random >> 37) & 0xffff,
			(unsigned) (random >> 54), (unsigned) (random >> 55), (unsigned) (random >> 43));
	}
	return input;
}

static Input
read_input(const char *path)
{
	FILE *file = fopen(path, "rb");
	Input input = {NULL, 0};

	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
	{
		perror(path);
		exit(1);
	}
	input.len = ftell(file);
	input.data = malloc(input.len);
	rewind(file);
	if (fread(input.data, 1, input.len, file) != input.len)
	{
		perror(path);
		exit(1);
	}
	fclose(file);
	return input;
}

static Totals
read_all(EtlCsvReader *reader, Input input, bool fields)
{
	Totals totals = {0};
	size_t at = 0;
	EtlCsvRecord record;

	EtlCsvReaderReset(reader);
	for (;;)
	{
		totals.status = EtlCsvReaderNext(reader, &record);
		if (totals.status == ETL_CSV_RECORD)
		{
			totals.records++;
			for (int i = 0; fields && i < record.nfields; i++)
			{
				size_t len;

				(void) EtlCsvFieldRaw(&record, i, &len);
				totals.field_bytes += len;
			}
		}
		else if (totals.status == ETL_CSV_NEED_DATA)
		{
			size_t room;
			char *buf = EtlCsvReaderRoom(reader, &room);
			size_t n = Min(room, input.len - at);

			memcpy(buf, input.data + at, n);
			at += n;
			EtlCsvReaderFed(reader, n);
		}
		else
			return totals;
	}
}

static double
cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void
bench(const EtlCsvTokenizer *tokenizer, const EtlCsvDialect *dialect, Input input, bool fields,
	  int repetitions)
{
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;
	EtlCsvReader *reader;
	double best = 1e9;
	Totals totals = {0};

	tuning.tokenizer = tokenizer;
	reader = EtlCsvReaderCreateTuned(dialect, &tuning);
	for (int i = 0; i < repetitions; i++)
	{
		double begin = cpu_seconds();

		totals = read_all(reader, input, fields);
		best = Min(best, cpu_seconds() - begin);
	}
	EtlCsvReaderFree(reader);
	printf("%-7s %-7s %6.2f GB/s  %6.1f ns/record  (" UINT64_FORMAT " records, status %d)\n",
		   tokenizer->name, fields ? "fields" : "count", input.len / best / 1e9,
		   best * 1e9 / totals.records, totals.records, totals.status);
}

int
main(int argc, char **argv)
{
	Input input = argc > 1 ? read_input(argv[1]) : make_input();
	int repetitions = argc > 2 ? atoi(argv[2]) : 10;
	EtlCsvDialect dialect = {
		.delimiter = ",",
		.delimiter_len = 1,
		.has_quote = true,
		.quote = '"',
		.escape = '"',
		.encoding = PG_UTF8,
		.max_field_size = 256 * 1024 * 1024,
	};

	for (const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers; *tokenizer; tokenizer++)
	{
		if (!(*tokenizer)->can(&dialect))
			continue;
		bench(*tokenizer, &dialect, input, false, repetitions);
		bench(*tokenizer, &dialect, input, true, repetitions);
	}
	return 0;
}

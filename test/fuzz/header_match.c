/*
 * header_match.c
 *		libFuzzer target: folding and matching of names.
 *
 * The input is the wanted name and then the names to choose from, one a line.  Folding must keep its
 * promises, and a match must be the one that comparing folded names one by one gives.
 */
#include "etl.h"

#include "format/header.h"

#define MAX_NAMES 64

extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

static void
expect(bool ok, const char *what)
{
	if (!ok)
	{
		fprintf(stderr, "not so: %s\n", what);
		abort();
	}
}

/* Folds a name into new memory, and looks at the result. */
static char *
fold(const char *name, size_t len)
{
	char *folded = palloc(2 * len + 1);
	size_t n = EtlFoldName(name, len, folded);
	char *again = palloc(2 * n + 1);

	expect(n <= 2 * len && folded[n] == '\0', "there was room");
	for (size_t i = 0; i < n; i++)
	{
		char c = folded[i];

		expect((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || IS_HIGHBIT_SET(c) || c == '_',
			   "folded names are snake case");
		expect(c != '_' || (i > 0 && i < n - 1 && folded[i - 1] != '_'),
			   "underscores stand alone and inside");
	}
	expect(EtlFoldName(folded, n, again) == n && memcmp(folded, again, n) == 0,
		   "folding twice is folding once");
	pfree(again);
	return folded;
}

static EtlNameMatch
match_simply(const char *wanted, const EtlName *names, int n)
{
	EtlNameMatch exact = {-1, -1};
	EtlNameMatch folded = {-1, -1};
	char *wanted_folded = fold(wanted, strlen(wanted));

	for (int i = n - 1; i >= 0; i--)
	{
		char *name_folded = fold(names[i].name, names[i].len);

		if (names[i].len == strlen(wanted) && memcmp(names[i].name, wanted, names[i].len) == 0)
		{
			exact.other = exact.index;
			exact.index = i;
		}
		if (*wanted_folded && strcmp(name_folded, wanted_folded) == 0)
		{
			folded.other = folded.index;
			folded.index = i;
		}
		pfree(name_folded);
	}
	pfree(wanted_folded);
	return exact.index >= 0 ? exact : folded;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const char *text = (const char *) data;
	const char *end = text + size;
	const char *line_end = size ? memchr(text, '\n', size) : NULL;
	char *wanted = pnstrdup(text, line_end ? line_end - text : size);
	EtlName names[MAX_NAMES];
	EtlNameMatch got;
	EtlNameMatch expected;
	int n = 0;

	while (line_end && n < MAX_NAMES)
	{
		const char *name = line_end + 1;

		line_end = memchr(name, '\n', end - name);
		names[n].name = name;
		names[n].len = (line_end ? line_end : end) - name;
		n++;
	}
	got = EtlMatchName(wanted, names, n);
	expected = match_simply(wanted, names, n);
	expect(got.index == expected.index && got.other == expected.other,
		   "the match is the right one");
	pfree(wanted);
	return 0;
}

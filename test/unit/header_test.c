/*
 * header_test.c
 *		Tests of matching names that need no server.
 */
#include "etl.h"

#include "format/header.h"

static int passed = 0;
static int failed = 0;

static void
check(bool ok, const char *what, const char *got)
{
	if (ok)
		passed++;
	else
	{
		failed++;
		printf("FAILED: %s, got %s\n", what, got);
	}
}

static const struct
{
	const char *name;
	const char *folded;
} folds[] = {
	{"order_id", "order_id"},
	{"Order ID", "order_id"},
	{"orderId", "order_id"},
	{"OrderID", "order_id"},
	{"ORDER_ID", "order_id"},
	{"order-id", "order_id"},
	{"order.id", "order_id"},
	{"order\r\n id", "order_id"},
	{"  Order\tID  ", "order_id"},
	{"__order__id__", "order_id"},
	{"HTTPServer", "http_server"},
	{"parseHTTPResponse", "parse_http_response"},
	{"Cost: Total $", "cost_total"},
	{"% of total (EUR)", "of_total_eur"},
	{"O'Brien", "o_brien"},
	{"address1", "address1"},
	{"Address 1", "address_1"},
	{"line2Text", "line2_text"},
	{"Q1Sales", "q1_sales"},
	{"B2B", "b2b"},
	{"SHA256", "sha256"},
	{"2024", "2024"},
	{"iPhone", "i_phone"},
	{"X", "x"},
	{"aB", "a_b"},
	{"AB", "ab"},
	{"ABc", "a_bc"},
	{"\xc3\x89tat Civil", "\xc3\x89tat_civil"},
	{"caf\xc3\xa9 Bar", "caf\xc3\xa9_bar"},
	{"caf\xc3\xa9"
	 "Bar",
	 "caf\xc3\xa9_bar"},
	{"\xc3\x89TAT", "\xc3\x89tat"},
	{"\xe5\x90\x8d\xe5\x89\x8d", "\xe5\x90\x8d\xe5\x89\x8d"},
	{"", ""},
	{"_", ""},
	{"#$%", ""},
};

static void
test_folds(void)
{
	for (int i = 0; i < lengthof(folds); i++)
	{
		size_t len = strlen(folds[i].name);
		char *out = palloc(2 * len + 1);
		size_t n = EtlFoldName(folds[i].name, len, out);

		check(n == strlen(out) && strcmp(out, folds[i].folded) == 0, folds[i].name, out);
		pfree(out);
	}
}

static const struct
{
	const char *wanted;
	const char *names[5];
	int index;
	int other;
} matches[] = {
	{"id", {"name", "id"}, 1, -1},
	{"id", {"ID", "Name"}, 0, -1},
	{"order_id", {"Order ID", "orderDate"}, 0, -1},
	{"OrderId", {"order_id", "x"}, 0, -1},
	/* exact comes first, even where others fold to the same */
	{"id", {"ID", "Id", "id"}, 2, -1},
	{"ID", {"id", "ID"}, 1, -1},
	/* ambiguous: exactly, and folded */
	{"id", {"a", "id", "id"}, 1, 2},
	{"order_id", {"Order ID", "x", "orderId"}, 0, 2},
	/* no match */
	{"id", {"name", "ident", "i d"}, -1, -1},
	{"id", {"", "_"}, -1, -1},
	{"orderid", {"order_id"}, -1, -1},
	{"address", {"address2"}, -1, -1},
	{"address2", {"address"}, -1, -1},
	/* names of which folding leaves nothing are only ever meant exactly */
	{"#", {"$", ""}, -1, -1},
	{"", {"$", "_"}, -1, -1},
	{"#", {"$", "#"}, 1, -1},
	{"", {"a", ""}, 1, -1},
	/* letters beyond ASCII are compared as they are */
	{"\xc3\xa9tat", {"\xc3\x89tat"}, -1, -1},
	{"\xc3\xa9tat_civil", {"\xc3\xa9tatCivil"}, 0, -1},
};

static bool
has_initial(const char *wanted, const char *name)
{
	bool initials[UCHAR_MAX + 1] = {0};

	EtlAddInitials(wanted, strlen(wanted), initials);
	return initials[(unsigned char) name[0]];
}

static void
test_matches(void)
{
	for (int i = 0; i < lengthof(matches); i++)
	{
		EtlName names[lengthof(matches[0].names)];
		EtlNameMatch match;
		char what[64];
		char got[64];
		int n = 0;

		for (; n < lengthof(names) && matches[i].names[n]; n++)
		{
			names[n].name = matches[i].names[n];
			names[n].len = strlen(names[n].name);
		}
		match = EtlMatchName(matches[i].wanted, names, n);
		snprintf(what, sizeof(what), "match %d, %s", i, matches[i].wanted);
		snprintf(got, sizeof(got), "%d and %d", match.index, match.other);
		check(match.index == matches[i].index && match.other == matches[i].other, what, got);
		if (match.index >= 0)
			check(has_initial(matches[i].wanted, matches[i].names[match.index]), what,
				  "no initial");
	}
	check(EtlMatchName("a", NULL, 0).index == -1, "no names", "a match");
	for (int i = 0; i < lengthof(folds); i++)
		check(has_initial(folds[i].name, folds[i].folded) &&
				  has_initial(folds[i].folded, folds[i].name),
			  folds[i].name, "no initial");
	check(!has_initial("order", "id") && !has_initial("\xc3\xa9", "e"), "other initials", "marked");
}

int
main(void)
{
	test_folds();
	test_matches();
	printf("header_test: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

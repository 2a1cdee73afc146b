/*
 * key_pattern_test.c
 *		Patterns of keys: what they match, what is asked for, and that none takes long.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "source/http/key_pattern.h"

#include "check.h"

static bool
matches(const char *pattern, const char *key)
{
	return EtlKeyPatternMatches(EtlKeyPatternCreate(pattern, 0), key);
}

#define MATCHES(pattern, key) CHECK(matches(pattern, key), "%s, %s", pattern, key)
#define DIFFERS(pattern, key) CHECK(!matches(pattern, key), "%s, %s", pattern, key)

static void
test_steps(void)
{
	MATCHES("", "");
	DIFFERS("", "a");
	MATCHES("a/b.csv", "a/b.csv");
	DIFFERS("a/b.csv", "a/b.csv2");
	DIFFERS("a/b.csv", "a/b.cs");

	MATCHES("a/*.csv", "a/.csv");
	MATCHES("a/*.csv", "a/b.csv.csv");
	DIFFERS("a/*.csv", "a/b/c.csv");
	MATCHES("a*b*c", "abbbc");
	MATCHES("a*b*c", "aXbXbXc");
	DIFFERS("a*b*c", "aXbXbX");
	MATCHES("*", "abc");
	DIFFERS("*", "a/");

	MATCHES("?.csv", "a.csv");
	MATCHES("?.csv", "\xc3\xa9.csv");
	DIFFERS("?.csv", "ab.csv");
	DIFFERS("a?b", "a/b");
	MATCHES("?", "\xe9");

	MATCHES("[abc]x", "bx");
	DIFFERS("[abc]x", "dx");
	MATCHES("[a-c0-9]x", "7x");
	MATCHES("[!a-c]x", "dx");
	MATCHES("[^a-c]x", "dx");
	DIFFERS("[!a-c]x", "bx");
	DIFFERS("a[!b]c", "a/c");
	MATCHES("[]]x", "]x");
	MATCHES("[!]]x", "ax");
	MATCHES("[a-]x", "-x");
	MATCHES("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9");
	MATCHES("[abc", "[abc");
	DIFFERS("[abc", "a");

	MATCHES("\\*\\?\\[\\\\", "*?[\\");
	DIFFERS("\\*", "a");
	MATCHES("a\\", "a\\");
}

static void
test_folders(void)
{
	MATCHES("**", "a/b/c");
	MATCHES("**", "");
	MATCHES("a/**", "a/b/c");
	MATCHES("a/**", "a/");
	DIFFERS("a/**", "b/a/");
	MATCHES("a**z", "a/b/z");
	MATCHES("**/x.csv", "x.csv");
	MATCHES("**/x.csv", "a/b/x.csv");
	DIFFERS("**/x.csv", "a/yx.csv");
	DIFFERS("**/x.csv", "yx.csv");
	MATCHES("a/**/x", "a/x");
	MATCHES("a/**/x", "a/b/c/x");
	DIFFERS("a/**/x", "ax");
	MATCHES("a/**/b/**/c", "a/b/c");
	MATCHES("a/**/b/**/c", "a/x/b/y/z/c");
	DIFFERS("a/**/b/**/c", "a/x/y/c");
	MATCHES("**/**/x", "a/x");
	MATCHES("**/*", "a/x");
	MATCHES("logs/20?\?-*/**/part-*.csv.gz", "logs/2026-12/eu/1/part-00.csv.gz");
}

static const char *
prefix(const char *text, size_t literal)
{
	return EtlKeyPatternPrefix(EtlKeyPatternCreate(text, literal));
}

static void
test_prefix(void)
{
	CHECK_STR(prefix("logs/2026-*/x", 0), "logs/2026-");
	CHECK_STR(prefix("logs/a\\*b/[ab]", 0), "logs/a*b/");
	CHECK_STR(prefix("plain", 0), "plain");
	CHECK_STR(prefix("*", 0), "");
	CHECK_STR(prefix("a*/b*", 3), "a*/b");
	CHECK(!EtlKeyPatternIsPattern(EtlKeyPatternCreate("a*/b", 3)), "it is literal");
	CHECK(EtlKeyPatternIsPattern(EtlKeyPatternCreate("a*/b?", 3)), "it is a pattern");
	CHECK(!EtlKeyPatternIsPattern(EtlKeyPatternCreate("a\\*", 0)), "it is escaped");
	CHECK(EtlKeyPatternMatches(EtlKeyPatternCreate("a*/b?", 3), "a*/bc"), "the rest matches");
	CHECK(!EtlKeyPatternMatches(EtlKeyPatternCreate("a*/b?", 3), "ax/bc"), "no star is meant");
	CHECK_STR(EtlKeyPatternText(EtlKeyPatternCreate("a*/b?", 3)), "a*/b?");
}

/* What matches by trying would not come back from. */
static void
test_hostile(void)
{
	StringInfoData pattern, key;

	initStringInfo(&pattern);
	initStringInfo(&key);
	for (int i = 0; i < 300; i++)
		appendStringInfoString(&pattern, i % 2 ? "**/" : "*a*/");
	for (int i = 0; i < 500; i++)
		appendStringInfoString(&key, "a/");
	appendStringInfoChar(&pattern, 'b');
	DIFFERS(pattern.data, key.data);
}

int
main(void)
{
	test_steps();
	test_folders();
	test_prefix();
	test_hostile();
	return check_report("key_pattern");
}

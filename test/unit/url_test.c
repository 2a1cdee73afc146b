/*
 * url_test.c
 *		URLs: what is taken, what is refused, what references lead to, and what is shown of secrets.
 */
#include "etl.h"

#include "source/http/url.h"

#include "check.h"

/* What is sent for text, or why it is refused. */
static const char *
parsed(const char *text)
{
	EtlUrl url;
	const char *fault = EtlUrlParse(text, &url);

	return fault ? fault : EtlUrlText(&url);
}

static void
test_parse(void)
{
	EtlUrl url;

	CHECK_STR(parsed("http://example.com"), "http://example.com/");
	CHECK_STR(parsed("HTTPS://Example.COM:443/A"), "https://example.com/A");
	CHECK_STR(parsed("http://example.com:80/"), "http://example.com/");
	CHECK_STR(parsed("http://example.com:/"), "http://example.com/");
	CHECK_STR(parsed("http://example.com:8080?x=1"), "http://example.com:8080/?x=1");
	CHECK_STR(parsed("http://example.com/a/./b/../c"), "http://example.com/a/c");
	CHECK_STR(parsed("http://example.com/../../x"), "http://example.com/x");
	CHECK_STR(parsed("http://example.com/a/%2e%2E/x"), "http://example.com/x");
	CHECK_STR(parsed("http://example.com/a/.."), "http://example.com/");
	CHECK_STR(parsed("http://example.com/a/..."), "http://example.com/a/...");
	CHECK_STR(parsed("http://example.com/a//b"), "http://example.com/a//b");
	CHECK_STR(parsed("http://example.com/a b\xc3\xa9?q=a b[1]"),
			  "http://example.com/a%20b%C3%A9?q=a%20b%5B1%5D");
	CHECK_STR(parsed("http://example.com/a\\..\\b"), "http://example.com/a%5C..%5Cb");
	CHECK_STR(parsed("http://example.com/x#secret"), "http://example.com/x");
	CHECK_STR(parsed("http://example.com/?"), "http://example.com/?");
	CHECK_STR(parsed("http://[::1]:8080/"), "http://[::1]:8080/");
	CHECK_STR(parsed("http://[0:0::0:1]/"), "http://[::1]/");
	CHECK_STR(parsed("http://[::ffff:127.0.0.1]/"), "http://[::ffff:127.0.0.1]/");
	CHECK_STR(parsed("http://u:p@example.com/"), "http://example.com/");
	CHECK_STR(parsed("http://under_score.example/"), "http://under_score.example/");

	CHECK(EtlUrlParse("https://us%40er:p%3Aa:b@h/x", &url) == NULL, "userinfo");
	CHECK_STR(url.user, "us@er");
	CHECK_STR(url.password, "p:a:b");
	CHECK(url.secure && url.port == 443, "port %d", url.port);
	CHECK(EtlUrlParse("https://a@b@h/x", &url) == NULL, "the last @ counts");
	CHECK_STR(url.user, "a@b");
	CHECK(url.password == NULL, "no password");
	CHECK(EtlUrlParse("https://h/%4", &url) == NULL, "a bare %% in the path is left alone");
}

static void
test_refused(void)
{
	static const char *const refused[] = {"file:///etc/passwd",
										  "ftp://example.com/",
										  "gopher://example.com/",
										  "example.com/x",
										  "//example.com/x",
										  "",
										  "http:",
										  "http:/example.com",
										  "http:example.com",
										  "http://",
										  "http:///x",
										  "http://:80/",
										  "http://@/",
										  "http://exa mple.com/",
										  "http://exa%6Dple.com/",
										  "http://example.com\\@evil.example/",
										  "http://example.com:80:80/",
										  "http://example.com:0/",
										  "http://example.com:65536/",
										  "http://example.com:99999999999999999999/",
										  "http://example.com:8x/",
										  "http://example.com:-1/",
										  "http://[::1/",
										  "http://[::1]x/",
										  "http://[fe80::1%25eth0]/",
										  "http://[127.0.0.1]/",
										  "http://[]/",
										  "http://ex\xc3\xa4mple.com/",
										  "http://example.com/\r\nX: y",
										  "http://example.com/\t",
										  "http://example.com/\x7f",
										  "http://u%0:p@example.com/",
										  "http://u%00@example.com/",
										  "http://u:%zz@example.com/"};
	char long_name[400];

	for (size_t i = 0; i < lengthof(refused); i++)
	{
		EtlUrl url;

		CHECK(EtlUrlParse(refused[i], &url) != NULL, "\"%s\" is taken", refused[i]);
	}
	memset(long_name, 'a', sizeof(long_name));
	memcpy(long_name, "http://", 7);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK_STR(parsed(long_name), "The host name in the URL is too long.");
}

static const char *
resolved(const char *base_text, const char *reference)
{
	EtlUrl base;
	EtlUrl url;
	const char *fault = EtlUrlParse(base_text, &base);

	CHECK(fault == NULL, "base %s", base_text);
	fault = EtlUrlResolve(&base, reference, &url);
	return fault ? fault : EtlUrlText(&url);
}

/* The references of RFC 3986, 5.4, and what servers send besides. */
static void
test_resolve(void)
{
	const char *base = "http://a/b/c/d;p?q";

	CHECK_STR(resolved(base, "g"), "http://a/b/c/g");
	CHECK_STR(resolved(base, "./g"), "http://a/b/c/g");
	CHECK_STR(resolved(base, "g/"), "http://a/b/c/g/");
	CHECK_STR(resolved(base, "/g"), "http://a/g");
	CHECK_STR(resolved(base, "//g"), "http://g/");
	CHECK_STR(resolved(base, "?y"), "http://a/b/c/d;p?y");
	CHECK_STR(resolved(base, "g?y"), "http://a/b/c/g?y");
	CHECK_STR(resolved(base, "#s"), "http://a/b/c/d;p?q");
	CHECK_STR(resolved(base, "g#s"), "http://a/b/c/g");
	CHECK_STR(resolved(base, ";x"), "http://a/b/c/;x");
	CHECK_STR(resolved(base, ""), "http://a/b/c/d;p?q");
	CHECK_STR(resolved(base, "."), "http://a/b/c/");
	CHECK_STR(resolved(base, ".."), "http://a/b/");
	CHECK_STR(resolved(base, "../g"), "http://a/b/g");
	CHECK_STR(resolved(base, "../.."), "http://a/");
	CHECK_STR(resolved(base, "../../../../g"), "http://a/g");
	CHECK_STR(resolved(base, "g.."), "http://a/b/c/g..");
	CHECK_STR(resolved(base, "g/../h"), "http://a/b/c/h");
	CHECK_STR(resolved(base, "g?y/../x"), "http://a/b/c/g?y/../x");
	CHECK_STR(resolved(base, "https://other:8443/x"), "https://other:8443/x");
	CHECK_STR(resolved("https://u:p@a/b?q#f", "/c"), "https://a/c");
	CHECK_STR(resolved("https://a", "next?page=2"), "https://a/next?page=2");
	CHECK_STR(resolved("https://a:444/x", "//b/y"), "https://b/y");
	CHECK_STR(resolved(base, "file:///etc/passwd"), "Only http:// and https:// URLs can be read.");
	CHECK_STR(resolved(base, "javascript:alert(1)"), "Only http:// and https:// URLs can be read.");
	CHECK_STR(resolved(base, "/x\nSet-Cookie: a"), "The URL has a control character in it.");
	CHECK_STR(resolved(base, "/\\evil.example/"), "http://a/%5Cevil.example/");
}

static const char *
extended(const char *base_text, const char *path)
{
	EtlUrl base;
	EtlUrl url;
	const char *fault = EtlUrlParse(base_text, &base);

	CHECK(fault == NULL, "base %s", base_text);
	fault = EtlUrlExtend(&base, path, &url);
	return fault ? fault : EtlUrlText(&url);
}

static void
test_extend(void)
{
	const char *out = "The path leads out of the URL of the server.";

	CHECK_STR(extended("https://h", "/v1/orders"), "https://h/v1/orders");
	CHECK_STR(extended("https://h/", "v1/orders"), "https://h/v1/orders");
	CHECK_STR(extended("https://h/api", "/v1"), "https://h/api/v1");
	CHECK_STR(extended("https://h/api/", "/v1?a=b"), "https://h/api/v1?a=b");
	CHECK_STR(extended("https://h/api/", ""), "https://h/api/");
	CHECK_STR(extended("https://h/api", "?a=b"), "https://h/api?a=b");
	CHECK_STR(extended("https://h/api?key=1", "/v1?a=b"), "https://h/api/v1?key=1&a=b");
	CHECK_STR(extended("https://h/api?key=1", "/v1"), "https://h/api/v1?key=1");
	CHECK_STR(extended("https://h/api", "//evil.example/x"), "https://h/api//evil.example/x");
	CHECK_STR(extended("https://h/api", "/../admin"), out);
	CHECK_STR(extended("https://h/api", "/../api2"), out);
	CHECK_STR(extended("https://h/api", "/%2e%2e/admin"), out);
	CHECK_STR(extended("https://h/api", "/x/../y"), "https://h/api/y");
	CHECK_STR(extended("https://h/api", "/..%2fadmin"), out);
	CHECK_STR(extended("https://h/api", "/x%2F%2e.%2F../admin%zz"), out);
	CHECK_STR(extended("https://h/api", "/x/..%5cadmin"), out);
	CHECK_STR(extended("https://h/api", "/..\\admin"), out);
	CHECK_STR(extended("https://h/api", "/..;/admin"), out);
	CHECK_STR(extended("https://h/api", "/%252e%252e/a.csv"), out);
	CHECK_STR(extended("https://h/api", "/..%25252fadmin"), out);
	CHECK_STR(extended("https://h/api", "/%252e%2e;/admin"), out);
	CHECK_STR(extended("https://h/api", "/%2525252525252525252541"), out);
	CHECK_STR(extended("https://h/api", "/100%2525/%252e"), "https://h/api/100%2525/%252e");
	CHECK_STR(extended("https://h/api", "/a..b/..c/...%2f"), "https://h/api/a..b/..c/...%2f");
	CHECK_STR(extended("https://h", "/..%2fadmin"), "https://h/..%2fadmin");
	CHECK_STR(extended("https://h/api", "https://evil.example/"),
			  "The path must be relative to the URL of the server.");
}

static void
test_query(void)
{
	EtlUrl url;
	StringInfoData query;

	CHECK(EtlUrlParse("http://h/x", &url) == NULL, "parse");
	EtlUrlEditQuery(&url, &query);
	EtlUrlAppendParam(&query, "a b", "c&d=e");
	EtlUrlAppendParam(&query, "p[]", "\xc3\xa9+");
	EtlUrlSetQuery(&url, &query);
	CHECK_STR(EtlUrlText(&url), "http://h/x?a%20b=c%26d%3De&p%5B%5D=%C3%A9%2B");
	EtlUrlRemoveParam(&query, "a b");
	EtlUrlSetQuery(&url, &query);
	CHECK_STR(EtlUrlText(&url), "http://h/x?p%5B%5D=%C3%A9%2B");
	EtlUrlRemoveParam(&query, "p[]");
	EtlUrlSetQuery(&url, &query);
	CHECK_STR(EtlUrlText(&url), "http://h/x");
}

static const char *
displayed(const char *text)
{
	EtlUrl url;
	const char *fault = EtlUrlParse(text, &url);

	return fault ? fault : EtlUrlDisplay(&url);
}

static void
test_secrets(void)
{
	EtlUrl a;
	EtlUrl b;

	CHECK_STR(displayed("https://user:hunter2@h:8443/x?token=hunter2&page=2#hunter2"),
			  "https://h:8443/x?token=***&page=***");
	CHECK_STR(displayed("https://h/x?hunter2"), "https://h/x?***");
	CHECK_STR(displayed("https://h/x?a=hunter2=hunter2;b=hunter2&&c="),
			  "https://h/x?a=***;b=***&&c=***");
	CHECK_STR(displayed("https://h/x?"), "https://h/x?");

	CHECK_STR(EtlUrlRedact("https://user:hunter2@h/x?a=b"), "https://h/x?a=***");
	CHECK_STR(EtlUrlRedact("https://user:hun/ter2@ex ample/x?a=b"), "https://ex ample/x?a=***");
	CHECK_STR(EtlUrlRedact("https://user:hun?ter2@ex ample/x"), "https://ex ample/x");
	CHECK_STR(EtlUrlRedact("ftp://user:hunter2@h/x?hunter2#hunter2"), "ftp://h/x?***");
	CHECK_STR(EtlUrlRedact("/users/@me?token=hunter2"), "/users/@me?token=***");
	CHECK_STR(EtlUrlRedact("('https://u:hunter2@h/x?k=hunter2'::text || t.id)"),
			  "('https://h/x?k=***");
	CHECK_STR(EtlUrlRedact("just a name"), "just a name");
	CHECK_STR(EtlUrlRedact("http:/u:hunter2@h/x"), "http:/h/x");
	CHECK_STR(EtlUrlRedact("https//u:hunter2@h/x?k=hunter2"), "https//h/x?k=***");
	CHECK_STR(EtlUrlRedact("http:u:hunter2@h/x"), "http:h/x");
	CHECK_STR(EtlUrlRedact("u:hunter2@h/x"), "h/x");
	CHECK_STR(EtlUrlRedact("//u:hunter2@h/x"), "//h/x");
	CHECK_STR(EtlUrlRedact("/in/12:30@noon.csv"), "/in/12:30@noon.csv");
	CHECK_STR(EtlUrlRedact(""), "");

	CHECK(EtlUrlParse("https://H/a", &a) == NULL && EtlUrlParse("https://h:443/b", &b) == NULL &&
			  EtlUrlSameOrigin(&a, &b),
		  "same origin");
	CHECK_STR(EtlUrlOrigin(&b), "https://h");
	CHECK(EtlUrlParse("http://h:443/b", &b) == NULL && !EtlUrlSameOrigin(&a, &b), "scheme");
	CHECK(EtlUrlParse("https://h:444/b", &b) == NULL && !EtlUrlSameOrigin(&a, &b), "port");
	CHECK(EtlUrlParse("https://h.h/b", &b) == NULL && !EtlUrlSameOrigin(&a, &b), "host");
	CHECK(EtlIsUrl("HTTP://x") && EtlIsUrl("https://x") && EtlIsUrl("s3://x") &&
			  EtlIsUrl(" http://x"),
		  "is a URL");
	CHECK(EtlIsUrl("http:/u:p@h/x") && EtlIsUrl("https//u:p@h") && EtlIsUrl("http:x") &&
			  EtlIsUrl("u:p@h/x") && EtlIsUrl("//u:p@h/x"),
		  "is meant as a URL");
	CHECK(!EtlIsUrl("http/x.csv") && !EtlIsUrl("https.csv") && !EtlIsUrl("/in/12:30@noon.csv") &&
			  !EtlIsUrl("./12:30@noon.csv") && !EtlIsUrl("me@noon:x"),
		  "is a file");
	CHECK(!EtlIsUrl("/data/x") && !EtlIsUrl("a:/x") && !EtlIsUrl("://x") && !EtlIsUrl("shop"),
		  "is no URL");
}

/* A URL of so many bytes: a path, and parameters after it. */
static char *
long_url(int path, int params)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "http://h/");
	for (int i = 0; i < path; i++)
		appendStringInfoChar(&text, 'p');
	for (int i = 0; i < params; i++)
		appendStringInfo(&text, "%cq=hunter2", i == 0 ? '?' : '&');
	return text.data;
}

/* What others choose the length of is neither taken nor shown at any length. */
static void
test_length(void)
{
	EtlUrl url;

	CHECK(EtlUrlParse(long_url(ETL_MAX_URL - 9, 0), &url) == NULL, "64 kB");
	CHECK_STR(EtlUrlParse(long_url(ETL_MAX_URL - 8, 0), &url), "The URL is longer than 64 kB.");
	CHECK(EtlUrlParse("http://h/", &url) == NULL, "base");
	CHECK_STR(EtlUrlResolve(&url, long_url(ETL_MAX_URL, 0), &url), "The URL is longer than 64 kB.");
	for (int path = 10; path < 100000; path *= 10)
	{
		const char *shown = EtlUrlRedact(long_url(path, 3000));

		CHECK(strlen(shown) < 1000 && strstr(shown, "hunter2") == NULL, "%d: %s", path, shown);
		CHECK_STR(shown + strlen(shown) - 3, "...");
	}
}

int
main(void)
{
	test_parse();
	test_refused();
	test_resolve();
	test_extend();
	test_query();
	test_secrets();
	test_length();
	return check_report("url");
}

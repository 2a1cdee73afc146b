/*
 * hosts_test.c
 *		Lists of hosts: what they admit, and above all what they do not.
 */
#include "etl.h"

#include "source/http/hosts.h"
#include "source/http/url.h"

#include "check.h"

static void
check_match(const char *list, EtlHostList kind, const char *text, bool expected)
{
	EtlUrl url;

	CHECK(EtlHostsFault(list, kind) == NULL, "\"%s\" is not well formed", list);
	CHECK(EtlUrlParse(text, &url) == NULL, "\"%s\" is not a URL", text);
	CHECK(EtlHostsMatch(list, kind, &url) == expected, "\"%s\" %s %s", list,
		  expected ? "does not admit" : "admits", text);
}

static void
test_hosts(void)
{
	const char *list = "api.example.com, *.example.org,  Other.Example:8443 ,any.example:*";

	check_match(list, ETL_LIST_OF_HOSTS, "https://api.example.com/x", true);
	check_match(list, ETL_LIST_OF_HOSTS, "http://API.example.com/x", true);
	check_match(list, ETL_LIST_OF_HOSTS, "http://api.example.com:8080/x", false);
	check_match(list, ETL_LIST_OF_HOSTS, "http://api.example.com:443/x", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://xapi.example.com/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://api.example.com.evil.example/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://example.com/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://www.example.org/", true);
	check_match(list, ETL_LIST_OF_HOSTS, "https://a.b.example.org/", true);
	check_match(list, ETL_LIST_OF_HOSTS, "https://example.org/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://evilexample.org/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "https://other.example:8443/", true);
	check_match(list, ETL_LIST_OF_HOSTS, "https://other.example/", false);
	check_match(list, ETL_LIST_OF_HOSTS, "http://any.example:1/", true);
	check_match(list, ETL_LIST_OF_HOSTS, "https://any.example/", true);
	check_match(list, ETL_LIST_OF_HOSTS, "https://user@evil.example/?api.example.com", false);

	check_match("", ETL_LIST_OF_HOSTS, "https://example.com/", false);
	check_match(" , ,", ETL_LIST_OF_HOSTS, "https://example.com/", false);
	check_match("*", ETL_LIST_OF_HOSTS, "https://example.com/", true);
	check_match("*", ETL_LIST_OF_HOSTS, "https://example.com:8443/", false);
	check_match("*:*", ETL_LIST_OF_HOSTS, "https://example.com:8443/", true);
	check_match("[2606:4700::1]", ETL_LIST_OF_HOSTS, "http://[2606:4700:0::1]/", true);
	check_match("[2606:4700::1]:81", ETL_LIST_OF_HOSTS, "http://[2606:4700::1]:81/", true);
	check_match("[2606:4700::1]", ETL_LIST_OF_HOSTS, "http://[2606:4700::2]/", false);
	check_match("192.0.2.1", ETL_LIST_OF_HOSTS, "http://192.0.2.1/", true);
}

static void
test_origins(void)
{
	const char *list = "https://cdn.example.com,http://*.example.org:8080";

	check_match(list, ETL_LIST_OF_ORIGINS, "https://cdn.example.com/x", true);
	check_match(list, ETL_LIST_OF_ORIGINS, "http://cdn.example.com/x", false);
	check_match(list, ETL_LIST_OF_ORIGINS, "http://cdn.example.com:443/x", false);
	check_match(list, ETL_LIST_OF_ORIGINS, "http://a.example.org:8080/x", true);
	check_match(list, ETL_LIST_OF_ORIGINS, "https://a.example.org:8080/x", false);
	check_match(list, ETL_LIST_OF_ORIGINS, "http://a.example.org/x", false);
	check_match("https://*", ETL_LIST_OF_ORIGINS, "https://a.example.org/x", true);
	check_match("https://*", ETL_LIST_OF_ORIGINS, "http://a.example.org/x", false);
}

static void
test_faults(void)
{
	static const char *const hosts[] = {"https://example.com",
										"example.com/",
										"a b",
										"*example.com",
										"a*.example.com",
										"example.com:",
										"example.com:0",
										"example.com:65536",
										"example.com:8x",
										"[::1",
										"[::1]x",
										"[]",
										":80",
										"*.",
										"*.:80",
										"user@example.com",
										"[::g]"};
	static const char *const origins[] = {"example.com",	   "ftp://example.com",
										  "https://",		   "https://example.com/path",
										  "https:example.com", "https://:1"};

	for (size_t i = 0; i < lengthof(hosts); i++)
		CHECK(EtlHostsFault(hosts[i], ETL_LIST_OF_HOSTS) != NULL, "\"%s\" is taken", hosts[i]);
	for (size_t i = 0; i < lengthof(origins); i++)
		CHECK(EtlHostsFault(origins[i], ETL_LIST_OF_ORIGINS) != NULL, "\"%s\" is taken",
			  origins[i]);
	CHECK_STR(EtlHostsFault("good.example, bad example , x", ETL_LIST_OF_HOSTS), "bad example");
}

int
main(void)
{
	test_hosts();
	test_origins();
	test_faults();
	return check_report("hosts");
}

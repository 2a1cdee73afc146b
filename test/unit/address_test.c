/*
 * address_test.c
 *		Every range of the special-purpose registries, at its first, last and neighbouring addresses.
 */
#include "etl.h"

#include "source/http/address.h"

#include "check.h"

static const char *
purpose(const char *text)
{
	struct sockaddr_storage address;
	const char *result;

	CHECK(EtlAddressParse(text, &address), "%s is not an address", text);
	result = EtlAddressPurpose((struct sockaddr *) &address);
	return result ? result : "public";
}

static void
test_ipv4(void)
{
	static const char *const ranges[][5] = {
		{"this network", "0.0.0.0", "0.255.255.255", NULL, "1.0.0.0"},
		{"private use", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
		{"shared by a carrier's customers", "100.64.0.0", "100.127.255.255", "100.63.255.255",
		 "100.128.0.0"},
		{"loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
		{"link-local", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
		{"private use", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
		{"protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
		{"documentation", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
		{"AS112", "192.31.196.0", "192.31.196.255", "192.31.195.255", "192.31.197.0"},
		{"automatic multicast tunneling", "192.52.193.0", "192.52.193.255", "192.52.192.255",
		 "192.52.194.0"},
		{"6to4 relays", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
		{"private use", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
		{"AS112", "192.175.48.0", "192.175.48.255", "192.175.47.255", "192.175.49.0"},
		{"benchmarking", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
		{"documentation", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
		{"documentation", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
		{"multicast", "224.0.0.0", "239.255.255.255", "223.255.255.255", NULL},
		{"reserved", "240.0.0.0", "255.255.255.255", NULL, NULL},
	};

	for (size_t i = 0; i < lengthof(ranges); i++)
	{
		CHECK_STR(purpose(ranges[i][1]), ranges[i][0]);
		CHECK_STR(purpose(ranges[i][2]), ranges[i][0]);
		for (int j = 3; j < 5; j++)
		{
			if (ranges[i][j])
				CHECK_STR(purpose(ranges[i][j]), "public");
		}
	}
	CHECK_STR(purpose("8.8.8.8"), "public");
	CHECK_STR(purpose("169.254.169.254"), "link-local");
}

static void
test_ipv6(void)
{
	CHECK_STR(purpose("::"), "loopback");
	CHECK_STR(purpose("::1"), "loopback");
	CHECK_STR(purpose("::2"), "IPv4-compatible");
	CHECK_STR(purpose("::8.8.8.8"), "IPv4-compatible");
	CHECK_STR(purpose("64:ff9b:1::"), "local translation to IPv4");
	CHECK_STR(purpose("64:ff9b:1:ffff:ffff:ffff:ffff:ffff"), "local translation to IPv4");
	CHECK_STR(purpose("100::"), "discard only");
	CHECK_STR(purpose("100::ffff:ffff:ffff:ffff"), "discard only");
	CHECK_STR(purpose("100:0:0:1::5"), "a dummy prefix");
	CHECK_STR(purpose("2001::"), "Teredo");
	CHECK_STR(purpose("2001:0:ffff:ffff:ffff:ffff:ffff:ffff"), "Teredo");
	CHECK_STR(purpose("2001:1::1"), "protocol assignments");
	CHECK_STR(purpose("2001:2::"), "benchmarking");
	CHECK_STR(purpose("2001:3::"), "protocol assignments");
	CHECK_STR(purpose("2001:4:112::"), "protocol assignments");
	CHECK_STR(purpose("2001:10::"), "protocol assignments");
	CHECK_STR(purpose("2001:20::"), "protocol assignments");
	CHECK_STR(purpose("2001:30::"), "protocol assignments");
	CHECK_STR(purpose("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"), "protocol assignments");
	CHECK_STR(purpose("2001:200::"), "public");
	CHECK_STR(purpose("2001:db7:ffff::"), "public");
	CHECK_STR(purpose("2001:db8::"), "documentation");
	CHECK_STR(purpose("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), "documentation");
	CHECK_STR(purpose("2001:db9::"), "public");
	CHECK_STR(purpose("2002::"), "6to4");
	CHECK_STR(purpose("2002:7f00:1::"), "6to4");
	CHECK_STR(purpose("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "6to4");
	CHECK_STR(purpose("2003::"), "public");
	CHECK_STR(purpose("2606:4700:4700::1111"), "public");
	CHECK_STR(purpose("2620:4f:8000::"), "AS112");
	CHECK_STR(purpose("2620:4f:8000:ffff:ffff:ffff:ffff:ffff"), "AS112");
	CHECK_STR(purpose("2620:4f:8001::"), "public");
	CHECK_STR(purpose("3ffe:ffff::"), "public");
	CHECK_STR(purpose("3fff::"), "documentation");
	CHECK_STR(purpose("3fff:fff:ffff::"), "documentation");
	CHECK_STR(purpose("3fff:1000::"), "public");
	CHECK_STR(purpose("4000::"), "reserved");
	CHECK_STR(purpose("1fff:ffff::"), "reserved");
	CHECK_STR(purpose("5f00::"), "segment routing");
	CHECK_STR(purpose("fc00::"), "private use");
	CHECK_STR(purpose("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "private use");
	CHECK_STR(purpose("fe00::"), "reserved");
	CHECK_STR(purpose("fe80::"), "link-local");
	CHECK_STR(purpose("febf:ffff::"), "link-local");
	CHECK_STR(purpose("fec0::"), "site-local");
	CHECK_STR(purpose("feff:ffff::"), "site-local");
	CHECK_STR(purpose("ff02::1"), "multicast");
	CHECK_STR(purpose("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "multicast");
}

/* An IPv4 address inside an IPv6 one is judged by itself. */
static void
test_embedded(void)
{
	CHECK_STR(purpose("::ffff:127.0.0.1"), "loopback");
	CHECK_STR(purpose("::ffff:169.254.169.254"), "link-local");
	CHECK_STR(purpose("::ffff:10.1.2.3"), "private use");
	CHECK_STR(purpose("::ffff:0.0.0.0"), "this network");
	CHECK_STR(purpose("::ffff:8.8.8.8"), "public");
	CHECK_STR(purpose("64:ff9b::127.0.0.1"), "loopback");
	CHECK_STR(purpose("64:ff9b::192.168.0.1"), "private use");
	CHECK_STR(purpose("64:ff9b::8.8.8.8"), "public");
	CHECK_STR(purpose("64:ff9b::1:808:808"), "reserved");
}

static void
test_not_an_address(void)
{
	struct sockaddr unix_address;
	struct sockaddr_storage parsed;

	memset(&unix_address, 0, sizeof(unix_address));
	unix_address.sa_family = AF_UNIX;
	CHECK_STR(EtlAddressPurpose(&unix_address), "not the internet");
	CHECK(!EtlAddressParse("localhost", &parsed), "a name is not an address");
	CHECK(!EtlAddressParse("2130706433", &parsed), "an odd form is left to the resolver");
	CHECK(!EtlAddressParse("fe80::1%eth0", &parsed), "a scoped address is none");
	CHECK(!EtlAddressParse("", &parsed), "nothing is not an address");
}

int
main(void)
{
	test_ipv4();
	test_ipv6();
	test_embedded();
	test_not_an_address();
	return check_report("address");
}

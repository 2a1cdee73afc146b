/*
 * address.c
 *		Which internet addresses are not simply hosts on the public internet.
 *
 * The tables are the IANA special-purpose address registries (RFC 6890 and what was added since), with
 * multicast and what was never given out.  Ranges that the registries call globally reachable (anycast
 * services of the infrastructure) are in them as well: nobody reads data from there.
 *
 * An IPv6 address that carries an IPv4 one (mapped, translated by the well-known NAT64 prefix) is judged
 * by that one: in a network without IPv4 every IPv4 host is reached through NAT64.  6to4 and Teredo also
 * carry one, but are tunnels out of use, and refused whole.
 */
#include "etl.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "source/http/address.h"

typedef struct Range4
{
	uint8 prefix[4];
	int bits;
	const char *purpose;
} Range4;

typedef struct Range6
{
	uint8 prefix[16];
	int bits;
	const char *purpose;
} Range6;

/* clang-format off */
static const Range4 ranges4[] = {
	{{0, 0, 0, 0},		8,	"this network"},
	{{10, 0, 0, 0},		8,	"private use"},
	{{100, 64, 0, 0},	10, "shared by a carrier's customers"},
	{{127, 0, 0, 0},	8,	"loopback"},
	{{169, 254, 0, 0},	16, "link-local"},
	{{172, 16, 0, 0},	12, "private use"},
	{{192, 0, 0, 0},	24, "protocol assignments"},
	{{192, 0, 2, 0},	24, "documentation"},
	{{192, 31, 196, 0}, 24, "AS112"},
	{{192, 52, 193, 0}, 24, "automatic multicast tunneling"},
	{{192, 88, 99, 0},	24, "6to4 relays"},
	{{192, 168, 0, 0},	16, "private use"},
	{{192, 175, 48, 0}, 24, "AS112"},
	{{198, 18, 0, 0},	15, "benchmarking"},
	{{198, 51, 100, 0}, 24, "documentation"},
	{{203, 0, 113, 0},	24, "documentation"},
	{{224, 0, 0, 0},	4,	"multicast"},
	{{240, 0, 0, 0},	4,	"reserved"},		/* with 255.255.255.255, broadcast */
};

static const Range6 ranges6[] = {
	{{0x00},											  127, "loopback"},	/* :: and ::1 */
	{{0x00},											  96,  "IPv4-compatible"},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01},				  48,  "local translation to IPv4"},
	{{0x01, 0x00},										  64,  "discard only"},
	{{0x01, 0x00, 0, 0, 0, 0, 0, 0x01},					  64,  "a dummy prefix"},
	{{0x20, 0x01, 0x00, 0x00},							  32,  "Teredo"},
	{{0x20, 0x01, 0x00, 0x02},							  48,  "benchmarking"},
	{{0x20, 0x01},										  23,  "protocol assignments"},
	{{0x20, 0x01, 0x0d, 0xb8},							  32,  "documentation"},
	{{0x20, 0x02},										  16,  "6to4"},
	{{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00},				  48,  "AS112"},
	{{0x3f, 0xff},										  20,  "documentation"},
	{{0x5f, 0x00},										  16,  "segment routing"},
	{{0xfc},											  7,   "private use"},
	{{0xfe, 0x80},										  10,  "link-local"},
	{{0xfe, 0xc0},										  10,  "site-local"},
	{{0xff},											  8,   "multicast"},
};

static const uint8 mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8 nat64_prefix[12] = {0x00, 0x64, 0xff, 0x9b};
/* clang-format on */

static bool
in_range(const uint8 *address, const uint8 *prefix, int bits)
{
	int bytes = bits / 8;
	uint8 mask = (uint8) (0xff00 >> (bits % 8));

	return memcmp(address, prefix, bytes) == 0 &&
		   (bits % 8 == 0 || ((address[bytes] ^ prefix[bytes]) & mask) == 0);
}

static const char *
purpose4(const uint8 *address)
{
	for (size_t i = 0; i < lengthof(ranges4); i++)
	{
		if (in_range(address, ranges4[i].prefix, ranges4[i].bits))
			return ranges4[i].purpose;
	}
	return NULL;
}

static const char *
purpose6(const uint8 *address)
{
	if (memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0 ||
		memcmp(address, nat64_prefix, sizeof(nat64_prefix)) == 0)
		return purpose4(address + 12);
	for (size_t i = 0; i < lengthof(ranges6); i++)
	{
		if (in_range(address, ranges6[i].prefix, ranges6[i].bits))
			return ranges6[i].purpose;
	}
	/* Global unicast addresses are given out of 2000::/3 and nowhere else. */
	return (address[0] & 0xe0) == 0x20 ? NULL : "reserved";
}

const char *
EtlAddressPurpose(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return purpose4((const uint8 *) &((const struct sockaddr_in *) address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return purpose6((const uint8 *) &((const struct sockaddr_in6 *) address)->sin6_addr);
	return "not the internet";
}

bool
EtlAddressParse(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1)
		address->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		address->ss_family = AF_INET6;
	else
		return false;
	return true;
}

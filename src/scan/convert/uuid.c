/*
 * uuid.c
 *		uuid.
 *
 * Canonical form: 36 characters, hexadecimal digits of either case in groups of 8-4-4-4-12.
 * uuid_in reads it byte by byte, the first two digits first, and asks no setting; braces and other
 * groupings are left to it.
 */
#include "etl.h"

#include "utils/uuid.h"

#include "scan/convert/types.h"

#define UUID_TEXT_LEN 36

/* Where in the text the two digits of each byte of a uuid stand. */
static const uint8 byte_position[UUID_LEN] = {0,  2,  4,  6,  9,  11, 14, 16,
											  19, 21, 24, 26, 28, 30, 32, 34};

/* The value of each hexadecimal digit, and a mark that tells 0 from what is none. */
#define HEX_MARK 0x10
#define HEX(c, v) [c] = HEX_MARK | (v)

static const uint8 hex_value[256] = {
	HEX('0', 0),  HEX('1', 1),	HEX('2', 2),  HEX('3', 3),	HEX('4', 4),  HEX('5', 5),
	HEX('6', 6),  HEX('7', 7),	HEX('8', 8),  HEX('9', 9),	HEX('a', 10), HEX('b', 11),
	HEX('c', 12), HEX('d', 13), HEX('e', 14), HEX('f', 15), HEX('A', 10), HEX('B', 11),
	HEX('C', 12), HEX('D', 13), HEX('E', 14), HEX('F', 15)};

bool
EtlConvertUuid(const char *s, size_t len, int32 typmod, Datum *value)
{
	const unsigned char *text = (const unsigned char *) s;
	pg_uuid_t uuid;
	pg_uuid_t *result;
	uint8 marks = HEX_MARK;

	if (len != UUID_TEXT_LEN || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
		return false;

	for (int i = 0; i < UUID_LEN; i++)
	{
		uint8 high = hex_value[text[byte_position[i]]];
		uint8 low = hex_value[text[byte_position[i] + 1]];

		marks &= high & low;
		uuid.data[i] = (uint8) (high << 4) | (low & 0x0F);
	}
	if (marks != HEX_MARK)
		return false;

	result = palloc(sizeof(pg_uuid_t));
	*result = uuid;
	*value = UUIDPGetDatum(result);
	return true;
}

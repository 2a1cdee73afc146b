/*
 * convert_uuid.c
 *		uuid.
 *
 * Canonical form: 36 characters, hexadecimal digits of either case in groups of 8-4-4-4-12.  uuid_in reads
 * it byte by byte, the first two digits first, and asks no setting; braces and other groupings are left to
 * it.
 */
#include "etl.h"

#include "utils/uuid.h"

#include "scan/convert_types.h"

#define UUID_TEXT_LEN 36

/* Where in the text the two digits of each byte of a uuid stand. */
static const uint8 byte_position[UUID_LEN] = {0,  2,  4,  6,  9,  11, 14, 16,
											  19, 21, 24, 26, 28, 30, 32, 34};

/* The value of a hexadecimal digit; more than 15 for any other byte. */
static inline unsigned int
hex_value(char c)
{
	unsigned int digit = (unsigned char) (c - '0');
	unsigned int letter = (unsigned char) ((c | 0x20) - 'a');

	return digit <= 9 ? digit : letter <= 5 ? letter + 10 : 0xFF;
}

bool
EtlConvertUuid(const char *s, size_t len, int32 typmod, Datum *value)
{
	pg_uuid_t uuid;
	pg_uuid_t *result;
	unsigned int bad = 0;

	if (len != UUID_TEXT_LEN || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
		return false;

	for (int i = 0; i < UUID_LEN; i++)
	{
		unsigned int high = hex_value(s[byte_position[i]]);
		unsigned int low = hex_value(s[byte_position[i] + 1]);

		bad |= high | low;
		uuid.data[i] = (unsigned char) (high << 4 | low);
	}
	if (bad > 15)
		return false;

	result = palloc(sizeof(pg_uuid_t));
	*result = uuid;
	*value = UUIDPGetDatum(result);
	return true;
}

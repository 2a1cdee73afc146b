/*
 * json_token.c
 *		What jsonb asks of a string's escapes and of a number beyond the grammar of JSON.
 *
 * The tokens are sound otherwise: the parser has seen them.
 */
#include "etl.h"

#include "format/json_internal.h"

/* numeric: digits before and behind the point */
#define NUMERIC_DIGITS_BEFORE 131072
#define NUMERIC_DIGITS_BEHIND 16383

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static uint32
hex_quad(const char *digits)
{
	return hex_digit(digits[0]) << 12 | hex_digit(digits[1]) << 8 | hex_digit(digits[2]) << 4 |
		   hex_digit(digits[3]);
}

static bool
is_high_surrogate(uint32 unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool
is_low_surrogate(uint32 unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/*
 * Looks at the escapes in what stands between the quotes of a string.  Returns ETL_JSON_ITEM if they are
 * sound, else what is wrong and the byte where the escape starts.  Reads the closing quote, too.
 */
EtlJsonStatus
EtlJsonCheckEscapes(const char *raw, uint32 len, uint32 *at)
{
	const char *end = raw + len;
	const char *p = raw;

	while ((p = memchr(p, '\\', end - p)) != NULL)
	{
		uint32 unit;

		*at = p - raw;
		if (p[1] != 'u')
		{
			p += 2;
			continue;
		}
		unit = hex_quad(p + 2);
		p += 6;
		if (unit == 0)
			return ETL_JSON_NUL_CHARACTER;
		if (is_low_surrogate(unit))
			return ETL_JSON_BAD_SURROGATE;
		if (!is_high_surrogate(unit))
			continue;
		if (p[0] != '\\' || p[1] != 'u' || !is_low_surrogate(hex_quad(p + 2)))
			return ETL_JSON_BAD_SURROGATE;
		p += 6;
	}
	return ETL_JSON_ITEM;
}

/* The exponent in the len bytes behind an "e"; one that is too long to matter stays far out of range. */
static int64
read_exponent(const char *p, const char *end)
{
	int64 exponent = 0;
	bool negative = *p == '-';

	if (*p == '-' || *p == '+')
		p++;
	for (; p < end && exponent < PG_INT32_MAX; p++)
		exponent = exponent * 10 + (*p - '0');
	return negative ? -exponent : exponent;
}

/* Would numeric take it, with each of its digits? */
bool
EtlJsonNumberInRange(const char *text, uint32 len)
{
	const char *end = text + len;
	const char *p = text;
	const char *first = NULL; /* digit that is not 0 */
	const char *point = NULL;
	int64 exponent = 0;
	int64 behind;
	int64 before;

	for (; p < end && *p != 'e' && *p != 'E'; p++)
	{
		if (*p == '.')
			point = p;
		else if (first == NULL && *p >= '1')
			first = p;
	}
	if (p == end && len <= NUMERIC_DIGITS_BEHIND)
		return true;
	if (p < end)
		exponent = read_exponent(p + 1, end);
	if (exponent >= PG_INT32_MAX / 2)
		return false;
	behind = point == NULL ? 0 : p - point - 1;
	if (behind - exponent > NUMERIC_DIGITS_BEHIND)
		return false;
	if (first == NULL)
		return true;
	if (point == NULL)
		point = p;
	before = first < point ? point - first : point + 1 - first;
	return before + exponent <= NUMERIC_DIGITS_BEFORE;
}

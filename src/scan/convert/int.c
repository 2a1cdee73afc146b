/*
 * int.c
 *		int2, int4 and int8.
 *
 * Canonical form: an optional '-' and 1 to 19 decimal digits, nothing around them.  No setting has
 * a say in it: the input functions read plain digits as decimal in every version (leading zeros
 * too; the other bases of version 16 need a letter behind the 0, its digit groups an underscore).
 * '+', blanks, other bases, more digits and every value out of range are left to the input
 * function.
 */
#include "etl.h"

#include "scan/convert/digits.h"
#include "scan/convert/types.h"

/* Few numbers are that long, so that the others do not pay for it. */
static pg_noinline bool
more_digits(const char *s, size_t len, uint64 *magnitude)
{
	return len <= MAX_DIGITS_UINT64 && scan_digits(s, s + len, magnitude) == s + len;
}

/*
 * The integer in s if its magnitude is at most max, or max + 1 for a negative one.
 */
static pg_attribute_always_inline bool
parse_integer(const char *s, size_t len, uint64 max, int64 *result)
{
	bool negative = len > 0 && *s == '-';
	uint64 magnitude = 0;

	s += negative;
	len -= negative;
	if (len == 0)
		return false;
	if (!(likely(len <= 16) ? up_to_sixteen_digits(s, len, &magnitude)
							: more_digits(s, len, &magnitude)) ||
		magnitude > max + negative)
		return false;

	*result = (int64) (negative ? 0 - magnitude : magnitude);
	return true;
}

bool
EtlConvertInt2(const char *s, size_t len, int32 typmod, Datum *value)
{
	int64 result;

	if (!parse_integer(s, len, PG_INT16_MAX, &result))
		return false;
	*value = Int16GetDatum((int16) result);
	return true;
}

bool
EtlConvertInt4(const char *s, size_t len, int32 typmod, Datum *value)
{
	int64 result;

	if (!parse_integer(s, len, PG_INT32_MAX, &result))
		return false;
	*value = Int32GetDatum((int32) result);
	return true;
}

bool
EtlConvertInt8(const char *s, size_t len, int32 typmod, Datum *value)
{
	int64 result;

	if (!parse_integer(s, len, PG_INT64_MAX, &result))
		return false;
	*value = Int64GetDatum(result);
	return true;
}

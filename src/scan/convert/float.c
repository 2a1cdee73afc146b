/*
 * float.c
 *		float4 and float8.
 *
 * Canonical form: an optional '-', digits, optionally '.' and digits, optionally 'e' or 'E', a sign
 * and one or two digits; 19 digits before the exponent at most, and a power of ten of at most 27
 * either way.  No setting has a say: the server runs with LC_NUMERIC "C", and extra_float_digits is
 * for output only.  NaN, infinities, hexadecimal, '+', blanks, a point without digits on both sides
 * and all that is longer or farther away from 1 are left to the input function.
 *
 * The input functions rely on strtod and strtof, which round the exact decimal value once, to
 * nearest even.  So do these, in one of two ways.
 *
 * - The fast path of W. D. Clinger, "How to read floating point numbers accurately" (1990): an
 *   integer up to 2^53 and a power of ten up to 10^22 are doubles without error, hence one
 *   multiplication or division rounds the exact value once.
 * - Otherwise integers of 128 bits: m * 5^e fits in 127 bits, and of m / 5^e we take a quotient of
 *   at least 63 bits.  Cut to 64 bits, with the lowest set if anything was lost, it converts to
 *   double with a single rounding, as 53 bits and one to round on lie above that lowest bit.  The
 *   power of two left over is applied without error, since the result is far from the ends of the
 *   range.
 */
#include "etl.h"

#include <float.h>
#include <math.h>

#include "port/pg_bitutils.h"

#include "scan/convert/digits.h"
#include "scan/convert/types.h"

#define MAX_EXACT_INTEGER (UINT64CONST(1) << DBL_MANT_DIG)
#define MAX_EXACT_POWER 22
#define MAX_POWER 27

/* A decimal number: (negative ? -1 : 1) * digits * 10^exponent */
typedef struct Decimal
{
	uint64 digits;
	int exponent;
	bool negative;
} Decimal;

static const double power_of_ten[MAX_EXACT_POWER + 1] = {
	1e0,  1e1,	1e2,  1e3,	1e4,  1e5,	1e6,  1e7,	1e8,  1e9,	1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* An exponent of one or two digits behind the 'e'. */
static inline bool
parse_exponent(const char *p, const char *end, int *exponent)
{
	bool negative = false;
	uint64 magnitude = 0;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	if (p == end || end - p > 2 || scan_digits(p, end, &magnitude) != end)
		return false;

	*exponent = negative ? -(int) magnitude : (int) magnitude;
	return true;
}

static inline bool
parse_decimal(const char *s, size_t len, Decimal *decimal)
{
	const char *end = s + len;
	const char *p;
	const char *point;
	int ndigits;
	int exponent = 0;

	decimal->negative = len > 0 && *s == '-';
	if (decimal->negative)
		s++;

	decimal->digits = 0;
	p = scan_digits(s, end, &decimal->digits);
	ndigits = p - s;
	if (ndigits == 0)
		return false;
	decimal->exponent = 0;

	if (p < end && *p == '.')
	{
		point = p++;
		p = scan_digits(p, end, &decimal->digits);
		decimal->exponent = -(int) (p - point - 1);
		ndigits -= decimal->exponent;
		if (decimal->exponent == 0)
			return false;
	}
	if (ndigits > MAX_DIGITS_UINT64)
		return false;

	if (p < end)
	{
		if ((*p | 0x20) != 'e' || !parse_exponent(p + 1, end, &exponent))
			return false;
		decimal->exponent += exponent;
	}
	return true;
}

#ifdef HAVE_INT128

static const uint64 power_of_five[MAX_POWER + 1] = {
	UINT64CONST(1),
	UINT64CONST(5),
	UINT64CONST(25),
	UINT64CONST(125),
	UINT64CONST(625),
	UINT64CONST(3125),
	UINT64CONST(15625),
	UINT64CONST(78125),
	UINT64CONST(390625),
	UINT64CONST(1953125),
	UINT64CONST(9765625),
	UINT64CONST(48828125),
	UINT64CONST(244140625),
	UINT64CONST(1220703125),
	UINT64CONST(6103515625),
	UINT64CONST(30517578125),
	UINT64CONST(152587890625),
	UINT64CONST(762939453125),
	UINT64CONST(3814697265625),
	UINT64CONST(19073486328125),
	UINT64CONST(95367431640625),
	UINT64CONST(476837158203125),
	UINT64CONST(2384185791015625),
	UINT64CONST(11920928955078125),
	UINT64CONST(59604644775390625),
	UINT64CONST(298023223876953125),
	UINT64CONST(1490116119384765625),
	UINT64CONST(7450580596923828125),
};

/* digits * 10^exponent by integers (see above), for digits > 0 and an exponent within MAX_POWER. */
static double
round_exactly(uint64 digits, int exponent)
{
	uint64 bits;
	int binary = exponent;

	if (exponent >= 0)
	{
		uint128 product = (uint128) digits * power_of_five[exponent];
		uint64 high = (uint64) (product >> 64);

		bits = (uint64) product;
		if (high != 0)
		{
			int shift = pg_leftmost_one_pos64(high) + 1;

			bits = (uint64) (product >> shift) | ((product & (((uint128) 1 << shift) - 1)) != 0);
			binary += shift;
		}
	}
	else
	{
		uint64 divisor = power_of_five[-exponent];
		int digits_shift = 63 - pg_leftmost_one_pos64(digits);
		int divisor_shift = 63 - pg_leftmost_one_pos64(divisor);
		uint128 dividend = (uint128) (digits << digits_shift) << 63;

		/* both have their top bit set, so the quotient is in [2^62, 2^64) */
		divisor <<= divisor_shift;
		bits = (uint64) (dividend / divisor);
		bits |= (uint128) bits * divisor != dividend;
		binary += divisor_shift - digits_shift - 63;
	}
	return ldexp((double) bits, binary);
}

#endif /* HAVE_INT128 */

/*
 * The decimal as the nearest double; false if neither way applies.  Where doubles are kept in wider
 * registers (FLT_EVAL_METHOD 2), nothing of this holds.
 */
static inline bool
decimal_to_double(const Decimal *decimal, double *result)
{
#if FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1
	uint64 digits = decimal->digits;
	int exponent = decimal->exponent;

	if (digits <= MAX_EXACT_INTEGER && abs(exponent) <= MAX_EXACT_POWER)
	{
		if (exponent < 0)
			*result = (double) digits / power_of_ten[-exponent];
		else
			*result = (double) digits * power_of_ten[exponent];
	}
#ifdef HAVE_INT128
	else if (abs(exponent) <= MAX_POWER)
		*result = digits == 0 ? 0 : round_exactly(digits, exponent);
#endif
	else
		return false;

	if (decimal->negative)
		*result = -*result;
	return true;
#else
	return false;
#endif
}

/*
 * Rounds a correctly rounded double once more, to float; false where that might differ from
 * rounding the exact value at once.  Rounding never moves a value across a double, so the double is
 * on the same side of the middle between two floats as the exact value, unless it is that middle
 * itself: then the bits that float lacks are a one and zeros.  What we take is never as small as
 * FLT_MIN.
 */
static inline bool
double_to_float(double wide, float *narrow)
{
	const uint64 lost = (UINT64CONST(1) << (DBL_MANT_DIG - FLT_MANT_DIG)) - 1;
	const uint64 middle = UINT64CONST(1) << (DBL_MANT_DIG - FLT_MANT_DIG - 1);
	uint64 bits;

	memcpy(&bits, &wide, sizeof(bits));
	if ((bits & lost) == middle || fabs(wide) > FLT_MAX)
		return false;

	*narrow = (float) wide;
	return true;
}

bool
EtlConvertFloat8(const char *s, size_t len, int32 typmod, Datum *value)
{
	Decimal decimal;
	double result;

	if (!parse_decimal(s, len, &decimal) || !decimal_to_double(&decimal, &result))
		return false;
	*value = Float8GetDatum(result);
	return true;
}

bool
EtlConvertFloat4(const char *s, size_t len, int32 typmod, Datum *value)
{
	Decimal decimal;
	double wide;
	float result;

	if (!parse_decimal(s, len, &decimal) || !decimal_to_double(&decimal, &wide) ||
		!double_to_float(wide, &result))
		return false;
	*value = Float4GetDatum(result);
	return true;
}

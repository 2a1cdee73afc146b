/*
 * numeric.c
 *		numeric and numeric(p,s).
 *
 * Canonical form: an optional '-', digits, optionally '.' and digits; at most 64 characters and 63
 * digits behind the point.  numeric_in asks no setting.  With a typmod, no more digits behind the
 * point than the scale (so that nothing is rounded) and no more before it, leading zeros aside,
 * than precision minus scale (so that nothing overflows).  Exponents, NaN, infinities, '+', blanks,
 * a point without digits on both sides and what needs rounding are left to numeric_in.
 *
 * The server keeps the layout of a numeric to itself, but it is on disk, hence fixed (numeric.c): a
 * varlena of a 16-bit header and base-10000 digits of 16 bits, the highest first, without leading
 * and trailing zero digits.  The header of the short form, which holds all that we take, is
 *
 *		bits 15-14	10, the mark of the short form
 *		bit 13		1 if negative (never for zero)
 *		bits 12-7	digits to show behind the point
 *		bits 6-0	weight: the first digit counts 10000^weight, in two's complement; 0 for zero
 *
 * The differential test compares the bytes with those of numeric_in.
 */
#include "etl.h"

#include "utils/numeric.h"

#include "scan/convert/digits.h"
#include "scan/convert/types.h"

#define MAX_TEXT_LEN 64
#define MAX_SCALE 63

#define SHORT_FORM 0x8000
#define SHORT_NEGATIVE 0x2000
#define SHORT_SCALE_SHIFT 7
#define SHORT_WEIGHT_MASK 0x7F

/* Base-10000 digits in MAX_TEXT_LEN characters, one partly filled on either side of the point. */
#define DIGIT_LEN 4
#define MAX_DIGITS (MAX_TEXT_LEN / DIGIT_LEN + 2)

typedef struct ShortNumeric
{
	int32 vl_len_;
	uint16 header;
	int16 digits[FLEXIBLE_ARRAY_MEMBER];
} ShortNumeric;

/* Where the digits before and behind the point are in the text; no leading zeros before it. */
typedef struct NumericText
{
	const char *whole;
	const char *fraction;
	int nwhole;
	int nfraction;
	bool negative;
} NumericText;

/* A number of SMALL_WHOLE digits before the point and DIGIT_LEN behind it, at most. */
#define SMALL_WHOLE 16

typedef struct NumericSmall
{
	uint64 whole;
	int16 fraction; /* as a base-10000 digit */
	bool negative;
} NumericSmall;

/* What a number of decimal digits behind the point counts in a base-10000 digit. */
static const int16 fraction_unit[DIGIT_LEN + 1] = {0, 1000, 100, 10, 1};

static inline bool
split_numeric(const char *s, size_t len, NumericText *text)
{
	const char *end = s + len;
	const char *p;
	uint64 unused = 0;

	if (len == 0 || len > MAX_TEXT_LEN)
		return false;
	text->negative = *s == '-';
	if (text->negative)
		s++;

	p = scan_digits(s, end, &unused);
	if (p == s)
		return false;
	while (s < p && *s == '0')
		s++;
	text->whole = s;
	text->nwhole = p - s;
	text->fraction = end;
	text->nfraction = 0;
	if (p == end)
		return true;

	if (*p != '.')
		return false;
	text->fraction = p + 1;
	text->nfraction = end - text->fraction;
	return text->nfraction > 0 && text->nfraction <= MAX_SCALE &&
		   scan_digits(text->fraction, end, &unused) == end;
}

/* The value of less than DIGIT_LEN decimal digits. */
static inline int
few_digits(const char *p, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++)
		value = value * 10 + (p[i] - '0');
	return value;
}

/*
 * Cuts the text into base-10000 digits around the point and returns their number.  Zero digits at
 * the start and the end are dropped, and *weight is that of the first one left.
 */
static inline int
group_digits(const NumericText *text, int16 *digits, int *weight)
{
	const char *p = text->whole;
	const char *end = p + text->nwhole;
	int head = text->nwhole % DIGIT_LEN;
	int tail = text->nfraction % DIGIT_LEN;
	int n = 0;

	*weight = (text->nwhole + DIGIT_LEN - 1) / DIGIT_LEN - 1;
	if (head > 0)
		digits[n++] = few_digits(p, head);
	for (p += head; p < end; p += DIGIT_LEN)
		digits[n++] = four_digits(p);

	p = text->fraction;
	for (end = p + text->nfraction - tail; p < end; p += DIGIT_LEN)
	{
		digits[n] = four_digits(p);
		if (n > 0 || digits[n] != 0)
			n++;
		else
			(*weight)--;
	}
	if (tail > 0)
		digits[n++] = few_digits(p, tail) * fraction_unit[tail];

	while (n > 0 && digits[n - 1] == 0)
		n--;
	return n;
}

/* Builds the numeric of some base-10000 digits, to be shown with "scale" digits behind the point. */
static inline void
store_numeric(bool negative, const int16 *digits, int n, int weight, int scale, Datum *value)
{
	Size size = offsetof(ShortNumeric, digits) + n * sizeof(int16);
	ShortNumeric *result = palloc(size);

	SET_VARSIZE(result, size);
	result->header = SHORT_FORM | (scale << SHORT_SCALE_SHIFT);
	if (n > 0)
		result->header |= (negative ? SHORT_NEGATIVE : 0) | (weight & SHORT_WEIGHT_MASK);
	for (int i = 0; i < n; i++)
		result->digits[i] = digits[i];
	*value = PointerGetDatum(result);
}

/* Builds the numeric of the text, to be shown with the given number of digits behind the point. */
static void
make_numeric(const NumericText *text, int scale, Datum *value)
{
	int16 digits[MAX_DIGITS];
	int weight;
	int n = group_digits(text, digits, &weight);

	store_numeric(text->negative, digits, n, weight, scale, value);
}

/*
 * The same, all at once, for what most numbers are: up to 16 digits before the point and 4 behind it, which are
 * four base-10000 digits and one.  *nfraction is how many stand behind the point.  False says nothing about
 * the text.
 */
static inline bool
split_small(const char *s, size_t len, NumericSmall *small, int *nfraction)
{
	const char *end = s + len;
	const char *start;
	uint64 fraction = 0;

	small->negative = len > 0 && *s == '-';
	start = small->negative ? s + 1 : s;
	small->whole = 0;
	s = scan_digits(start, end, &small->whole);
	if (s == start || s - start > SMALL_WHOLE)
		return false;
	*nfraction = 0;
	if (s < end)
	{
		if (*s != '.')
			return false;
		start = s + 1;
		if (scan_digits(start, end, &fraction) != end)
			return false;
		*nfraction = end - start;
		if (*nfraction < 1 || *nfraction > DIGIT_LEN)
			return false;
	}
	small->fraction = (int16) fraction * fraction_unit[*nfraction];
	return true;
}

/*
 * The same for a number with "scale" digits behind the point, as numbers that programs write into a numeric(p,s)
 * have.
 */
static inline bool
split_fixed(const char *s, size_t len, int scale, NumericSmall *small)
{
	uint64 fraction = 0;

	small->negative = len > 0 && *s == '-';
	s += small->negative;
	len -= small->negative;
	if (scale > 0)
	{
		if (scale > DIGIT_LEN || len < (size_t) scale + 2 || s[len - scale - 1] != '.' ||
			!up_to_sixteen_digits(s + len - scale, scale, &fraction))
			return false;
		len -= scale + 1;
	}
	small->fraction = (int16) fraction * fraction_unit[scale];
	return len > 0 && len <= SMALL_WHOLE && up_to_sixteen_digits(s, len, &small->whole);
}

static inline void
make_small(const NumericSmall *small, int scale, Datum *value)
{
	int16 digits[SMALL_WHOLE / DIGIT_LEN + 1];
	int end = lengthof(digits);
	int first = end - 1;
	uint64 whole = small->whole;
	int weight;

	digits[first] = small->fraction;
	for (; whole > 0; whole /= 10000)
		digits[--first] = whole % 10000;
	weight = end - 2 - first;
	while (end > first && digits[end - 1] == 0)
		end--;
	store_numeric(small->negative, digits + first, end - first, weight, scale, value);
}

/* The parts of a typmod, as numeric.c packs them; a scale may be negative there. */
static inline int
typmod_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

static inline int
typmod_scale(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

static bool
convert_any_numeric(const char *s, size_t len, int32 typmod, Datum *value)
{
	NumericSmall small;
	NumericText text;
	int nfraction;

	if (split_small(s, len, &small, &nfraction))
	{
		make_small(&small, nfraction, value);
		return true;
	}
	if (!split_numeric(s, len, &text))
		return false;
	make_numeric(&text, text.nfraction, value);
	return true;
}

/* How many numbers there are with so many digits before the point. */
static const uint64 powers[SMALL_WHOLE] = {
	1,
	10,
	100,
	1000,
	10000,
	100000,
	1000000,
	10000000,
	100000000,
	1000000000,
	UINT64CONST(10000000000),
	UINT64CONST(100000000000),
	UINT64CONST(1000000000000),
	UINT64CONST(10000000000000),
	UINT64CONST(100000000000000),
	UINT64CONST(1000000000000000),
};

static inline bool
is_too_large(const NumericSmall *small, int max_whole)
{
	return max_whole < SMALL_WHOLE && small->whole >= powers[max_whole];
}

/* A number that is not written with as many digits behind the point as it will have. */
static pg_noinline bool
convert_padded_numeric(const char *s, size_t len, int scale, int max_whole, Datum *value)
{
	NumericSmall small;
	NumericText text;
	int nfraction;

	if (split_small(s, len, &small, &nfraction))
	{
		if (nfraction > scale || is_too_large(&small, max_whole))
			return false;
		make_small(&small, scale, value);
		return true;
	}
	if (!split_numeric(s, len, &text))
		return false;
	if (text.nfraction > scale || text.nwhole > max_whole)
		return false;
	make_numeric(&text, scale, value);
	return true;
}

static bool
convert_fixed_numeric(const char *s, size_t len, int32 typmod, Datum *value)
{
	NumericSmall small;
	int scale = typmod_scale(typmod);
	int max_whole = typmod_precision(typmod) - scale;

	if (!split_fixed(s, len, scale, &small))
		return convert_padded_numeric(s, len, scale, max_whole, value);
	if (is_too_large(&small, max_whole))
		return false;
	make_small(&small, scale, value);
	return true;
}

/*
 * A negative scale rounds before the point, one above the precision bounds the value below 1, one
 * above MAX_SCALE needs the long form: all rare, and left to numeric_in.
 */
EtlFastConverter
EtlNumericConverterFor(int32 typmod)
{
	int scale;

	if (typmod < (int32) VARHDRSZ)
		return convert_any_numeric;

	scale = typmod_scale(typmod);
	if (scale < 0 || scale > MAX_SCALE || scale > typmod_precision(typmod))
		return NULL;
	return convert_fixed_numeric;
}

/*
 * digits.h
 *		Decimal digits, eight at a time, for the fast converters.
 *
 * A word of eight bytes is loaded so that the first byte of the text is the lowest one, on every
 * machine.  Only '0' to '9' count as digits, whatever the locale; nothing at or behind "end" is
 * read.
 */
#ifndef ETL_CONVERT_DIGITS_H
#define ETL_CONVERT_DIGITS_H

#include "etl.h"

#include "port/pg_bswap.h"

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

static inline uint64
load_eight(const char *s)
{
	uint64 word;

	memcpy(&word, s, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	return word;
}

/*
 * The value of eight digits; false if one of the bytes is not a digit.
 *
 * A byte is a digit if its own high half and that after adding 6 are both 3; a carry out of a byte
 * can start only at one that fails by itself.  Then neighbours are joined, tens and ones into bytes
 * below 100, those into words below 10^4, those into the result: the multiplier 10 * 2^8 + 1
 * leaves, in the byte above each pair, ten times the lower byte plus the higher one, and so on with
 * 100 and 10^4.
 */
static inline bool
eight_digits(uint64 word, uint32 *value)
{
	if ((word & (word + UINT64CONST(0x0606060606060606)) & UINT64CONST(0xF0F0F0F0F0F0F0F0)) !=
		UINT64CONST(0x3030303030303030))
		return false;

	word = ((word & UINT64CONST(0x0F0F0F0F0F0F0F0F)) * ((10 << 8) + 1)) >> 8;
	word = ((word & UINT64CONST(0x00FF00FF00FF00FF)) * ((100 << 16) + 1)) >> 16;
	word = ((word & UINT64CONST(0x0000FFFF0000FFFF)) * ((UINT64CONST(10000) << 32) + 1)) >> 32;
	*value = (uint32) word;
	return true;
}

static inline uint32
load_four(const char *s)
{
	uint32 word;

	memcpy(&word, s, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap32(word);
#endif
	return word;
}

/*
 * The bytes of a text of 1 to 8 behind as many '0' as it lacks.  They are loaded in two or three pieces that overlap,
 * so that no loop ends where no CPU can foresee it.
 */
static inline uint64
load_up_to_eight(const char *s, size_t len)
{
	int missing = 64 - 8 * (int) len; /* bits */
	uint64 zeros = UINT64CONST(0x3030303030303030) >> 4 * len >> 4 * len;
	size_t middle = len / 2;

	if (len >= 4)
		return zeros | (uint64) load_four(s) << missing | (uint64) load_four(s + len - 4) << 32;
	return zeros | (uint64) (unsigned char) s[0] << missing |
		   (uint64) (unsigned char) s[middle] << (missing + 8 * middle) |
		   (uint64) (unsigned char) s[len - 1] << 56;
}

/* The value of 1 to 16 digits; false if one of the bytes is not a digit. */
static inline bool
up_to_sixteen_digits(const char *s, size_t len, uint64 *value)
{
	uint32 high = 0;
	uint32 low;

	if (len > 8)
	{
		if (!eight_digits(load_up_to_eight(s, len - 8), &high))
			return false;
		s += len - 8;
		len = 8;
	}
	if (!eight_digits(load_up_to_eight(s, len), &low))
		return false;
	*value = (uint64) high * 100000000 + low;
	return true;
}

/* The value of four bytes that are known to be digits, in the same way. */
static inline uint32
four_digits(const char *s)
{
	uint32 word = load_four(s);

	word = ((word & 0x0F0F0F0F) * ((10 << 8) + 1)) >> 8;
	return ((word & 0x00FF00FF) * ((100 << 16) + 1)) >> 16;
}

/*
 * Appends the digits at p to *value and returns where they end.  The value is taken modulo 2^64: a
 * caller that cares allows 19 digits at most, which always fit.
 */
static inline const char *
scan_digits(const char *p, const char *end, uint64 *value)
{
	uint64 v = *value;
	uint32 eight;

	while (end - p >= 8 && eight_digits(load_eight(p), &eight))
	{
		v = v * 100000000 + eight;
		p += 8;
	}
	while (p < end && is_digit(*p))
		v = v * 10 + (*p++ - '0');

	*value = v;
	return p;
}

/* What scan_digits accepts without overflow whatever the digits are: 10^19 - 1 < 2^64. */
#define MAX_DIGITS_UINT64 19

#endif /* ETL_CONVERT_DIGITS_H */

/*
 * json_scan.c
 *		Passing over bytes of JSON that need no look at each of them.
 *
 * Where a slice can end depends on nothing but which bytes are in strings.  Blocks of 64 bytes without a
 * backslash are taken as a whole: where quotes are, and from that what is between them.  Whatever is less simple is left to the caller, who goes byte by byte.
 */
#include "etl.h"

#include "port/pg_bitutils.h"

#include "format/json_internal.h"

#ifdef __x86_64__

#include <emmintrin.h>

static inline __m128i
matches(__m128i bytes, char c)
{
	return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* Where the quotes are in a block; false if there is a backslash. */
static inline bool
find_quotes(const char *p, uint64 *quotes)
{
	__m128i backslashes = _mm_setzero_si128();

	*quotes = 0;
	for (int i = 0; i < ETL_JSON_BLOCK; i += 16)
	{
		__m128i bytes = _mm_loadu_si128((const __m128i *) (p + i));

		*quotes |= (uint64) (uint32) _mm_movemask_epi8(matches(bytes, '"')) << i;
		backslashes = _mm_or_si128(backslashes, matches(bytes, '\\'));
	}
	return _mm_movemask_epi8(backslashes) == 0;
}

/* Each bit: whether an odd number of bits is set up to it. */
static inline uint64
prefix_xor(uint64 x)
{
	for (int i = 1; i < ETL_JSON_BLOCK; i *= 2)
		x ^= x << i;
	return x;
}

/* The end of the last byte of some blocks that stands between two tokens, NULL if there is none. */
static const char *
find_cut(const char *first, const uint64 *strings, int n)
{
	while (n-- > 0)
	{
		uint64 outside = ~strings[n];

		while (outside != 0)
		{
			int i = pg_leftmost_one_pos64(outside);
			const char *p = first + n * ETL_JSON_BLOCK + i;

			if (EtlJsonIsBetween(*p))
				return p + 1;
			outside ^= UINT64CONST(1) << i;
		}
	}
	return NULL;
}

/*
 * Passes over whole blocks from p on, no more than a slice has; *in_string says whether p is in a string, and *cut
 * is moved behind the last byte that stands between two tokens.
 */
const char *
EtlJsonSkipBlocks(const char *p, const char *end, bool *in_string, const char **cut)
{
	uint64 strings[ETL_JSON_SLICE / ETL_JSON_BLOCK];
	uint64 inside = *in_string ? ~UINT64CONST(0) : 0;
	const char *first = p;
	const char *found;
	int n = 0;

	for (; end - p >= ETL_JSON_BLOCK && n < lengthof(strings); p += ETL_JSON_BLOCK)
	{
		uint64 quotes;
		uint64 mask;

		if (!find_quotes(p, &quotes))
			break;
		mask = prefix_xor(quotes) ^ inside;
		strings[n++] = mask;
		inside = (uint64) ((int64) mask >> 63);
	}
	*in_string = inside != 0;
	found = find_cut(first, strings, n);
	if (found != NULL)
		*cut = found;
	return p;
}

#else

const char *
EtlJsonSkipBlocks(const char *p, const char *end, bool *in_string, const char **cut)
{
	return p;
}

#endif

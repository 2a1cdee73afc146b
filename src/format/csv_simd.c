/*
 * csv_simd.c
 *		The tokenizers that take 64 bytes at a time, and the choice among all.
 *
 * The step over a block is written once, in csv_block.h; here are the instructions that it is made of, for
 * SSE2, which every x86-64 has, and for AVX2 with carry-less multiplication, asked for at run time.  They
 * serve the common dialects: a delimiter of one byte, no comments, and an escape that is the quote.
 */
#include "etl.h"

#include "format/csv_tokenizer.h"

#ifdef __x86_64__

#include <immintrin.h>

/* What goes on from block to block; copied from and to EtlCsvTokens, so that it can stay in registers. */
typedef struct BlockState
{
	uint64 inside;	 /* all ones inside quotes */
	uint64 after_cr; /* 1 directly behind an unquoted CR */
	uint64 may_open; /* 1 directly behind a delimiter, a line end or a closing quote */
	uint64 closed;	 /* 1 directly behind a closing quote */
	uint32 nmarks;
	uint32 seen;
	EtlCsvLine *line; /* the next one to be noted */
} BlockState;

/* The same of a piece that is only looked at (csv_cut.h). */
typedef struct CutState
{
	uint64 odd;		 /* all ones behind an odd number of quotes */
	uint64 after_cr; /* 1 directly behind a CR */
	size_t none;	 /* in place of a place that was not found */
} CutState;

static inline BlockState
begin_blocks(const EtlCsvTokens *tokens)
{
	BlockState state = {
		.inside = tokens->place == ETL_CSV_QUOTED ? ~UINT64CONST(0) : 0,
		.after_cr = tokens->after_cr ? 1 : 0,
		.may_open = tokens->may_open ? 1 : 0,
		.closed = tokens->closed ? 1 : 0,
		.nmarks = tokens->nmarks,
		.seen = tokens->seen,
		.line = tokens->lines + tokens->nlines,
	};

	return state;
}

static inline void
end_blocks(EtlCsvTokens *tokens, const BlockState *state)
{
	tokens->place = state->inside ? ETL_CSV_QUOTED : ETL_CSV_UNQUOTED;
	tokens->after_cr = state->after_cr != 0;
	tokens->may_open = state->may_open != 0;
	tokens->closed = state->closed != 0;
	tokens->nmarks = state->nmarks;
	tokens->seen = state->seen;
	tokens->nlines = state->line - tokens->lines;
}

static bool
is_common_dialect(const EtlCsvDialect *dialect)
{
	return dialect->delimiter_len == 1 && dialect->comment == NULL &&
		   (!dialect->has_quote || dialect->escape == dialect->quote);
}

static inline uint64
prefix_xor(uint64 x)
{
	for (int shift = 1; shift < 64; shift *= 2)
		x ^= x << shift;
	return x;
}

#define NAME(name) name##_sse2
#define TARGET
#define VECTOR __m128i
#define FILL(c) _mm_set1_epi8(c)
#define LOAD(p) _mm_loadu_si128((const __m128i *) (p))
#define EQUAL(v, w) (uint16) _mm_movemask_epi8(_mm_cmpeq_epi8(v, w))
#define HIGH_BITS(v) (uint16) _mm_movemask_epi8(v)
#define PREFIX_XOR(x) prefix_xor(x)
#define LOWEST(x) ((x) ? __builtin_ctzll(x) : 0)
#define COUNT(x) __builtin_popcountll(x)
#include "format/csv_block.h"

#define NAME(name) name##_avx2
#define TARGET __attribute__((target("avx2,bmi,pclmul,popcnt")))
#define VECTOR __m256i
#define FILL(c) _mm256_set1_epi8(c)
#define LOAD(p) _mm256_loadu_si256((const __m256i *) (p))
#define EQUAL(v, w) (uint32) _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, w))
#define HIGH_BITS(v) (uint32) _mm256_movemask_epi8(v)
#define PREFIX_XOR(x) \
	_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128(x), _mm_set1_epi8(-1), 0))
#define LOWEST(x) _tzcnt_u64(x)
#define COUNT(x) _mm_popcnt_u64(x)
#include "format/csv_block.h"

static bool
can_avx2(const EtlCsvDialect *dialect)
{
	return is_common_dialect(dialect) && __builtin_cpu_supports("avx2") &&
		   __builtin_cpu_supports("bmi") && __builtin_cpu_supports("pclmul") &&
		   __builtin_cpu_supports("popcnt");
}

static const EtlCsvTokenizer sse2_tokenizer = {"sse2", is_common_dialect, scan_sse2, cut_sse2};
static const EtlCsvTokenizer avx2_tokenizer = {"avx2", can_avx2, scan_avx2, cut_avx2};

#endif /* __x86_64__ */

const EtlCsvTokenizer *const EtlCsvTokenizers[] = {
#ifdef __x86_64__
	&avx2_tokenizer,
	&sse2_tokenizer,
#endif
	&EtlCsvScalarTokenizer,
	NULL,
};

const EtlCsvTokenizer *
EtlCsvChooseTokenizer(const EtlCsvDialect *dialect)
{
	const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers;

	while (!(*tokenizer)->can(dialect))
		tokenizer++;
	return *tokenizer;
}

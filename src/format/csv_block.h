/*
 * csv_block.h
 *		Tokenizing 64 bytes at a time; included by csv_simd.c once for each instruction set.
 *
 * The including file defines the following macros, which this file undefines:
 *
 *		NAME(name)			name with the suffix of the instruction set
 *		TARGET				the attribute by which the compiler may use the instruction set
 *		VECTOR				a vector of bytes
 *		FILL(c)				a vector of that byte
 *		LOAD(p)				the vector at p, aligned or not
 *		EQUAL(v, w)			a bit for each byte that is the same in both
 *		HIGH_BITS(v)		the high bit of each byte
 *		PREFIX_XOR(x)		bit i is the parity of bits 0 to i of x
 *		LOWEST(x)			number of the lowest bit of x, anything if there is none
 *		COUNT(x)			how many bits of x are set
 *
 * A block becomes masks of 64 bits, one for each byte that matters.  The mask of what is inside quotes is
 * the prefix parity of the mask of quotes, carried on from block to block: that is all there is to quoting
 * when the escape is the quote or there are no quotes.
 */

#define NVECTORS (64 / sizeof(VECTOR))

#define NEEDLES NAME(Needles)

typedef struct NEEDLES
{
	VECTOR quote;
	VECTOR delimiter;
	VECTOR cr;
	VECTOR lf;
	uint64 has_quote; /* all ones or none */
} NEEDLES;

static pg_attribute_always_inline TARGET uint64
NAME(find)(const VECTOR *block, VECTOR needle)
{
	uint64 mask = 0;

	for (int i = 0; i < NVECTORS; i++)
		mask |= (uint64) EQUAL(block[i], needle) << (i * sizeof(VECTOR));
	return mask;
}

/* Which bytes of the block have their high bit set. */
static pg_attribute_always_inline TARGET uint64
NAME(find_high_bits)(const VECTOR *block)
{
	uint64 mask = 0;

	for (int i = 0; i < NVECTORS; i++)
		mask |= (uint64) HIGH_BITS(block[i]) << (i * sizeof(VECTOR));
	return mask;
}

static pg_attribute_always_inline TARGET uint64
NAME(note_four)(uint32 *marks, uint64 mask, uint32 pos)
{
	marks[0] = pos + LOWEST(mask);
	mask &= mask - 1;
	marks[1] = pos + LOWEST(mask);
	mask &= mask - 1;
	marks[2] = pos + LOWEST(mask);
	mask &= mask - 1;
	marks[3] = pos + LOWEST(mask);
	return mask & (mask - 1);
}

/*
 * Notes the n marks of a block that begins at pos.  A dozen at a time costs less than stopping at the last
 * one, which no CPU can foresee; what is written beyond it is overwritten by the next block.
 */
static pg_attribute_always_inline TARGET void
NAME(note_marks)(uint32 *marks, uint64 mask, int n, uint32 pos)
{
	do
	{
		mask = NAME(note_four)(marks, mask, pos);
		mask = NAME(note_four)(marks + 4, mask, pos);
		mask = NAME(note_four)(marks + 8, mask, pos);
		marks += 12;
		n -= 12;
	} while (n > 0);
}

/* Notes each line end of a block, whose marks come behind nmarks others. */
static pg_attribute_always_inline TARGET void
NAME(note_lines)(BlockState *state, uint64 ends, uint64 marks, uint32 nmarks, uint32 seen)
{
	EtlCsvLine *line = state->line;

	/* Most blocks end one line or none, so this is done without a branch. */
	line->end_mark = nmarks + COUNT(marks & (ends ^ (ends - 1)));
	line->seen = state->seen | seen;
	state->line += ends != 0;
	state->seen = ends != 0 ? seen : state->seen | seen;

	for (ends &= ends - 1; unlikely(ends != 0); ends &= ends - 1)
	{
		line = state->line++;
		line->end_mark = nmarks + COUNT(marks & (ends ^ (ends - 1)));
		line->seen = seen;
	}
}

/*
 * Does a quote open within a field, or text follow one that closes?  Two quotes one behind the other are a closing and an
 * opening one, which stand for a quote.
 */
static pg_attribute_always_inline TARGET bool
NAME(has_stray)(const BlockState *state, uint64 opening, uint64 closing, uint64 around, int len)
{
	uint64 within = opening & ~((around | closing) << 1 | state->may_open);
	uint64 behind = (closing << 1 | state->closed) & ~(around | opening);

	return ((within | behind) & (~UINT64CONST(0) >> (64 - len))) != 0;
}

/*
 * Takes the 64 bytes at bytes, which are at pos in the buffer.  If only len of them count, the others are NUL:
 * that raises a suspicion, but nothing more.
 */
static pg_attribute_always_inline TARGET void
NAME(scan_block)(EtlCsvTokens *tokens, BlockState *state, const NEEDLES *needles, const char *bytes,
				 uint32 pos, int len)
{
	VECTOR block[NVECTORS];
	uint64 quotes;
	uint64 closing;
	uint64 cr;
	uint64 lf;
	uint64 inside;
	uint64 delimiters;
	uint64 marks;
	uint64 around; /* what stands around fields: delimiters and line ends */
	uint32 seen = 0;
	int n;

	for (int i = 0; i < NVECTORS; i++)
		block[i] = LOAD(bytes + i * sizeof(VECTOR));
	quotes = NAME(find)(block, needles->quote) & needles->has_quote;
	cr = NAME(find)(block, needles->cr);
	lf = NAME(find)(block, needles->lf);
	inside = PREFIX_XOR(quotes) ^ state->inside;

	seen |= quotes ? ETL_CSV_SEEN_QUOTE : 0;
	seen |= NAME(find_high_bits)(block) ? ETL_CSV_SEEN_HIGH_BIT : 0;
	seen |= NAME(find)(block, FILL('\0')) ? ETL_CSV_SEEN_NUL : 0;
	seen |= ((cr | lf) & inside) ? ETL_CSV_SEEN_LINE_END : 0;

	cr &= ~inside;
	lf &= ~inside;
	delimiters = NAME(find)(block, needles->delimiter) & ~inside;
	around = delimiters | cr | lf;
	closing = quotes & ~inside;
	if (quotes | state->closed)
		seen |=
			NAME(has_stray)(state, quotes & inside, closing, around, len) ? ETL_CSV_SEEN_STRAY : 0;

	lf &= ~(cr << 1 | state->after_cr);
	marks = delimiters | cr | lf;
	n = COUNT(marks);
	NAME(note_marks)(tokens->marks + state->nmarks, marks, n, pos);
	NAME(note_lines)(state, cr | lf, marks, state->nmarks, seen);

	state->nmarks += n;
	state->inside = (uint64) ((int64) inside >> 63);
	state->after_cr = (cr >> (len - 1)) & 1;
	state->may_open = ((around | closing) >> (len - 1)) & 1;
	state->closed = (closing >> (len - 1)) & 1;
}

static TARGET size_t
NAME(scan)(EtlCsvTokens *tokens, const char *buf, size_t from, size_t to, bool final)
{
	const EtlCsvDialect *dialect = tokens->dialect;
	NEEDLES needles = {
		.quote = FILL(dialect->quote),
		.delimiter = FILL(dialect->delimiter[0]),
		.cr = FILL('\r'),
		.lf = FILL('\n'),
		.has_quote = dialect->has_quote ? ~UINT64CONST(0) : 0,
	};
	BlockState state = begin_blocks(tokens);

	for (; to - from >= 64; from += 64)
		NAME(scan_block)(tokens, &state, &needles, buf + from, from, 64);
	if (from < to)
	{
		char last[64] = {0};

		memcpy(last, buf + from, to - from);
		NAME(scan_block)(tokens, &state, &needles, last, from, to - from);
	}
	end_blocks(tokens, &state);
	return to;
}

/* The lowest of some places of a block, if none was found in the blocks before. */
static pg_attribute_always_inline TARGET void
NAME(note_first)(size_t *first, size_t none, uint64 places, size_t pos)
{
	if (unlikely(*first == none) && places != 0)
		*first = pos + LOWEST(places);
}

/* Takes the len bytes of a block, of which the others are NUL. */
static pg_attribute_always_inline TARGET void
NAME(cut_block)(const NEEDLES *needles, CutState *state, const char *bytes, size_t pos,
				EtlCsvCut *cut)
{
	VECTOR block[NVECTORS];
	uint64 quotes;
	uint64 cr;
	uint64 ends;
	uint64 odd;

	for (int i = 0; i < NVECTORS; i++)
		block[i] = LOAD(bytes + i * sizeof(VECTOR));
	quotes = NAME(find)(block, needles->quote) & needles->has_quote;
	cr = NAME(find)(block, needles->cr);
	ends = cr | (NAME(find)(block, needles->lf) & ~(cr << 1 | state->after_cr));
	odd = PREFIX_XOR(quotes) ^ state->odd;

	cut->nlines += COUNT(ends);
	NAME(note_first)(&cut->first[0], state->none, ends & ~odd, pos);
	NAME(note_first)(&cut->first[1], state->none, ends & odd, pos);
	state->odd = (uint64) ((int64) odd >> 63);
	state->after_cr = cr >> 63;
}

static TARGET void
NAME(cut)(const EtlCsvDialect *dialect, char before, const char *piece, size_t len, EtlCsvCut *cut)
{
	NEEDLES needles = {
		.quote = FILL(dialect->quote),
		.cr = FILL('\r'),
		.lf = FILL('\n'),
		.has_quote = dialect->has_quote ? ~UINT64CONST(0) : 0,
	};
	CutState state = {.none = len, .after_cr = before == '\r'};
	size_t pos = 0;

	cut->nlines = 0;
	cut->first[0] = cut->first[1] = len;
	for (; len - pos >= 64; pos += 64)
		NAME(cut_block)(&needles, &state, piece + pos, pos, cut);
	if (pos < len)
	{
		char last[64] = {0};

		memcpy(last, piece + pos, len - pos);
		NAME(cut_block)(&needles, &state, last, pos, cut);
	}
	cut->odd = state.odd != 0;
}

#undef NVECTORS
#undef NEEDLES
#undef NAME
#undef TARGET
#undef VECTOR
#undef FILL
#undef LOAD
#undef EQUAL
#undef HIGH_BITS
#undef PREFIX_XOR
#undef LOWEST
#undef COUNT

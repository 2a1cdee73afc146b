/*
 * csv_scalar.c
 *		The tokenizer that takes one byte at a time: every dialect, every machine, and the oracle.
 *
 * A table says of each byte whether it can be passed over; one table holds outside quotes, one inside.
 * What it says beside that are the suspicions that the byte raises, so that the loop over ordinary bytes is
 * a look-up, an or and a test.
 */
#include "etl.h"

#include "mb/pg_wchar.h"

#include "format/csv_tokenizer.h"

#define STOP 0x80 /* in the tables: look at this byte */

/* The bytes in hand, and how far we are. */
typedef struct ScalarScan
{
	const char *buf;
	size_t pos;
	size_t to;
	bool final;
} ScalarScan;

typedef enum Match
{
	MATCH_NO,
	MATCH_YES,
	MATCH_WAIT, /* yes as far as the bytes go, and more may come */
} Match;

static inline Match
match_here(const ScalarScan *scan, const char *what, int len)
{
	size_t left = scan->to - scan->pos;

	if (left >= (size_t) len)
		return memcmp(scan->buf + scan->pos, what, len) == 0 ? MATCH_YES : MATCH_NO;
	if (!scan->final && memcmp(scan->buf + scan->pos, what, left) == 0)
		return MATCH_WAIT;
	return MATCH_NO;
}

/* Passes over bytes that mean nothing, by that table.  False at the end of the bytes. */
static inline bool
pass_ordinary(EtlCsvTokens *tokens, ScalarScan *scan, const uint8 *table)
{
	const uint8 *buf = (const uint8 *) scan->buf;
	size_t pos = scan->pos;
	uint8 seen = 0;

	while (pos < scan->to && !(table[buf[pos]] & STOP))
		seen |= table[buf[pos++]];
	if (pos > scan->pos)
		tokens->char_left = 0;
	tokens->seen |= seen;
	scan->pos = pos;
	return pos < scan->to;
}

/* The scanners of the places: each goes on until the place changes or the bytes end; false is "wait". */

static bool
scan_start(EtlCsvTokens *tokens, ScalarScan *scan)
{
	const EtlCsvDialect *dialect = tokens->dialect;

	if (tokens->after_cr)
	{
		tokens->after_cr = false;
		if (scan->buf[scan->pos] == '\n')
		{
			scan->pos++;
			return true;
		}
	}
	if (dialect->comment)
	{
		Match match = match_here(scan, dialect->comment, dialect->comment_len);

		if (match == MATCH_WAIT)
			return false;
		if (match == MATCH_YES)
		{
			tokens->place = ETL_CSV_IN_COMMENT;
			scan->pos += dialect->comment_len;
			return true;
		}
	}
	tokens->place = ETL_CSV_UNQUOTED;
	return true;
}

/* The line ends with the CR or LF at pos, whatever kind of line it is. */
static void
end_line(EtlCsvTokens *tokens, ScalarScan *scan, uint32 seen)
{
	EtlCsvTokensEndLine(tokens, scan->pos, seen);
	tokens->after_cr = scan->buf[scan->pos] == '\r';
	tokens->place = ETL_CSV_AT_START;
	tokens->seen = 0;
	scan->pos++;
}

static bool
scan_comment(EtlCsvTokens *tokens, ScalarScan *scan)
{
	while (scan->pos < scan->to)
	{
		char c = scan->buf[scan->pos];

		if (c == '\n' || c == '\r')
		{
			end_line(tokens, scan, ETL_CSV_IS_COMMENT);
			break;
		}
		scan->pos++;
	}
	return true;
}

/*
 * In most multibyte encodings a delimiter's bytes can also be the end of one character and the beginning of
 * the next.  Says whether the byte at pos, which has its high bit set, begins a character, and remembers
 * how long that is.  Any byte without the high bit ends a character, broken as it may be.
 */
static bool
begins_char(EtlCsvTokens *tokens, const ScalarScan *scan)
{
	const char *c = scan->buf + scan->pos;

	if (tokens->char_left > 0)
	{
		tokens->char_left--;
		return false;
	}
	tokens->char_left = pg_encoding_mblen(tokens->dialect->encoding, c) - 1;
	return true;
}

static bool
scan_unquoted(EtlCsvTokens *tokens, ScalarScan *scan)
{
	const EtlCsvDialect *dialect = tokens->dialect;

	while (pass_ordinary(tokens, scan, tokens->unquoted))
	{
		char c = scan->buf[scan->pos];
		Match match;

		if (!IS_HIGHBIT_SET(c))
			tokens->char_left = 0;
		if (c == '\n' || c == '\r')
		{
			end_line(tokens, scan, tokens->seen);
			break;
		}
		tokens->seen |= tokens->unquoted[(uint8) c] & ~STOP;
		if (dialect->has_quote && c == dialect->quote)
		{
			tokens->place = ETL_CSV_QUOTED;
			scan->pos++;
			break;
		}

		match = match_here(scan, dialect->delimiter, dialect->delimiter_len);
		if (match == MATCH_WAIT)
			return false;
		if (tokens->whole_chars && IS_HIGHBIT_SET(c) && !begins_char(tokens, scan))
			match = MATCH_NO;
		if (match == MATCH_YES)
		{
			tokens->marks[tokens->nmarks++] = (uint32) scan->pos;
			tokens->char_left = 0;
			scan->pos += dialect->delimiter_len;
		}
		else
			scan->pos++;
	}
	return true;
}

static bool
scan_quoted(EtlCsvTokens *tokens, ScalarScan *scan)
{
	if (pass_ordinary(tokens, scan, tokens->quoted))
	{
		bool quote = scan->buf[scan->pos] == tokens->dialect->quote;

		tokens->place = quote ? ETL_CSV_UNQUOTED : ETL_CSV_ESCAPED;
		scan->pos++;
	}
	return true;
}

static bool
scan_escaped(EtlCsvTokens *tokens, ScalarScan *scan)
{
	char c = scan->buf[scan->pos];

	if (c == tokens->dialect->quote || c == tokens->dialect->escape)
	{
		tokens->seen |= tokens->quoted[(uint8) c] & ~STOP;
		scan->pos++;
	}
	tokens->place = ETL_CSV_QUOTED;
	return true;
}

static size_t
scan_scalar(EtlCsvTokens *tokens, const char *buf, size_t from, size_t to, bool final)
{
	static bool (*const scanners[])(EtlCsvTokens *, ScalarScan *) = {
		[ETL_CSV_AT_START] = scan_start,	 [ETL_CSV_UNQUOTED] = scan_unquoted,
		[ETL_CSV_QUOTED] = scan_quoted,		 [ETL_CSV_ESCAPED] = scan_escaped,
		[ETL_CSV_IN_COMMENT] = scan_comment,
	};
	ScalarScan scan = {buf, from, to, final};

	while (scan.pos < scan.to && scanners[tokens->place](tokens, &scan))
		;
	return scan.pos;
}

static bool
can_scalar(const EtlCsvDialect *dialect)
{
	return true;
}

static void
cut_scalar(const EtlCsvDialect *dialect, char before, const char *piece, size_t len, EtlCsvCut *cut)
{
	cut->odd = false;
	cut->nlines = 0;
	cut->first[0] = cut->first[1] = len;
	for (size_t i = 0; i < len; i++)
	{
		char c = piece[i];

		if (dialect->has_quote && c == dialect->quote)
			cut->odd = !cut->odd;
		if (c != '\r' && (c != '\n' || (i == 0 ? before : piece[i - 1]) == '\r'))
			continue;
		cut->nlines++;
		if (cut->first[cut->odd] == len)
			cut->first[cut->odd] = i;
	}
}

const EtlCsvTokenizer EtlCsvScalarTokenizer = {"scalar", can_scalar, scan_scalar, cut_scalar};

/* Fills the two tables. */
static void
classify_bytes(EtlCsvTokens *tokens, const EtlCsvDialect *dialect)
{
	for (int c = 0; c < 256; c++)
	{
		uint8 seen = (c == 0 ? ETL_CSV_SEEN_NUL : 0) | (c >= 0x80 ? ETL_CSV_SEEN_HIGH_BIT : 0);

		tokens->unquoted[c] = seen | (tokens->whole_chars && c >= 0x80 ? STOP : 0);
		tokens->quoted[c] = seen;
	}
	tokens->unquoted['\n'] = tokens->unquoted['\r'] = STOP;
	tokens->quoted['\n'] = tokens->quoted['\r'] = ETL_CSV_SEEN_LINE_END;
	tokens->unquoted[(uint8) dialect->delimiter[0]] |= STOP;
	if (dialect->has_quote)
	{
		tokens->unquoted[(uint8) dialect->quote] |= STOP | ETL_CSV_SEEN_QUOTE | ETL_CSV_SEEN_STRAY;
		tokens->quoted[(uint8) dialect->quote] |= STOP;
		tokens->quoted[(uint8) dialect->escape] |= STOP;
	}
}

void
EtlCsvTokensRestart(EtlCsvTokens *tokens, bool after_cr)
{
	tokens->nmarks = 0;
	tokens->nlines = 0;
	tokens->place = ETL_CSV_AT_START;
	tokens->after_cr = after_cr;
	tokens->may_open = true;
	tokens->closed = false;
	tokens->seen = 0;
	tokens->char_left = 0;
}

void
EtlCsvTokensReset(EtlCsvTokens *tokens, const EtlCsvDialect *dialect)
{
	tokens->dialect = dialect;
	EtlCsvTokensRestart(tokens, false);
	tokens->whole_chars = IS_HIGHBIT_SET(dialect->delimiter[0]) && dialect->encoding != PG_UTF8 &&
						  pg_encoding_max_length(dialect->encoding) > 1;
	classify_bytes(tokens, dialect);
}

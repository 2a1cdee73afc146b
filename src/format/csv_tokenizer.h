/*
 * csv_tokenizer.h
 *		Between the CSV reader and the tokenizers it can choose from.
 *
 * A tokenizer is given bytes of the reader's buffer once, in order, and notes two things:
 *
 *		marks	the position of each delimiter and line end that stands outside quotes
 *		lines	for each such line end, how many marks there are up to and with it
 *
 * So a record is the marks between two line entries, its number of fields is a difference, and the reader
 * hands out its fields' ends where the tokenizer has put them.  An LF directly behind a CR has no mark of
 * its own: the line has ended with the CR.
 *
 * A line entry also carries suspicions: what may be in the record and then needs a closer look.  They may
 * be raised without cause (a tokenizer that works in blocks knows only about the block), but never missing.
 *
 * The tokenizers, all with the same result: csv_scalar.c, one byte at a time and for every dialect, is the
 * oracle; csv_simd.c has those for x86-64, which take 64 bytes at a time.
 */
#ifndef ETL_CSV_TOKENIZER_H
#define ETL_CSV_TOKENIZER_H

#include "format/csv_cut.h"

/* Suspicions about a record, and one certainty. */
#define ETL_CSV_SEEN_QUOTE 0x01
#define ETL_CSV_SEEN_HIGH_BIT 0x02
#define ETL_CSV_SEEN_NUL 0x04
#define ETL_CSV_SEEN_LINE_END 0x08 /* inside quotes */
#define ETL_CSV_IS_COMMENT 0x10	   /* not a record, pass it over */
#define ETL_CSV_SEEN_STRAY 0x20	   /* a quote elsewhere than around a field */

typedef struct EtlCsvLine
{
	uint32 end_mark; /* index one past the mark of its end */
	uint32 seen;	 /* ETL_CSV_SEEN_... */
} EtlCsvLine;

typedef enum EtlCsvPlace
{
	ETL_CSV_AT_START, /* of a record: perhaps of a comment */
	ETL_CSV_UNQUOTED,
	ETL_CSV_QUOTED,
	ETL_CSV_ESCAPED, /* in quotes, directly behind an escape that is not the quote */
	ETL_CSV_IN_COMMENT,
} EtlCsvPlace;

/* A block may write this many marks beyond the last one that counts. */
#define ETL_CSV_SPARE_MARKS 64

typedef struct EtlCsvTokens
{
	const EtlCsvDialect *dialect;

	/* Results; the reader sees to it that there is room, and takes away what it has used. */
	uint32 *marks;
	uint32 nmarks;
	EtlCsvLine *lines;
	uint32 nlines;

	/* Where the tokenizer is; it survives from one call to the next. */
	EtlCsvPlace place;
	bool after_cr; /* the last byte was an unquoted CR */
	bool
		may_open; /* SIMD only: a quote may open here, for the last byte was a delimiter, line end or closing quote */
	bool closed; /* SIMD only: the last byte was a closing quote */
	uint8 seen;	 /* suspicions about the line under way */

	/* Scalar only: what each byte means outside and inside quotes, see csv_scalar.c. */
	uint8 unquoted[256];
	uint8 quoted[256];
	bool whole_chars; /* the delimiter must not be looked for inside characters */
	int char_left;	  /* bytes of the character under way, then */
} EtlCsvTokens;

typedef struct EtlCsvTokenizer
{
	const char *name;
	bool (*can)(const EtlCsvDialect *dialect); /* this machine, this dialect */

	/*
	 * Takes buf[from] to buf[to - 1] and returns how far it came.  That is less than to only where the rest
	 * may be the beginning of a delimiter or comment, and never if the input ends there (final).  There is
	 * room for to - from marks more and ETL_CSV_SPARE_MARKS, and for as many lines.
	 */
	size_t (*scan)(EtlCsvTokens *tokens, const char *buf, size_t from, size_t to, bool final);

	/* EtlCsvFindCut, but for a record that starts with the piece. */
	void (*cut)(const EtlCsvDialect *dialect, char before, const char *piece, size_t len,
				EtlCsvCut *cut);
} EtlCsvTokenizer;

extern const EtlCsvTokenizer EtlCsvScalarTokenizer;

/* All that are compiled in, the fastest first; NULL ends the list. */
extern const EtlCsvTokenizer *const EtlCsvTokenizers[];

/* The first of them that can. */
extern const EtlCsvTokenizer *EtlCsvChooseTokenizer(const EtlCsvDialect *dialect);

/* At the beginning of a stream. */
extern void EtlCsvTokensReset(EtlCsvTokens *tokens, const EtlCsvDialect *dialect);

/* At the beginning of a line of the same stream; what was noted is dropped. */
extern void EtlCsvTokensRestart(EtlCsvTokens *tokens, bool after_cr);

/* The line under way ends at pos. */
static inline void
EtlCsvTokensEndLine(EtlCsvTokens *tokens, size_t pos, uint32 seen)
{
	tokens->marks[tokens->nmarks++] = (uint32) pos;
	tokens->lines[tokens->nlines].end_mark = tokens->nmarks;
	tokens->lines[tokens->nlines].seen = seen;
	tokens->nlines++;
}

/* What csv_reader.c offers beyond csv.h for tests, so that they reach every path with small inputs. */
typedef struct EtlCsvReaderTuning
{
	const EtlCsvTokenizer *tokenizer;
	size_t buffer_size; /* what the buffer starts with, bytes */
	size_t slice_size;	/* bytes tokenized at a time */
	size_t max_record;	/* bytes */
} EtlCsvReaderTuning;

extern const EtlCsvReaderTuning EtlCsvDefaultTuning; /* without a tokenizer */

extern EtlCsvReader *
EtlCsvReaderCreateTuned(const EtlCsvDialect *dialect, const EtlCsvReaderTuning *tuning);

/* Which tokenizer reads this dialect on this machine. */
extern const char *EtlCsvReaderTokenizer(const EtlCsvReader *reader);

/* Bytes that were fed and that no record handed out so far has taken. */
extern size_t EtlCsvReaderPending(const EtlCsvReader *reader);

extern void EtlCsvReaderFree(EtlCsvReader *reader);

/* The byte of the stream that belongs to EtlCsvReaderFaultLine. */
extern uint64 EtlCsvReaderFaultOffset(const EtlCsvReader *reader);

/* Is a quote open at the end of a raw field that is not complete?  *at is where it opened. */
extern bool
EtlCsvFindOpenQuote(const EtlCsvDialect *dialect, const char *raw, size_t len, size_t *at);

/* Finds a quote in a raw field that does not begin with one, or text behind its closing quote. */
extern bool
EtlCsvFindStrayQuote(const EtlCsvDialect *dialect, const char *raw, size_t len, size_t *at);

#endif /* ETL_CSV_TOKENIZER_H */

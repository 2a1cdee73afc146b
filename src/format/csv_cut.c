/*
 * csv_cut.c
 *		A piece from somewhere in a CSV file: where in it the first record starts.
 */
#include "etl.h"

#include "format/csv_tokenizer.h"

uint64
EtlCsvCountLines(char before, const char *s, size_t len)
{
	uint64 n = 0;

	for (size_t i = 0; i < len; before = s[i++])
		n += s[i] == '\r' || (s[i] == '\n' && before != '\r');
	return n;
}

/* Where the record behind the line end at that place starts; len: not in the piece. */
static size_t
start_behind(const char *piece, size_t len, size_t end)
{
	if (end + 1 >= len)
		return len;
	return end + (piece[end] == '\r' && piece[end + 1] == '\n' ? 2 : 1);
}

void
EtlCsvFindCut(const EtlCsvDialect *dialect, char before, const char *piece, size_t len,
			  EtlCsvCut *cut)
{
	EtlCsvChooseTokenizer(dialect)->cut(dialect, before, piece, len, cut);
	cut->first[0] = start_behind(piece, len, cut->first[0]);
	cut->first[1] = start_behind(piece, len, cut->first[1]);
	if (before == '\n' || before == '\r')
		cut->first[0] = before == '\r' && len > 0 && piece[0] == '\n' ? 1 : 0;
}

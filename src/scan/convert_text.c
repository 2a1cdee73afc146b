/*
 * convert_text.c
 *		text, varchar(n) and bpchar(n).
 *
 * Every text that is valid in the server's encoding is canonical, so the only question is its length in
 * characters.  What is longer than n is left to the input function, which cuts blanks off or complains; so
 * is what no varlena can hold.  bpchar is padded with blanks to n characters, as bpcharin does it.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "scan/convert_types.h"

/* Makes the varlena of len bytes at s, then as many blanks; false if that is too large. */
static bool
make_varlena(const char *s, size_t len, size_t blanks, Datum *value)
{
	struct varlena *result;

	if (len > MaxAllocSize - VARHDRSZ || blanks > MaxAllocSize - VARHDRSZ - len)
		return false;

	result = palloc(len + blanks + VARHDRSZ);
	SET_VARSIZE(result, len + blanks + VARHDRSZ);
	memcpy(VARDATA(result), s, len);
	if (blanks > 0)
		memset(VARDATA(result) + len, ' ', blanks);
	*value = PointerGetDatum(result);
	return true;
}

/* How many characters len bytes are; one word at a time for the ASCII that most fields are. */
static size_t
count_characters(const char *s, size_t len)
{
	const char *p = s;
	const char *end = s + len;
	uint64 word;

	for (; end - p >= sizeof(word); p += sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		if (word & UINT64CONST(0x8080808080808080))
			break;
	}
	while (p < end && !IS_HIGHBIT_SET(*p))
		p++;

	/* ASCII is one byte a character in every server encoding, and whole characters precede p. */
	return (p - s) + (p < end ? pg_mbstrlen_with_len(p, end - p) : 0);
}

bool
EtlConvertText(const char *s, size_t len, int32 typmod, Datum *value)
{
	return make_varlena(s, len, 0, value);
}

bool
EtlConvertVarchar(const char *s, size_t len, int32 typmod, Datum *value)
{
	if (typmod >= (int32) VARHDRSZ)
	{
		size_t max = typmod - VARHDRSZ;

		/* as a character has at least one byte, most fields need no counting */
		if (len > max && (len > MaxAllocSize || count_characters(s, len) > max))
			return false;
	}
	return make_varlena(s, len, 0, value);
}

bool
EtlConvertBpchar(const char *s, size_t len, int32 typmod, Datum *value)
{
	size_t blanks = 0;

	if (typmod >= (int32) VARHDRSZ)
	{
		size_t max = typmod - VARHDRSZ;
		size_t characters;

		if (len > MaxAllocSize || (characters = count_characters(s, len)) > max)
			return false;
		blanks = max - characters;
	}
	return make_varlena(s, len, blanks, value);
}

/*
 * text.c
 *		text, varchar(n) and bpchar(n).
 *
 * Every text that is valid in the server's encoding is canonical, so the only question is its
 * length in characters.  What is longer than n is left to the input function, which cuts blanks off
 * or complains; so is what no varlena can hold.  bpchar is padded with blanks to n characters, as
 * bpcharin does it.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "scan/convert/types.h"

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

/*
 * How many characters the len bytes are.  In UTF-8 all bytes start one but those of the form
 * 10xxxxxx; eight at a time, their marks are moved to the lowest bit of each byte and summed up in
 * the highest byte.
 */
static size_t
count_characters(const char *s, size_t len)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	const char *end = s + len;
	size_t characters = len;
	uint64 word;

	if (GetDatabaseEncoding() != PG_UTF8)
		return pg_mbstrlen_with_len(s, len);

	for (; end - s >= sizeof(word); s += sizeof(word))
	{
		memcpy(&word, s, sizeof(word));
		characters -= (((word >> 7) & (~word >> 6) & ones) * ones) >> 56;
	}
	for (; s < end; s++)
		characters -= (*s & 0xC0) == 0x80;
	return characters;
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

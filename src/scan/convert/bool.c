/*
 * bool.c
 *		bool.
 *
 * Canonical form: the whole lower-case words true, false, yes, no, on, off and the single
 * characters t, f, y, n, 1, 0.  boolin reads these the same under every setting; other cases of
 * letters, prefixes such as "tru" and blanks are left to it.
 */
#include "etl.h"

#include "scan/convert/types.h"

/* Both sides have n bytes; n is a constant, so that this is one or two compares. */
#define IS_WORD(s, word) (memcmp(s, word, sizeof(word) - 1) == 0)

bool
EtlConvertBool(const char *s, size_t len, int32 typmod, Datum *value)
{
	bool yes;
	bool no;

	switch (len)
	{
		case 1:
			yes = *s == 't' || *s == '1' || *s == 'y';
			no = *s == 'f' || *s == '0' || *s == 'n';
			break;
		case 2:
			yes = IS_WORD(s, "on");
			no = IS_WORD(s, "no");
			break;
		case 3:
			yes = IS_WORD(s, "yes");
			no = IS_WORD(s, "off");
			break;
		case 4:
			yes = IS_WORD(s, "true");
			no = false;
			break;
		case 5:
			yes = false;
			no = IS_WORD(s, "false");
			break;
		default:
			return false;
	}

	*value = BoolGetDatum(yes);
	return yes || no;
}

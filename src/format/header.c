/*
 * header.c
 *		Matching names, folded to snake case.
 *
 * A folded name is lower case, with one underscore where words meet and none at its ends.  Words meet at
 * spaces, punctuation and control characters, and where a capital begins a word of its own: behind a small
 * letter (orderId), or before one and not at the beginning of a word (HTTPServer, Q1Sales; but B2B is one
 * word).  Bytes beyond ASCII stay as they are: which letters they are is a matter of encoding and locale.
 *
 * Names are folded byte by byte while they are compared, so matching needs no memory.
 */
#include "etl.h"

#include "format/header.h"

typedef struct Fold
{
	const char *name;
	size_t len;
	size_t pos;
	bool begun;	 /* a byte was given */
	bool parted; /* and it was an underscore */
} Fold;

static inline bool
is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
is_small(char c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool
is_separator(char c)
{
	return !is_capital(c) && !is_small(c) && !(c >= '0' && c <= '9') && !IS_HIGHBIT_SET(c);
}

/* Does the byte at pos begin a word though no separator stands before it? */
static bool
begins_word(const Fold *fold)
{
	size_t pos = fold->pos;

	if (pos == 0 || !is_capital(fold->name[pos]))
		return false;
	return is_small(fold->name[pos - 1]) || (pos + 1 < fold->len && is_small(fold->name[pos + 1]));
}

/* The next byte of the folded name, -1 behind the last one. */
static int
next_folded(Fold *fold)
{
	bool new_word = false;
	char c;

	while (fold->pos < fold->len && is_separator(fold->name[fold->pos]))
	{
		fold->pos++;
		new_word = true;
	}
	if (fold->pos == fold->len)
		return -1;

	if (fold->begun && !fold->parted && (new_word || begins_word(fold)))
	{
		fold->parted = true;
		return '_';
	}
	fold->begun = true;
	fold->parted = false;
	c = fold->name[fold->pos++];
	return (unsigned char) (is_capital(c) ? c - 'A' + 'a' : c);
}

size_t
EtlFoldName(const char *name, size_t len, char *out)
{
	Fold fold = {name, len};
	size_t n = 0;
	int c;

	while ((c = next_folded(&fold)) >= 0)
		out[n++] = (char) c;
	out[n] = '\0';
	return n;
}

static bool
same_bytes(EtlName a, EtlName b)
{
	return a.len == b.len && memcmp(a.name, b.name, a.len) == 0;
}

/* Names of which nothing is left when they are folded are not the same. */
static bool
same_folded(EtlName a, EtlName b)
{
	Fold fold_a = {a.name, a.len};
	Fold fold_b = {b.name, b.len};
	int c;

	do
	{
		c = next_folded(&fold_a);
		if (c != next_folded(&fold_b))
			return false;
	} while (c >= 0);
	return fold_a.begun;
}

static EtlNameMatch
find_same(EtlName wanted, const EtlName *names, int n, bool (*same)(EtlName, EtlName))
{
	EtlNameMatch match = {-1, -1};

	for (int i = 0; i < n && match.other < 0; i++)
	{
		if (!same(wanted, names[i]))
			continue;
		if (match.index < 0)
			match.index = i;
		else
			match.other = i;
	}
	return match;
}

EtlNameMatch
EtlMatchName(const char *wanted, const EtlName *names, int n)
{
	EtlName name = {wanted, strlen(wanted)};
	EtlNameMatch match = find_same(name, names, n, same_bytes);

	if (match.index < 0)
		match = find_same(name, names, n, same_folded);
	return match;
}

void
EtlAddInitials(const char *wanted, size_t len, bool initials[UCHAR_MAX + 1])
{
	Fold fold = {wanted, len};
	int initial = next_folded(&fold);

	for (int c = 0; c <= UCHAR_MAX; c++)
	{
		char byte = (char) c;
		Fold one = {&byte, 1};

		/* any number of separators may stand before a name */
		initials[c] |= is_separator(byte) || next_folded(&one) == initial;
	}
}

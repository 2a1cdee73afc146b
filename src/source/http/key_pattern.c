/*
 * key_pattern.c
 *		Patterns of keys.
 *
 * A pattern is a row of steps.  A match goes through the key once, and knows for each step whether what was seen so far
 * leads up to it, so that no pattern makes it try the same twice.
 */
#include "etl.h"

#include "lib/stringinfo.h"

#include "source/http/key_pattern.h"

typedef enum StepKind
{
	CHARACTER,
	ANY,	  /* but a slash */
	SET,	  /* of characters, but a slash */
	STAR,	  /* any number of characters but slashes */
	TWO_STARS /* any number of characters */
} StepKind;

typedef struct Step
{
	StepKind kind;
	bool folders;	 /* of TWO_STARS: whole parts with their slashes, or nothing */
	bool negated;	 /* of SET: those that are not in it */
	uint32 code;	 /* of CHARACTER */
	const char *set; /* what is between the brackets */
	size_t set_len;
} Step;

struct EtlKeyPattern
{
	char *text;	  /* from which sets are borrowed */
	char *prefix; /* in front of the first step that is no character */
	bool is_pattern;
	int nsteps;
	bool *here; /* [nsteps + 1] the steps that may come next */
	bool *then; /* and after the character in hand */
	Step steps[FLEXIBLE_ARRAY_MEMBER];
};

/* The character at p, and how many bytes it has; a byte that begins none is one by itself. */
static size_t
character(const char *p, uint32 *code)
{
	const unsigned char *s = (const unsigned char *) p;
	size_t len = s[0] < 0xC0 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

	*code = len == 1 ? s[0] : s[0] & (0xFF >> (len + 1));
	for (size_t i = 1; i < len; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
		{
			*code = s[0];
			return 1;
		}
		*code = *code << 6 | (s[i] & 0x3F);
	}
	return len;
}

/* ----------------------------------------------------------------
 *	Reading a pattern
 * ---------------------------------------------------------------- */

/* How many bytes a set in brackets has, with them; 0: it has no end, and is none. */
static size_t
set_length(const char *p)
{
	const char *begin = p + 1 + (p[1] == '!' || p[1] == '^');
	const char *end = *begin != '\0' ? strchr(begin + 1, ']') : NULL;

	return end != NULL ? end + 1 - p : 0;
}

/* Reads the step at p, and returns how many bytes it has. */
static size_t
read_step(const char *p, bool at_start, Step *step)
{
	size_t len = *p == '[' ? set_length(p) : 0;

	if (len > 0)
	{
		step->kind = SET;
		step->negated = p[1] == '!' || p[1] == '^';
		step->set = p + 1 + step->negated;
		step->set_len = p + len - 1 - step->set;
		return len;
	}
	if (*p == '?')
	{
		step->kind = ANY;
		return 1;
	}
	if (*p == '*')
	{
		len = strspn(p, "*");
		step->kind = len > 1 ? TWO_STARS : STAR;
		step->folders = len > 1 && at_start && p[len] == '/';
		return len + step->folders;
	}
	if (*p == '\\' && p[1] != '\0')
		return 1 + character(p + 1, &step->code);
	return character(p, &step->code);
}

/* The end of what all keys begin with, in the text. */
static void
append_literal(StringInfo prefix, const Step *step, const char *p, size_t len)
{
	size_t escape = len > 1 && *p == '\\' ? 1 : 0;

	Assert(step->kind == CHARACTER);
	appendBinaryStringInfo(prefix, p + escape, (int) (len - escape));
}

EtlKeyPattern *
EtlKeyPatternCreate(const char *text, size_t literal)
{
	size_t room = strlen(text);
	EtlKeyPattern *pattern = palloc0(offsetof(EtlKeyPattern, steps) + room * sizeof(Step));
	StringInfoData prefix;
	const char *p;

	initStringInfo(&prefix);
	pattern->text = pstrdup(text);
	for (p = pattern->text; *p != '\0';)
	{
		Step *step = &pattern->steps[pattern->nsteps++];
		bool is_literal = p < pattern->text + literal;
		size_t len = is_literal ? character(p, &step->code)
								: read_step(p, p == pattern->text || p[-1] == '/', step);

		pattern->is_pattern |= step->kind != CHARACTER;
		if (is_literal)
			appendBinaryStringInfo(&prefix, p, (int) len);
		else if (!pattern->is_pattern)
			append_literal(&prefix, step, p, len);
		p += len;
	}
	pattern->prefix = prefix.data;
	pattern->here = palloc(pattern->nsteps + 1);
	pattern->then = palloc(pattern->nsteps + 1);
	return pattern;
}

const char *
EtlKeyPatternText(const EtlKeyPattern *pattern)
{
	return pattern->text;
}

bool
EtlKeyPatternIsPattern(const EtlKeyPattern *pattern)
{
	return pattern->is_pattern;
}

const char *
EtlKeyPatternPrefix(const EtlKeyPattern *pattern)
{
	return pattern->prefix;
}

/* ----------------------------------------------------------------
 *	Matching
 * ---------------------------------------------------------------- */

static bool
is_in_set(const Step *step, uint32 code)
{
	const char *p = step->set;
	const char *end = p + step->set_len;
	bool found = false;

	while (p < end && !found)
	{
		uint32 first, last;

		p += character(p, &first);
		last = first;
		if (end - p > 1 && *p == '-')
			p += 1 + character(p + 1, &last);
		found = code >= first && code <= last;
	}
	return found != step->negated;
}

/* Whether a character goes along with a step. */
static bool
takes(const Step *step, uint32 code)
{
	switch (step->kind)
	{
		case CHARACTER:
			return code == step->code;
		case ANY:
		case STAR:
			return code != '/';
		case SET:
			return code != '/' && is_in_set(step, code);
		case TWO_STARS:
			return true;
	}
	return false;
}

/* Marks a step as one that may come next, and those behind it that it may leave out. */
static void
reach(const EtlKeyPattern *pattern, bool *steps, int i)
{
	while (!steps[i])
	{
		steps[i] = true;
		if (i == pattern->nsteps || pattern->steps[i].kind < STAR)
			return;
		i++;
	}
}

/* The character in hand leads from each step that may come to those that may come then. */
static void
go_on(const EtlKeyPattern *pattern, uint32 code)
{
	memset(pattern->then, 0, pattern->nsteps + 1);
	for (int i = 0; i < pattern->nsteps; i++)
	{
		const Step *step = &pattern->steps[i];

		if (!pattern->here[i] || !takes(step, code))
			continue;
		if (step->kind < STAR)
			reach(pattern, pattern->then, i + 1);
		else if (!step->folders)
			reach(pattern, pattern->then, i);
		else
		{
			/* it may not be left within a part */
			pattern->then[i] = true;
			if (code == '/')
				reach(pattern, pattern->then, i + 1);
		}
	}
}

bool
EtlKeyPatternMatches(const EtlKeyPattern *pattern, const char *key)
{
	EtlKeyPattern *state = unconstify(EtlKeyPattern *, pattern);

	memset(state->here, 0, state->nsteps + 1);
	reach(state, state->here, 0);
	for (const char *p = key; *p != '\0';)
	{
		uint32 code;
		bool *here = state->here;

		p += character(p, &code);
		go_on(state, code);
		state->here = state->then;
		state->then = here;
	}
	return state->here[state->nsteps];
}

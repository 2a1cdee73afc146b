/*
 * pattern.c
 *		Regular expressions with named groups, by PCRE2.
 *
 * PCRE2 allocates with malloc and calls nothing of ours, so no error passes through it.
 *
 * A match begins at the start of the text (PCRE2_ANCHORED), because PCRE2 counts the steps of each start anew.  Its limit
 * holds for compiled code, too, which counts fewer of them.  What would make texts of groups invalid is refused: \C in
 * UTF-8, (*UTF) where texts are something else.
 */
#include "etl.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "format/pattern.h"

#define STEPS 100000			/* of a match, for a text of up to this many bytes: */
#define SHORT_TEXT 1024			/* for a longer one fewer, but */
#define FEWEST_STEPS 1000		/* at least so many */
#define HEAP_KB (8 * 1024)		/* of a match without JIT */
#define JIT_STACK (1024 * 1024) /* bytes */

struct EtlPattern
{
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; /* NULL: there is no JIT */
	int ngroups;
	char **names; /* [ngroups] */
	int *numbers; /* [ngroups] of PCRE2 */
};

static void
describe(int error, size_t at, EtlPatternFault *fault)
{
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *) fault->message, sizeof(fault->message)) < 0)
		strlcpy(fault->message, "it is not understood", sizeof(fault->message));
	fault->at = at;
}

static bool
set_limits(EtlPattern *pattern)
{
	pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
	pattern->context = pcre2_match_context_create(NULL);
	if (pattern->data == NULL || pattern->context == NULL)
		return false;
	pcre2_set_heap_limit(pattern->context, HEAP_KB);
	if (pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) != 0)
		return true; /* no JIT on this machine, or for this pattern */
	pattern->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
	if (pattern->stack == NULL)
		return false;
	pcre2_jit_stack_assign(pattern->context, NULL, pattern->stack);
	return true;
}

/* The table of PCRE2 is by name; an entry is the number, in two bytes, and the name. */
static void
read_names(EtlPattern *pattern)
{
	uint32_t n, size;
	PCRE2_SPTR entry;

	pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &n);
	pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &entry);
	pattern->names = palloc(sizeof(char *) * (n + 1));
	pattern->numbers = palloc(sizeof(int) * (n + 1));
	for (uint32_t i = 0; i < n; i++, entry += size)
	{
		int number = entry[0] << 8 | entry[1];
		int at = pattern->ngroups++;

		for (; at > 0 && pattern->numbers[at - 1] > number; at--)
		{
			pattern->numbers[at] = pattern->numbers[at - 1];
			pattern->names[at] = pattern->names[at - 1];
		}
		pattern->numbers[at] = number;
		pattern->names[at] = pstrdup((const char *) entry + 2);
	}
}

EtlPattern *
EtlPatternCompile(const char *text, bool utf8, EtlPatternFault *fault)
{
	const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
							 PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
							 (utf8 ? PCRE2_UTF | PCRE2_NO_UTF_CHECK : PCRE2_NEVER_UTF);
	EtlPattern *pattern = palloc0(sizeof(EtlPattern));
	PCRE2_SIZE at = 0;
	int error = 0;

	if (strlen(text) > ETL_PATTERN_MAX_BYTES)
	{
		snprintf(fault->message, sizeof(fault->message), "it is longer than %d bytes",
				 ETL_PATTERN_MAX_BYTES);
		fault->at = ETL_PATTERN_MAX_BYTES;
		return NULL;
	}
	pattern->code =
		pcre2_compile((PCRE2_SPTR) text, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
	if (pattern->code == NULL || !set_limits(pattern))
	{
		describe(pattern->code == NULL ? error : PCRE2_ERROR_NOMEMORY, at, fault);
		EtlPatternFree(pattern);
		return NULL;
	}
	read_names(pattern);
	return pattern;
}

/* The functions of PCRE2 take NULL. */
void
EtlPatternFree(EtlPattern *pattern)
{
	pcre2_match_context_free(pattern->context);
	pcre2_match_data_free(pattern->data);
	pcre2_jit_stack_free(pattern->stack);
	pcre2_code_free(pattern->code);
	for (int i = 0; i < pattern->ngroups; i++)
		pfree(pattern->names[i]);
	if (pattern->names != NULL)
	{
		pfree(pattern->names);
		pfree(pattern->numbers);
	}
	pfree(pattern);
}

int
EtlPatternGroups(const EtlPattern *pattern)
{
	return pattern->ngroups;
}

const char *
EtlPatternGroupName(const EtlPattern *pattern, int i)
{
	return pattern->names[i];
}

/* A step may look at all of the text. */
static uint32_t
steps_for(size_t len)
{
	if (len <= SHORT_TEXT)
		return STEPS;
	return Max(FEWEST_STEPS, (uint32_t) ((uint64) STEPS * SHORT_TEXT / len));
}

static EtlPatternResult
result_of(int error)
{
	switch (error)
	{
		case PCRE2_ERROR_NOMATCH:
			return ETL_PATTERN_DIFFERS;
		case PCRE2_ERROR_NOMEMORY:
			return ETL_PATTERN_NO_MEMORY;
		default: /* steps, depth, heap, the stack of the JIT */
			return ETL_PATTERN_GAVE_UP;
	}
}

EtlPatternResult
EtlPatternMatch(EtlPattern *pattern, const char *text, size_t len, EtlSpan *spans)
{
	const PCRE2_SIZE *ends;
	int result;

	if (len > ETL_PATTERN_MAX_TEXT)
		return ETL_PATTERN_GAVE_UP;
	pcre2_set_match_limit(pattern->context, steps_for(len));
	result = pcre2_match(pattern->code, (PCRE2_SPTR) text, len, 0, PCRE2_NO_UTF_CHECK,
						 pattern->data, pattern->context);
	if (result < 0)
		return result_of(result);
	ends = pcre2_get_ovector_pointer(pattern->data);
	for (int i = 0; spans != NULL && i < pattern->ngroups; i++)
	{
		int number = pattern->numbers[i];

		spans[i] = (EtlSpan){-1, 0};
		/* \K in a lookahead may put the start of a group behind its end. */
		if (number < result && ends[2 * number] != PCRE2_UNSET &&
			ends[2 * number] <= ends[2 * number + 1])
			spans[i] = (EtlSpan){(int32) ends[2 * number],
								 (int32) (ends[2 * number + 1] - ends[2 * number])};
	}
	return ETL_PATTERN_MATCHES;
}

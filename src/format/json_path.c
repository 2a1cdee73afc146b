/*
 * json_path.c
 *		The parser of the path language of json_path.h.
 *
 * The text is read once, left to right, by one function per rule of the grammar.  A name never has more
 * bytes than the text that it was written in, so one allocation, made first, holds the steps, the test
 * and the bytes of all names.
 */
#include "etl.h"

#include "format/json_path.h"

typedef struct PathParser
{
	const char *text;
	size_t len;
	size_t at;
	EtlJsonPath *path;
	EtlJsonTest *test; /* room for the only one; NULL when it is used */
	char *names;	   /* where the bytes of the next name go */
	EtlJsonPathFault *fault;
} PathParser;

static bool
fail(PathParser *p, const char *problem)
{
	p->fault->problem = problem;
	p->fault->at = p->at;
	return false;
}

/* The next byte, or -1 at the end of the text. */
static int
peek(const PathParser *p)
{
	return p->at < p->len ? (unsigned char) p->text[p->at] : -1;
}

static bool
accept(PathParser *p, char c)
{
	if (peek(p) != (unsigned char) c)
		return false;
	p->at++;
	return true;
}

static bool
is_bare(int c)
{
	return c >= 0x20 && c != 0x7f && strchr(".[]\"=", c) == NULL;
}

static bool
is_bare_literal(int c)
{
	return c >= 0x20 && c != 0x7f && c != ']';
}

/* quoted, at its opening quote */
static bool
parse_quoted(PathParser *p, EtlJsonName *name)
{
	name->text = p->names;
	p->at++;
	while (peek(p) != '"')
	{
		if (peek(p) == '\\')
		{
			p->at++;
			if (peek(p) != '"' && peek(p) != '\\')
				return fail(p, "a backslash can only precede a quote or a backslash");
		}
		if (peek(p) < 0)
			return fail(p, "a quoted name is not closed");
		*p->names++ = p->text[p->at++];
	}
	p->at++;
	name->len = p->names - name->text;
	return true;
}

static bool
parse_bare(PathParser *p, EtlJsonName *name, bool (*belongs)(int c))
{
	name->text = p->names;
	while (belongs(peek(p)))
		*p->names++ = p->text[p->at++];
	name->len = p->names - name->text;
	return name->len > 0;
}

static bool
parse_key(PathParser *p, EtlJsonName *name)
{
	if (peek(p) == '"')
		return parse_quoted(p, name);
	if (!parse_bare(p, name, is_bare))
		return fail(p, "a name is missing");
	return true;
}

/* test, behind the opening bracket */
static bool
parse_test(PathParser *p, EtlJsonTest *test)
{
	test->nkeys = 0;
	do
	{
		if (test->nkeys == ETL_JSON_MAX_STEPS)
			return fail(p, "there are too many steps");
		if (!parse_key(p, &test->keys[test->nkeys++]))
			return false;
	} while (accept(p, '.'));
	if (!accept(p, '='))
		return fail(p,
					"brackets are empty, as in items[], or hold a test, as in items[kind=order]");
	if (peek(p) == '"')
		return parse_quoted(p, &test->literal);
	if (!parse_bare(p, &test->literal, is_bare_literal))
		return fail(p, "a test needs a value behind the equals sign");
	return true;
}

/* bracket, behind its opening bracket */
static bool
parse_bracket(PathParser *p, EtlJsonStep *step)
{
	step->kind = ETL_JSON_STEP_ELEMENT;
	step->test = NULL;
	if (accept(p, ']'))
		return true;
	if (p->test == NULL)
		return fail(p, "there is more than one test");
	step->test = p->test;
	p->test = NULL;
	if (!parse_test(p, step->test))
		return false;
	if (!accept(p, ']'))
		return fail(p, "a bracket is not closed");
	return true;
}

static bool
parse_member(PathParser *p, EtlJsonStep *step)
{
	bool quoted = peek(p) == '"';

	if (!parse_key(p, &step->name))
		return false;
	step->kind = ETL_JSON_STEP_MEMBER;
	if (!quoted && EtlJsonNameIs(&step->name, "*", 1))
		step->kind = ETL_JSON_STEP_ANY_VALUE;
	return true;
}

static bool
parse_step(PathParser *p, bool first)
{
	EtlJsonStep *step = &p->path->steps[p->path->nsteps];

	if (p->path->nsteps == ETL_JSON_MAX_STEPS)
		return fail(p, "there are too many steps");
	p->path->nsteps++;
	if (accept(p, '['))
		return parse_bracket(p, step);
	if (!first && !accept(p, '.'))
		return fail(p, "a dot or a bracket is missing");
	return parse_member(p, step);
}

static bool
parse_path(PathParser *p)
{
	bool first = true;

	if (peek(p) == '$' && (p->len == 1 || (p->len > 1 && (p->text[1] == '.' || p->text[1] == '['))))
	{
		p->at++;
		if (p->len == 1)
			return true;
		first = false;
	}
	do
	{
		if (!parse_step(p, first))
			return false;
		first = false;
	} while (p->at < p->len);
	return true;
}

EtlJsonPath *
EtlJsonPathParse(const char *text, size_t len, EtlJsonPathFault *fault)
{
	size_t steps_size =
		MAXALIGN(offsetof(EtlJsonPath, steps) + ETL_JSON_MAX_STEPS * sizeof(EtlJsonStep));
	size_t test_size = MAXALIGN(sizeof(EtlJsonTest));
	char *memory = palloc0(steps_size + test_size + len);
	PathParser p = {text, len};

	p.path = (EtlJsonPath *) memory;
	p.test = (EtlJsonTest *) (memory + steps_size);
	p.names = memory + steps_size + test_size;
	p.fault = fault;
	if (parse_path(&p))
		return p.path;
	pfree(memory);
	return NULL;
}

/*
 * json_infer.c
 *		Proposals for the columns of JSON items: names and types.
 *
 * A member is a column, and so are the members of an object in it, by a dotted name.  The type is the one
 * that takes all values seen: what differs in kind is text, and what holds arrays or objects is jsonb.  A
 * string is a date, a time or a UUID if all of them have the one form that can be nothing else, and never a
 * number: numbers in strings are codes.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "format/header.h"
#include "scan/infer.h"
#include "scan/json_infer.h"
#include "source/utf8.h"
#include "utils/builtins.h"

#define MAX_COLUMNS 200

/* What values a column had. */
#define SEEN_INTEGER 0x01
#define SEEN_NUMBER 0x02
#define SEEN_BOOLEAN 0x04
#define SEEN_DATE 0x08
#define SEEN_TIME 0x10
#define SEEN_UUID 0x20
#define SEEN_TEXT 0x40
#define SEEN_JSON 0x80

typedef struct Column
{
	char *key; /* of the item, dotted */
	size_t len;
	int seen;
} Column;

struct EtlJsonProposal
{
	int ncolumns;
	Column columns[MAX_COLUMNS];
	bool scalars; /* some items are no objects */
};

EtlJsonProposal *
EtlJsonProposalCreate(void)
{
	return palloc0(sizeof(EtlJsonProposal));
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

static int
form_of(const EtlJsonItem *item, const EtlJsonToken *token)
{
	size_t len;
	const char *s = EtlJsonTokenText(item, token, &len);

	switch (token->type)
	{
		case ETL_JSON_NULL:
			return 0;
		case ETL_JSON_FALSE:
		case ETL_JSON_TRUE:
			return SEEN_BOOLEAN;
		case ETL_JSON_NUMBER:
			return EtlHasProposedForm(INT8OID, s, len) ? SEEN_INTEGER : SEEN_NUMBER;
		case ETL_JSON_STRING:
			if (EtlHasProposedForm(DATEOID, s, len))
				return SEEN_DATE;
			if (EtlHasProposedForm(TIMESTAMPTZOID, s, len))
				return SEEN_TIME;
			return EtlHasProposedForm(UUIDOID, s, len) ? SEEN_UUID : SEEN_TEXT;
		default:
			return SEEN_JSON;
	}
}

static Column *
find_column(EtlJsonProposal *proposal, const char *key, size_t len)
{
	Column *column = proposal->columns;

	for (; column < proposal->columns + proposal->ncolumns; column++)
		if (column->len == len && memcmp(column->key, key, len) == 0)
			return column;
	if (proposal->ncolumns == MAX_COLUMNS)
		return NULL;
	proposal->ncolumns++;
	column->key = pnstrdup(key, len);
	column->len = len;
	return column;
}

static void
see_members(EtlJsonProposal *proposal, const EtlJsonItem *item, const EtlJsonToken *object,
			const char *prefix)
{
	for (const EtlJsonToken *token = EtlJsonFirstIn(item, object); token != NULL;
		 token = EtlJsonNextIn(item, object, token))
	{
		const char *name = EtlJsonTokenKey(item, token);
		bool dotted = memchr(name, '.', token->key_len) != NULL;
		char *key = psprintf("%s%.*s", prefix, (int) token->key_len, name);
		Column *column;

		if (token->type == ETL_JSON_OBJECT && prefix[0] == '\0' && !dotted &&
			EtlJsonFirstIn(item, token) != NULL)
			see_members(proposal, item, token, psprintf("%s.", key));
		else if ((prefix[0] == '\0' || !dotted) &&
				 (column = find_column(proposal, key, strlen(key))) != NULL)
			column->seen |= form_of(item, token);
		pfree(key);
	}
}

void
EtlJsonProposalSee(EtlJsonProposal *proposal, const EtlJsonItem *item)
{
	if (item->tokens[0].type == ETL_JSON_OBJECT)
		see_members(proposal, item, item->tokens, "");
	else
		proposal->scalars = true;
}

/* ----------------------------------------------------------------
 *	Proposals
 * ---------------------------------------------------------------- */

static const char *
type_of(int seen)
{
	if (seen & SEEN_JSON)
		return "jsonb";
	switch (seen)
	{
		case SEEN_INTEGER:
			return "bigint";
		case SEEN_NUMBER:
		case SEEN_NUMBER | SEEN_INTEGER:
			return "numeric";
		case SEEN_BOOLEAN:
			return "boolean";
		case SEEN_DATE:
			return "date";
		case SEEN_TIME:
		case SEEN_TIME | SEEN_DATE:
			return "timestamptz";
		case SEEN_UUID:
			return "uuid";
		default:
			return "text";
	}
}

/* Each step of a dotted key folded by itself. */
static char *
folded(const Column *column)
{
	StringInfoData out;
	const char *step = column->key;

	initStringInfo(&out);
	for (;;)
	{
		size_t len = strcspn(step, ".");
		char *name = palloc(2 * len + 1);

		appendBinaryStringInfo(&out, name, (int) EtlFoldName(step, len, name));
		if (step[len] == '\0')
			return out.data;
		appendStringInfoChar(&out, '.');
		step += len + 1;
	}
}

/* The folded name, if it tells the columns apart; else the key itself.  NULL if SQL cannot have either. */
static const char *
name_of(const EtlJsonProposal *proposal, const Column *column)
{
	char *name = folded(column);

	for (int i = 0; i < proposal->ncolumns; i++)
		if (&proposal->columns[i] != column && strcmp(folded(&proposal->columns[i]), name) == 0)
			name = column->key;
	if (name[0] == '\0')
		name = column->key;
	return name[0] != '\0' && strlen(name) < NAMEDATALEN ? name : NULL;
}

void
EtlJsonProposalWrite(const EtlJsonProposal *proposal, StringInfo out)
{
	int n = 0;

	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const Column *column = &proposal->columns[i];
		const char *name = name_of(proposal, column);

		if (name != NULL)
			appendStringInfo(out, "%s%s %s", n++ > 0 ? ", " : "",
							 quote_identifier(EtlFromUtf8(name)), type_of(column->seen));
	}
	if (n == 0 || proposal->scalars)
		appendStringInfo(out, "%s_etl_item jsonb", n > 0 ? ", " : "");
}

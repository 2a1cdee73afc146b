/*
 * json_infer.c
 *		Columns that are proposed for JSON items: names and types.
 *
 * A member is a column.  The type is the one that takes all values seen: what differs in kind is text, and what holds
 * arrays or objects is jsonb.  A string is a date, a time or a UUID if all of them have the one form that can be nothing
 * else, and never a number: numbers in strings are codes.
 *
 * Columns read the member of their name, however it is spelled (header.h).  So a member that is spelled in two ways is
 * one column, unless one item has both.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "format/header.h"
#include "miscadmin.h"
#include "scan/json_infer.h"
#include "scan/names.h"
#include "source/utf8.h"
#include "utils/builtins.h"

EtlJsonProposal *
EtlJsonProposalCreate(EtlProposal *columns, bool dotted)
{
	EtlJsonProposal *proposal = palloc0(sizeof(EtlJsonProposal));

	proposal->columns = columns;
	proposal->dotted = dotted;
	proposal->keys = EtlNamesCreate();
	proposal->folds = EtlNamesCreate();
	return proposal;
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

/* The types whose form a value has. */
static EtlForms
forms_of(const EtlJsonItem *item, const EtlJsonToken *token)
{
	size_t len;
	const char *s = EtlJsonTokenText(item, token, &len);

	switch (token->type)
	{
		case ETL_JSON_NULL:
			return ETL_ALL_FORMS;
		case ETL_JSON_FALSE:
		case ETL_JSON_TRUE:
			return EtlFormOf(BOOLOID);
		case ETL_JSON_NUMBER:
			return EtlFormOf(NUMERICOID) | EtlFormsOf(EtlFormOf(INT8OID), s, len);
		case ETL_JSON_STRING:
			return EtlFormsOf(EtlFormOf(DATEOID) | EtlFormOf(TIMESTAMPTZOID) | EtlFormOf(UUIDOID),
							  s, len);
		default:
			return EtlFormOf(JSONBOID);
	}
}

static void
see_value(EtlProposedColumn *column, const EtlJsonItem *item, const EtlJsonToken *token)
{
	column->has_values |= token->type != ETL_JSON_NULL;
	column->nested |= token->type == ETL_JSON_ARRAY || token->type == ETL_JSON_OBJECT;
	column->forms &= forms_of(item, token);
}

/* Any value is text as it is written, and jsonb as it stands. */
bool
EtlJsonFits(Oid type, const EtlJsonItem *item, const EtlJsonToken *value)
{
	EtlForms form = EtlFormOf(type);

	return form == 0 || type == JSONBOID || (forms_of(item, value) & form) != 0;
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

/* Each step of a dotted name folded by itself. */
static char *
folded(const EtlJsonProposal *proposal, const char *key)
{
	StringInfoData out;

	initStringInfo(&out);
	for (;;)
	{
		size_t len = proposal->dotted ? strcspn(key, ".") : strlen(key);
		char *name = palloc(2 * len + 1);

		appendBinaryStringInfo(&out, name, (int) EtlFoldName(key, len, name));
		if (key[len] == '\0')
			return out.data;
		appendStringInfoChar(&out, '.');
		key += len + 1;
	}
}

static EtlProposedColumn *
add_column(EtlJsonProposal *proposal, const char *key, const char *fold)
{
	int number = proposal->columns->ncolumns;
	EtlProposedColumn *column;
	MemoryContext old;

	if (number == MaxHeapAttributeNumber)
	{
		proposal->more = true;
		return NULL;
	}
	column = EtlProposalAdd(proposal->columns, key, strlen(key));
	old = MemoryContextSwitchTo(proposal->columns->context);
	(void) EtlNamesAddNumber(proposal->keys, column->header, number);
	(void) EtlNamesAddNumber(proposal->folds, pstrdup(fold), number);
	MemoryContextSwitchTo(old);
	return column;
}

/* The column of a member of the current item; NULL: there are too many. */
static EtlProposedColumn *
find_column(EtlJsonProposal *proposal, const char *key)
{
	EtlProposedColumn *columns = proposal->columns->columns;
	EtlProposedColumn *column = NULL;
	int i = EtlNamesFind(proposal->keys, key);
	bool exact = i >= 0;
	char *fold = exact ? NULL : folded(proposal, key);

	if (!exact && fold[0] != '\0')
		i = EtlNamesFind(proposal->folds, fold);
	if (i >= 0)
		column = &columns[i];
	if (column != NULL && column->record == proposal->nitems && column->exact != exact)
	{
		proposal->clash = true;
		column = exact ? column : NULL;
	}
	if (column == NULL && (column = add_column(proposal, key, fold)) != NULL)
		exact = true;
	if (column != NULL)
	{
		column->record = proposal->nitems;
		column->exact = exact;
	}
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
		bool dotted = proposal->dotted && memchr(name, '.', token->key_len) != NULL;
		char *key = psprintf("%s%.*s", prefix, (int) token->key_len, name);
		EtlProposedColumn *column;

		CHECK_FOR_INTERRUPTS();
		if (proposal->dotted && token->type == ETL_JSON_OBJECT && prefix[0] == '\0' && !dotted &&
			EtlJsonFirstIn(item, token) != NULL)
			see_members(proposal, item, token, psprintf("%s.", key));
		else if ((prefix[0] == '\0' || !dotted) && (column = find_column(proposal, key)) != NULL)
			see_value(column, item, token);
		pfree(key);
	}
}

void
EtlJsonProposalSee(EtlJsonProposal *proposal, const EtlJsonItem *item)
{
	proposal->nitems++;
	if (item->tokens[0].type == ETL_JSON_OBJECT)
		see_members(proposal, item, item->tokens, "");
	else
		proposal->scalars = true;
}

/* ----------------------------------------------------------------
 *	Names
 * ---------------------------------------------------------------- */

/* Marks the columns whose folded names are the same. */
static bool *
find_twins(const EtlJsonProposal *proposal)
{
	const EtlProposal *columns = proposal->columns;
	bool *twin = palloc0(sizeof(bool) * (columns->ncolumns + 1));

	for (int i = 0; i < columns->ncolumns; i++)
	{
		int first = EtlNamesFind(proposal->folds, folded(proposal, columns->columns[i].header));

		if (first != i)
			twin[first] = twin[i] = true;
	}
	return twin;
}

/* The folded name, if it tells the columns apart; else the key itself. */
void
EtlJsonProposalSetNames(EtlJsonProposal *proposal)
{
	EtlProposal *columns = proposal->columns;
	bool *twin = find_twins(proposal);

	columns->by_name = !proposal->clash;
	for (int i = 0; i < columns->ncolumns; i++)
	{
		EtlProposedColumn *column = &columns->columns[i];
		const char *name = folded(proposal, column->header);

		if (twin[i] || name[0] == '\0')
			name = column->header;
		name = EtlFromUtf8(name);
		column->header = EtlFromUtf8(column->header);
		column->name = column->declared = EtlCanDeclare(name, strlen(name)) ? name : NULL;
		columns->by_name &= column->name != NULL;
	}
}

void
EtlJsonProposalWrite(const EtlJsonProposal *proposal, StringInfo out)
{
	const EtlProposal *columns = proposal->columns;
	int n = 0;

	for (int i = 0; i < columns->ncolumns; i++)
		if (columns->columns[i].name != NULL)
			appendStringInfo(out, "%s%s %s", n++ > 0 ? ", " : "",
							 quote_identifier(columns->columns[i].name),
							 format_type_be(EtlProposedType(&columns->columns[i])));
	if (n == 0 || proposal->scalars)
		appendStringInfo(out, "%s_etl_item jsonb", n > 0 ? ", " : "");
}

/*
 * json_absent.c
 *		JSON items that have nothing of what is declared, and declared columns that no item has.
 *
 * Such an item is a wrapper around the items, an error that a server reports under status 200, or of another source.  A
 * row of NULLs would hide that.  One declared column is enough, whatever its value, be it one that the query does not
 * read.
 *
 * A column that no item has is misspelt, or was renamed at the source.  Only columns that the query reads are looked for.
 *
 * The reader may have left out members that no wanted column means, so to see all of them the item's text is read once
 * more.  This happens to items in which no wanted column was found, and to the first item that lacks one.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "scan/json_absent.h"
#include "scan/json_kept.h"
#include "scan/json_names.h"
#include "source/closest.h"
#include "source/hidden.h"
#include "source/utf8.h"

#define MAX_LISTED 10
#define SHOWN_NAME_BYTES 100
#define MAX_COMPARED 1000 /* names of members, with a column that is missing */

/* ----------------------------------------------------------------
 *	Other declared columns
 * ---------------------------------------------------------------- */

/* The names of all declared columns; of a path, that of its first step. */
static EtlJsonNames *
declared_names(const EtlJsonRows *json)
{
	EtlJsonNames *names = EtlJsonNamesCreate();

	for (int i = 0; i < json->base.desc->natts; i++)
	{
		const EtlColumn *column = &json->base.columns[i];
		const char *name;
		const EtlJsonPath *path;

		if (column->kind != ETL_FIELD)
			continue;
		name = EtlToUtf8(column->name);
		EtlJsonNamesAdd(names, name, strlen(name));
		path = EtlJsonColumnPath(name, strlen(name));
		if (path != NULL)
			EtlJsonNamesAdd(names, path->steps[0].name.text, path->steps[0].name.len);
	}
	return names;
}

static bool
has_declared(EtlJsonRows *json, const EtlJsonItem *item)
{
	if (json->declared == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(json->base.context);

		json->declared = declared_names(json);
		MemoryContextSwitchTo(old);
	}
	return EtlJsonNamesLocate(json->declared, item);
}

/* ----------------------------------------------------------------
 *	The fault
 * ---------------------------------------------------------------- */

static const char *
shown_name(const EtlJsonItem *item, const EtlJsonToken *member)
{
	const char *key = EtlJsonTokenKey(item, member);
	int len = pg_encoding_mbcliplen(PG_UTF8, key, (int) member->key_len, SHOWN_NAME_BYTES);

	return psprintf("\"%s%s\"", EtlVisible(EtlShowUtf8Len(key, len)),
					len < (int) member->key_len ? "..." : "");
}

/* The sentence that says which members an item has; "which" is its subject. */
static char *
list_members(const EtlJsonItem *item, const char *which)
{
	const EtlJsonToken *member = EtlJsonFirstIn(item, item->tokens);
	StringInfoData list;

	if (member == NULL)
		return psprintf("%s has no members.", which);
	initStringInfo(&list);
	appendStringInfo(&list, "%s has ", which);
	for (int n = 0; member != NULL && n < MAX_LISTED; n++)
	{
		appendStringInfo(&list, "%s%s", n == 0 ? "" : ", ", shown_name(item, member));
		member = EtlJsonNextIn(item, item->tokens, member);
	}
	appendStringInfoString(&list, member != NULL ? " and more." : ".");
	return list.data;
}

static bool
is_list_of_objects(const EtlJsonItem *item, const EtlJsonToken *member)
{
	const char *text = item->data + member->start + 1;

	return member->type == ETL_JSON_ARRAY && text[strspn(text, " \t\r\n")] == '{';
}

/* Whether a name can stand in a path, and in SQL, as it is. */
static bool
is_plain(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (IS_HIGHBIT_SET(name[i]) || (!isalnum((unsigned char) name[i]) && name[i] != '_'))
			return false;
	return len > 0 && len <= SHOWN_NAME_BYTES;
}

static char *
hint_of(const EtlJsonItem *item)
{
	for (const EtlJsonToken *member = EtlJsonFirstIn(item, item->tokens); member != NULL;
		 member = EtlJsonNextIn(item, item->tokens, member))
	{
		const char *name = EtlJsonTokenKey(item, member);

		if (is_list_of_objects(item, member) && is_plain(name, member->key_len))
			return psprintf("If the items are in it, say so with items => '%.*s'.",
							(int) member->key_len, name);
	}
	return pstrdup("Declare columns by these names, or \"_etl_item jsonb\" to read whole items.");
}

/* The current item with all its members. */
static void
read_all(EtlJsonRows *json, EtlJsonItem *item)
{
	if (!EtlJsonReadItem(json, json->item.data, json->item.len, item))
		elog(ERROR, "an item is not what it was");
}

bool
EtlJsonHasOther(EtlJsonRows *json)
{
	EtlJsonItem item;

	read_all(json, &item);
	if (has_declared(json, &item))
		return true;
	EtlRowsSetFault(&json->base, ERRCODE_SQL_JSON_MEMBER_NOT_FOUND,
					pstrdup("the item has none of the declared columns"),
					list_members(&item, "The item"), hint_of(&item));
	return false;
}

/* ----------------------------------------------------------------
 *	Columns that no item has
 * ---------------------------------------------------------------- */

/* Keeps what the current item has, for the message. */
static void
keep_members(EtlJsonRows *json)
{
	MemoryContext old = MemoryContextSwitchTo(json->base.context);
	EtlJsonItem item;
	int n = 0;

	read_all(json, &item);
	json->members =
		list_members(&item, psprintf("The first item that lacks one, of \"%s\",", json->source));
	for (const EtlJsonToken *member = EtlJsonFirstIn(&item, item.tokens);
		 member != NULL && n++ < MAX_COMPARED; member = EtlJsonNextIn(&item, item.tokens, member))
		if (member->key_len < NAMEDATALEN)
			json->member_names =
				lappend(json->member_names,
						pstrdup(EtlShowUtf8Len(EtlJsonTokenKey(&item, member), member->key_len)));
	MemoryContextSwitchTo(old);
}

void
EtlJsonNoteSeen(EtlJsonRows *json)
{
	EtlRows *rows = &json->base;
	int n = 0;

	for (int i = 0; i < rows->nunseen; i++)
		if (EtlJsonColumnFound(json, rows->unseen[i])->token == NULL)
			rows->unseen[n++] = rows->unseen[i];
	rows->nunseen = n;
	if (n > 0 && json->members == NULL)
		keep_members(json);
}

/* The member that a missing column may mean; NULL: none is like it. */
static const char *
closest_member(const EtlJsonRows *json)
{
	const EtlRows *rows = &json->base;

	for (int i = 0; i < Min(rows->nunseen, MAX_LISTED); i++)
	{
		EtlClosest closest = {rows->columns[rows->unseen[i]].name};
		ListCell *lc;

		foreach (lc, json->member_names)
			EtlClosestSee(&closest, lfirst(lc));
		if (closest.name != NULL)
			return closest.name;
	}
	return NULL;
}

void
EtlJsonMissing(EtlRows *rows, EtlFault *fault)
{
	const EtlJsonRows *json = (EtlJsonRows *) rows;
	const char *closest = closest_member(json);
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < Min(rows->nunseen, MAX_LISTED); i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "",
						 rows->columns[rows->unseen[i]].name);
	if (rows->nunseen > MAX_LISTED)
		appendStringInfoString(&names, " and more");
	*fault = (EtlFault){
		.sqlstate = ERRCODE_UNDEFINED_COLUMN,
		.message = psprintf(rows->nunseen == 1 ? "no item has column %s" : "no item has columns %s",
							names.data),
		.detail = json->members,
		.hint = closest != NULL ? psprintf("Perhaps you meant \"%s\".", closest)
								: "Declare columns by the names that there are; or give "
								  "missing_columns => 'null', and what is missing is NULL."};
}

/*
 * json_look.c
 *		A look at JSON files: items as they are, and a column for each member of theirs.
 *
 * Nothing of an item is left out: an array or object within it is a column of type jsonb, and where some items are no
 * objects, the only column is the whole item.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "api/json_body.h"
#include "miscadmin.h"
#include "scan/json_infer.h"
#include "scan/json_items.h"
#include "scan/look.h"
#include "source/content.h"
#include "source/set.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

typedef struct JsonLook
{
	EtlLook base;
	EtlJsonItems items;
} JsonLook;

/* ----------------------------------------------------------------
 *	Items as json
 * ---------------------------------------------------------------- */

static bool
is_ndjson(const EtlArgs *args)
{
	const char *format = EtlArgText(args, "format");

	return format != NULL && strcmp(format, "ndjson") == 0;
}

static void
open_items(EtlJsonItems *items, const EtlArgs *args, EtlSourceSet *sources)
{
	EtlJsonItemsPrepare(items, args, is_ndjson(args));
	EtlJsonItemsOpen(items, sources, NULL);
}

static EtlLook *
json_open(const EtlArgs *args, EtlSourceSet *sources)
{
	JsonLook *look = palloc0(sizeof(JsonLook));

	look->base.stream = &look->items.stream;
	open_items(&look->items, args, sources);
	return &look->base;
}

/* What is wrong with an item. */
static const char *
fault_as_json(const EtlJsonItem *item)
{
	EtlJsonError error = EtlJsonErrorOfItem(item);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"_etl_error\": ");
	escape_json(&text, error.message);
	if (error.detail != NULL)
	{
		appendStringInfoString(&text, ", \"_etl_detail\": ");
		escape_json(&text, error.detail);
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

static bool
json_next(EtlLook *base, int64 *number, Datum *record)
{
	EtlJsonItems *items = &((JsonLook *) base)->items;
	const EtlJsonItem *item = &items->item;
	MemoryContext old = MemoryContextSwitchTo(items->stream.context); /* of the reader's memory */
	EtlPartsStep step = EtlJsonItemsNext(items);
	const char *text;

	MemoryContextSwitchTo(old);
	if (step != ETL_PARTS_RECORD)
		return false;
	text = item->fault == NULL ? EtlFromUtf8(pnstrdup(item->data, item->len)) : fault_as_json(item);
	*number = item->index + 1;
	*record = CStringGetTextDatum(text);
	return true;
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

/* Looks at up to "sample" items. */
static void
see_items(EtlJsonProposal *found, EtlJsonItems *items, int64 sample)
{
	EtlProposal *proposal = found->columns;
	MemoryContext reading = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(reading, "etl inference", ALLOCSET_DEFAULT_SIZES);

	for (; sample != 0 && EtlJsonItemsNext(items) == ETL_PARTS_RECORD; sample -= sample > 0)
	{
		CHECK_FOR_INTERRUPTS();
		proposal->nparts = items->stream.number;
		MemoryContextSwitchTo(scratch);
		if (items->item.fault == NULL)
			EtlJsonProposalSee(found, &items->item);
		MemoryContextReset(scratch);
		MemoryContextSwitchTo(reading);
	}
	proposal->complete = proposal->settled = sample != 0;
}

/* The only column: the item as it is. */
static void
take_whole_items(EtlProposal *proposal)
{
	EtlProposedColumn *column;

	proposal->ncolumns = 0;
	column = EtlProposalAdd(proposal, "_etl_item", strlen("_etl_item"));
	column->name = column->declared = column->header;
	column->nested = true;
	proposal->by_name = true;
}

static void
refuse_more_columns(void)
{
	ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
					errmsg("the items have more than %d different members", MaxHeapAttributeNumber),
					errhint("Names that are values in truth are no columns: read whole items with "
							"etl_json and \"_etl_item jsonb\".")));
}

static void
json_propose(EtlProposal *proposal, const EtlArgs *args, EtlSourceSet *sources, int64 sample)
{
	EtlJsonItems *items = palloc0(sizeof(EtlJsonItems));
	EtlJsonProposal *found = EtlJsonProposalCreate(proposal, false);
	ErrorContextCallback callback;
	MemoryContext old;

	EtlStreamPushErrorContext(&items->stream, &callback);
	open_items(items, args, sources);
	see_items(found, items, sample);
	error_context_stack = callback.previous;
	old = MemoryContextSwitchTo(proposal->context);
	if (found->scalars)
		take_whole_items(proposal);
	else if (found->more)
		refuse_more_columns();
	else
		EtlJsonProposalSetNames(found);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	For etl_import
 * ---------------------------------------------------------------- */

static bool
json_takes(const char *argument)
{
	static const char *const taken[] = {"source", "items", "on_error", "reject_limit", "path"};

	for (int i = 0; i < lengthof(taken); i++)
		if (strcmp(taken[i], argument) == 0)
			return true;
	return false;
}

static const char *
json_adds(const EtlArgs *args, const EtlProposal *proposal)
{
	return psprintf("missing_columns => 'null', format => '%s'",
					is_ndjson(args) ? "ndjson" : "auto");
}

const EtlLookKind EtlJsonLook = {
	.function = "etl_json",
	.recognises = EtlBeginsAsJson,
	.open = json_open,
	.next = json_next,
	.propose = json_propose,
	.takes = json_takes,
	.adds = json_adds,
	.otherwise = "etl_json and a column \"_etl_item jsonb\"",
};

/*
 * json_items.c
 *		The items of one JSON file, or of several.
 *
 *		files -> decompress -> reader's buffer -> items
 *
 * The structure of a file is checked to its end, whichever columns are read.  A file whose structure is
 * broken is an error under every error policy: nobody can tell where its next item would begin.  But where each
 * line is a value, a broken one is a faulty item.
 */
#include "etl.h"

#include "api/json_body.h"
#include "scan/json_items.h"
#include "source/set.h"

void
EtlJsonItemsPrepare(EtlJsonItems *items, const EtlArgs *args, bool many)
{
	memset(items, 0, sizeof(*items));
	items->path = EtlArgText(args, "items");
	items->options.items = EtlJsonPathOfArg("items", items->path);
	items->options.many = many;
	items->options.lines = many || items->path == NULL;
	EtlJsonSetLimits(&items->options);
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

static void
start_file(void *arg)
{
	((EtlJsonItems *) arg)->empty = false;
}

/* A path that leads nowhere is a mistake; a file of a pattern that has no value is none. */
static void
end_file(void *arg)
{
	EtlJsonItems *items = arg;

	items->has_value |= !items->empty;
	if (items->empty || items->path == NULL ||
		EtlJsonReaderFoundItems((EtlJsonReader *) items->stream.reader))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND), errmsg("the path \"%s\" leads nowhere", items->path),
			 errhint("Check argument \"items\" against the file; without it, a file is an array "
					 "of items or one value after another.")));
}

static void
raise_broken(void *arg, int step)
{
	EtlJsonItems *items = arg;
	EtlBeginning beginning;

	items->empty = step == ETL_FORMAT_EMPTY && EtlSourceSetIsPattern(items->stream.set) &&
				   (items->parts.resume == NULL || !items->parts.resume->complete);
	if (items->empty)
		return;
	beginning = EtlStreamBeginning(&items->stream);
	EtlJsonRaiseFault(items->stream.reader, "file", &beginning);
}

/*
 * At the end of all files.  Where no rows would mean that there are none, a value is due that says so; a pipeline that
 * goes on where it stopped may well find nothing.
 */
static void
check_files(const EtlJsonItems *items)
{
	const EtlResume *resume = items->parts.resume;

	if (items->has_value || !EtlSourceSetIsPattern(items->stream.set) ||
		(resume != NULL && !resume->complete))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_JSON_TEXT), errmsg("no file has a JSON value"),
					errdetail("Each is empty, or only white space."),
					errhint("Among the files of a pattern, an empty one is passed over.")));
}

static const EtlPartKind part_kind = {
	.ready = start_file,
	.end = end_file,
	.broken = raise_broken,
};

void
EtlJsonItemsOpen(EtlJsonItems *items, EtlSourceSet *sources, const EtlResume *resume)
{
	EtlStreamOpen(&items->stream, sources);
	items->stream.reader = EtlJsonFormat.create(&items->options);
	items->parts = (EtlParts){
		.stream = &items->stream,
		.record = &items->item,
		.kind = &part_kind,
		.arg = items,
		.resume = resume,
		.reachable = items->path == NULL,
		.remote = EtlSourceSetIsRemote(sources),
	};
}

EtlPartsStep
EtlJsonItemsNext(EtlJsonItems *items)
{
	EtlPartsStep step = EtlPartsNext(&items->parts);

	if (likely(step == ETL_PARTS_RECORD))
		items->has_value = true;
	else if (step == ETL_PARTS_END)
		check_files(items);
	return step;
}

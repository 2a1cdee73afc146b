/*
 * set_test.c
 *		A set of parts in a remote store that is made up: part N holds the text "part N", and is there once.
 */
#include "etl.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "source/set.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

static int nopened; /* parts, in this call */

typedef struct Part
{
	EtlSource base;
	char text[32];
	char validator[32];
	EtlSourcePlan plan;
} Part;

static size_t
part_read(EtlSource *source, char *buf, size_t len)
{
	Part *part = (Part *) source;
	size_t n = Min(len, strlen(part->text) - source->bytes_read);

	if (part->plan == ETL_READ_NOTHING)
		return 0;
	memcpy(buf, part->text + source->bytes_read, n);
	source->bytes_read += n;
	return n;
}

static void
part_close(EtlSource *source)
{
}

static void
part_state(EtlSource *source, int64 at, EtlSourceState *state)
{
	state->validator = ((Part *) source)->validator;
}

static EtlSourcePlan
part_plan(EtlSource *source, const EtlSourcePast *past)
{
	return ((Part *) source)->plan;
}

static const EtlSourceOps part_ops = {
	.read = part_read,
	.close = part_close,
	.state = part_state,
	.plan = part_plan,
};

typedef struct Parts
{
	EtlListing base;
	int n;
	int next; /* number of the one behind the one in hand */
	char name[32];
} Parts;

static bool
parts_names(const char *source, const char *path)
{
	return true;
}

/* The source is how many there are, which only the end of the list tells. */
static EtlListing *
parts_list(const char *source, const char *path)
{
	Parts *parts = palloc0(sizeof(Parts));

	parts->n = atoi(source);
	parts->base.part.name = parts->name;
	parts->base.count = parts->base.size = -1;
	return &parts->base;
}

static bool
parts_next(EtlListing *listing)
{
	Parts *parts = (Parts *) listing;

	if (parts->next == parts->n)
		return false;
	snprintf(parts->name, sizeof(parts->name), "%d", ++parts->next);
	listing->part.identity = 1000 + parts->next;
	return true;
}

static void
parts_rewind(EtlListing *listing)
{
	((Parts *) listing)->next = 0;
}

static EtlSource *
parts_open(EtlListing *listing, const EtlSourcePast *past)
{
	Part *part = palloc0(sizeof(Part));

	part->base.ops = &part_ops;
	part->base.name = listing->part.name;
	part->base.size = -1;
	snprintf(part->text, sizeof(part->text), "part %s", listing->part.name);
	snprintf(part->validator, sizeof(part->validator), "v%s", listing->part.name);
	if (past != NULL && strcmp(past->state.validator, part->validator) == 0)
	{
		part->plan = past->whole ? ETL_READ_NOTHING : ETL_READ_HERE;
		part->base.bytes_read = past->whole ? 0 : past->begin;
	}
	nopened++;
	return &part->base;
}

const EtlStore EtlUrlStore = {
	.remote = true,
	.names = parts_names,
	.list = parts_list,
	.next = parts_next,
	.rewind = parts_rewind,
	.open = parts_open,
};

/* None is asked for. */
const EtlStore EtlFileStore = {.names = parts_names};

static bool
never_names(const char *source, const char *path)
{
	return false;
}

const EtlStore EtlBucketStore = {.names = never_names};

/* Appends what the part in hand has to give, by name, plan and identity. */
static void
append_part(StringInfo out, EtlSourceSet *set, const EtlSourcePast *past)
{
	static const char *const plans[] = {"all", "nothing", "here", "from", "behind"};
	char buf[32];
	EtlSourceState state;
	EtlSource *source = EtlSourceSetOpenPart(set, past);
	EtlSourcePlan plan = EtlSourceSetPlan(set, past);
	size_t n = EtlSourceRead(source, buf, sizeof(buf));

	EtlSourceSetState(set, -1, &state);
	appendStringInfo(out, "%s[%s %s %d \"%.*s\"]", out->len > 0 ? " " : "",
					 EtlSourceSetPart(set)->name, plans[plan], (int) state.identity, (int) n, buf);
}

/* Each part of so many; of parts 2 and 3 something was read before, and of part 4 another version. */
PG_FUNCTION_INFO_V1(set_with_past);
Datum
set_with_past(PG_FUNCTION_ARGS)
{
	EtlSourceSet *set = EtlSourceSetOpen(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, false);
	EtlSourcePast pasts[] = {{.state.validator = "v2", .whole = true},
							 {.state.validator = "v3", .begin = 5},
							 {.state.validator = "another", .begin = 5}};
	const EtlPart *part;
	StringInfoData out;

	initStringInfo(&out);
	while ((part = EtlSourceSetNextPart(set)) != NULL)
	{
		int number = atoi(part->name);

		append_part(&out, set, number >= 2 && number <= 4 ? &pasts[number - 2] : NULL);
	}
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}

/* Reads all parts twice, and tells how often one was opened. */
PG_FUNCTION_INFO_V1(set_twice);
Datum
set_twice(PG_FUNCTION_ARGS)
{
	EtlSourceSet *set = EtlSourceSetOpen(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, true);
	StringInfoData out;

	initStringInfo(&out);
	nopened = 0;
	for (int i = 0; i < 2; i++)
	{
		EtlSource *source;
		char buf[32];
		size_t n;

		while ((source = EtlSourceSetNext(set)) != NULL)
			while ((n = EtlSourceRead(source, buf, i == 0 ? 3 : sizeof(buf))) > 0)
				appendBinaryStringInfo(&out, buf, (int) n);
		appendStringInfoChar(&out, '|');
		EtlSourceSetRewind(set);
	}
	appendStringInfo(&out, "%d", nopened);
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}

/* Whether the memory of a set stays the same, however many parts are opened. */
PG_FUNCTION_INFO_V1(set_is_small);
Datum
set_is_small(PG_FUNCTION_ARGS)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "set", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EtlSourceSet *set = EtlSourceSetOpen(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, false);
	bool small;

	nopened = 0;
	while (EtlSourceSetNext(set) != NULL)
		;
	small = MemoryContextMemAllocated(context, true) < 64 * 1024;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %s", nopened, small ? "small" : "large")));
}

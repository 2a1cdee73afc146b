/*
 * schedule_define.c
 *		The schedule of a pipeline, as users set it: the first columns of etl_catalog.schedules.
 *
 * A pipeline without schedule, "after" and "watch" has no row there.  The other columns belong to the
 * scheduler; a changed schedule only takes away the time that the old one gave.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/schedule.h"
#include "pipeline/schedule_define.h"
#include "pipeline/watch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

typedef struct Definition
{
	MemoryContext context;
	const EtlPipeline *pipeline;
	const EtlArgs *args;
	Datum values[7]; /* pipeline, schedule, timezone, after, max_failures, watch, watched */
	char nulls[8];
	char *path;	   /* to watch */
	char *problem; /* with "after": a name that does not exist, or a circle */
	bool is_circle;
} Definition;

static Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, INT8OID, BOOLOID, TEXTOID};

static void
execute(Definition *d, const char *text, int expected)
{
	if (SPI_execute_with_args(text, lengthof(types), types, d->values, d->nulls, false, 0) !=
		expected)
		elog(ERROR, "could not use the table of schedules");
}

static void
set(Definition *d, int i, Datum value, bool isnull)
{
	d->values[i] = value;
	d->nulls[i] = isnull ? 'n' : ' ';
}

/* What there was, or the defaults. */
static void
read_old(void *arg)
{
	Definition *d = arg;
	MemoryContext old;

	execute(d,
			"SELECT schedule, timezone, after, max_failures::bigint, watch "
			"FROM etl_catalog.schedules WHERE pipeline = $1",
			SPI_OK_SELECT);
	if (SPI_processed == 0)
		return;
	old = MemoryContextSwitchTo(d->context);
	for (int i = 1; i <= SPI_tuptable->tupdesc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(SPI_tuptable->tupdesc, i - 1);
		bool isnull;
		Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i, &isnull);

		if (!isnull)
			set(d, i, datumCopy(value, attr->attbyval, attr->attlen), false);
	}
	MemoryContextSwitchTo(old);
}

/* Takes an argument over the old value; an empty text or array takes the option away. */
static void
take_text(Definition *d, const char *name, int i)
{
	char *text = EtlArgText(d->args, name);

	if (text != NULL)
		set(d, i, CStringGetTextDatum(text), text[0] == '\0');
}

static void
take_after(Definition *d)
{
	const EtlArg *arg = EtlArgFind(d->args, "after");
	ArrayType *array;

	if (arg == NULL)
		return;
	array = DatumGetArrayTypeP(arg->value);
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("argument \"%s\" must not hold a null", "after")));
	set(d, 3, PointerGetDatum(array), false);
}

static bool
has_after(const Definition *d)
{
	ArrayType *array = DatumGetArrayTypeP(d->values[3]);

	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > 0;
}

static bool
is_watching(const Definition *d)
{
	return DatumGetBool(d->values[5]);
}

static void
find_path(void *arg)
{
	Definition *d = arg;

	d->path = EtlWatchedPath(d->pipeline);
}

static void
take_watch(Definition *d)
{
	set(d, 5, BoolGetDatum(EtlArgBool(d->args, "watch", is_watching(d))), false);
	if (!is_watching(d))
		return;
	EtlDoAsOwner(d->pipeline, find_path, d);
	set(d, 6, CStringGetTextDatum(d->path), false);
	if (!EtlIsPreloaded && EtlArgFind(d->args, "watch") != NULL)
		ereport(NOTICE, (errmsg("nobody watches the files of pipeline \"%s\"", d->pipeline->name),
						 errdetail("The library is not preloaded."),
						 errhint("Put etl into \"%s\", and this database into \"%s\".",
								 "shared_preload_libraries", "etl.databases")));
}

static void
take_arguments(Definition *d)
{
	int64 max_failures;

	take_text(d, "schedule", 1);
	take_text(d, "timezone", 2);
	take_after(d);
	take_watch(d);
	max_failures = EtlArgInt(d->args, "max_failures", DatumGetInt64(d->values[4]));
	if (max_failures < 0 || max_failures > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_failures must not be negative"),
						errhint("0 never pauses the pipeline.")));
	set(d, 4, Int64GetDatum(max_failures), false);
	if (d->nulls[2] == 'n')
		set(d, 2, CStringGetTextDatum(pg_get_timezone_name(session_timezone)), false);
	(void) EtlFindTimeZone(TextDatumGetCString(d->values[2]));
	if (d->nulls[1] != 'n')
	{
		EtlSchedule schedule;

		EtlParseSchedule(TextDatumGetCString(d->values[1]), &schedule);
	}
}

/*
 * Looks for names that do not exist, and for a way back to this pipeline.  The table is locked against others who
 * do the same at this moment: two halves of a circle must not pass each other.
 */
static void
check_after(Definition *d)
{
	if (!has_after(d))
		return;
	execute(d, "LOCK TABLE etl_catalog.schedules IN SHARE ROW EXCLUSIVE MODE", SPI_OK_UTILITY);
	execute(d,
			"SELECT a.name FROM unnest($4) AS a(name) WHERE NOT EXISTS "
			"(SELECT FROM etl_catalog.pipelines p WHERE p.name = a.name) LIMIT 1",
			SPI_OK_SELECT);
	if (SPI_processed == 0)
	{
		execute(
			d,
			"WITH RECURSIVE way(name, path) AS (SELECT a.name, ARRAY[a.name] FROM unnest($4) AS a(name) "
			"UNION ALL SELECT n.name, w.path || n.name FROM way w "
			"JOIN etl_catalog.pipelines p ON p.name = w.name "
			"JOIN etl_catalog.schedules s ON s.pipeline = p.id AND p.id <> $1, unnest(s.after) AS n(name) "
			"WHERE NOT n.name = ANY (w.path)) "
			"SELECT array_to_string(path, ', which runs after ') FROM way w "
			"JOIN etl_catalog.pipelines p ON p.name = w.name WHERE p.id = $1 LIMIT 1",
			SPI_OK_SELECT);
		d->is_circle = true;
	}
	if (SPI_processed > 0)
		d->problem = MemoryContextStrdup(
			d->context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

static void
store(void *arg)
{
	Definition *d = arg;

	check_after(d);
	if (d->problem != NULL)
		return;
	if (d->nulls[1] == 'n' && !has_after(d) && !is_watching(d))
		execute(d, "DELETE FROM etl_catalog.schedules WHERE pipeline = $1", SPI_OK_DELETE);
	else
		execute(
			d,
			"INSERT INTO etl_catalog.schedules AS s "
			"(pipeline, schedule, timezone, after, max_failures, watch, watched) "
			"VALUES ($1, $2, $3, $4, $5::int, $6, $7) ON CONFLICT (pipeline) DO UPDATE "
			"SET (schedule, timezone, after, max_failures, watch, watched, next_run, not_before, files_at) "
			"= (excluded.schedule, excluded.timezone, excluded.after, excluded.max_failures, "
			"excluded.watch, excluded.watched, NULL, NULL, CASE WHEN excluded.watch THEN s.files_at END)",
			SPI_OK_INSERT);
}

static bool
has_arguments(const EtlArgs *args)
{
	static const char *const names[] = {"schedule", "timezone", "after", "watch", "max_failures"};
	bool found = false;

	for (int i = 0; i < lengthof(names); i++)
		found |= EtlArgFind(args, names[i]) != NULL;
	return found;
}

/* With another source a pipeline may watch other files, or none; its path is evaluated as another owner, too. */
static bool
changes_watched(const EtlArgs *args, const EtlPipeline *pipeline)
{
	return (EtlArgFind(args, "source") != NULL || EtlArgFind(args, "owner") != NULL) &&
		   EtlIsWatching(pipeline->id);
}

void
EtlTakeSchedule(const EtlArgs *args, const EtlPipeline *pipeline)
{
	Definition *d;

	if (!has_arguments(args) && !changes_watched(args, pipeline))
		return;
	d = palloc0(sizeof(Definition));
	d->context = CurrentMemoryContext;
	d->pipeline = pipeline;
	d->args = args;
	set(d, 0, Int64GetDatum(pipeline->id), false);
	set(d, 1, (Datum) 0, true);
	set(d, 2, (Datum) 0, true);
	set(d, 3, PointerGetDatum(construct_empty_array(TEXTOID)), false);
	set(d, 4, Int64GetDatum(10), false);
	set(d, 5, BoolGetDatum(false), false);
	set(d, 6, (Datum) 0, true);
	EtlCatalogDo(read_old, d);
	take_arguments(d);
	EtlCatalogDo(store, d);
	if (d->problem == NULL)
		return;
	if (!d->is_circle)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("pipeline \"%s\" does not exist", d->problem),
						errdetail("Pipeline \"%s\" is to run after it.", pipeline->name)));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("pipeline \"%s\" would wait for itself", pipeline->name),
					errdetail("It is to run after %s.", d->problem)));
}

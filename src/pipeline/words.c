/*
 * words.c
 *		What is a word in SQL and an enum in C: one table of names for each enum.
 */
#include "etl.h"

#include "pipeline/words.h"
#include "scan/args.h"

#define WORDS(variable, what, ...)                                                   \
	const EtlWords variable = {what, lengthof(((const char *const[]){__VA_ARGS__})), \
							   (const char *const[]){__VA_ARGS__}}

WORDS(EtlRunKindWords, "kind", "load", "retry", "backfill");
WORDS(EtlRunStateWords, "state", "running", "succeeded", "failed", "cancelled", "stopped",
	  "crashed");
WORDS(EtlScheduleStateWords, "state", "idle", "waiting", "running", "paused");
WORDS(EtlModeWords, "mode", "upsert", "append", "replace", "history");
WORDS(EtlOnConflictWords, "on_conflict", "update", "ignore", "error");
WORDS(EtlReplaceByWords, "replace_by", "delete", "truncate");
WORDS(EtlSnapshotWords, "snapshot", "all", "newest");
WORDS(EtlOnLackingWords, "missing", "keep", "null");
WORDS(EtlEvolveWords, "evolve", "notice", "freeze");
WORDS(EtlWatermarkAsWords, "watermark_as", "value", "text");
WORDS(EtlOnFaultWords, "on_error", "dead_letter", "fail");
WORDS(EtlOnBadPartWords, "on_bad_part", "fail", "set_aside");
WORDS(EtlPartStateWords, "state", "reading", "done", "set_aside");
WORDS(EtlOnShutdownWords, "on_shutdown", "drain", "drop");
WORDS(EtlFailedStageWords, "stage", "parse", "convert", "enrich", "rule", "load");
WORDS(EtlResolutionWords, "resolution", "loaded", "superseded");

int
EtlWordOf(const EtlWords *words, const char *name)
{
	return EtlChoice(words->what, name, words->names, words->n);
}

const char *
EtlWordName(const EtlWords *words, int value)
{
	Assert(value >= 0 && value < words->n);
	return words->names[value];
}

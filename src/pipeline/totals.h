/*
 * totals.h
 *		What runs add up to: a part of two statements of catalog_runs.c.
 *
 * Behind an UPDATE of runs that have ended, named "ended", it adds them to the totals of their pipelines, which stay
 * when runs are purged: see monitor/counters.c.  How long a crashed run took is not known.
 */
#ifndef ETL_TOTALS_H
#define ETL_TOTALS_H

#define ETL_ADD_TO_TOTALS                                                                       \
	"INSERT INTO etl_catalog.totals AS t (pipeline, succeeded, failed, cancelled, stopped, "    \
	"crashed, seconds, last_seconds, last_finished, last_success, batches, read, malformed, "   \
	"convert_failed, converted, emitted, invalid, superseded, load_failed, loaded, inserted, "  \
	"updated, skipped) "                                                                        \
	"SELECT pipeline, (state = 'succeeded')::int, (state = 'failed')::int, "                    \
	"(state = 'cancelled')::int, (state = 'stopped')::int, (state = 'crashed')::int, "          \
	"coalesce(duration, 0), duration, finished_at, "                                            \
	"CASE WHEN state = 'succeeded' THEN finished_at END, batches, read, malformed, "            \
	"convert_failed, converted, emitted, invalid, superseded, load_failed, loaded, "            \
	"coalesce(inserted, 0), coalesce(updated, 0), skipped "                                     \
	"FROM ended, LATERAL (SELECT greatest(extract(epoch FROM finished_at - started_at), 0)) "   \
	"AS d(duration) "                                                                           \
	"ON CONFLICT (pipeline) DO UPDATE SET succeeded = t.succeeded + excluded.succeeded, "       \
	"failed = t.failed + excluded.failed, cancelled = t.cancelled + excluded.cancelled, "       \
	"stopped = t.stopped + excluded.stopped, crashed = t.crashed + excluded.crashed, "          \
	"seconds = t.seconds + excluded.seconds, "                                                  \
	"last_seconds = coalesce(excluded.last_seconds, t.last_seconds), "                          \
	"last_finished = coalesce(excluded.last_finished, t.last_finished), "                       \
	"last_success = coalesce(excluded.last_success, t.last_success), "                          \
	"batches = t.batches + excluded.batches, read = t.read + excluded.read, "                   \
	"malformed = t.malformed + excluded.malformed, "                                            \
	"convert_failed = t.convert_failed + excluded.convert_failed, "                             \
	"converted = t.converted + excluded.converted, emitted = t.emitted + excluded.emitted, "    \
	"invalid = t.invalid + excluded.invalid, superseded = t.superseded + excluded.superseded, " \
	"load_failed = t.load_failed + excluded.load_failed, loaded = t.loaded + excluded.loaded, " \
	"inserted = t.inserted + excluded.inserted, updated = t.updated + excluded.updated, "       \
	"skipped = t.skipped + excluded.skipped"

#endif /* ETL_TOTALS_H */

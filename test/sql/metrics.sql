--
-- What is to be seen of pipelines: totals that outlast the runs, and etl_metrics().
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CREATE ROLE regress_etl_owner LOGIN;
CREATE ROLE regress_etl_other;
CREATE ROLE regress_etl_watcher;
GRANT pg_read_server_files TO regress_etl_owner;
GRANT pg_monitor TO regress_etl_watcher;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_owner;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_etl_owner;
CREATE SCHEMA seen AUTHORIZATION regress_etl_owner;
SELECT csv_file('metrics.csv', E'id,at\n1,2026-01-01\n2,2026-01-02\n2,2026-01-03\nx,2026-01-03\n4\n5,2026-01-04\n-6,2026-01-05\n') AS path \gset

-- A role sees its pipelines, pg_monitor those of all.  Names are odd, and stay one label.
SET ROLE regress_etl_owner;
CREATE TABLE seen.target (id int PRIMARY KEY CHECK (id > 0), at date);
SELECT etl_create_pipeline('abc', source => format('etl_csv(%L) AS t(id int, at date)', :'path'),
	target => 'seen.target', key => '{id}', watermark => 'at', rules => '{"sekrit": "id <> 5"}');
-- A name has no line end; the format would bear it all the same.
RESET ROLE;
UPDATE etl_catalog.pipelines SET name = E'a "b" \\n\nc' WHERE name = 'abc';
SET ROLE regress_etl_owner;
CALL etl_run(E'a "b" \\n\nc');
RESET ROLE;
SELECT etl_create_pipeline('other', source => format('etl_csv(%L) AS t(id int, at date)', :'path'), target => 'seen.target');

CREATE FUNCTION lines(pattern text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT l FROM regexp_split_to_table(etl_metrics(), E'\n') AS l WHERE l ~ pattern
$$;
\pset format unaligned
\pset tuples_only on
SELECT lines('^# |^etl_(rows|batches|runs|dead_letters|pipeline)');
SET ROLE regress_etl_owner;
SELECT DISTINCT labels->>'pipeline' FROM etl_metric_samples WHERE labels ? 'pipeline';
SET ROLE regress_etl_other;
SELECT DISTINCT metric, labels - 'version' FROM etl_metric_samples ORDER BY 1;
SELECT lines('pipeline=');
SET ROLE regress_etl_watcher;
SELECT DISTINCT labels->>'pipeline' FROM etl_metric_samples WHERE labels ? 'pipeline' ORDER BY 1;
SELECT lines('sekrit|etl_csv|metrics.csv');
SET ROLE regress_etl_owner;
TABLE etl_catalog.totals;
SELECT * FROM etl_catalog.server_metrics();
RESET ROLE;

-- Totals are those of all runs, and stay when these are purged.
CALL etl_run(E'a "b" \\n\nc');
CALL etl_retry_dead_letters(E'a "b" \\n\nc');
SELECT etl_alter_pipeline(E'a "b" \\n\nc', source => 'etl_csv(''etl_tmp/missing.csv'') AS t(id int, at date)');
CALL etl_run(E'a "b" \\n\nc');
CREATE FUNCTION totals_are_right() RETURNS boolean LANGUAGE sql AS $$
	SELECT (t.succeeded, t.failed, t.cancelled, t.stopped, t.crashed, t.batches, t.read, t.malformed, t.convert_failed,
			t.converted, t.emitted, t.invalid, t.superseded, t.load_failed, t.loaded, t.inserted, t.updated, t.skipped)
		= (count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'), 0::bigint, 0::bigint,
			0::bigint, sum(r.batches)::bigint, sum(r.read)::bigint, sum(r.malformed)::bigint,
			sum(r.convert_failed)::bigint, sum(r.converted)::bigint, sum(r.emitted)::bigint, sum(r.invalid)::bigint,
			sum(r.superseded)::bigint, sum(r.load_failed)::bigint, sum(r.loaded)::bigint,
			coalesce(sum(r.inserted), 0)::bigint, coalesce(sum(r.updated), 0)::bigint, sum(r.skipped)::bigint)
		AND t.seconds = sum(extract(epoch FROM r.finished_at - r.started_at))
		AND t.last_success = max(r.finished_at) FILTER (WHERE state = 'succeeded') AND t.last_finished = max(r.finished_at)
	FROM etl_catalog.totals t JOIN etl_catalog.runs r USING (pipeline) GROUP BY t.pipeline
$$;
SELECT totals_are_right();
CREATE TABLE before AS SELECT metric, labels, value FROM etl_metric_samples WHERE type <> 'gauge';
SELECT etl_purge(E'a "b" \\n\nc', '0');
SELECT count(*) FROM etl_runs;
SELECT count(*) > 20, count(*) = count(*) FILTER (WHERE a.value = b.value)
	FROM before b LEFT JOIN etl_metric_samples a USING (metric, labels);
SELECT lines('^etl_runs_total');
SELECT etl_drop_pipeline(E'a "b" \\n\nc');
SELECT count(*) FROM etl_catalog.totals;

\pset format aligned
\pset tuples_only off
SELECT etl_drop_pipeline('other');
DROP FUNCTION lines, totals_are_right;
DROP TABLE before;
DROP SCHEMA seen CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM regress_etl_owner;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA public FROM regress_etl_owner;
DROP ROLE regress_etl_owner, regress_etl_other, regress_etl_watcher;

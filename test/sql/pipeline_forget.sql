--
-- What a run removes behind itself: checkpoints of files that have been gone for as long as etl.retention.
--
SELECT csv_file('forget-a.csv', E'id\n1\n'), csv_file('forget-b.csv', E'id\n2\n');
CREATE TABLE forget (id int);
SELECT etl_create_pipeline('forget', source => $$etl_csv('etl_tmp/forget-*.csv') AS t(id int)$$, target => 'forget');
CREATE VIEW kept AS SELECT part ~ 'forget-b' AS is_b, missing_since IS NOT NULL AS missing FROM etl_catalog.checkpoints
	JOIN etl_catalog.pipelines p ON p.id = pipeline WHERE p.name = 'forget' ORDER BY 1;
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CALL etl_run('forget');
TABLE kept;

-- One goes, and comes back: it was read already.
COPY (SELECT WHERE false) TO PROGRAM 'mv etl_tmp/forget-b.csv etl_tmp/away.csv';
CALL etl_run('forget');
TABLE kept;
CALL etl_run('forget');
COPY (SELECT WHERE false) TO PROGRAM 'mv etl_tmp/away.csv etl_tmp/forget-b.csv';
CALL etl_run('forget');
TABLE kept;

-- It goes for good.
COPY (SELECT WHERE false) TO PROGRAM 'rm etl_tmp/forget-b.csv';
CALL etl_run('forget');
UPDATE etl_catalog.checkpoints SET missing_since = missing_since - interval '29 days';
CALL etl_run('forget');
TABLE kept;
UPDATE etl_catalog.checkpoints SET missing_since = missing_since - interval '2 days';
CALL etl_run('forget');
TABLE kept;
SELECT * FROM forget ORDER BY id;

-- What is outside of the pattern now, but there, is kept.
SELECT etl_alter_pipeline('forget', source => $$etl_csv('etl_tmp/forget-*.csv') AS t(id int)$$), csv_file('other.csv', E'id\n3\n');
SELECT etl_alter_pipeline('forget', source => $$etl_csv('etl_tmp/other*.csv') AS t(id int)$$);
CALL etl_run('forget');
TABLE kept;

-- Runs and resolved dead letters go with their age, the oldest first.
INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, started_at)
	SELECT id, 'load', 'failed', 0, now() - interval '31 days' FROM etl_catalog.pipelines, generate_series(1, 3) WHERE name = 'forget';
INSERT INTO etl_catalog.dead_letters (pipeline, run, stage, sqlstate, message, replayable, resolved_at)
	SELECT id, 0, 'load', '22000', '', false, CASE WHEN i < 3 THEN now() - interval '31 days' END FROM etl_catalog.pipelines, generate_series(1, 3) i WHERE name = 'forget';
CALL etl_run('forget');
SELECT count(*) FROM etl_runs WHERE pipeline = 'forget' AND state = 'failed';
SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'forget';
SELECT etl_purge('forget', '0 s', open => true) > 1;

SELECT etl_drop_pipeline('forget');
DROP VIEW kept;
DROP TABLE forget;

\getenv url DEMO_URL
\set measurements :url '/api/next_url/n=6000/size=100/delay=50'
\echo
\echo == A pipeline that runs by itself: here every two seconds, over an API that takes three seconds for its 60 pages.
\echo

CREATE TABLE measurements (id bigint PRIMARY KEY, name text);

SELECT format($$etl_api(%L) AS t(id bigint, name text)$$, :'measurements') AS source \gset
SELECT etl_create_pipeline('measurements', source => :'source', target => 'measurements', key => '{id}',
	batch_size => 1000, schedule => '2 seconds');

\echo
\echo == A scheduler has been told at commit; a worker begins in time, and can be seen at work.
\echo

CREATE PROCEDURE wait_for_run(wanted text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM etl_status WHERE pipeline = 'measurements' AND state = wanted) LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
CALL wait_for_run('running');
SELECT pipeline, state, schedule, last_run, last_result FROM etl_status;

SELECT pg_sleep(1);
SELECT run, pid, stage, records, batches, loaded FROM etl_progress;
SELECT pg_sleep(1);
SELECT run, pid, stage, records, batches, loaded FROM etl_progress;

\echo
\echo == When its time comes while it is still under way, that is counted and left out.  Then it is paused, and nothing runs.
\echo

CALL wait_for_run('idle');
SELECT etl_pause('measurements');
SELECT pipeline, state, last_result, skipped, failures FROM etl_status ORDER BY pipeline;
SELECT run, kind, state, read, inserted, updated, skipped FROM etl_runs WHERE pipeline = 'measurements' ORDER BY run;
SELECT count(*) FROM measurements;

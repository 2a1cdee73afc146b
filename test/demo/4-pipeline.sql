\echo
\echo == A pipeline: a source, a SELECT over each batch of it, and a target.
\echo == The strikes again, this time with damage: a date that is none, a record with a field too many, a bad cost.
\echo
\! (cd "$DEMO_FILES" && sed -e '5s|,|,extra,|' -e '9s|1990-|1990-13-|' -e '12s|,[0-9]*,\([0-9]*\)$|,-1,\1|' birdstrikes.csv > damaged.csv && echo >> damaged.csv)

CREATE TABLE incidents (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	flight_date date NOT NULL,
	airport text NOT NULL,
	species text,
	cost numeric CHECK (cost >= 0)
);

SELECT etl_create_pipeline('strikes',
	source => $$etl_csv('demo/damaged.csv') AS t(flight_date date, airport_name text, wildlife_species text, "Cost Total $" numeric)$$,
	query => $$SELECT flight_date, initcap(airport_name) AS airport, wildlife_species AS species, "Cost Total $" AS cost FROM batch$$,
	target => 'incidents',
	rules => '{"species is known": "species NOT LIKE ''Unknown bird or bat%''"}');

\echo
\echo == It runs in a background worker, as its owner, and commits a batch at a time with its checkpoint.
\echo == read = malformed + convert_failed + converted; emitted = invalid + superseded + load_failed + loaded + skipped
\echo

\x on
CALL etl_run('strikes');
\x off

\echo
\echo == What could not be loaded, is set aside: where it stands, what it says, why it failed.
\echo

SELECT stage, coalesce(rule, sqlstate) AS reason, count(*), min(line) AS first_line, left(min(message), 60) AS message
FROM etl_dead_letters WHERE pipeline = 'strikes' GROUP BY 1, 2 ORDER BY 1, 2;

\echo
\echo == The rule was too strict: it goes, and the dead letters get their second chance.
\echo

SELECT etl_alter_pipeline('strikes', rules => '{}');
\x on
CALL etl_retry_dead_letters('strikes');
\x off

SELECT line, stage, attempts, resolved, left(message, 60) AS message
FROM etl_dead_letters WHERE pipeline = 'strikes' AND NOT resolved ORDER BY line;

\echo
\echo == Nothing is loaded twice: a finished file is left alone, and one that grows is continued.
\echo

SELECT count(*) AS before FROM incidents;
\! (cd "$DEMO_FILES" && tail -n 3 birdstrikes.csv >> damaged.csv)
CALL etl_run('strikes');
SELECT count(*) AS after FROM incidents;

SELECT run, kind, state, read, loaded, malformed + convert_failed + invalid + load_failed AS rejected,
	date_trunc('milliseconds', finished_at - started_at) AS took
FROM etl_runs ORDER BY run;
SELECT pipeline, state, last_result, open_dead_letters FROM etl_status;

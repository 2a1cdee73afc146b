--
-- Values that are to be kept secret are in no dead letter and in no message of a run, whatever ends it.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SELECT csv_file('redact.csv', E'id,ssn\n1,SSN-1\n2,SSN-2\n');
CREATE TABLE redacted (id int PRIMARY KEY, ssn text);

-- However the owner's code fails: a message, detail, hint, context, or the name of a column may hold a value.
CREATE FUNCTION fail_with(how text, ssn text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CASE how
		WHEN 'run' THEN RAISE EXCEPTION 'cannot process %', ssn
			USING ERRCODE = '53000', DETAIL = 'detail: ' || ssn, HINT = 'hint: ' || ssn;
		WHEN 'row' THEN RAISE EXCEPTION USING MESSAGE = 'it is ' || ssn,
			ERRCODE = '22000', DETAIL = 'detail: ' || ssn, HINT = 'hint: ' || ssn, COLUMN = ssn;
		WHEN 'value' THEN RETURN length(ssn)::text::xid || ssn::int::text;
		WHEN 'statement' THEN EXECUTE format('SELECT %I', ssn);
		WHEN 'cancel' THEN RAISE EXCEPTION 'cancelled by %', ssn USING ERRCODE = 'query_canceled';
		WHEN 'assert' THEN ASSERT false, ssn;
	END CASE;
	RETURN ssn;
END $$;
CREATE FUNCTION fail_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not at commit: %', NEW.ssn USING ERRCODE = '55000'; END $$;
SELECT etl_create_pipeline('redact', source => $$etl_csv('etl_tmp/redact.csv') AS t(id int, ssn text)$$,
	query => 'SELECT id, fail_with(''row'', ssn) AS ssn FROM batch', target => 'redacted', key => '{id}', redact => '{ssn}');
-- All that is kept of a run and its dead letters.
CREATE VIEW told AS SELECT d.stage, d.column_name, d.value, d.raw, coalesce(d.sqlstate, r.sqlstate) AS sqlstate,
	coalesce(d.message, r.message) AS message, d.detail
FROM etl_runs r LEFT JOIN etl_dead_letters d USING (run) WHERE r.run = (SELECT max(run) FROM etl_runs) ORDER BY d.id;
\set VERBOSITY terse
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', on_error => 'fail'), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', on_error => 'dead_letter', reject_limit => 1), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', reject_limit => -1);
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('run', ssn) AS ssn FROM batch$$), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('value', ssn) AS ssn FROM batch$$), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('statement', ssn) AS ssn FROM batch$$), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('cancel', ssn) AS ssn FROM batch$$), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('assert', ssn) AS ssn FROM batch$$), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
-- whole
SELECT etl_alter_pipeline('redact', query => $$SELECT id, fail_with('row', ssn) AS ssn FROM batch$$, whole => true), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', query => 'SELECT * FROM batch', whole => false), etl_reset('redact');
-- at commit
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON redacted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_later();
CALL etl_run('redact');
SELECT * FROM told;
DROP TRIGGER later ON redacted;
-- What is no value is told.
SELECT etl_alter_pipeline('redact', source => $$etl_csv('etl_tmp/nowhere.csv') AS t(id int, ssn text)$$);
CALL etl_run('redact');
SELECT * FROM told;
SELECT csv_file('redact-1.json', '[{"id": 1, "ssn": "SSN-1"}, {"id": 2, "ssn": SSN-2}]');
SELECT etl_alter_pipeline('redact', source => $$etl_json('etl_tmp/redact-*.json') AS t(id int, ssn text)$$);
CALL etl_run('redact');
SELECT * FROM told;
SELECT count(*) FROM etl_catalog.runs r WHERE r::text LIKE '%SSN-%';
SELECT count(*) FROM etl_catalog.dead_letters d WHERE d::text LIKE '%SSN-%';
SELECT etl_drop_pipeline('redact');

-- A column that holds what is redacted, or is held by it, under whatever name.
SELECT csv_file('redact.json', '[{"id": 1, "person": {"ssn": "SSN-1"}}, {"id": 2, "Person": {"ssn": "SSN-2", "zip": "zip-2"}}, {"id": 3, "n": "not redacted"}]');
SELECT etl_create_pipeline('redact', source => $$etl_json('etl_tmp/redact.json') AS t(id int, "person.ssn" text, person int, n int)$$,
	query => 'SELECT id FROM batch', target => 'redacted', key => '{id}', redact => '{person.ssn}');
CALL etl_run('redact');
SELECT * FROM told;
SELECT etl_alter_pipeline('redact', source => $$etl_json('etl_tmp/redact.json') AS t(id int, person jsonb, "person.zip" int)$$,
	redact => '{person}'), etl_reset('redact');
CALL etl_run('redact');
SELECT * FROM told;
SELECT count(*) FROM etl_catalog.dead_letters d WHERE d::text LIKE '%SSN-%';
SELECT etl_drop_pipeline('redact');
\set VERBOSITY default

DROP VIEW told;
DROP TABLE redacted;
DROP FUNCTION fail_with, fail_later;

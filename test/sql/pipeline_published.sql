--
-- Targets with row security, and targets that are published: rows that runs delete, mark and close.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE FUNCTION try_file(file text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT csv_file('published.csv', file) $$;
CREATE VIEW last_run AS SELECT state, loaded, inserted, updated, skipped, deleted, closed, sqlstate, message FROM etl_runs ORDER BY run DESC LIMIT 1;
SELECT try_file(E'id,name,op\n1,one,\n2,two,\n');

-- a policy hides rows of others from the owner of the pipeline: they are neither deleted nor counted
CREATE ROLE regress_etl_published LOGIN;
GRANT pg_read_server_files TO regress_etl_published;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_published;
CREATE TABLE shared (id int PRIMARY KEY, name text, op text, tenant text DEFAULT current_user);
INSERT INTO shared SELECT g, 'theirs', NULL, 'others' FROM generate_series(100, 200) AS g;
CREATE TABLE shared_past (id int, name text, op text, tenant text DEFAULT current_user, valid_from timestamptz NOT NULL, valid_to timestamptz);
CREATE UNIQUE INDEX ON shared_past (id) WHERE valid_to IS NULL;
INSERT INTO shared_past SELECT g, 'theirs', NULL, 'others', '2020-01-01' FROM generate_series(100, 200) AS g;
GRANT ALL ON shared, shared_past TO regress_etl_published;
ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared_past ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shared USING (tenant = current_user);
CREATE POLICY own ON shared_past USING (tenant = current_user);
SET ROLE regress_etl_published;
SELECT etl_create_pipeline('gone', source => $$etl_csv('etl_tmp/published.csv') AS t(id int, name text, op text)$$, target => 'shared', key => 'id', deletes => 'delete');
SELECT etl_create_pipeline('past', source => $$etl_csv('etl_tmp/published.csv') AS t(id int, name text, op text)$$, target => 'shared_past', key => 'id', mode => 'history', deletes => 'delete');
CALL etl_run('gone');
CALL etl_run('past');
SELECT try_file(E'id,name,op\n1,new,\n');
CALL etl_run('gone');
CALL etl_run('past');
SELECT deleted, closed FROM etl_runs ORDER BY run;
SELECT etl_alter_pipeline('gone', deletes => 'keep', delete_when => $$op = 'd'$$);
-- a tombstone of a key that is another's
SELECT try_file(E'id,name,op\n1,,d\n150,,d\n');
CALL etl_run('gone');
SELECT tombstones, deleted FROM etl_runs ORDER BY run DESC LIMIT 1;
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE tenant = 'others') FROM shared;
SELECT count(*), count(*) FILTER (WHERE tenant = 'others' AND valid_to IS NULL), count(valid_to) FROM shared_past;
SELECT etl_drop_pipeline('gone'), etl_drop_pipeline('past');
DROP TABLE shared, shared_past;
DROP OWNED BY regress_etl_published;
DROP ROLE regress_etl_published;

-- what is published needs an identity of its rows; without one nothing of a run that updates or deletes is lost or half done
SET client_min_messages = error;
CREATE TABLE published (id int NOT NULL, name text, op text);
CREATE UNIQUE INDEX published_id ON published (id);
CREATE PUBLICATION etl_published FOR TABLE published;
RESET client_min_messages;
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/published.csv') AS t(id int, name text, op text)$$, target => 'published', key => 'id', deletes => 'delete');
SELECT try_file(E'id,name,op\n1,one,\n2,two,\n');
CALL etl_run('p');
SELECT * FROM last_run;
ALTER TABLE published REPLICA IDENTITY USING INDEX published_id;
CALL etl_run('p');
SELECT * FROM last_run;
SELECT try_file(E'id,name,op\n1,new,\n');
CALL etl_run('p');
SELECT * FROM last_run;
SELECT etl_alter_pipeline('p', deletes => 'keep', delete_when => $$op = 'd'$$);
SELECT try_file(E'id,name,op\n1,,d\n3,three,\n');
ALTER TABLE published REPLICA IDENTITY NOTHING;
CALL etl_run('p');
SELECT * FROM last_run;
SELECT count(*) FROM etl_dead_letters WHERE NOT resolved;
ALTER TABLE published REPLICA IDENTITY FULL;
CALL etl_run('p');
SELECT * FROM last_run;
TABLE published;

SELECT etl_drop_pipeline('p');
DROP PUBLICATION etl_published;
DROP TABLE published;
DROP VIEW last_run;
DROP FUNCTION try_file(text);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

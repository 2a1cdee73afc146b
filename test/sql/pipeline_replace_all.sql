--
-- mode => 'replace' without a key: all rows of the target are deleted, and those of the source inserted.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE lines (region text, line text, n int GENERATED ALWAYS AS (length(line)) STORED);
CREATE VIEW texts AS SELECT line FROM lines;
CREATE VIEW last_run AS SELECT state, read, emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped, deleted, message
	FROM etl_runs ORDER BY run DESC LIMIT 1;
CREATE FUNCTION try_file(file text) RETURNS text LANGUAGE SQL AS $$ SELECT csv_file('lines.csv', 'region,line' || chr(10) || file) $$;

-- what it cannot be
\set VERBOSITY terse
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', replace_by => 'truncate');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', replace_by => 'rename');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', key => 'line', replace_by => 'truncate');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', replace_by => 'truncate',
	delete_scope => 'region IS NULL');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', replace_by => 'truncate',
	query => 'SELECT * FROM batch WHERE line NOT IN (SELECT line FROM lines)');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'texts', mode => 'replace');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', watermark => 'line', watermark_as => 'text');
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', on_bad_part => 'set_aside');
SELECT try_file(E'eu,one\neu,one\n,\n');
CREATE ROLE regress_etl_replace LOGIN;
GRANT SELECT, INSERT ON lines TO regress_etl_replace;
GRANT pg_read_server_files TO regress_etl_replace;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_replace;
SET ROLE regress_etl_replace;
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace');
RESET ROLE;
GRANT DELETE ON lines TO regress_etl_replace;
SET ROLE regress_etl_replace;
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', replace_by => 'truncate');
RESET ROLE;
GRANT TRUNCATE ON lines TO regress_etl_replace;
SET ROLE regress_etl_replace;
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', replace_by => 'truncate');
RESET ROLE;
-- rows that row security hides are not deleted, and not truncated
INSERT INTO lines VALUES ('us', 'hidden'), ('eu', 'gone');
ALTER TABLE lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY eu ON lines TO regress_etl_replace USING (region = 'eu') WITH CHECK (true);
CALL etl_run('l');
SET ROLE regress_etl_replace;
SELECT etl_alter_pipeline('l', replace_by => 'delete');
CALL etl_run('l');
SELECT etl_drop_pipeline('l');
RESET ROLE;
SELECT * FROM lines ORDER BY 1, 2;
ALTER TABLE lines DISABLE ROW LEVEL SECURITY;
DROP POLICY eu ON lines;
DROP OWNED BY regress_etl_replace;
DROP ROLE regress_etl_replace;
\set VERBOSITY default
TRUNCATE lines;
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;

-- rows may come twice, and hold nothing but NULLs
SELECT etl_create_pipeline('l', source => $$etl_csv('etl_tmp/lines.csv') AS t(region text, line text)$$, target => 'lines', mode => 'replace', batch_size => 30);
SELECT mode, key, replace_by, delete_limit FROM etl_pipelines;
CALL etl_run('l');
SELECT * FROM lines ORDER BY 1, 2;
SELECT try_file(string_agg(format(E'eu,%s\n', g), '')) FROM generate_series(1, 100) AS g;
CALL etl_run('l');
SELECT * FROM last_run;
SELECT count(*), min(line), max(line) FROM texts;
SELECT sum(inserted) - sum(deleted) FROM etl_runs;

-- limits are those of the rows that the target loses
SELECT try_file(string_agg(format(E'eu,other %s\n', g), '')) FROM generate_series(1, 90) AS g;
CALL etl_run('l');
SELECT * FROM last_run;
SELECT try_file(string_agg(format(E'eu,%s\n', g), '')) FROM generate_series(1, 80) AS g;
CALL etl_run('l');
SELECT count(*), min(line) FROM lines;
SELECT try_file('');
CALL etl_run('l');
SELECT count(*), min(line) FROM lines;
SELECT etl_alter_pipeline('l', delete_limit => '100%', replace_by => 'truncate');
CALL etl_run('l');
SELECT count(*), min(line) FROM lines;
SELECT try_file(string_agg(format(E'eu,%s\n', g), '')) FROM generate_series(1, 80) AS g;
SELECT pg_relation_filenode('lines') AS before \gset
CALL etl_run('l');
SELECT * FROM last_run;
SELECT count(*), pg_relation_filenode('lines') <> :before AS truncated FROM lines;
SELECT etl_alter_pipeline('l', delete_limit => '', replace_by => 'delete');
-- what is faulty may be any row
SELECT try_file(E'eu,1\neu,2,3\n');
CALL etl_run('l');
SELECT etl_alter_pipeline('l', rules => '{"short": "length(line) < 2"}', delete_limit => '100%');
SELECT try_file(E'eu,1\neu,22\n');
CALL etl_run('l');
SELECT count(*) FROM lines;
SELECT etl_alter_pipeline('l', query => 'SELECT * FROM batch WHERE length(line) < 2');
CALL etl_run('l');
TABLE lines;
-- the query sees the target as it was
SELECT etl_alter_pipeline('l', rules => '{}', query => $$SELECT region, line || (SELECT count(*) FROM lines) AS line FROM batch$$, batch_size => 1);
SELECT try_file(string_agg(format(E'eu,%s\n', g), '')) FROM generate_series(1, 3000) AS g;
CALL etl_run('l');
CALL etl_run('l');
SELECT count(*) FROM lines WHERE line LIKE '%3000';
SELECT etl_alter_pipeline('l', query => '', batch_size => 10000);

-- snapshots of some rows: the query must not give others, which each run would add once more
INSERT INTO lines VALUES ('us', 'mine'), (NULL, 'nobody''s');
SELECT etl_alter_pipeline('l', delete_scope => $$t.region = 'eu' AND n > 0$$);
SELECT try_file(E'eu,1\neu,1\n');
CALL etl_run('l');
SELECT * FROM last_run;
SELECT * FROM lines ORDER BY 1, 2;
SELECT try_file(E'eu,1\nus,2\n');
CALL etl_run('l');
SELECT try_file(E'eu,1\n,2\n');
CALL etl_run('l');
SELECT * FROM lines ORDER BY 1, 2;
SELECT etl_drop_pipeline('l');

-- those that others refer to: at the end of the transaction there may be a row with the same key
CREATE TABLE parents (id int PRIMARY KEY, v int);
INSERT INTO parents SELECT g, 0 FROM generate_series(1, 3) AS g;
CREATE TABLE children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
INSERT INTO children VALUES (1);
SELECT csv_file('parents.csv', E'id,v\n1,1\n2,1\n');
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/parents.csv') AS t(id int, v int)$$, target => 'parents', mode => 'replace');
CALL etl_run('p');
TABLE parents;
SELECT csv_file('parents.csv', E'id,v\n2,2\n3,2\n');
CALL etl_run('p');
SELECT etl_alter_pipeline('p', replace_by => 'truncate');
CALL etl_run('p');
TABLE parents;
-- a trigger may keep rows, and leave some out
DROP TABLE children;
SELECT etl_alter_pipeline('p', replace_by => 'delete');
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE TG_OP WHEN 'INSERT' THEN CASE WHEN NEW.id <> 3 THEN NEW END
	ELSE CASE WHEN OLD.id = 1 THEN NULL ELSE OLD END END; END $$;
CREATE TRIGGER keep BEFORE INSERT OR DELETE ON parents FOR EACH ROW EXECUTE FUNCTION keep();
CALL etl_run('p');
SELECT * FROM last_run;
TABLE parents;
SELECT etl_drop_pipeline('p');
-- partitions; rows of tables that inherit are their own
CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (5);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (5) TO (10);
CREATE TABLE parent (id int, v int);
CREATE TABLE child () INHERITS (parent);
SELECT csv_file('parts.csv', E'id,v\n1,0\n7,1\n');
SELECT etl_create_pipeline(target || by, source => $$etl_csv('etl_tmp/parts.csv') AS t(id int, v int)$$, target => target, mode => 'replace', replace_by => by)
FROM (VALUES ('parts'), ('parent')) AS v(target), (VALUES ('delete'), ('truncate')) AS b(by);
INSERT INTO parts SELECT g, 0 FROM generate_series(1, 9) AS g;
INSERT INTO parent SELECT g, 0 FROM generate_series(1, 9) AS g;
INSERT INTO child VALUES (20, 0);
CALL etl_run('partsdelete');
CALL etl_run('parentdelete');
CALL etl_run('partstruncate');
CALL etl_run('parenttruncate');
SELECT tableoid::regclass, * FROM parts ORDER BY id;
SELECT tableoid::regclass, * FROM parent ORDER BY id;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP TABLE lines, parents, parts, parent, child CASCADE;
DROP FUNCTION keep, try_file;
DROP VIEW last_run;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

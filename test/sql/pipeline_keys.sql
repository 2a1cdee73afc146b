--
-- Dead letters and later records of their keys: an open letter is superseded when a later record of its key is loaded, and a
-- retry never overwrites what was.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE keyed (id int PRIMARY KEY, n int CHECK (n < 100), at date);
CREATE VIEW keyed_letters AS SELECT raw, key, state, resolved_by, attempts FROM etl_dead_letters WHERE pipeline = 'keyed' ORDER BY id;
CREATE FUNCTION keyed(content text, header text DEFAULT 'id,n') RETURNS text LANGUAGE sql AS
	$$ SELECT csv_file('keyed.csv', header || E'\n' || content) $$;

-- A record that is repaired at the source, and then changed once more, is not brought back.
SELECT keyed(E'1,5\n2,x\n3,7\n');
SELECT etl_create_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n int)$$, target => 'keyed', key => '{id}',
	rules => '{"small": "n <> 50"}');
CALL etl_run('keyed') \gset
SELECT keyed(E'1,5\n2,x\n3,7\n');
CALL etl_run('keyed') \gset
TABLE keyed_letters;
SELECT keyed(E'1,5\n2,42\n3,7\n');
CALL etl_run('keyed') \gset
SELECT keyed(E'1,5\n2,43\n3,7\n');
CALL etl_run('keyed') \gset
TABLE keyed_letters;
SELECT etl_alter_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n text)$$,
	query => $$SELECT id, CASE WHEN n ~ '^\d+$' THEN n::int ELSE -1 END AS n FROM batch$$);
CALL etl_retry_dead_letters('keyed') \gset
SELECT :read;
SELECT id, n FROM keyed ORDER BY id;

-- A row that is there already, unchanged, is as good; so is one of the same batch, if it is the later one; whatever fails.
SELECT etl_alter_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n int)$$, query => 'SELECT * FROM batch');
SELECT keyed(E'1,y\n2,50\n2,1\n3,1\n3,150\n4,4\n4,y\n');
CALL etl_run('keyed') \gset
SELECT * FROM keyed_letters WHERE resolved_by IS NULL OR resolved_by > 4;
SELECT keyed(E'1,5\n5,5\n');
CALL etl_run('keyed') \gset
SELECT * FROM keyed_letters WHERE resolved_by IS NULL OR resolved_by > 4;
-- ... and if each is in a batch of its own
SELECT etl_alter_pipeline('keyed', batch_size => 1);
SELECT keyed(E'6,y\n6,6\n7,7\n7,y\n8,150\n8,8\n');
CALL etl_run('keyed') \gset
SELECT raw, key, state FROM keyed_letters WHERE raw ~ '^[678]';

-- A row that was taken to the target by an attempt that failed afterwards supersedes nothing.
CREATE TABLE keyed_late (id int PRIMARY KEY, n int REFERENCES keyed DEFERRABLE INITIALLY DEFERRED);
SELECT etl_create_pipeline('keyed_late', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n int)$$, target => 'keyed_late', key => '{id}');
SELECT keyed(E'1,y\n2,y\n2,999\n3,y\n3,8\n');
CALL etl_run('keyed_late') \gset
SELECT raw, key, state FROM etl_dead_letters WHERE pipeline = 'keyed_late' ORDER BY id;
SELECT etl_drop_pipeline('keyed_late');

-- Where the query passes the key on by way of joins and subqueries, it is known; where it computes it, only of a row that it gave.
SELECT etl_alter_pipeline('keyed', batch_size => 1000, rules => '{"small": "n <> 50"}',
	query => 'WITH b AS (SELECT id AS k, n FROM batch WHERE n IS NOT NULL) SELECT s.k AS id, s.n FROM (SELECT b.* FROM b JOIN generate_series(1, 1000) AS g ON g = b.k) AS s');
SELECT keyed(E'10,x\n11,150\n12,50\n');
CALL etl_run('keyed') \gset
SELECT etl_alter_pipeline('keyed', query => 'SELECT id + 0 AS id, n FROM batch');
SELECT keyed(E'20,x\n21,150\n22,50\n');
CALL etl_run('keyed') \gset
SELECT etl_alter_pipeline('keyed', query => 'SELECT id + g AS id, n FROM batch, generate_series(0, 1) AS g');
SELECT keyed(E'30,x\n31,150\n32,50\n');
CALL etl_run('keyed') \gset
SELECT raw, key FROM keyed_letters WHERE raw ~ '^[123]\d';

-- What is not known to be the latest is only inserted, unless the user says so.
SELECT etl_alter_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n text)$$,
	query => $$SELECT id, CASE WHEN n ~ '^\d+$' THEN least(n::int, 99) ELSE -1 END AS n FROM batch$$, rules => '{}');
INSERT INTO keyed VALUES (10, 0), (20, 0), (22, 0), (30, 0) ON CONFLICT (id) DO UPDATE SET n = 0;
CALL etl_retry_dead_letters('keyed') \gset
SELECT :read, :load_failed, :inserted, :updated;
SELECT id, n FROM keyed WHERE id BETWEEN 10 AND 40 ORDER BY id;
SELECT raw, sqlstate, attempts, detail FROM etl_dead_letters WHERE pipeline = 'keyed' AND NOT resolved ORDER BY id;
CALL etl_retry_dead_letters('keyed', overwrite => true) \gset
SELECT :read, :updated;
SELECT id, n FROM keyed WHERE id IN (20, 30) ORDER BY id;
SELECT state, count(*) FROM keyed_letters GROUP BY state ORDER BY state;
CALL etl_retry_dead_letters('keyed', NULL, 1);

-- With a watermark, a row that is older supersedes nothing; one that has none of a letter that has one, neither.
SELECT etl_purge('keyed', '0') > 0;
SELECT etl_alter_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(id int, n int, at date)$$, query => 'SELECT * FROM batch', watermark => 'at');
SELECT keyed(E'51,x,2026-01-05\n52,x,2026-01-05\n53,x,2026-01-05\n54,x,\n55,x,someday\n56,x,2026-01-05\n', 'id,n,at');
CALL etl_run('keyed') \gset
SELECT keyed(E'51,1,2026-01-05\n52,2,2026-01-04\n53,3,2026-01-06\n54,4,2026-01-01\n55,5,2026-01-06\n56,6,\n', 'id,n,at');
CALL etl_run('keyed') \gset
SELECT raw, key, state FROM keyed_letters;

-- Keys are equal when they are in the target, and are those of its columns: what was kept for others is forgotten.
CREATE TABLE keyed_texts (a numeric, b varchar(4), c timestamptz, n int, PRIMARY KEY (a, b, c));
SELECT etl_drop_pipeline('keyed'), etl_create_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(a text, b text, c text, n int)$$,
	query => 'SELECT a::numeric AS a, b, c::timestamptz AS c, n FROM batch', target => 'keyed_texts', key => '{a,b,c}');
SELECT keyed(E'1.0,x   ,2026-01-01 00:00+00,150000000000\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT etl_alter_pipeline('keyed', source => $$etl_csv('etl_tmp/keyed.csv') AS t(a numeric, b text, c timestamptz, n int)$$, query => 'SELECT * FROM batch');
SELECT keyed(E'1.0,"x     ",2026-01-01 00:00+00,y\n2,toolong,2026-01-01,y\n,x,2026-01-01,y\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT keyed(E'1.00,x   ,2026-01-01 01:00+01,1\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT raw, key, state FROM keyed_letters;
SELECT keyed(E'5,x,2026-01-01,y\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
CREATE UNIQUE INDEX ON keyed_texts (a);
SELECT etl_alter_pipeline('keyed', key => '{a}');
SELECT keyed(E'6,x,2026-01-01,6\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT raw, key, state FROM keyed_letters WHERE raw ~ '^5';

-- What is to be kept secret is not kept as a key.
SELECT etl_alter_pipeline('keyed', redact => '{b}');
SELECT keyed(E'7,x,2026-01-01,y\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT etl_alter_pipeline('keyed', redact => '{a}');
SELECT keyed(E'8,x,2026-01-01,y\n', 'a,b,c,n');
CALL etl_run('keyed') \gset
SELECT raw, key FROM keyed_letters WHERE raw ~ '^(7|\*)';

SELECT etl_drop_pipeline('keyed');
DROP VIEW keyed_letters;
DROP FUNCTION keyed(text, text);
DROP TABLE keyed_late, keyed, keyed_texts;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

--
-- Columns that a record lacks: an upsert leaves them as they are.  What is loaded is what a loop over the items makes of them,
-- which writes the members that there are.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
-- renamed at the source: what is there stays
CREATE TABLE r (id int PRIMARY KEY, name text, n int DEFAULT 7, at timestamptz NOT NULL DEFAULT '2026-01-01');
SELECT csv_file('missing_r1.ndjson', E'{"id":1,"name":"Ann","n":1}\n{"id":2,"name":"Bob"}\n{"id":3,"name":null,"n":null}\n') AS path;
SELECT etl_create_pipeline('r', source => $$etl_json('etl_tmp/missing_r?.ndjson') AS t(id int, name text, n int)$$, target => 'r', key => '{id}');
CALL etl_run('r');
SELECT id, name, n FROM r ORDER BY id;
SELECT csv_file('missing_r2.ndjson', E'{"id":1,"full_name":"Ann","n":2}\n{"id":2,"name":null}\n{"id":4}\n') AS path;
CALL etl_run('r');
SELECT id, name, n FROM r ORDER BY id;
-- the same again changes nothing
SELECT etl_reset('r');
DELETE FROM r WHERE id = 4;
SELECT csv_file('missing_r1.ndjson', E'{"id":1,"n":2}\n{"id":2}\n') AS path, csv_file('missing_r2.ndjson', E'{"id":3,"n":null}\n') AS path;
CALL etl_run('r');
SELECT id, name, n FROM r ORDER BY id;
-- missing => 'null'
SELECT etl_reset('r'), etl_alter_pipeline('r', missing => 'null');
CALL etl_run('r');
SELECT id, name, n FROM r ORDER BY id;
SELECT missing FROM etl_pipelines WHERE name = 'r';
SELECT etl_alter_pipeline('r', missing => 'none');
SELECT etl_alter_pipeline('r', missing => 'keep', mode => 'append');
-- an append takes defaults, too
TRUNCATE r;
CALL etl_run('r');
SELECT etl_reset('r');
TRUNCATE r;
CALL etl_run('r');
SELECT id, name, n FROM r ORDER BY id;
SELECT etl_drop_pipeline('r');

-- random items: "a" may be null, "b" has a default, "c" is not null, "d" has a check
CREATE TABLE loaded (id int PRIMARY KEY, a int, b text DEFAULT 'none', c int NOT NULL, d int DEFAULT 1 CHECK (d > 0), e varchar(4) COLLATE "C", v int);
CREATE TABLE expected (LIKE loaded INCLUDING ALL);
CREATE TABLE input (line int, item jsonb);
CREATE TABLE dim (a int PRIMARY KEY);
INSERT INTO dim SELECT generate_series(-1000, 1000);
CREATE FUNCTION member(name text, value anyelement, there float8) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < there THEN jsonb_build_object(name, CASE WHEN random() < 0.9 OR name IN ('c', 'v') THEN value END) ELSE '{}' END
$$;
-- A query may give the rows in another order; of one key that matters.
CREATE FUNCTION write_input(each_key_once boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
	DELETE FROM input USING input AS i WHERE each_key_once AND i.item->'id' = input.item->'id' AND i.line < input.line;
	SELECT csv_file('missing.ndjson', (SELECT string_agg(item::text, E'\n' ORDER BY line) || E'\n' FROM input));
$$;
-- n items of so many keys, with most members; a new key has all that must be there
CREATE FUNCTION make_input(seed float8, n int, keys int, there float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed);
	TRUNCATE input;
	INSERT INTO input SELECT g, jsonb_build_object('id', (random() * keys)::int)
		|| member('a', (random() * 9)::int, there) || member('b', 'b' || (random() * 9)::int, there)
		|| member('c', (random() * 9)::int, there) || member('d', 1 + (random() * 9)::int, there)
		|| member('e', 'e' || (random() * 9)::int, there) || member('v', (random() * 99)::int, 0.5 + there / 2)
	FROM generate_series(1, n) AS g;
	PERFORM write_input();
END $$;
-- What the items make of the table: later ones of a key on top of earlier ones, unless their watermark is lower.
CREATE FUNCTION load_expected(watermark boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r record;
	failed bigint := 0;
BEGIN
	FOR r IN SELECT item AS i, (item->>'id')::int AS id FROM input ORDER BY line LOOP
		BEGIN
			IF EXISTS (SELECT FROM expected WHERE id = r.id) THEN
				UPDATE expected SET a = CASE WHEN r.i ? 'a' THEN (r.i->>'a')::int ELSE a END,
					b = CASE WHEN r.i ? 'b' THEN r.i->>'b' ELSE b END,
					c = CASE WHEN r.i ? 'c' THEN (r.i->>'c')::int ELSE c END,
					d = CASE WHEN r.i ? 'd' THEN (r.i->>'d')::int ELSE d END,
					e = CASE WHEN r.i ? 'e' THEN r.i->>'e' ELSE e END,
					v = CASE WHEN r.i ? 'v' THEN (r.i->>'v')::int ELSE v END
				WHERE id = r.id AND (NOT watermark OR v IS NULL OR (r.i->>'v')::int >= v);
			ELSE
				EXECUTE (SELECT format('INSERT INTO expected (%s) SELECT %1$s FROM jsonb_populate_record(NULL::expected, $1)',
					string_agg(quote_ident(k), ', ')) FROM jsonb_object_keys(r.i) AS k) USING r.i;
			END IF;
		EXCEPTION WHEN integrity_constraint_violation THEN
			failed := failed + 1;
		END;
	END LOOP;
	RETURN failed;
END $$;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM ((TABLE loaded EXCEPT TABLE expected) UNION ALL (TABLE expected EXCEPT TABLE loaded)) AS d
$$;
-- A pipeline with these options, over a target in which a part of the keys is already, and which is large enough to be looked
-- up by its index.
CREATE FUNCTION define(query text DEFAULT NULL, batch_size int DEFAULT 1000, watermark text DEFAULT NULL, whole boolean DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM etl_drop_pipeline('missing') FROM etl_pipelines WHERE name = 'missing';
	TRUNCATE loaded, expected;
	INSERT INTO expected SELECT g, g, 'old', g, g, 'old', 20 FROM generate_series(1, 400, 2) AS g;
	INSERT INTO expected SELECT g, g, 'large', g, g, 'l', g FROM generate_series(10001, 13000) AS g;
	INSERT INTO loaded TABLE expected;
	ANALYZE loaded;
	PERFORM etl_create_pipeline('missing',
		source => $q$etl_json('etl_tmp/missing.ndjson', missing_columns => 'null') AS t(id int, a int, b text, c int, d int, e text, v int)$q$,
		query => query, target => 'loaded', key => '{id}', batch_size => batch_size, watermark => watermark, whole => whole);
END $$;
\pset tuples_only on
\pset format unaligned
SELECT make_input(0.1, 1000, 500, 0.7), define();
SELECT load_expected(false) > 0 AS some_fail;
CALL etl_run('missing') \gset
SELECT differences(), :convert_failed, :load_failed > 0, :loaded > 0;
SELECT (SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'missing') = :load_failed;
-- Their retry, when the keys are there.  A letter whose key was loaded later, with some of its columns, is not resolved by that, and
-- must not be written over it: it stays.
INSERT INTO loaded (id, c) SELECT DISTINCT (raw::json->>'id')::int, 77 FROM etl_dead_letters WHERE NOT resolved ON CONFLICT DO NOTHING;
INSERT INTO expected (id, c) SELECT DISTINCT (raw::json->>'id')::int, 77 FROM etl_dead_letters WHERE NOT resolved ON CONFLICT DO NOTHING;
CALL etl_retry_dead_letters('missing') \gset
TRUNCATE input;
INSERT INTO input SELECT id, raw::jsonb FROM etl_dead_letters WHERE resolved_by = :run;
SELECT load_expected(false);
SELECT differences(), :loaded > 0;
SELECT count(*) > 0, bool_and(EXISTS (SELECT FROM loaded WHERE id = (raw::json->>'id')::int AND c <> 77)) FROM etl_dead_letters WHERE NOT resolved;
-- few keys that come often; small batches; more of the same, when everything is there
SELECT make_input(0.2, 1000, 20, 0.5), define();
SELECT load_expected(false);
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.3, 1000, 300, 0.6), define(batch_size => 17);
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.4, 600, 300, 0.9), load_expected(false) > 0, etl_reset('missing');
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.5, 600, 300, 0.95), load_expected(false) > 0, etl_reset('missing');
CALL etl_run('missing') \gset
SELECT differences();
-- nothing has changed; all keys are new
SELECT make_input(0.21, 900, 600, 0.7), define(batch_size => 50);
SELECT write_input(each_key_once => true);
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences(), etl_reset('missing');
CALL etl_run('missing') \gset
SELECT differences(), :loaded, :skipped > 200;
SELECT make_input(0.22, 500, 1, 0.7), define('SELECT id, a, b, 5 AS c, e, v FROM batch', batch_size => 50);
UPDATE input SET item = item - 'd' || jsonb_build_object('id', 20000 + line, 'c', 5);
SELECT write_input();
SELECT load_expected(false);
CALL etl_run('missing') \gset
SELECT differences(), :inserted;
-- a watermark
SELECT make_input(0.6, 1000, 50, 0.6), define(watermark => 'v');
SELECT load_expected(true);
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.7, 500, 450, 0.6), define(watermark => 'v', batch_size => 60);
SELECT load_expected(true) > 0;
CALL etl_run('missing') \gset
SELECT differences();
-- queries: casts, other names and orders, joins, subqueries, CTEs, more rows than records, a whole source
SELECT make_input(0.8, 600, 500, 0.6), define('SELECT e::varchar(4), d::bigint::int, b, c, a, id, v FROM batch');
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.9, 600, 500, 0.6), define('SELECT j.i AS id, j.y AS a, j.b, j.c, j.d, j.e, j.v FROM (batch JOIN generate_series(0, 9999) AS id USING (id) JOIN (SELECT a AS o FROM dim) AS n ON n.o = id) AS j(i, y, b, c, d, e, v, o)');
SELECT write_input(each_key_once => true);
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.11, 600, 500, 0.6), define('WITH w AS MATERIALIZED (SELECT v, id AS i, c, a FROM (SELECT * FROM batch) AS s) SELECT w.i AS id, w.c, w.a, w.v FROM w JOIN dim ON dim.a = w.i');
SELECT write_input(each_key_once => true);
UPDATE input SET item = item - '{b,d,e}'::text[];
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.12, 300, 500, 0.8), define('SELECT id, a, v, g AS c, b FROM batch, generate_series(1, 2) AS g');
UPDATE input SET item = item - '{d,e}'::text[] || '{"c":2}';
SELECT load_expected(false);
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.13, 600, 500, 0.6), define('SELECT DISTINCT ON (id) x.* FROM (SELECT * FROM batch) AS x ORDER BY id', whole => true);
-- (what is computed is written: DISTINCT is)
SELECT define('SELECT id, a, b, coalesce(c, 5) AS c, v FROM batch ORDER BY b || id', whole => true);
UPDATE input SET item = item - '{d,e}'::text[] || CASE WHEN item ? 'c' THEN '{}' ELSE '{"c":5}' END::jsonb;
SELECT write_input(each_key_once => true);
SELECT load_expected(false);
CALL etl_run('missing') \gset
SELECT differences();
-- other ways into the target: a trigger, partitions, a key of another collation
SELECT make_input(0.14, 600, 500, 0.7), define();
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE INSERT ON loaded FOR EACH ROW EXECUTE FUNCTION touch();
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
SELECT make_input(0.15, 600, 500, 0.9), load_expected(false) > 0, etl_reset('missing');
CALL etl_run('missing') \gset
SELECT differences();
DROP TABLE loaded;
CREATE TABLE loaded (LIKE expected INCLUDING ALL) PARTITION BY HASH (id);
CREATE TABLE loaded_0 PARTITION OF loaded FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE loaded_1 PARTITION OF loaded FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT make_input(0.16, 600, 500, 0.7), define();
SELECT load_expected(false) > 0;
CALL etl_run('missing') \gset
SELECT differences();
\pset tuples_only off
\pset format aligned
SELECT etl_drop_pipeline('missing');

-- A row that waits for what it refers to is not superseded by a later one that lacks what it has, nor written over it.
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, a int, b int);
SELECT csv_file('missing_tree.ndjson', E'{"id":1,"parent":2,"a":5}\n{"id":1,"b":6}\n{"id":3,"parent":2,"a":7}\n{"id":3,"parent":null,"a":8,"b":9}\n{"id":4,"parent":2}\n{"id":2}\n') AS path;
SELECT etl_create_pipeline('tree', source => $$etl_json('etl_tmp/missing_tree.ndjson') AS t(id int, parent int, a int, b int)$$, target => 'tree', key => '{id}');
CALL etl_run('tree');
TABLE tree ORDER BY id;
SELECT index, sqlstate, message, resolved FROM etl_dead_letters WHERE pipeline = 'tree' ORDER BY 1;
SELECT etl_drop_pipeline('tree');
DROP TABLE tree;

-- CSV: a file that lacks a column
CREATE TABLE c (k text COLLATE "C", n numeric(8,2) DEFAULT 0, t text, UNIQUE (k));
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
ALTER TABLE c ALTER k TYPE text COLLATE nocase;
SELECT csv_file('missing_c1.csv', E'k,n,t\na,1,x\nb,2,y\n'), csv_file('missing_c2.csv', E'k,n\nB,3\n"c",4\n'), csv_file('missing_c3.csv', E't,k\n,A\nz,D\nw,d\n');
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/missing_c?.csv', union_by_name => true) AS t(k text, n numeric, t text)$$, target => 'c', key => '{k}');
CALL etl_run('c');
TABLE c ORDER BY k;
SELECT etl_drop_pipeline('c');
DROP TABLE r, c, loaded, expected, input, dim;
DROP COLLATION nocase;
DROP FUNCTION write_input(boolean), member(text, anyelement, float8), make_input(float8, int, int, float8), load_expected(boolean), differences(), define(text, int, text, boolean), touch();

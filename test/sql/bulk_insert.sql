--
-- INSERT ... SELECT from a scan inserts many rows at once, and makes no other difference: tables of random shapes get the
-- same rows in both ways.  With LIMIT, PostgreSQL inserts row by row.
--
CREATE SCHEMA bulk;
SET search_path = bulk, public;
CREATE TABLE known (k int PRIMARY KEY);
INSERT INTO known SELECT generate_series(0, 9);
CREATE TABLE log (number serial, target text, what text);
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log(target, what) VALUES (left(TG_ARGV[0], 1), TG_NAME || ' ' || to_jsonb(NEW));
	RETURN NULL;
END $$;
-- a volatile function sees what was inserted before
CREATE FUNCTION log_table() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE what text;
BEGIN
	EXECUTE format('SELECT count(*) FROM %I', TG_ARGV[0]) INTO what;
	INSERT INTO log(target, what) VALUES (left(TG_ARGV[0], 1), TG_WHEN || ' ' || what);
	RETURN NULL;
END $$;
CREATE FUNCTION log_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log(target, what) SELECT left(TG_ARGV[0], 1), 'new ' || string_agg(n::text, ' ') FROM new AS n;
	RETURN NULL;
END $$;
CREATE FUNCTION change_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.t := 'changed ' || NEW.t;
	RETURN CASE WHEN NEW.id % 7 > 0 THEN NEW END;
END $$;
CREATE FUNCTION rows_of(target text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %I', target) INTO n;
	RETURN n;
END $$;

-- A table and what belongs to it, %1$s being its name: each piece by a bit of "shape".
CREATE FUNCTION make_target(target text, shape int) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
	parted boolean := shape & 1 > 0;
	pieces text[] := '{}';
	piece text;
BEGIN
	pieces := pieces || format('CREATE %s TABLE %%1$s (gone int, t text %s, id int, k int %s, v numeric(8,1), g text %s, s bigserial, d date DEFAULT ''2026-01-01'')%s',
		CASE WHEN shape & 2 > 0 AND NOT parted THEN 'UNLOGGED' END,
		CASE WHEN shape & 4 > 0 THEN 'NOT NULL' END,
		CASE WHEN shape & 8 > 0 THEN 'REFERENCES known' || CASE WHEN shape & 16 > 0 THEN ' DEFERRABLE INITIALLY DEFERRED' ELSE '' END END,
		CASE WHEN shape & 32 > 0 THEN 'GENERATED ALWAYS AS (left(t, 5) || k) STORED' END,
		CASE WHEN parted THEN ' PARTITION BY RANGE (k)' END);
	pieces := pieces || 'ALTER TABLE %1$s DROP COLUMN gone'::text;
	IF parted THEN
		-- columns in another order, a partition of partitions, one more for the rest or not
		pieces := pieces || format('CREATE TABLE %%1$s_1 (s bigint NOT NULL, g text %s, id int, k int, d date, t text %s, v numeric(8,1))',
			CASE WHEN shape & 32 > 0 THEN 'GENERATED ALWAYS AS (left(t, 5) || k) STORED' END, CASE WHEN shape & 4 > 0 THEN 'NOT NULL' END);
		pieces := pieces || 'ALTER TABLE %1$s ATTACH PARTITION %1$s_1 FOR VALUES FROM (MINVALUE) TO (2)'::text;
		pieces := pieces || 'CREATE TABLE %1$s_2 PARTITION OF %1$s FOR VALUES FROM (2) TO (8) PARTITION BY HASH (id)'::text;
		FOR i IN 0 .. 33 LOOP
			pieces := pieces || format('CREATE %1$s TABLE %%1$s_2%2$s PARTITION OF %%1$s_2 FOR VALUES WITH (MODULUS 34, REMAINDER %2$s)', CASE WHEN shape & 2 > 0 THEN 'UNLOGGED' END, i);
		END LOOP;
		pieces := pieces || 'CREATE TABLE %1$s_3 PARTITION OF %1$s FOR VALUES FROM (8) TO (10)'::text;
	END IF;
	IF shape & 64 > 0 THEN
		pieces := pieces || CASE WHEN parted THEN 'ALTER TABLE %1$s ADD PRIMARY KEY (id, k)' ELSE 'ALTER TABLE %1$s ADD PRIMARY KEY (id)' END;
	END IF;
	IF shape & 128 > 0 THEN
		pieces := pieces || 'CREATE INDEX ON %1$s (lower(left(t, 50))) WHERE id %% 3 = 0'::text || 'CREATE INDEX ON %1$s USING brin (v)'::text;
	END IF;
	IF shape & 256 > 0 THEN
		pieces := pieces || 'ALTER TABLE %1$s ADD CONSTRAINT good CHECK (v > -1000 AND tableoid IS NOT NULL)'::text;
	END IF;
	IF shape & 512 > 0 THEN
		pieces := pieces || 'CREATE TRIGGER log_row AFTER INSERT ON %1$s FOR EACH ROW WHEN (new.id %% 10 = 0) EXECUTE FUNCTION log_row(''%1$s'')'::text;
	END IF;
	IF shape & 1024 > 0 THEN
		pieces := pieces || 'CREATE TRIGGER before BEFORE INSERT ON %1$s EXECUTE FUNCTION log_table(''%1$s'')'::text
			|| 'CREATE TRIGGER after AFTER INSERT ON %1$s EXECUTE FUNCTION log_table(''%1$s'')'::text;
	END IF;
	IF shape & 2048 > 0 THEN
		pieces := pieces || 'CREATE TRIGGER log_new AFTER INSERT ON %1$s REFERENCING NEW TABLE AS new EXECUTE FUNCTION log_new(''%1$s'')'::text;
	END IF;
	IF shape & 4096 > 0 THEN
		pieces := pieces || CASE WHEN parted THEN 'CREATE TRIGGER change_row BEFORE INSERT ON %1$s_3 FOR EACH ROW EXECUTE FUNCTION change_row()'
			ELSE 'CREATE TRIGGER change_row BEFORE INSERT ON %1$s FOR EACH ROW EXECUTE FUNCTION change_row()' END;
	END IF;
	IF shape & 8192 > 0 THEN
		pieces := pieces || CASE WHEN parted THEN 'ALTER TABLE %1$s_1 ADD CHECK (rows_of(''%1$s'') < 3000)' ELSE 'ALTER TABLE %1$s ADD CHECK (rows_of(''%1$s'') < 3000)' END;
	END IF;
	IF shape & 16384 > 0 THEN
		pieces := pieces || CASE WHEN parted THEN 'ALTER TABLE %1$s ADD UNIQUE (k, v, id) DEFERRABLE INITIALLY DEFERRED' ELSE 'ALTER TABLE %1$s ADD EXCLUDE USING btree (v WITH =, id WITH =) DEFERRABLE' END;
	END IF;
	FOREACH piece IN ARRAY pieces LOOP
		EXECUTE format(piece, target);
	END LOOP;
END $make$;

-- 2500 rows, a few of them too large for a page; one is faulty.
CREATE FUNCTION make_file(fault text) RETURNS text LANGUAGE sql AS $$
	SELECT csv_file('bulk.csv', E'id,k,t,v\n' || string_agg(concat_ws(',',
		CASE WHEN fault = 'key' AND g = 1700 THEN 1690 ELSE g END,
		CASE WHEN fault = 'reference' AND g = 1700 THEN -1 WHEN fault = 'partition' AND g = 1700 THEN 10 WHEN fault = 'key' AND g = 1700 THEN 6 ELSE (g * 7 + g / 100) % 10 END,
		CASE WHEN fault = 'null' AND g = 1700 THEN '' WHEN g % 400 = 0 THEN repeat('large ' || g, 400) ELSE 'text ' || g END,
		CASE WHEN fault = 'check' AND g = 1700 THEN -1001 WHEN fault = 'key' AND g = 1700 THEN 169 ELSE g / 10.0 END), E'\n' ORDER BY g) || E'\n')
	FROM generate_series(1, 2500) AS g
$$;
-- What an INSERT did, or its error.
CREATE FUNCTION result_of(target text, way text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n bigint; detail text;
BEGIN
	EXECUTE format('INSERT INTO %I (id, k, t, v) SELECT id, k, t, v FROM etl_csv(''etl_tmp/bulk.csv'') AS f(id int, k int, t text, v numeric) %s', target, way);
	GET DIAGNOSTICS n = ROW_COUNT;
	SET CONSTRAINTS ALL IMMEDIATE;
	RETURN n;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, replace(SQLERRM, quote_ident(target), '"x"'), replace(detail, target, 'x'));
END $$;
CREATE FUNCTION state_of(target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(concat_ws('' '', regexp_replace(tableoid::regclass::text, ''^.*\.?%1$s'', ''''), x::text), E''\n'' ORDER BY s)) FROM %1$I AS x', target) INTO state;
	RETURN concat_ws(' ', state, rows_of(target),
		(SELECT md5(string_agg(what, E'\n' ORDER BY number)) FROM log WHERE log.target = left(state_of.target, 1)),
		CASE WHEN rows_of(target) > 0 THEN nextval(pg_get_serial_sequence(target, 's')) END);
END $$;
CREATE FUNCTION is_bulk(target text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; plan text := '';
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) INSERT INTO %I (id, k, t, v) SELECT id, k, t, v FROM etl_csv(''etl_tmp/bulk.csv'') AS f(id int, k int, t text, v numeric)', target) LOOP
		plan := plan || line;
	END LOOP;
	RETURN plan LIKE '%EtlBulkInsert%';
END $$;
CREATE FUNCTION compare(shape int, fault text, OUT same boolean, OUT bulk text, OUT by_row text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_file(fault);
	TRUNCATE log;
	PERFORM make_target('many', shape), make_target('single', shape);
	IF NOT is_bulk('many') THEN
		RAISE 'not inserted together';
	END IF;
	FOR i IN 1 .. CASE WHEN fault = 'none' AND shape & 16448 = 0 THEN 2 ELSE 1 END LOOP
		bulk := concat_ws(' | ', bulk, result_of('many', ''), state_of('many'));
		by_row := concat_ws(' | ', by_row, result_of('single', 'LIMIT 1000000'), state_of('single'));
	END LOOP;
	same := bulk = by_row;
	DROP TABLE many, single;
END $$;
-- each piece alone, then several, then the same with partitions
SELECT same, count(*), min(shape) FILTER (WHERE NOT same) AS shape, min(bulk) FILTER (WHERE NOT same) AS bulk, min(by_row) FILTER (WHERE NOT same) AS by_row
FROM (SELECT 1 << g FROM generate_series(1, 14) AS g UNION ALL SELECT hashint4(g) & 32766 FROM generate_series(1, 4) AS g
	UNION ALL SELECT (hashint4(g) & hashint4(-g) & 32766) | 1 FROM generate_series(1, 4) AS g) AS s(shape), compare(shape, 'none') GROUP BY same;
-- faults: the same error, and nothing of the statement stays
SELECT fault, same, bulk FROM (VALUES (64, 'key'), (65, 'key'), (260, 'null'), (261, 'null'), (256, 'check'), (257, 'check'), (8, 'reference'), (25, 'reference'),
	(1, 'partition'), (16384, 'key')) AS f(shape, fault), compare(shape, fault) ORDER BY fault, shape;

-- which rows are inserted together
CREATE FUNCTION inserted(target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO %I (id, k, t, v) SELECT * FROM etl_csv(''etl_tmp/bulk.csv'') AS f(id int, k int, t text, v numeric)', target) LOOP
		IF line LIKE '%Rows Inserted%' THEN
			RETURN trim(line);
		END IF;
	END LOOP;
END $$;
SELECT make_file('none');
SELECT make_target('target' || shape, shape) IS NULL, inserted('target' || shape) FROM unnest('{0,1,512,513,2048,2049,4096,4097,8192,8193}'::int[]) AS shape;

-- the statement of old where it could see, or be, something else
CREATE TABLE plain (id int, k int DEFAULT rows_of('plain'), t text);
CREATE VIEW seen AS SELECT * FROM plain;
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan := plan || line;
	END LOOP;
	RETURN CASE WHEN plan LIKE '%EtlBulkInsert%' THEN 'together' ELSE 'row by row' END;
END $$;
SELECT what, plan(format(query, $$etl_csv('etl_tmp/bulk.csv') AS f(id int, t text)$$)) FROM (VALUES
	('all columns given', 'INSERT INTO plain SELECT id, 1, t FROM %s'),
	('computed ones', 'INSERT INTO plain SELECT id + 1, 1, upper(t) FROM %s WHERE id > 10'),
	('a condition that is the same for all rows', 'INSERT INTO plain SELECT id, 1, t FROM %s WHERE now() > ''2000-01-01'''),
	('one that is so for all of the table', 'INSERT INTO plain SELECT id, 1, t FROM %s WHERE (SELECT count(*) FROM plain) = 0'),
	('one that is never true', 'INSERT INTO plain SELECT id, 1, t FROM %s WHERE false'),
	('with a subquery', 'INSERT INTO plain SELECT id, 1, t FROM (SELECT id, t FROM %s OFFSET 0) AS s'),
	('through a view', 'INSERT INTO seen SELECT id, 1, t FROM %s'),
	('a default that may look into the table', 'INSERT INTO plain (id, t) SELECT id, t FROM %s'),
	('a column that may', 'INSERT INTO plain SELECT rows_of(''plain''), 1, t FROM %s'),
	('a condition that may', 'INSERT INTO plain SELECT id, 1, t FROM %s WHERE rows_of(''plain'') < 3'),
	('RETURNING', 'INSERT INTO plain SELECT id, 1, t FROM %s RETURNING id'),
	('ON CONFLICT', 'INSERT INTO plain SELECT id, 1, t FROM %s ON CONFLICT DO NOTHING'),
	('in WITH', 'WITH i AS (INSERT INTO plain SELECT id, 1, t FROM %s RETURNING id) SELECT FROM i'),
	('a join', 'INSERT INTO plain SELECT f.id, 1, f.t FROM plain, %s'),
	('a subquery for each row', 'INSERT INTO plain SELECT id, (SELECT count(*) FROM plain AS p WHERE p.id = f.id), t FROM %s')) AS v(what, query);
INSERT INTO plain (id, t) SELECT id, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE id < 4;
SELECT id, k FROM plain ORDER BY id;
-- a condition above the scan, true and false
BEGIN;
EXPLAIN (COSTS OFF) INSERT INTO plain SELECT id, 1, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE now() > '2000-01-01';
INSERT INTO plain SELECT id, 1, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE now() > '2000-01-01' AND id < 4;
INSERT INTO plain SELECT id, 1, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE now() < '2000-01-01';
INSERT INTO plain SELECT id, 1, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE false;
SELECT count(*) FROM plain;
ROLLBACK;
-- and in the query of a pipeline
CREATE TABLE piped (id int, t text);
SELECT etl_create_pipeline('piped', source => $$etl_csv('etl_tmp/bulk.csv') AS f(id int, t text)$$, target => 'piped', query => 'SELECT * FROM batch WHERE now() > ''2000-01-01''');
CALL etl_run('piped') \gset
SELECT etl_reset('piped'), etl_alter_pipeline('piped', query => 'SELECT * FROM batch WHERE false');
CALL etl_run('piped') \gset
SELECT etl_reset('piped'), etl_alter_pipeline('piped', query => 'SELECT * FROM batch WHERE now() < ''2000-01-01''');
CALL etl_run('piped') \gset
SELECT state, read, emitted, loaded FROM etl_runs WHERE pipeline = 'piped' ORDER BY run;
SELECT etl_drop_pipeline('piped');

-- rights are those of INSERT, by column, and policies hold
CREATE ROLE regress_etl_bulk;
GRANT USAGE ON SCHEMA bulk TO regress_etl_bulk;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_bulk;
GRANT INSERT (id, t) ON plain TO regress_etl_bulk;
ALTER TABLE plain ALTER k DROP DEFAULT;
GRANT pg_read_server_files TO regress_etl_bulk;
SET ROLE regress_etl_bulk;
INSERT INTO plain (id, t) SELECT id, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE id < 4;
INSERT INTO plain (id, k) SELECT id, id FROM etl_csv('etl_tmp/bulk.csv') AS f(id int);
RESET ROLE;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON plain FOR INSERT TO regress_etl_bulk WITH CHECK (id < 100);
SET ROLE regress_etl_bulk;
INSERT INTO plain (id, t) SELECT id, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text) WHERE id < 4;
INSERT INTO plain (id, t) SELECT id, t FROM etl_csv('etl_tmp/bulk.csv') AS f(id int, t text);
RESET ROLE;
DROP OWNED BY regress_etl_bulk;
DROP ROLE regress_etl_bulk;

-- an import says which row an index refuses, though others have been read since
CREATE TABLE keyed (id int PRIMARY KEY, name text);
SELECT csv_file('bulk_1.csv', E'id,name\n1,one\n2,two\n'), csv_file('bulk_2.csv', E'id,name\n3,three\n1,again\n4,four\n'), csv_file('bulk_3.csv', E'id,name\n5,five\n');
SELECT etl_import('keyed', 'etl_tmp/bulk_[123].csv');
SELECT csv_file('bulk.json', '[{"id":1,"name":"one"},{"id":2,"name":"two"},{"id":1,"name":"again"},{"id":3,"name":"three"}]');
SELECT etl_import('keyed', 'etl_tmp/bulk.json');
SELECT csv_file('bulk.ndjson', E'{"id":1,"name":"one"}\n\n{"id":1,"name":"again"}\n{"id":3,"name":"three"}\n');
SELECT etl_import('keyed', 'etl_tmp/bulk.ndjson');
-- ... and a constraint
SELECT csv_file('bulk_2.csv', E'id,name\n3,three\n,none\n4,four\n');
SELECT etl_import('keyed', 'etl_tmp/bulk_[123].csv');

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA bulk CASCADE;

--
-- A streaming scan in every place of a plan: joins and rescans, LATERAL, prepared statements, cursors, views,
-- functions, subqueries.
--
SELECT csv_file('a.csv', E'id,name\n' || string_agg(format(E'%s,n%s\n', i, i), '' ORDER BY i)) AS a FROM generate_series(1, 400) AS i \gset
SELECT csv_file('b.csv', E'id,ref\n' || string_agg(format(E'%s,%s\n', i, i * 7 % 600), '' ORDER BY i)) AS b FROM generate_series(1, 300) AS i \gset
CREATE TABLE a AS SELECT * FROM etl_csv(:'a') AS t(id int, name text);
CREATE TABLE b AS SELECT * FROM etl_csv(:'b') AS t(id int, ref int);
CREATE VIEW av AS SELECT * FROM etl_csv('etl_tmp/a.csv') AS t(id int, name text);
CREATE VIEW bv AS SELECT * FROM etl_csv('etl_tmp/b.csv') AS t(id int, ref int);
ANALYZE a, b;

-- Each query gives the same over files as over tables, under each kind of join.
CREATE FUNCTION same(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	over_tables text;
	over_files text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(r::text, '';'' ORDER BY r::text)) || count(*) FROM (%s) AS r', replace(replace(query, '$a', 'a'), '$b', 'b')) INTO over_tables;
	EXECUTE format('SELECT md5(string_agg(r::text, '';'' ORDER BY r::text)) || count(*) FROM (%s) AS r', replace(replace(query, '$a', 'av'), '$b', 'bv')) INTO over_files;
	RETURN over_tables = over_files;
END $$;
CREATE TABLE query (n serial, query text);
INSERT INTO query(query) VALUES
	('SELECT x.name, y.id FROM $a x JOIN $b y ON x.id = y.ref'),
	('SELECT x.name, y.id FROM $a x LEFT JOIN $b y ON x.id = y.ref'),
	('SELECT x, y FROM $a x FULL JOIN $b y ON x.id = y.ref'),
	('SELECT x.id, y.id FROM $b x JOIN $b y ON x.id < y.ref AND x.id > 295'),
	('SELECT * FROM $a x WHERE x.id IN (SELECT ref FROM $b)'),
	('SELECT * FROM $a x WHERE NOT EXISTS (SELECT 1 FROM $b y WHERE y.ref = x.id)'),
	('SELECT * FROM $a x WHERE id NOT IN (SELECT ref FROM $b)'),
	('SELECT * FROM $b x WHERE ref = ANY (SELECT id FROM $a WHERE id <> x.id)'),
	('SELECT id, (SELECT name FROM $a y WHERE y.id = x.ref) FROM $b x WHERE id % 50 = 0'),
	('SELECT id, (SELECT count(*) FROM $a y WHERE y.id < x.ref) FROM $b x WHERE id % 50 = 0'),
	('SELECT id, ref > (SELECT avg(id) FROM $a) FROM $b'),
	('SELECT x.id, s.* FROM $b x, LATERAL (SELECT name FROM $a y WHERE y.id = x.ref OFFSET 0) AS s WHERE x.id < 20'),
	('SELECT x.id, s.n FROM $b x LEFT JOIN LATERAL (SELECT x.id + y.id AS n FROM $a y ORDER BY y.id DESC LIMIT 2) AS s ON true WHERE x.id % 100 = 0'),
	('SELECT x.id, coalesce(s.c, ''none'') FROM $b x LEFT JOIN (SELECT id, coalesce(name, ''-'') AS c FROM $a WHERE id % 3 = 0) AS s ON s.id = x.ref'),
	('SELECT id FROM $a UNION ALL SELECT ref FROM $b'),
	('SELECT id FROM $a UNION SELECT ref FROM $b'),
	('SELECT id FROM $a EXCEPT SELECT ref FROM $b'),
	('SELECT id FROM $a INTERSECT ALL SELECT ref FROM $b'),
	('SELECT id, name FROM $a WHERE id < 3 UNION ALL SELECT ref, NULL FROM $b WHERE id > 298 UNION ALL SELECT 1, NULL'),
	('SELECT ref % 10, count(*), max(id), string_agg(id::text, '','' ORDER BY id) FROM $b GROUP BY 1'),
	('SELECT DISTINCT ON (ref % 7) ref % 7, id FROM $b ORDER BY ref % 7, id DESC'),
	('SELECT id, row_number() OVER (ORDER BY ref), lag(ref) OVER (ORDER BY id) FROM $b'),
	('SELECT GROUPING(id % 2), id % 2, count(*) FROM $a GROUP BY ROLLUP (id % 2)'),
	('WITH w AS MATERIALIZED (SELECT * FROM $a) SELECT x.id, y.name FROM w x JOIN w y ON x.id = y.id + 1'),
	('WITH w AS NOT MATERIALIZED (SELECT * FROM $a) SELECT x.id, y.name FROM w x JOIN w y ON x.id = y.id + 1'),
	('WITH RECURSIVE r(id, depth) AS (SELECT 1, 0 UNION ALL SELECT b.ref, depth + 1 FROM r JOIN $b b ON b.id = r.id AND depth < 5) SELECT * FROM r'),
	('SELECT * FROM (SELECT id FROM $b ORDER BY ref LIMIT 10 OFFSET 5) AS s'),
	('SELECT * FROM $a x JOIN $b y USING (id) JOIN $a z ON z.id = y.ref WHERE x.id < z.id'),
	('SELECT x.* FROM $a x, $b y WHERE x.id = y.id AND x IS NOT NULL AND y::text LIKE ''%7%'''),
	('SELECT (x).name, row_to_json(x) FROM (SELECT a FROM $a AS a WHERE a.id < 10) AS s(x)'),
	('SELECT 1 FROM $a'),
	('SELECT count(*), sum(1) FROM $a, $b WHERE random() >= 0');
CREATE FUNCTION all_same() RETURNS TABLE(failed int, query text) LANGUAGE sql AS
	$$ SELECT n, query FROM query AS q WHERE NOT same(q.query) $$;
SELECT * FROM all_same();
SET enable_hashjoin = off;
SELECT * FROM all_same();
SET enable_mergejoin = off;
SELECT * FROM all_same();
SET enable_material = off;
SET enable_memoize = off;
SELECT * FROM all_same();
RESET enable_hashjoin;
SET enable_nestloop = off;
SET enable_hashagg = off;
SELECT * FROM all_same();
RESET ALL;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM all_same();
RESET plan_cache_mode;

-- LATERAL: files whose names come from a table, each opened once, none before its turn.
CREATE TABLE file (n int, path text);
INSERT INTO file SELECT n, csv_file('l' || n || '.csv', E'v\n' || string_agg(format(E'%s\n', n * 10 + i), '')) FROM generate_series(1, 3) AS n, generate_series(1, n) AS i GROUP BY n;
SELECT n, v FROM file, LATERAL etl_csv(path) AS t(v int) ORDER BY n, v;
SELECT n, v, _etl_source FROM file LEFT JOIN LATERAL etl_csv(path) AS t(v int, _etl_source text) ON v > 21 ORDER BY n, v;
SELECT n, (SELECT max(v) FROM etl_csv(path) AS t(v int)) FROM file ORDER BY n;
SELECT f.n, t.v, u.v FROM file f, LATERAL etl_csv(f.path) AS t(v int), LATERAL etl_csv('etl_tmp/l' || (t.v % 10) || '.csv') AS u(v int) WHERE f.n = 3 ORDER BY 1, 2, 3;
SELECT count(*) FROM (SELECT path FROM file, generate_series(1, 5)) AS f, LATERAL etl_csv(path) AS t(v int);
INSERT INTO file VALUES (4, 'no/such/file');
SELECT n, v FROM (TABLE file ORDER BY n) AS f, LATERAL etl_csv(path) AS t(v int) LIMIT 6;
SELECT n, v FROM (TABLE file ORDER BY n) AS f, LATERAL etl_csv(path) AS t(v int);
UPDATE file SET path = NULL WHERE n = 4;
SELECT n, v FROM file, LATERAL etl_csv(path) AS t(v int);
SELECT n, v FROM file, LATERAL etl_csv(path) AS t(v int) WHERE path IS NOT NULL ORDER BY n, v;
-- an argument that a subquery computes, for each row of the query around it
SELECT n, (SELECT sum(v) FROM etl_csv((SELECT path FROM file f2 WHERE f2.n = f1.n)) AS t(v int)) FROM file f1 WHERE n < 4 ORDER BY n;
SELECT n, (SELECT string_agg(v::text, ',') FROM generate_series(1, 2) AS i, LATERAL etl_csv((SELECT path FROM file f2 WHERE f2.n = f1.n + i - 1 AND i > 0)) AS t(v int))
FROM file f1 WHERE n < 3 ORDER BY n;
-- options may vary as well
SELECT d, t.* FROM (VALUES (','), (';')) AS o(d), LATERAL etl_csv(csv_file('o.csv', E'1;2,3;4\n'), delimiter => d, header => false, ragged => 'pad') AS t(x text, y text, z text);

-- Prepared statements: custom and generic plans, parameters as source, option and in filters.
PREPARE p(text, int) AS SELECT count(*), min(id) FROM etl_csv($1) AS t(id int) WHERE id > $2;
EXECUTE p('etl_tmp/a.csv', 390);
EXECUTE p('etl_tmp/b.csv', 290);
SET plan_cache_mode = force_generic_plan;
EXECUTE p('etl_tmp/a.csv', 390);
EXECUTE p('etl_tmp/b.csv', 290);
EXECUTE p('etl_tmp/b.csv', NULL);
EXECUTE p(NULL, 1);
EXECUTE p('no/such/file', 1);
EXECUTE p('etl_tmp/b.csv', 290);
RESET plan_cache_mode;
DEALLOCATE p;

-- Cursors.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM etl_csv(:'a') AS t(id int);
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 2 FROM c;
ROLLBACK TO s;
FETCH 2 FROM c;
MOVE 390 FROM c;
FETCH 10 FROM c;
FETCH 1 FROM c;
FETCH 1 FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;
BEGIN;
SAVEPOINT s;
DECLARE c CURSOR FOR SELECT id FROM etl_csv(:'a') AS t(id int);
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
ROLLBACK;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM etl_csv(:'a') AS t(id int, name text);
FETCH 2 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 5 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH FIRST FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT id, name FROM etl_csv(:'a') AS t(id int, name text) WHERE id > 398;
FETCH 1 FROM c;
COMMIT;
FETCH 2 FROM c;
CLOSE c;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM etl_csv(:'a') AS t(id int) WHERE id > 398;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
CLOSE c;
-- several at once, and an error in one of them
BEGIN;
DECLARE c1 CURSOR FOR SELECT id FROM etl_csv(:'a') AS t(id int);
DECLARE c2 CURSOR FOR SELECT name FROM etl_csv(:'a') AS t(id int, name int);
FETCH 1 FROM c1;
SAVEPOINT s;
FETCH 1 FROM c2;
ROLLBACK TO s;
FETCH 1 FROM c1;
FETCH 1 FROM c2;
ROLLBACK;
-- the file is the one that was opened, also when another takes its name
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM etl_csv(:'a') AS t(id int);
FETCH 1 FROM c;
COPY (SELECT WHERE false) TO PROGRAM 'mv etl_tmp/a.csv etl_tmp/moved.csv; cp etl_tmp/b.csv etl_tmp/a.csv';
MOVE 350 FROM c;
FETCH 1 FROM c;
SELECT max(id) FROM av WHERE false;
SELECT count(*) FROM etl_csv(:'a') AS t(id int, ref int);
COPY (SELECT WHERE false) TO PROGRAM 'mv etl_tmp/moved.csv etl_tmp/a.csv';
COMMIT;

-- Views.
CREATE VIEW narrow AS SELECT id FROM av WHERE name LIKE 'n39%';
SELECT * FROM narrow WHERE id > 397;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM av WHERE id <= 2;
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SELECT * FROM barrier WHERE leak(name);
CREATE MATERIALIZED VIEW stored AS SELECT * FROM bv WHERE id < 4;
REFRESH MATERIALIZED VIEW stored;
SELECT * FROM stored;

-- Functions.
CREATE FUNCTION sql_rows(path text) RETURNS TABLE(id int, name text) LANGUAGE sql AS
	$$ SELECT id, name FROM etl_csv(path) AS t(id int, name text) WHERE id < 3 $$;
SELECT * FROM sql_rows(:'a');
SELECT sql_rows(:'a');
SELECT sql_rows(:'a') LIMIT 1;
CREATE FUNCTION sql_one(path text, n int) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT name FROM etl_csv(path) AS t(id int, name text) WHERE id >= n $$;
SELECT n, sql_one(:'a', n) FROM generate_series(1, 3) AS n;
CREATE FUNCTION loop_over(path text, last int) RETURNS TABLE(n int, total bigint) LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	total := 0;
	n := 0;
	FOR r IN SELECT * FROM etl_csv(path) AS t(id int, name text) LOOP
		total := total + r.id;
		n := n + 1;
		EXIT WHEN n = last;
	END LOOP;
	RETURN NEXT;
END $$;
SELECT loop_over(:'a', last) FROM unnest(ARRAY[1, 11, 250, 2000]) AS last;
CREATE FUNCTION with_cursor(path text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	c CURSOR (p text) FOR SELECT id FROM etl_csv(p) AS t(id int);
	v int;
BEGIN
	OPEN c(path);
	FETCH c INTO v;
	MOVE FORWARD 3 IN c;
	FETCH c INTO v;
	CLOSE c;
	RETURN v;
END $$;
SELECT with_cursor(:'a'), with_cursor(:'b');
-- EXCEPTION blocks, around errors when opening, when reading, and when a cursor is under way
CREATE FUNCTION tries(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT id FROM etl_csv(path) AS t(id int) LOOP
		BEGIN
			n := n + 1;
			PERFORM 1 / (r.id - 250);
		EXCEPTION WHEN division_by_zero THEN
			n := n + 10000;
		END;
	END LOOP;
	RETURN n;
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' after ' || n;
END $$;
SELECT tries(:'a'), tries('no/such/file'), tries(csv_file('x.csv', E'id\n1\n2\nx\n')), tries(csv_file('x.csv', E'id\n1,2\n')), tries(:'b');
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			PERFORM count(*) FROM etl_csv('etl_tmp/x.csv', on_error => 'skip') AS t(id int);
			RAISE NOTICE '%', (SELECT count(name) FROM etl_csv('etl_tmp/a.csv') AS t(id int, name text) WHERE id > i);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			RAISE NOTICE 'caught %', i;
		END;
	END LOOP;
END $$;

-- A record variable, an array, a row as an argument.
SELECT array_agg(t ORDER BY id DESC) FROM etl_csv(:'a') AS t(id int, name text) WHERE id < 3;
SELECT ARRAY(SELECT name FROM av WHERE id < 4);
SELECT (SELECT t FROM etl_csv(NULL::a, :'a') AS t WHERE id = 7);
CREATE FUNCTION shout(a) RETURNS text LANGUAGE sql AS $$ SELECT upper($1.name) $$;
SELECT shout(t), t.shout FROM etl_csv(NULL::a, :'a') AS t LIMIT 2;

-- The row type may change between plan and execution, and between two executions.
CREATE TYPE changing AS (id int, name text);
PREPARE q AS SELECT * FROM etl_csv(NULL::changing, 'etl_tmp/a.csv') AS t WHERE id < 3;
PREPARE w AS SELECT t FROM etl_csv(NULL::changing, 'etl_tmp/a.csv') AS t WHERE (t).id < 3;
EXECUTE q;
EXECUTE w;
ALTER TYPE changing ALTER ATTRIBUTE name TYPE varchar(2);
EXECUTE q;
EXECUTE w;
ALTER TYPE changing DROP ATTRIBUTE name;
EXECUTE q;
EXECUTE w;
ALTER TYPE changing ADD ATTRIBUTE name text;
EXECUTE q;
EXECUTE w;
ALTER TYPE changing RENAME ATTRIBUTE id TO no_column;
EXECUTE w;
ALTER TYPE changing RENAME ATTRIBUTE no_column TO id;
DISCARD PLANS;
EXECUTE q;
EXECUTE w;
-- columns that were added behind those of the plan change nothing, but for a row that is read whole
PREPARE o AS SELECT ordinality, t FROM etl_csv(NULL::changing, 'etl_tmp/a.csv') WITH ORDINALITY AS t WHERE id < 3;
EXECUTE o;
ALTER TYPE changing ADD ATTRIBUTE more bigint, ADD ATTRIBUTE still_more text, ADD ATTRIBUTE and_more text;
EXECUTE q;
EXECUTE o;
EXECUTE w;
ALTER TYPE changing DROP ATTRIBUTE more, DROP ATTRIBUTE still_more, DROP ATTRIBUTE and_more;
EXECUTE w;
DISCARD PLANS;
EXECUTE w;
DEALLOCATE ALL;
DROP TYPE changing;

DROP FUNCTION shout, tries, with_cursor, loop_over, sql_one, sql_rows, leak, same, all_same;
DROP VIEW narrow, barrier;
DROP MATERIALIZED VIEW stored;
DROP VIEW av, bv;
DROP TABLE a, b, file, query;

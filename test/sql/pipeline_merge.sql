--
-- How rows get into the target makes no difference: MERGE, where it is taken, does what INSERT ... ON CONFLICT does, which a
-- trigger on the second table keeps in its place.  Both tables are large enough to be looked up by their indexes.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CREATE TABLE merged (
	id int PRIMARY KEY,
	n numeric(8,2) CHECK (n >= 0),
	s varchar(10),
	t text COLLATE "C",
	at timestamp(0),
	w int UNIQUE,
	a numeric(6,1)[],
	untouched text DEFAULT 'kept'
);
CREATE TABLE upserted (LIKE merged INCLUDING ALL);
CREATE FUNCTION as_is() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER as_is BEFORE INSERT ON upserted FOR EACH ROW EXECUTE FUNCTION as_is();
CREATE TABLE at_first AS
	SELECT g AS id, g / 4.0 AS n, 's' || lpad(g::text, 9, '0') AS s, 'text ' || g AS t, timestamp '2026-01-01' + g * interval '1 s' AS at, g AS w, '{1.3}'::numeric[] AS a
	FROM generate_series(1, 2000) AS g;
CREATE PROCEDURE fill() LANGUAGE sql AS $$
	TRUNCATE merged, upserted;
	INSERT INTO merged SELECT * FROM at_first;
	INSERT INTO upserted SELECT * FROM at_first;
	ANALYZE merged, upserted;
$$;
CALL fill();
-- Rows in no order: the same, if it is rounded, or spaces beyond its length are cut off; changed; new; too long, and the same if
-- it were cut off; two and three of a key in a row, of which the last or the first may be what is there already; without key; with a key or value that another row has.
CREATE TABLE written AS
	SELECT row_number() OVER (ORDER BY k, d) AS line, CASE WHEN k % 61 <> 0 THEN id END AS id, id / 4.0 + 0.001 + CASE WHEN changed THEN 1 + d ELSE 0 END AS n,
		's' || lpad(id::text, 9, '0') || CASE WHEN k % 29 = 0 THEN 'tail' WHEN k % 6 = 0 THEN '  ' ELSE '' END AS s, 'text ' || id AS t,
		timestamp '2026-01-01 00:00:00.4' + id * interval '1 s' + (k % 3 - 1) * interval '1 h' AS at, CASE WHEN k % 71 = 0 THEN 5 ELSE id END AS w, '{1.25}' AS a
	FROM generate_series(1, 900) AS k,
		LATERAL (SELECT CASE WHEN k % 10 = 0 THEN 10000 - k ELSE (k * 7 % 2000) + 1 END) AS of(id),
		LATERAL (SELECT d, (k / 4 + d) % 2 = 1 FROM generate_series(0, CASE WHEN k % 5 = 0 THEN 1 WHEN k % 17 = 0 THEN 2 ELSE 0 END) AS d) AS twice(d, changed);
SELECT csv_file('merge.csv', E'id,n,s,t,at,w,a\n' || string_agg(concat_ws(',', coalesce(id::text, ''), n, s, t, at, w, a), E'\n' ORDER BY line) || E'\n') FROM written;
SELECT etl_create_pipeline(target, source => $$etl_csv('etl_tmp/merge.csv') AS t(id int, n numeric, s text, t text, at timestamp, w int, a numeric[])$$,
	target => target, key => '{id}', batch_size => 100)
FROM unnest('{merged,upserted}'::text[]) AS target;
CREATE VIEW differences AS
	SELECT (SELECT count(*) FROM ((TABLE merged EXCEPT TABLE upserted) UNION ALL (TABLE upserted EXCEPT TABLE merged)) AS d) AS rows,
		(SELECT count(*) FROM (
			(SELECT line, sqlstate FROM etl_dead_letters WHERE pipeline = 'merged' EXCEPT SELECT line, sqlstate FROM etl_dead_letters WHERE pipeline = 'upserted')
			UNION ALL
			(SELECT line, sqlstate FROM etl_dead_letters WHERE pipeline = 'upserted' EXCEPT SELECT line, sqlstate FROM etl_dead_letters WHERE pipeline = 'merged')) AS d) AS letters,
		(SELECT count(DISTINCT (emitted, invalid, superseded, load_failed, inserted, updated, skipped)) - 1 FROM (SELECT * FROM etl_runs ORDER BY run DESC LIMIT 2) AS r) AS counters;
CALL etl_run('merged');
CALL etl_run('upserted');
SELECT * FROM differences;
SELECT stage, sqlstate, count(*) FROM etl_dead_letters WHERE pipeline = 'merged' GROUP BY 1, 2 ORDER BY 1, 2;

-- Without the rows that break the other unique column, after which MERGE is not taken any more: unchanged rows are not even locked.
DO $$ BEGIN
	PERFORM etl_reset(p), etl_alter_pipeline(p, query => 'SELECT * FROM batch WHERE w <> 5') FROM unnest('{merged,upserted}'::text[]) AS p;
END $$;
CALL fill();
CALL etl_run('merged');
CALL etl_run('upserted');
SELECT * FROM differences;
SELECT count(*) FILTER (WHERE m.xmax <> 0) AS locked_by_merge, count(*) FILTER (WHERE u.xmax <> 0) > 0 AS by_on_conflict
FROM merged AS m JOIN upserted AS u USING (id) JOIN at_first AS a ON (a.id, a.n) = (m.id, m.n);

-- With a watermark: older rows do not overwrite newer ones, and of two the newer one wins.  (Only ON CONFLICT looks for faults in
-- a row that is too old.)
DO $$ BEGIN
	PERFORM etl_reset(p), etl_alter_pipeline(p, watermark => 'at', query => 'SELECT * FROM batch WHERE w <> 5 AND length(rtrim(s)) <= 10')
	FROM unnest('{merged,upserted}'::text[]) AS p;
END $$;
CALL fill();
CALL etl_run('merged');
CALL etl_run('upserted');
SELECT * FROM differences;

-- Keys whose index does not know "=" as the column does, or that become the same only in the target, are left to ON CONFLICT.
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE named (name text COLLATE any_case, code char(12) COLLATE "C", n int);
CREATE UNIQUE INDEX ON named (name COLLATE "C");
CREATE UNIQUE INDEX ON named (code);
INSERT INTO named SELECT 'name ' || g, 'code ' || g, g FROM generate_series(1, 2000) AS g;
ANALYZE named;
SELECT csv_file('named.csv', E'name,code,n\nname 7,code 7,8\nNAME 9,code new,10\nname 11,code 11  ,12\nname 11,code 11,13\n');
SELECT etl_create_pipeline('named', source => $$etl_csv('etl_tmp/named.csv') AS t(name text, code text, n int)$$, target => 'named', key => '{name}');
CALL etl_run('named');
SELECT * FROM named WHERE name IN ('name 7', 'name 9', 'name 11') ORDER BY code;
UPDATE named SET n = 0;
SELECT etl_reset('named'), etl_alter_pipeline('named', key => '{code}');
CALL etl_run('named');
SELECT * FROM named WHERE n <> 0 ORDER BY code;

-- A row that the target has no columns enough for is refused, be its key new or not.
CREATE TABLE partly (id int PRIMARY KEY, n int, needed text NOT NULL);
INSERT INTO partly SELECT g, g, 'x' FROM generate_series(1, 2000) AS g;
ANALYZE partly;
SELECT etl_create_pipeline('partly', source => $$etl_csv('etl_tmp/named.csv') AS t(n int)$$,
	query => 'SELECT n AS id, 0 AS n FROM batch WHERE n IN (8, 10)', target => 'partly', key => '{id}');
CALL etl_run('partly');

-- Constraints hold for the row to be inserted, whatever the columns that the query does not give are in the row that is there.
CREATE TABLE limited (id int PRIMARY KEY, n int, most int DEFAULT 10 CHECK (n <= most));
CREATE TABLE computed (id int PRIMARY KEY, n int, most int DEFAULT 0, share int GENERATED ALWAYS AS (100 * n / most) STORED);
CREATE DOMAIN present AS int NOT NULL;
CREATE TABLE of_domain (id int PRIMARY KEY, n int, most present);
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY '{limited,computed,of_domain}'::text[] LOOP
		EXECUTE format('INSERT INTO %I SELECT g, g, 10000 FROM generate_series(1, 2000) AS g', name);
		EXECUTE format('ANALYZE %I', name);
		PERFORM etl_create_pipeline(name, source => $q$etl_csv('etl_tmp/named.csv') AS t(n int)$q$,
			query => 'SELECT n AS id, 11 AS n FROM batch WHERE n IN (8, 10)', target => name, key => '{id}');
	END LOOP;
END $$;
CALL etl_run('limited');
CALL etl_run('computed');
CALL etl_run('of_domain');
SELECT pipeline, sqlstate, count(*) FROM etl_dead_letters WHERE pipeline IN ('limited', 'computed', 'of_domain') GROUP BY 1, 2 ORDER BY 1;

-- A batch goes to the target in the order of its keys, whatever the order in which it comes.
CREATE TABLE shuffled (a text, b int, PRIMARY KEY (a, b));
SELECT csv_file('shuffled.csv', E'a,b\nx,2\ny,1\nx,1\nu,7\nx,10\na,3\nz,1\ny,0\n');
SELECT etl_create_pipeline('shuffled', source => $$etl_csv('etl_tmp/shuffled.csv') AS t(a text, b int)$$, target => 'shuffled', key => '{a,b}', batch_size => 4);
CALL etl_run('shuffled');
SELECT string_agg(a || b, ' ' ORDER BY ctid) FROM shuffled;

-- etl_count_new is of no use elsewhere.
SELECT etl_internal.etl_count_new();
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP VIEW differences;
DROP TABLE merged, upserted, at_first, written, named, partly, shuffled, limited, computed, of_domain;
DROP DOMAIN present;
DROP COLLATION any_case;
DROP FUNCTION as_is();
DROP PROCEDURE fill();

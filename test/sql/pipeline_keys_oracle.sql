--
-- Random files with faulty records, read in batches of any size, and retries, without and with a watermark: what is in the target
-- and which letters are open is what a loop over the records, one after the other, makes of them.
--
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
\pset format unaligned
\pset tuples_only on
CREATE TABLE judged (id bigint PRIMARY KEY, n int CHECK (n < 2000 OR current_setting('application_name') = 'lenient'), w int);
CREATE TABLE expected (id bigint PRIMARY KEY, n int, w int);
CREATE TABLE expected_open (no serial, run int, id int, v text, w text);
CREATE TABLE input (no int, id int, v text, w text);
CREATE TABLE differences (step int, what text);
CREATE TABLE watermarked (yes boolean);
CREATE SEQUENCE steps;

-- A key has one record in five, faulty ones of three kinds: no number, against a rule, and refused by the target.  Some watermarks are
-- NULL, and some cannot be read.  (What the target refuses is left out with a watermark: it may be skipped as older before that is seen.)
CREATE FUNCTION make_input() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE input;
	INSERT INTO input SELECT g, (random() * 40)::int, CASE (random() * 8)::int WHEN 0 THEN 'x' || (random() * 3)::int
			WHEN 1 THEN (1000 + (random() * 3)::int)::text WHEN 2 THEN (CASE WHEN yes THEN 1010 ELSE 2000 END + (random() * 3)::int)::text ELSE (random() * 5)::int::text END,
		CASE (random() * 20)::int WHEN 0 THEN '' WHEN 1 THEN CASE WHEN yes THEN 'z' ELSE '' END ELSE (random() * 8)::int::text END
	FROM generate_series(1, 100) AS g, watermarked;
	PERFORM csv_file('judged.csv', (SELECT E'id,v,w\n' || string_agg(concat_ws(',', id, v, w), E'\n' ORDER BY no) || E'\n' FROM input));
END $$;
CREATE FUNCTION number_of(v text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN v LIKE 'x%' THEN - ltrim(v, 'x')::int ELSE v::int END $$;
CREATE FUNCTION mark_of(w text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN w <> 'z' THEN nullif(w, '')::int END $$;
-- A row, and the letters up to one that it supersedes.
CREATE FUNCTION load_row(this int, v text, mark text, last int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE marked boolean := yes FROM watermarked;
BEGIN
	DELETE FROM expected_open AS e WHERE e.id = this AND e.no < last AND e.w <> 'z'
		AND (NOT marked OR mark_of(e.w) IS NULL OR mark_of(mark) >= mark_of(e.w));
	INSERT INTO expected AS t VALUES (this, number_of(v), mark_of(mark)) ON CONFLICT (id) DO UPDATE SET n = excluded.n, w = excluded.w
		WHERE NOT marked OR t.w IS NULL OR excluded.w >= t.w;
END $$;
CREATE FUNCTION load_expected(this int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT * FROM input ORDER BY no LOOP
		IF r.w = 'z' OR r.v LIKE 'x%' OR r.v::int >= 1000 THEN
			DELETE FROM expected_open WHERE no = (SELECT min(no) FROM expected_open AS e
				WHERE e.run < this AND (e.id, e.v, e.w) = (r.id, r.v, r.w));
			INSERT INTO expected_open (run, id, v, w) VALUES (this, r.id, r.v, r.w);
		ELSE
			PERFORM load_row(r.id, r.v, r.w, 2147483647);
		END IF;
	END LOOP;
END $$;
-- A retry that loads only what is no number; or all.  What may not be the latest is only inserted, in the end.
CREATE FUNCTION retry_expected(lenient boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT * FROM expected_open ORDER BY w = 'z', no LOOP
		CONTINUE WHEN NOT lenient AND r.v NOT LIKE 'x%';
		CONTINUE WHEN r.w = 'z' AND EXISTS (SELECT FROM expected AS t WHERE t.id = r.id);
		DELETE FROM expected_open AS e WHERE e.no = r.no;
		PERFORM load_row(r.id, r.v, r.w, r.no);
	END LOOP;
END $$;
CREATE PROCEDURE judge(step int) LANGUAGE sql AS $$
	INSERT INTO differences SELECT step, 'row ' || d::text FROM (
		(TABLE judged EXCEPT TABLE expected) UNION ALL (TABLE expected EXCEPT TABLE judged)) AS d;
	INSERT INTO differences SELECT step, 'letter ' || d::text FROM (
		(SELECT raw FROM etl_dead_letters WHERE pipeline = 'judged' AND NOT resolved EXCEPT ALL SELECT concat_ws(',', id, v, w) FROM expected_open)
		UNION ALL
		(SELECT concat_ws(',', id, v, w) FROM expected_open EXCEPT ALL SELECT raw FROM etl_dead_letters WHERE pipeline = 'judged' AND NOT resolved)) AS d;
	INSERT INTO differences SELECT step, 'sums of run ' || run FROM etl_runs
	WHERE pipeline = 'judged' AND (read <> malformed + convert_failed + converted
		OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated);
$$;
CREATE PROCEDURE redefine(kind text) LANGUAGE plpgsql AS $$
DECLARE
	type text := CASE kind WHEN 'load' THEN 'int' ELSE 'text' END;
	columns text := CASE kind WHEN 'load' THEN 'id, v AS n, w' ELSE 'id, public.number_of(v) AS n, public.mark_of(w) AS w' END;
	rest text := CASE kind WHEN 'load' THEN '' WHEN 'retry' THEN (ARRAY['', ' ORDER BY id', ', LATERAL (SELECT 1 WHERE id >= 0) AS one'])[1 + (random() * 2)::int]
		ELSE $q$, LATERAL (SELECT set_config('application_name', 'lenient', true)) AS s(s) WHERE s <> ''$q$ END;
BEGIN
	PERFORM etl_alter_pipeline('judged', batch_size => 1 + (random() * random() * 120)::int,
		source => format('etl_csv(''etl_tmp/judged.csv'') AS t(id int, v %s, w %s)', type, type),
		query => format('SELECT %s FROM batch%s', columns, rest),
		rules => CASE kind WHEN 'lenient' THEN '{}' ELSE '{"small": "n < 1000 OR n >= 2000"}' END::jsonb);
END $$;
CREATE PROCEDURE steps(seed float8, n int, marked boolean) LANGUAGE plpgsql AS $$
DECLARE step int; run bigint; state text; a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; g bigint; h bigint; i bigint; j bigint; k bigint; l bigint;
	kind text;
BEGIN
	PERFORM setseed(seed);
	TRUNCATE judged, expected, expected_open, watermarked;
	INSERT INTO watermarked VALUES (marked);
	PERFORM etl_drop_pipeline(name) FROM etl_pipelines WHERE name = 'judged';
	PERFORM etl_create_pipeline('judged', source => 'etl_csv(''etl_tmp/judged.csv'') AS t(id int, v int, w int)',
		query => 'SELECT id, v AS n, w FROM batch', target => 'judged', key => '{id}', watermark => CASE WHEN marked THEN 'w' END);
	FOR s IN 1 .. n LOOP
		step := nextval('steps');
		kind := (ARRAY['load', 'load', 'load', 'retry', 'lenient'])[1 + (random() * 4)::int];
		CALL redefine(kind);
		IF kind = 'load' THEN
			PERFORM make_input(), load_expected(step);
		ELSE
			PERFORM retry_expected(kind = 'lenient');
		END IF;
		COMMIT;
		run := NULL; state := NULL; a := NULL; b := NULL; c := NULL; d := NULL; e := NULL; f := NULL; g := NULL; h := NULL; i := NULL; j := NULL; k := NULL; l := NULL;
		IF kind = 'load' THEN
			CALL etl_run('judged', run, state, a, b, c, d, e, f, g, h, i, j, k, l);
		ELSE
			CALL etl_retry_dead_letters('judged', false, run, state, a, b, c, d, e, f, g, h, i, j, k, l);
		END IF;
		CALL judge(step);
	END LOOP;
END $$;
CREATE VIEW summary AS
	SELECT (SELECT count(*) FROM etl_dead_letters AS l WHERE l.pipeline = 'judged' AND l.state = 'superseded') > 20 AS superseded,
		(SELECT count(*) FROM etl_dead_letters AS l WHERE l.pipeline = 'judged' AND l.state = 'loaded') > 20 AS loaded,
		count(*) FILTER (WHERE kind = 'load') > 5 AS loads, count(*) FILTER (WHERE kind = 'retry') > 5 AS retries
	FROM etl_runs WHERE pipeline = 'judged';

SELECT csv_file('judged.csv', 'id,v,w') <> '';
CALL steps(0.1, 30, false);
SELECT * FROM differences ORDER BY step, what LIMIT 20;
TABLE summary;
CALL steps(0.3, 30, true);
SELECT * FROM differences ORDER BY step, what LIMIT 20;
TABLE summary;

SELECT etl_drop_pipeline('judged');
DROP VIEW summary;
DROP SEQUENCE steps;
DROP TABLE judged, expected, expected_open, input, differences, watermarked;
DROP FUNCTION make_input(), number_of(text), mark_of(text), load_row(int, text, text, int), load_expected(int), retry_expected(boolean);
DROP PROCEDURE judge(int), redefine(text), steps(float8, int, boolean);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

--
-- Random files with faulty records, read in batches of any size, and retries: what is in the target and which letters are open is
-- what a loop over the records, one after the other, makes of them.
--
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
\pset format unaligned
\pset tuples_only on
CREATE TABLE judged (id bigint PRIMARY KEY, n int CHECK (n < 2000 OR current_setting('application_name') = 'lenient'));
CREATE TABLE expected (id bigint PRIMARY KEY, n int);
CREATE TABLE expected_open (no serial, run int, id int, v text);
CREATE TABLE input (no int, id int, v text);
CREATE TABLE differences (step int, what text);
CREATE SEQUENCE steps;

-- A key has one record in five, faulty ones of three kinds: no number, against a rule, and refused by the target.
CREATE FUNCTION make_input() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE input;
	INSERT INTO input SELECT g, (random() * 40)::int, CASE (random() * 8)::int WHEN 0 THEN 'x' || (random() * 3)::int
			WHEN 1 THEN (1000 + (random() * 3)::int)::text WHEN 2 THEN (2000 + (random() * 3)::int)::text ELSE (random() * 5)::int::text END
		FROM generate_series(1, 100) AS g;
	PERFORM csv_file('judged.csv', (SELECT E'id,v\n' || string_agg(id || ',' || v, E'\n' ORDER BY no) || E'\n' FROM input));
END $$;
CREATE FUNCTION number_of(v text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN v LIKE 'x%' THEN - ltrim(v, 'x')::int ELSE v::int END $$;
CREATE FUNCTION load_expected(this int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT * FROM input ORDER BY no LOOP
		IF r.v LIKE 'x%' OR r.v::int >= 1000 THEN
			DELETE FROM expected_open WHERE no = (SELECT min(no) FROM expected_open AS e WHERE e.run < this AND e.id = r.id AND e.v = r.v);
			INSERT INTO expected_open (run, id, v) VALUES (this, r.id, r.v);
		ELSE
			DELETE FROM expected_open AS e WHERE e.id = r.id;
			INSERT INTO expected VALUES (r.id, r.v::int) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
		END IF;
	END LOOP;
END $$;
-- A retry that loads only what is no number; or all.
CREATE FUNCTION retry_expected(lenient boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT * FROM expected_open ORDER BY no LOOP
		CONTINUE WHEN NOT lenient AND r.v NOT LIKE 'x%';
		DELETE FROM expected_open AS e WHERE e.id = r.id AND e.no <= r.no;
		INSERT INTO expected VALUES (r.id, number_of(r.v)) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
	END LOOP;
END $$;
CREATE PROCEDURE judge(step int) LANGUAGE sql AS $$
	INSERT INTO differences SELECT step, 'row ' || d::text FROM (
		(TABLE judged EXCEPT TABLE expected) UNION ALL (TABLE expected EXCEPT TABLE judged)) AS d;
	INSERT INTO differences SELECT step, 'letter ' || d::text FROM (
		(SELECT raw FROM etl_dead_letters WHERE pipeline = 'judged' AND NOT resolved EXCEPT ALL SELECT id || ',' || v FROM expected_open)
		UNION ALL
		(SELECT id || ',' || v FROM expected_open EXCEPT ALL SELECT raw FROM etl_dead_letters WHERE pipeline = 'judged' AND NOT resolved)) AS d;
	INSERT INTO differences SELECT step, 'sums of run ' || run FROM etl_runs
	WHERE pipeline = 'judged' AND (read <> malformed + convert_failed + converted
		OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated);
$$;
CREATE PROCEDURE redefine(kind text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM etl_alter_pipeline('judged', batch_size => 1 + (random() * random() * 120)::int,
		source => CASE kind WHEN 'load' THEN $q$etl_csv('etl_tmp/judged.csv') AS t(id int, v int)$q$ ELSE $q$etl_csv('etl_tmp/judged.csv') AS t(id int, v text)$q$ END,
		query => CASE kind WHEN 'load' THEN 'SELECT id, v AS n FROM batch'
			WHEN 'retry' THEN 'SELECT id, public.number_of(v) AS n FROM batch' || (ARRAY['', ' ORDER BY id', ', LATERAL (SELECT 1 WHERE id >= 0) AS one'])[1 + (random() * 2)::int]
			ELSE $q$SELECT id, public.number_of(v) AS n FROM batch, LATERAL (SELECT set_config('application_name', 'lenient', true)) AS s(s) WHERE s <> ''$q$ END,
		rules => CASE kind WHEN 'lenient' THEN '{}' ELSE '{"small": "n < 1000 OR n >= 2000"}' END::jsonb);
END $$;
CREATE PROCEDURE steps(seed float8, n int) LANGUAGE plpgsql AS $$
DECLARE step int; run bigint; state text; a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; g bigint; h bigint; i bigint; j bigint; k bigint; l bigint;
	kind text;
BEGIN
	PERFORM setseed(seed);
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

SELECT etl_create_pipeline('judged', source => $$etl_csv('etl_tmp/judged.csv') AS t(id int, v int)$$,
	query => 'SELECT id, v AS n FROM batch', target => 'judged', key => '{id}');
CALL steps(0.1, 30);
CALL steps(0.2, 30);
SELECT * FROM differences ORDER BY step, what LIMIT 20;
SELECT state, count(*) > 20 FROM etl_dead_letters WHERE pipeline = 'judged' GROUP BY state ORDER BY state;
SELECT count(*) FILTER (WHERE kind = 'load') > 5, count(*) FILTER (WHERE kind = 'retry') > 5 FROM etl_runs WHERE pipeline = 'judged';

SELECT etl_drop_pipeline('judged');
DROP SEQUENCE steps;
DROP TABLE judged, expected, expected_open, input, differences;
DROP FUNCTION make_input(), number_of(text), load_expected(int), retry_expected(boolean);
DROP PROCEDURE judge(int), redefine(text), steps(float8, int);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

--
-- Random faults in random places, in batches of any size: what is loaded and what is set aside is what a loop
-- over the rows, each in a subtransaction, makes of the same file.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CREATE TABLE known (id int PRIMARY KEY);
INSERT INTO known SELECT generate_series(0, 9);
CREATE TABLE loaded (id int PRIMARY KEY, n int CHECK (n < 90), other int UNIQUE, ref int REFERENCES known, t text NOT NULL);
CREATE TABLE expected (LIKE loaded INCLUDING ALL, FOREIGN KEY (ref) REFERENCES known);
CREATE TABLE failed (line int, sqlstate text);
CREATE TABLE input (line int, id int, n int, other int, ref int, t text);

-- Rows of one pattern: how many of 1000 break what, and whether keys come twice (then "other" says nothing).
CREATE FUNCTION make_input(seed float8, rate int, twice boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed);
	TRUNCATE input, loaded, expected, failed;
	INSERT INTO input SELECT g + 1, CASE WHEN twice THEN (random() * 300)::int ELSE g END,
		CASE WHEN random() * 1000 < rate THEN 90 ELSE g % 90 END,
		CASE WHEN twice THEN NULL WHEN random() * 1000 < rate THEN greatest(g - 5, 1) ELSE g END,
		CASE WHEN random() * 1000 < rate THEN 10 ELSE g % 10 END,
		CASE WHEN random() * 1000 < rate THEN NULL ELSE 'text ' || g END
	FROM generate_series(1, 800) AS g;
	PERFORM csv_file('oracle.csv', (SELECT E'id,n,other,ref,t\n' || string_agg(concat_ws(',', id, n, coalesce(other::text, ''), ref, coalesce(t, '')), E'\n' ORDER BY line) || E'\n' FROM input));
END $$;
CREATE FUNCTION load_expected() RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR r IN SELECT * FROM input ORDER BY line LOOP
		BEGIN
			INSERT INTO expected VALUES (r.id, r.n, r.other, r.ref, r.t)
			ON CONFLICT (id) DO UPDATE SET (n, other, ref, t) = (excluded.n, excluded.other, excluded.ref, excluded.t);
		EXCEPTION WHEN integrity_constraint_violation THEN
			INSERT INTO failed VALUES (r.line, SQLSTATE);
		END;
	END LOOP;
END $$;
-- The reason is not compared: a row that misses its foreign key is tried again at the end, when it may fail for another.
CREATE FUNCTION differences() RETURNS TABLE (rows_differ bigint, letters_differ bigint, failed_rows bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM ((TABLE loaded EXCEPT TABLE expected) UNION ALL (TABLE expected EXCEPT TABLE loaded)) AS d),
		(SELECT count(*) FROM failed AS f
			FULL JOIN (SELECT line FROM etl_dead_letters WHERE NOT resolved) AS l USING (line)
			WHERE f IS NULL OR l IS NULL),
		(SELECT count(*) FROM failed)
$$;
SELECT make_input(0.1, 0, false);
SELECT etl_create_pipeline('oracle',
	source => $$etl_csv('etl_tmp/oracle.csv') AS t(id int, n int, other int, ref int, t text)$$,
	target => 'loaded', key => '{id}');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE PROCEDURE try(seed float8, rate int, batch int, query text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_input(seed, rate, false), load_expected();
	PERFORM etl_drop_pipeline('oracle');
	PERFORM etl_create_pipeline('oracle',
		source => $q$etl_csv('etl_tmp/oracle.csv') AS t(id int, n int, other int, ref int, t text)$q$,
		query => query, target => 'loaded', key => '{id}', batch_size => batch);
	COMMIT;
END $$;
\pset tuples_only on
\pset format unaligned
CALL try(0.11, 1, 1000, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.12, 10, 1000, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.13, 60, 1000, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.14, 300, 1000, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.15, 30, 7, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.16, 900, 100, NULL);
CALL etl_run('oracle');
SELECT * FROM differences();
-- a plan that collects all rows, a join, a row per row of a lateral function
CALL try(0.17, 20, 300, 'SELECT * FROM batch ORDER BY id');
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.18, 20, 300, 'SELECT batch.* FROM batch JOIN generate_series(1, 1000) AS g ON g = batch.id');
CALL etl_run('oracle');
SELECT * FROM differences();
CALL try(0.19, 20, 300, 'SELECT batch.* FROM batch, LATERAL (SELECT 1 WHERE batch.id > 0) AS one');
CALL etl_run('oracle');
SELECT * FROM differences();
-- keys that come twice
SELECT make_input(0.2, 0, true), load_expected();
SELECT etl_drop_pipeline('oracle');
SELECT etl_create_pipeline('oracle',
	source => $$etl_csv('etl_tmp/oracle.csv') AS t(id int, n int, other int, ref int, t text)$$,
	target => 'loaded', key => '{id}', batch_size => 90);
CALL etl_run('oracle');
SELECT * FROM differences();
SELECT etl_drop_pipeline('oracle');
DROP TABLE known, loaded, expected, failed, input;
DROP FUNCTION make_input(float8, int, boolean), load_expected(), differences();
DROP PROCEDURE try(float8, int, int, text);

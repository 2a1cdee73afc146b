--
-- A row that waits for what it refers to never overwrites a later row of its key that was loaded meanwhile.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff, n int CHECK (n > 0));
CREATE FUNCTION pipeline(file text, batch int, query text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM etl_drop_pipeline(pipeline) FROM etl_status;
	TRUNCATE staff CASCADE;
	PERFORM etl_create_pipeline('staff', source => format('etl_csv(%L) AS t(id int, boss int, n int)', 'etl_tmp/' || file),
		query => query, target => 'staff', key => '{id}', batch_size => batch);
END $$;
\pset format unaligned

-- In a later batch; and in the same one, when another row makes it be loaded in pieces.
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n2,,-1\n1,,2\n5,,1\n');
SELECT pipeline('parked.csv', 1);
CALL etl_run('staff');
TABLE staff ORDER BY id;
SELECT pipeline('parked.csv', 100);
CALL etl_run('staff');
TABLE staff ORDER BY id;
-- If the later one fails, the earlier one is loaded.
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n1,,-2\n5,,1\n');
SELECT pipeline('parked.csv', 1);
CALL etl_run('staff');
TABLE staff ORDER BY id;
SELECT pipeline('parked.csv', 100);
CALL etl_run('staff');
TABLE staff ORDER BY id;
-- Two that wait: the later one.
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n1,6,2\n5,,1\n6,,1\n');
SELECT pipeline('parked.csv', 1);
CALL etl_run('staff');
TABLE staff ORDER BY id;
SELECT pipeline('parked.csv', 2);
CALL etl_run('staff');
TABLE staff ORDER BY id;
SELECT line, resolved FROM etl_dead_letters ORDER BY line;
-- The later one still waits.
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n1,6,2\n5,,1\n');
SELECT pipeline('parked.csv', 1);
CALL etl_run('staff');
TABLE staff ORDER BY id;
SELECT line, resolved FROM etl_dead_letters ORDER BY line;
-- A plan that collects all rows, so that it is not known which record one is of.
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n1,,2\n2,5,3\n5,,4\n');
SELECT pipeline('parked.csv', 1, 'SELECT * FROM batch ORDER BY n');
CALL etl_run('staff');
TABLE staff ORDER BY id;
-- Checked at the end of the transaction only.
ALTER TABLE staff ALTER CONSTRAINT staff_boss_fkey DEFERRABLE INITIALLY DEFERRED;
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n2,,-1\n1,,2\n5,,1\n');
SELECT pipeline('parked.csv', 1);
CALL etl_run('staff');
TABLE staff ORDER BY id;
ALTER TABLE staff ALTER CONSTRAINT staff_boss_fkey NOT DEFERRABLE;

-- A record of so many rows that they go to the target before it has given all.
CREATE TABLE many (id int PRIMARY KEY, boss int REFERENCES staff DEFERRABLE INITIALLY DEFERRED);
SELECT etl_create_pipeline('many', source => $$etl_csv('etl_tmp/parked.csv') AS t(n int)$$,
	query => 'SELECT n * 10000 + g AS id, CASE WHEN n = 1 THEN 9 END AS boss FROM batch, generate_series(1, 2048) AS g',
	target => 'many', key => '{id}', batch_size => 1024);
CALL etl_run('many');
SELECT count(*) FROM many;
-- One that has become more rows when it is tried again: what was counted is still what there is.
CREATE TABLE factor (id int, n int);
INSERT INTO factor VALUES (1, 1);
CREATE FUNCTION add_factor() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO factor VALUES (1, 2); RETURN NEW; END $$;
CREATE TRIGGER add_factor AFTER INSERT ON staff FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION add_factor();
SELECT csv_file('parked.csv', E'id,boss,n\n1,5,1\n5,,1\n');
SELECT pipeline('parked.csv', 1, 'SELECT batch.id * coalesce(f.n, 1) AS id, boss, batch.n FROM batch LEFT JOIN factor AS f USING (id)');
CALL etl_run('staff');
TABLE staff ORDER BY id;
DROP TRIGGER add_factor ON staff;
DROP TABLE many, factor;
DROP FUNCTION add_factor();

-- At random: bosses have odd numbers and come behind many of those who wait for them; every row but those with 0 is to be
-- loaded, and of each key the last one is to stay.
SELECT setseed(0.6);
CREATE TABLE input AS
	SELECT line, id, CASE WHEN line <= 300 OR line > 400 THEN (random() * 99)::int * 2 + 1 END AS boss, CASE WHEN random() < 0.03 THEN 0 ELSE line END AS n
	FROM (SELECT g AS line, CASE WHEN g BETWEEN 301 AND 400 THEN (g - 300) * 2 - 1 ELSE (random() * 199)::int + 1 END AS id FROM generate_series(1, 600) AS g) AS l;
UPDATE input SET n = line WHERE line BETWEEN 301 AND 400;
SELECT csv_file('parked.csv', E'id,boss,n\n' || string_agg(concat_ws(',', id, coalesce(boss::text, ''), n), E'\n' ORDER BY line) || E'\n') FROM input;
CREATE VIEW differences AS
	SELECT (SELECT count(*) FROM staff AS s FULL JOIN (SELECT DISTINCT ON (id) id, boss, n FROM input WHERE n > 0 ORDER BY id, line DESC) AS i
			ON (s.id, s.n, coalesce(s.boss, 0)) = (i.id, i.n, coalesce(i.boss, 0)) WHERE s.id IS NULL OR i.id IS NULL) AS rows,
		(SELECT count(*) FROM etl_dead_letters WHERE NOT resolved AND sqlstate <> '23514') AS letters,
		(SELECT count(*) FROM etl_runs WHERE read <> malformed + convert_failed + converted
			OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated) AS counters;
SELECT pipeline('parked.csv', 1000);
\o /dev/null
CALL etl_run('staff');
\o
TABLE differences;
SELECT pipeline('parked.csv', 60);
\o /dev/null
CALL etl_run('staff');
\o
TABLE differences;
SELECT pipeline('parked.csv', 7);
\o /dev/null
CALL etl_run('staff');
\o
TABLE differences;
SELECT pipeline('parked.csv', 7, 'SELECT * FROM batch ORDER BY n');
\o /dev/null
CALL etl_run('staff');
\o
TABLE differences;
SELECT pipeline('parked.csv', 60, 'SELECT * FROM batch ORDER BY n');
\o /dev/null
CALL etl_run('staff');
\o
TABLE differences;
-- What fails again at the end is rejected once.
SELECT csv_file('parked.csv', E'id,boss,n\n1,7,1\n2,8,1\n3,,1\n');
SELECT pipeline('parked.csv', 1);
SELECT etl_alter_pipeline('staff', reject_limit => 2);
CALL etl_run('staff');
TABLE staff ORDER BY id;
\pset format aligned
SELECT etl_drop_pipeline('staff');
DROP VIEW differences;
DROP TABLE staff, input;
DROP FUNCTION pipeline(text, int, text);

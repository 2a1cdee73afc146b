--
-- etl_import: from a file to a table in one call.
--
SELECT etl_import('strikes', 'etl_fixtures/real/birdstrikes.csv');
SELECT count(*), sum(cost_total), min(flight_date), max(flight_date) FROM strikes;
\d strikes

-- Once more into the table that is there now.
SELECT etl_import('strikes', 'etl_fixtures/real/birdstrikes.csv');
SELECT count(*) FROM strikes;

-- A value behind the sample does not fit: the column is widened, and no row lost or changed.
SELECT csv_file('import.csv', E'id,n,code,day,flag\n1,1,1,2024-01-01,t\n2,2.50,x7,2024-01-01 10:00:00+00,maybe\n') AS path;
SELECT etl_import('widened', 'etl_tmp/import.csv', sample_rows => 1);
SET timezone = 'UTC';
SELECT * FROM widened;
RESET timezone;
\d widened
-- The sample was right about this one.
SELECT etl_import('fitting', 'etl_tmp/import.csv', sample_rows => NULL);
SELECT etl_import('empty_sample', 'etl_tmp/import.csv', sample_rows => 0);
\d empty_sample

-- Where faulty rows are skipped, a row whose value only a guess does not fit is not one of them.
SELECT csv_file('import.csv', E'id,v\n1,1\n2\nx,3\n') AS path;
SELECT etl_import('skipped', 'etl_tmp/import.csv', sample_rows => 1);
SELECT etl_import('skipped', 'etl_tmp/import.csv', sample_rows => 1, on_error => 'skip');
SELECT * FROM skipped;

-- Nothing is left of an import that fails.
SELECT csv_file('import.csv', E'id\n1\n"2\n') AS path;
SELECT etl_import('failed', 'etl_tmp/import.csv', sample_rows => 1);
SELECT to_regclass('failed');

-- Names that are no names of SQL, or the same twice: the columns go by position.
SELECT csv_file('import.csv', E'a,A,,Order ID\n1,2,3,4\n') AS path;
SELECT etl_import('named', 'etl_tmp/import.csv');
SELECT * FROM named;
SELECT etl_import('named', 'etl_tmp/import.csv');
SELECT etl_import('headless', 'etl_tmp/import.csv', header => false, skip_lines => 1);
SELECT * FROM headless;

-- A table that exists: by name; what the file lacks gets its default, what the table lacks is an error.
CREATE TABLE existing (order_id int, note text DEFAULT 'none', doubled int GENERATED ALWAYS AS (order_id * 2) STORED, made text);
SELECT csv_file('import.csv', E'Order ID,made\n1,x\n2,y\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');
SELECT * FROM existing;
SELECT csv_file('import.csv', E'Order ID,colour\n1,x\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');
SELECT csv_file('import.csv', E'Order ID,made\none,x\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');

-- Files of a pattern; another schema; names that need quotes.
CREATE SCHEMA "My Schema";
SELECT csv_file('import-1.csv', E'a,b\n1,1\n'), csv_file('import-2.csv', E'b,c\n2,2\n');
SELECT etl_import('"My Schema"."My Table"', 'etl_tmp/import-?.csv');
SELECT * FROM "My Schema"."My Table";
DROP SCHEMA "My Schema" CASCADE;

-- The rights are those of the statements it stands for.
CREATE ROLE etl_importer;
GRANT pg_read_server_files TO etl_importer;
GRANT EXECUTE ON FUNCTION etl_import TO etl_importer;
SELECT csv_file('import.csv', E'Order ID,made\n3,z\n') AS path;
SET ROLE etl_importer;
SELECT etl_import('existing', 'etl_tmp/import.csv');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION etl_import FROM etl_importer;
DROP ROLE etl_importer;

-- Progress is shown while it loads, and not afterwards.
CREATE FUNCTION progress() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE shown record;
BEGIN
	SELECT relid::regclass, command, type, bytes_processed > 0 AS moving, bytes_total INTO shown FROM pg_stat_progress_copy WHERE pid = pg_backend_pid();
	RAISE NOTICE '%', shown;
	RETURN NEW;
END $$;
CREATE TRIGGER progress BEFORE INSERT ON existing FOR EACH ROW EXECUTE FUNCTION progress();
SELECT csv_file('import.csv', E'Order ID,made\n3,z\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');
SELECT count(*) FROM pg_stat_progress_copy;
SELECT csv_file('import.csv', E'Order ID,made\nthree,z\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');
SELECT count(*) FROM pg_stat_progress_copy;

SELECT etl_import(NULL, 'etl_tmp/import.csv');
SELECT etl_import('a.b.c.d', 'etl_tmp/import.csv');
SELECT csv_file('import.csv', '') AS path;
SELECT etl_import('nothing', 'etl_tmp/import.csv');
DROP TABLE strikes, widened, fitting, empty_sample, skipped, named, headless, existing;
DROP FUNCTION progress();

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
-- So it is where the type's input would take the value, and make something else of it.
CREATE FUNCTION import_second(first text, second text, OUT kept boolean, OUT type text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL client_min_messages = warning;
	PERFORM etl_import('second', csv_file('second.csv', E'c\n' || first || E'\n' || second || E'\n'), sample_rows => 1);
	EXECUTE 'SELECT c::text = $1, pg_typeof(c) FROM second OFFSET 1' INTO kept, type USING trim('"' FROM second);
	DROP TABLE second;
END $$;
SELECT left(second, 40) AS second, (import_second(first, second)).* FROM (VALUES
	('1', '2'), ('1', '007'), ('1', '+5'), ('1', ' 8'), ('1', '1e5'), ('1', '9223372036854775808'),
	('1.5', '007.5'), ('1.5', '.5'), ('1.5', '5.'), ('1.5', '1e5'), ('1.5', 'NaN'), ('1.5', 'Infinity'), ('1.5', '2.50'),
	('t', 'yes'), ('t', '1'), ('t', 'on'),
	('2024-01-01', '20240102'), ('2024-01-01', '1/2/2024'), ('2024-01-01', 'today'), ('2024-01-01', 'infinity'),
	('2024-01-01 10:00+00', 'now'), ('2024-01-01 10:00+00', 'Jan 1 2024'),
	('123e4567-e89b-12d3-a456-426614174000', '{123e4567-e89b-12d3-a456-426614174000}'),
	('[1]', 'null'), ('[1]', '"[1"'), ('[1]', '[\u0000]'), ('[1]', repeat('[', 20000) || repeat(']', 20000))) AS v(first, second);
DROP FUNCTION import_second;
-- The sample was right about this one.
SELECT etl_import('fitting', 'etl_tmp/import.csv', sample_rows => NULL);
SELECT etl_import('empty_sample', 'etl_tmp/import.csv', sample_rows => 0);
\d empty_sample

-- Where faulty rows are skipped, a row whose value only a guess does not fit is not one of them.
SELECT csv_file('import.csv', E'id,v\n1,1\n2\nx,3\n') AS path;
SELECT etl_import('skipped', 'etl_tmp/import.csv', sample_rows => 1);
SELECT etl_import('skipped', 'etl_tmp/import.csv', sample_rows => 1, on_error => 'skip');
SELECT * FROM skipped;

-- Rows that are left out for their length have no say in names and types.
SELECT csv_file('import.csv', E'1,2\n3,4,5\nTotal: 2\n') AS path;
SELECT etl_import('shortened', 'etl_tmp/import.csv', header => false, ragged => 'reject');
\d shortened
-- Padded, the longest does.
SELECT csv_file('import.csv', E'1\n3,4\n') AS path;
SELECT etl_import('padded', 'etl_tmp/import.csv', header => false, ragged => 'pad');
SELECT * FROM padded;

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
-- Once more: by position, as COPY would.
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
SELECT csv_file('import.csv', E'Order ID,doubled\n1,2\n') AS path;
SELECT etl_import('existing', 'etl_tmp/import.csv');
-- A column whose name is in the file is that one, and not also one that folds to it.
CREATE TABLE twins ("ID" int DEFAULT -1, id int);
SELECT csv_file('import.csv', E'id\n1\n') AS path;
SELECT etl_import('twins', 'etl_tmp/import.csv');
SELECT * FROM twins;
-- Nothing to load; a rule; a view; constraints, which no other type would satisfy.
SELECT csv_file('import.csv', '') AS path;
SELECT etl_import('twins', 'etl_tmp/import.csv');
SELECT csv_file('import.csv', E'id\n2\n-3\n') AS path;
CREATE VIEW twins_view AS SELECT id FROM twins;
SELECT etl_import('twins_view', 'etl_tmp/import.csv');
CREATE RULE elsewhere AS ON INSERT TO twins_view DO INSTEAD NOTHING;
SELECT etl_import('twins_view', 'etl_tmp/import.csv');
ALTER TABLE twins ADD CHECK (id > -3) NOT VALID;
SELECT etl_import('twins', 'etl_tmp/import.csv');
SELECT * FROM twins;
DROP TABLE twins CASCADE;

-- Files of a pattern; another schema; names that need quotes.
CREATE SCHEMA "My Schema";
SELECT csv_file('import-1.csv', E'a,b\n1,1\n'), csv_file('import-2.csv', E'b,c\n2,2\n');
SELECT etl_import('"My Schema"."My Table"', 'etl_tmp/import-?.csv');
SELECT * FROM "My Schema"."My Table";
DROP SCHEMA "My Schema" CASCADE;
-- A column that is spelled in two ways is one.  Where only their places tell columns apart, and headers differ, no
-- place is right.
SELECT csv_file('import-1.csv', E'Order ID,a\n1,1\n'), csv_file('import-2.csv', E'a,order_id\n2,2\n');
SELECT etl_import('spelled', 'etl_tmp/import-?.csv');
SELECT * FROM spelled;
SELECT csv_file('import-1.csv', E'a,,b\n1,2,3\n'), csv_file('import-2.csv', E'b,,a\n3,2,1\n');
SELECT etl_import('places', 'etl_tmp/import-?.csv');
SELECT csv_file('import-2.csv', E'a,,b\n4,5,6\n') AS path;
SELECT etl_import('places', 'etl_tmp/import-?.csv');
SELECT * FROM places;

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
SELECT etl_import('nothing', 'etl_tmp/import.csv', sample_rows => -1);
SELECT etl_import('a.b.c.d', 'etl_tmp/import.csv');
SELECT csv_file('import.csv', '') AS path;
SELECT etl_import('nothing', 'etl_tmp/import.csv');
DROP TABLE strikes, widened, fitting, empty_sample, skipped, shortened, padded, named, headless, existing, spelled, places;
DROP FUNCTION progress();

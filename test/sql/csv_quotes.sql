--
-- Quotes that stand where they should not, quotes that are never closed, and carriage returns on their own: read as COPY
-- reads them and reported, or faults of their rows; and what they cost.
--

-- As COPY reads them, which joins lines: one notice says so.
SELECT csv_file('q.csv', E'id,name\n1,5" pipe\n2,Bob\n3,6" tube\n4,Eve\n') AS q \gset
SELECT id, name FROM etl_csv(:'q') AS t(id int, name text);
SELECT count(*) FROM etl_csv(:'q') AS t(id int, name text);
SELECT etl_import('imported_quotes', :'q');
SELECT * FROM explain(format('SELECT * FROM etl_csv(%L) AS t(id int, name text)', :'q'), 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF');

-- Each is a fault of its row, and of no other.
SELECT id, name FROM etl_csv(:'q', stray_quotes => 'error') AS t(id int, name text);
SELECT id, name FROM etl_csv(:'q', stray_quotes => 'error', on_error => 'skip') AS t(id int, name text);
SELECT _etl_line, id, name, _etl_error, _etl_raw
FROM etl_csv(:'q', stray_quotes => 'error', on_error => 'return') AS t(id int, name text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT _etl_line, id, name, _etl_error, _etl_raw
FROM etl_csv(csv_file('behind.csv', E'id,name\n1,"a"b\n2,"c" \n3," d"\n4,"e""f"\n5,""\n6,"g\nh"\n7,""i""\n'),
	stray_quotes => 'error', on_error => 'return') AS t(id int, name text, _etl_line bigint, _etl_error text, _etl_raw text);
-- A backslash as escape, a delimiter of two bytes
SELECT _etl_line, id, name, _etl_error
FROM etl_csv(csv_file('escape.csv', E'id||name\n1||"a\\"b"\n2||a"b\n3||"c\\\\"\n4||"d""e"\n'), delimiter => '||', escape => E'\\',
	stray_quotes => 'error', on_error => 'return') AS t(id int, name text, _etl_line bigint, _etl_error text);
SELECT * FROM etl_csv(:'q', stray_quotes => 'maybe') AS t(id int, name text);
-- Without quoting there are no stray quotes.
SELECT id, name FROM etl_csv(:'q', quote => NULL, stray_quotes => 'error') AS t(id int, name text);

-- A quote that is never closed costs its line, not the rest of the file.
SELECT csv_file('open.csv', E'id,name\n1,a\n2,b\n3,"c\n4,d\n5,e\n') AS open \gset
SELECT id, name FROM etl_csv(:'open') AS t(id int, name text);
SELECT id, name FROM etl_csv(:'open', on_error => 'skip') AS t(id int, name text);
SELECT _etl_line, id, name, _etl_error, _etl_raw
FROM etl_csv(:'open', on_error => 'return') AS t(id int, name text, _etl_line bigint, _etl_error text, _etl_raw text);
-- Also behind a line end that is quoted.
SELECT _etl_line, id, name, _etl_error, _etl_raw
FROM etl_csv(csv_file('open.csv', E'id,name,more\r\n1,"a\r\nb","c\r\n2,d,e\r\n3,f,g'), on_error => 'return', ragged => 'pad')
	AS t(id int, name text, more text, _etl_line bigint, _etl_error text, _etl_raw text);
-- What is set aside and no text says that it is no text.
SELECT _etl_line, id, _etl_error
FROM etl_csv(csv_file('open.csv', '\x69640a22ff0a320a'::bytea), on_error => 'return') AS t(id int, _etl_line bigint, _etl_error text, _etl_raw text);
-- The header has to be sound, whatever the policy.
SELECT * FROM etl_csv(csv_file('open.csv', E'id,"name\n1,a\n'), on_error => 'skip') AS t(id int, name text);
-- etl_peek shows it.
SELECT line, record FROM etl_peek(csv_file('open.csv', E'id,name\n1,5" pipe\n2,Bob\n'));

-- Within the largest field, too.
SELECT csv_file('far.csv', E'id,name\n1,"a\n' || string_agg(g || ',' || repeat('x', 100), E'\n') || E'\n') AS far FROM generate_series(2, 100) AS g \gset
SET etl.max_field_size = '4kB';
SELECT count(*), min(id), max(id) FROM etl_csv(:'far', on_error => 'skip') AS t(id int, name text);
SELECT count(*) FROM etl_csv(:'far') AS t(id int, name text);
RESET etl.max_field_size;

-- A carriage return alone ends a line only where the first line ends so.
SELECT csv_file('cr.csv', E'name\r\nfoo\rbar\r\nbaz\r\n"q\rr"\r\n') AS cr \gset
SELECT * FROM etl_csv(:'cr') AS t(name text);
SELECT name FROM etl_csv(:'cr', on_error => 'skip') AS t(name text);
SELECT _etl_line, name, _etl_error, _etl_raw FROM etl_csv(:'cr', on_error => 'return') AS t(name text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT name FROM etl_csv(csv_file('cr.csv', E'name\rfoo\rbar\nbaz\r\n')) AS t(name text);

-- In a pipeline each is a dead letter; it is one again when it is tried again, and never two rows.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE mended (id int PRIMARY KEY, name text);
SELECT csv_file('p.csv', E'id,name\n1,a\n2,b\rc\n3,"d\n4,e\n5,f\n') AS p \gset
SELECT etl_create_pipeline('quotes', source => format('etl_csv(%L) AS t(id int, name text)', :'p'), target => 'mended', key => '{id}');
CALL etl_run('quotes') \gset
SELECT :'state' AS state, :read AS read, :malformed AS malformed, :loaded AS loaded;
SELECT * FROM mended ORDER BY id;
SELECT line, stage, sqlstate, message, raw FROM etl_dead_letters WHERE pipeline = 'quotes' ORDER BY line;
CALL etl_retry_dead_letters('quotes') \gset
SELECT :read AS read, :malformed AS malformed, :loaded AS loaded;
SELECT count(*) FROM mended;
SELECT etl_drop_pipeline('quotes');
DROP TABLE mended, imported_quotes;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;

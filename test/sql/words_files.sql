--
-- What is said to somebody whose file is not what it was taken for: each message once, with the next step in it.
--
CREATE FUNCTION said(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; context text; state text;
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', state || ' ' || message, '  DETAIL ' || nullif(detail, ''), '  HINT ' || nullif(hint, ''));
END $$;

-- What is no text at all, for each function that reads text.
CREATE TABLE first_bytes (what text, bytes bytea);
INSERT INTO first_bytes VALUES
	('zip', 'PK\003\004'), ('xz', '\xfd377a585a00'), ('7z', '\x377abcaf271c'), ('xls', '\xd0cf11e0a1b11ae1'),
	('parquet', 'PAR1\025\004'), ('orc', 'ORC\010\001'), ('avro', 'Obj\001\004'), ('arrow', 'ARROW1\000\000'),
	('sqlite', 'SQLite format 3\000'), ('pdf', '%PDF-1.7');
SELECT what, said(format('SELECT FROM etl_csv(%L) AS t(id int)', csv_file('words.' || what, bytes || '\x0a'::bytea))) FROM first_bytes;
SELECT call, left(said('SELECT * FROM ' || call), 60) FROM unnest(ARRAY['etl_json(path) AS t(id int)', 'etl_peek(path)', 'etl_csv_columns(path)',
	$$etl_lines(path, pattern => '(?<line>.*)') AS t(line text)$$, $$etl_import('words_new', path)$$]) AS u(f),
	replace(f, 'path', quote_literal('etl_tmp/words.parquet')) AS c(call);

-- Places by another name.
SELECT url, said(format('SELECT FROM etl_csv(%L) AS t(id int)', url)) FROM unnest(ARRAY['file:///etc/passwd', 'gs://bucket/a.csv', 'az://box/a.csv', 'sftp://host/a.csv']) AS u(url);
-- Encodings by the names that others have.
SELECT name, said(format('SELECT FROM etl_csv(%L, encoding => %L) AS t(id int)', csv_file('words.csv', E'id\n1\n'), name))
FROM unnest(ARRAY['cp1252', 'windows-1252', 'latin-1', 'ISO-8859-1', 'utf-8-sig', 'UTF-8', 'ascii', 'utf-16le', 'utf8x']) AS u(name) WHERE name <> 'utf-16le';

-- Text of another format, or with another delimiter.
CREATE TABLE texts (what text, content text);
INSERT INTO texts VALUES
	('ndjson', E'{"id":1}\n{"id":2}\n'), ('array', E'[\n{"id":1}\n]\n'),
	('html', E'<!DOCTYPE html>\n<html>\n<body>\n'), ('html2', E'\n  <HTML lang="en">\n'), ('xml', E'<?xml version="1.0"?>\n<a/>\n'),
	('tabs', E'id\tname\n1\tAnn\n2\tBob\n'), ('semicolons', E'id;name\n1;"a;b"\n'), ('bars', E'id|name\n'),
	('one', E'name; address\nAnn\n'), ('brackets', E'[id],[name]\n1,x\n');
SELECT what, said(format('SELECT FROM etl_csv(%L) AS t(id int, name text)', csv_file('words.' || what, content))) FROM texts;
SELECT what, said(format('SELECT etl_import(''words_new'', %L)', 'etl_tmp/words.' || what)) FROM texts WHERE what !~ 'json|array|one|brackets';
SELECT etl_import('words_one', 'etl_tmp/words.one');
SELECT etl_import('words_brackets', 'etl_tmp/words.brackets');
SELECT content, (SELECT string_agg(record::text, ' ') FROM etl_peek(csv_file('words.name', content))) AS peek
FROM unnest(ARRAY[E'[name],[total]\n1,2\n', E'[nullable]\nx\n', '[true, 1]', E'[\n false]', '[null]']) AS u(content);
SELECT name FROM etl_csv_columns('etl_tmp/words.tabs');
SELECT name FROM etl_csv_columns('etl_tmp/words.html');
-- The second file of a pattern is it.
SELECT csv_file('words-1.csv', E'id,name\n1,Ann\n'), csv_file('words-2.csv', E'id;name\n2;Bob\n');
SELECT said($$ SELECT etl_import('words_new', 'etl_tmp/words-?.csv') $$);
-- Into a table that exists.
CREATE TABLE words_old (id int, name text);
SELECT said($$ SELECT etl_import('words_old', 'etl_tmp/words.tabs') $$);
SELECT etl_import('words_old', 'etl_tmp/words.tabs', delimiter => E'\t');
SELECT etl_import('words_old', 'etl_tmp/words.tabs', delimiter => E'\t');

-- A file without a header.
SELECT etl_import('words_headless', csv_file('words.csv', E'1,Ann,2024-01-01\n2,Bob,2024-01-02\n'));
SELECT etl_import('words_headless_2', 'etl_tmp/words.csv', header => false);
SELECT name FROM etl_csv_columns('etl_tmp/words.csv');
-- Names that are proposed are names that are found, or it is said.
SELECT declaration FROM etl_csv_columns(csv_file('words.csv', E'id,name,name\n1,a,b\n'));
SELECT * FROM etl_csv('etl_tmp/words.csv', match => 'position') AS t(id bigint, name text, name_2 text);
SELECT said($$ SELECT * FROM etl_csv('etl_tmp/words.csv') AS t(id bigint, name text, name_2 text) $$);
SELECT declaration FROM etl_csv_columns(csv_file('words.csv', E'id,,x\n1,a,b\n'));

-- Names that are nearly right; a name of one letter is like none.
SELECT csv_file('words.csv', E'id,name,Order ID,x\n1,a,2,3\n') AS path;
SELECT declared, said(format($$ SELECT * FROM etl_csv('etl_tmp/words.csv') AS t(id int, %s text) $$, declared))
FROM unnest(ARRAY['nmae', 'oder_id', '"orderId"', 'y', 'customer']) AS u(declared);

-- Characters that nobody sees: in a value, in a name, at the start of a line.
SELECT csv_file('words.csv', E'id,n\n\uFEFF2,1\n3,1\u00A0000\n4,\u200B5\n5,\u200E6\n') AS path;
SELECT * FROM etl_csv('etl_tmp/words.csv') AS t(id int, n int);
SELECT n FROM etl_csv('etl_tmp/words.csv') AS t(id text, n int);
SELECT * FROM etl_csv('etl_tmp/words.csv', on_error => 'return') AS t(id int, n int, _etl_error text);
SELECT said($$ SELECT * FROM etl_csv(csv_file('words.csv', E'\uFEFF\uFEFFid,na\u200Bme\n1,a\n')) AS t(id int) $$);
SELECT said($$ SELECT * FROM etl_csv('etl_tmp/words.csv') AS t(name text) $$);
SELECT said($$ SELECT * FROM etl_json(csv_file('words.json', E'[{"\u00A0id": 1}]')) AS t(id int) $$);

-- The error of an import leads to the place, not to a statement that nobody wrote.
CREATE TABLE words_place (id int PRIMARY KEY, name text);
SELECT etl_import('words_place', csv_file('words.csv', E'id,name\n1,a\nx,b\n'));
SELECT etl_import('words_place', csv_file('words.csv', E'id,name\n1,a\n1,b\n'));
CREATE FUNCTION words_context() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER words_context BEFORE INSERT ON words_place FOR EACH ROW EXECUTE FUNCTION words_context();
SELECT etl_import('words_place', 'etl_tmp/words.csv');

-- etl_peek shows a header that is none.
SELECT * FROM etl_peek(csv_file('words.csv', E'id,"na\n1,x\n2,y\n'));
SELECT * FROM etl_peek(csv_file('words.csv', '\x69642c6ee90a312c4ae90a322c420a'::bytea));
SELECT * FROM etl_peek('etl_tmp/words.csv', encoding => 'cp1252');

-- What is no JSON shows itself.
SELECT what, said(format('SELECT FROM etl_json(%L) AS t(id int)', 'etl_tmp/words.' || what)) FROM texts WHERE what !~ 'json|array';
SELECT said(format('SELECT FROM etl_json(%L) AS t(id int)', csv_file('words.json', content)))
FROM unnest(ARRAY[E'Internal error\n', repeat('é', 100) || '\u0001', E'{"id":1,}\n', E'[1, x]', E'1,2\n', E'\uFEFFid\n']) AS u(content);
SELECT said(format('SELECT FROM etl_json(%L) AS t(id int)', csv_file('words.json', '\x49ff00'::bytea)));
-- So it does in a run.
CREATE TABLE words_run (id int);
SELECT etl_create_pipeline('words', source => $$etl_json('etl_tmp/words.html') AS t(id int)$$, target => 'words_run');
\set VERBOSITY sqlstate
CALL etl_run('words');
SELECT etl_alter_pipeline('words', redact => 'id');
CALL etl_run('words');
\set VERBOSITY default
SELECT message FROM etl_runs WHERE pipeline = 'words' ORDER BY run;
SELECT etl_drop_pipeline('words');
DROP TABLE words_run;

DROP TABLE first_bytes, texts, words_old, words_one, words_brackets, words_headless, words_headless_2, words_place;
DROP FUNCTION said, words_context;

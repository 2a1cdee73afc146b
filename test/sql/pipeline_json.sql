--
-- JSON files as sources of pipelines: faults, retry, redact, and where a run goes on in documents and in values
-- one after another.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE VIEW counters_that_do_not_add_up AS SELECT run FROM etl_runs
	WHERE read <> malformed + convert_failed + converted
		OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated;
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, n int CHECK (n >= 0), city text, tags text[], doc jsonb);

-- every stage, in values one after another
SELECT csv_file('items.ndjson', $${"id": 1, "name": "a\u0062c", "n": 1, "address": {"city": "Bern", "zip": 1}, "tags": ["x", "y"]}
{"ID": 2, "Name": "d", "n": -1, "address": {"city": "Paris"}}
{"id": "three", "name": "e", "n": 1}
{"id": 4, "n": 1}
[5]
{"id": 6, "name": "f", "n": 1e1, "tags": 7}
{"id": 7, "name": "rude", "n": 1, "doc": {"a": {"b": 2}}}
{"id": 1, "name": "again", "n": 2, "N": 3, "doc": null}
{"id": 9, "name": "late", "n": 5}
$$);
SELECT etl_create_pipeline('items',
	source => $$etl_json('etl_tmp/items.ndjson') AS t(id int, name text, n int, "address.city" text, tags text[], doc jsonb,
		_etl_source text, _etl_page int, _etl_index int, _etl_raw text, _etl_item jsonb)$$,
	query => $$SELECT id, name, n, "address.city" AS city, tags, coalesce(doc, jsonb_build_object('at', _etl_index, 'page', _etl_page,
		'from', _etl_source, 'same', _etl_raw::jsonb = _etl_item)) AS doc FROM batch$$,
	target => 'item', key => '{id}', rules => '{"polite": "name <> ''rude''"}', batch_size => 4);
CALL etl_run('items');
SELECT * FROM item ORDER BY id;
SELECT stage, source, line, page, index, byte_offset, column_name, value, raw, rule, sqlstate, message, detail, replayable
FROM etl_dead_letters WHERE pipeline = 'items' ORDER BY index;
-- where they come from is known in a second chance, too; the file is not needed
SELECT csv_file('items.ndjson', ''::text);
ALTER TABLE item DROP CONSTRAINT item_n_check, ALTER name DROP NOT NULL;
SELECT etl_alter_pipeline('items', rules => '{}');
CALL etl_retry_dead_letters('items');
SELECT id, name, n, city, doc FROM item WHERE id IN (2, 4, 7) ORDER BY id;
SELECT index, attempts, resolved FROM etl_dead_letters WHERE pipeline = 'items' ORDER BY index;
SELECT etl_drop_pipeline('items');

-- an array, a document with a path, several files, compressed ones
TRUNCATE item;
CREATE TABLE log (f text, page int, i int, v int);
SELECT csv_file('doc_a.json', '[{"v": 1}, {"v": 2}, {"v": 3}]');
SELECT csv_file('doc_b.json', '{"v": 4} {"v": 5}');
COPY (SELECT WHERE false) TO PROGRAM 'printf ''{"v":6}\n{"v":7}\n'' | gzip > etl_tmp/doc_c.json';
SELECT etl_create_pipeline('docs', source => $$etl_json('etl_tmp/doc_*.json') AS t(v int, _etl_source text, _etl_page int, _etl_index int)$$,
	query => 'SELECT _etl_source AS f, _etl_page AS page, _etl_index AS i, v FROM batch', target => 'log', batch_size => 2);
CALL etl_run('docs');
SELECT * FROM log ORDER BY v;
-- nothing has changed
CALL etl_run('docs');
-- values that grew are continued, with or without a line end; a changed document is read again
SELECT csv_file('doc_b.json', '{"v": 4} {"v": 5}' || E'\n{"v": 50}');
CALL etl_run('docs');
SELECT csv_file('doc_b.json', '{"v": 4} {"v": 5}' || E'\n{"v": 50}\n{"v": 51}\n');
CALL etl_run('docs');
SELECT csv_file('doc_a.json', '[{"v": 10}, {"v": 20}]');
CALL etl_run('docs');
COPY (SELECT WHERE false) TO PROGRAM 'printf ''{"v":6}\n{"v":7}\n{"v":8}\n'' | gzip > etl_tmp/doc_c.json';
CALL etl_run('docs');
SELECT * FROM log ORDER BY page, v;
-- other values in the place of those that were read
SELECT csv_file('doc_b.json', '{"v": 400} {"v": 5}' || E'\n{"v": 50}\n{"v": 51}\n{"v": 52}\n');
CALL etl_run('docs');
SELECT v FROM log WHERE v >= 50 ORDER BY v;
SELECT etl_drop_pipeline('docs');

-- a failure in the middle: the next run goes on behind what was loaded, in the right file and item
TRUNCATE log;
CREATE TABLE broken (v int PRIMARY KEY);
INSERT INTO broken VALUES (5), (25);
CREATE FUNCTION not_broken(v int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM broken b WHERE b.v = not_broken.v) THEN
		RAISE EXCEPTION 'broken' USING ERRCODE = '55000';
	END IF;
	RETURN v;
END $$;
SELECT csv_file('part_' || p || '.json', CASE p WHEN 1 THEN '[' || string_agg(format('{"v": %s}', v), ',') || ']'
	WHEN 2 THEN '{"data": {"rows": [' || string_agg(format('{"v": %s}', v), ',') || ']}}'
	ELSE string_agg(format('{"v": %s}', v), E'\n') END)
FROM generate_series(1, 30) AS v, LATERAL (SELECT (v - 1) / 10 + 1 AS p) AS parts GROUP BY p ORDER BY p;
SELECT etl_create_pipeline('parts', source => $$etl_json('etl_tmp/part_*.json') AS t(v int, _etl_page int, _etl_index int)$$,
	query => 'SELECT _etl_page AS page, _etl_index AS i, not_broken(v) AS v FROM batch', target => 'log', batch_size => 3);
\set VERBOSITY sqlstate
CALL etl_run('parts');
SELECT count(*), max(v) FROM log;
DELETE FROM broken WHERE v = 5;
-- the second file has its items elsewhere, so its one value is no item that could be converted
CALL etl_run('parts');
SELECT page, count(*), count(v) FROM log GROUP BY page ORDER BY page;
DELETE FROM broken;
CALL etl_run('parts');
SELECT page, count(*), min(v), max(v), count(DISTINCT v), bool_and(i = (v - 1) % 10 + 1) FROM log WHERE v IS NOT NULL GROUP BY page ORDER BY page;
SELECT etl_drop_pipeline('parts');
-- with a path
TRUNCATE log;
INSERT INTO broken VALUES (17);
SELECT etl_create_pipeline('inside', source => $$etl_json('etl_tmp/part_2.json', items => 'data.rows') AS t(v int, _etl_index int)$$,
	query => 'SELECT _etl_index AS i, not_broken(v) AS v FROM batch', target => 'log', batch_size => 3);
CALL etl_run('inside');
SELECT count(*), max(v) FROM log;
DELETE FROM broken;
CALL etl_run('inside');
SELECT count(*), count(DISTINCT v), bool_and(i = v - 10) FROM log;
SELECT etl_drop_pipeline('inside');
-- it breaks off, or is no JSON: what is before that is loaded
TRUNCATE log;
SELECT csv_file('cut.ndjson', E'{"v": 1}\n{"v": 2}\n{"v": ');
SELECT etl_create_pipeline('cut', source => $$etl_json('etl_tmp/cut.ndjson') AS t(v int)$$, target => 'log');
CALL etl_run('cut');
SELECT state, sqlstate, message, read FROM etl_runs WHERE pipeline = 'cut' ORDER BY run;
SELECT csv_file('cut.ndjson', E'{"v": 1}\n{"v": 2}\n{"v": 3}\n');
CALL etl_run('cut');
-- while it is being written, the rest of a value may come
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = ''1h''', current_database()); END $$;
SELECT csv_file('cut.ndjson', E'{"v": 1}\n{"v": 2}\n{"v": 3}\n{"v": 4}\n{');
CALL etl_run('cut');
SELECT csv_file('cut.ndjson', E'{"v": 1}\n{"v": 2}\n{"v": 3}\n{"v": 4}\n{"v": 5}\n{"v":');
CALL etl_run('cut');
CALL etl_run('cut');
SELECT csv_file('cut.ndjson', E'{"v": 1}\n{"v": 2}\n{"v": 3}\n{"v": 4}\n{"v": 5}\n{"v":6}');
CALL etl_run('cut');
SELECT v FROM log ORDER BY v;
SELECT csv_file('cut2.ndjson', ''::text);
SELECT etl_create_pipeline('numbers', source => $$etl_json('etl_tmp/cut2.ndjson') AS t(_etl_item jsonb)$$,
	query => 'SELECT _etl_item::int AS v FROM batch', target => 'log');
CALL etl_run('numbers');
SELECT csv_file('cut2.ndjson', E'100\n10');
CALL etl_run('numbers');
SELECT csv_file('cut2.ndjson', E'100\n101\n');
CALL etl_run('numbers');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
SELECT v FROM log WHERE v >= 100 ORDER BY v;
SELECT etl_drop_pipeline(p) FROM unnest('{cut,numbers}'::text[]) AS p;
\set VERBOSITY default

-- an empty file of a pattern stops nothing: not those behind it, and not itself when values come
TRUNCATE log;
SELECT csv_file('void_1.ndjson', '{"v": 1}'), csv_file('void_2.ndjson', ''), csv_file('void_3.ndjson', E'\n \n'), csv_file('void_4.ndjson', '{"v": 4}');
SELECT etl_create_pipeline('void', source => $$etl_json('etl_tmp/void_*.ndjson', format => 'ndjson') AS t(v int)$$, target => 'log');
CALL etl_run('void');
CALL etl_run('void');
SELECT csv_file('void_2.ndjson', E'{"v": 2}\n'), csv_file('void_3.ndjson', E'\n \n{"v": 3}\n');
CALL etl_run('void');
CALL etl_run('void');
SELECT v FROM log ORDER BY v;
SELECT etl_drop_pipeline('void');
SELECT etl_create_pipeline('void', source => $$etl_json('etl_tmp/void_[5].ndjson') AS t(v int)$$, target => 'log');
SELECT csv_file('void_5.ndjson', ''::text);
CALL etl_run('void');
SELECT etl_drop_pipeline('void');
-- unless all of the source is read, and what is not there would be deleted
ALTER TABLE log ADD UNIQUE (v);
SELECT etl_create_pipeline('void', source => $$etl_json('etl_tmp/void_[5].ndjson') AS t(v int)$$, target => 'log', key => '{v}', whole => true);
CALL etl_run('void');
SELECT count(*) FROM log;
SELECT etl_drop_pipeline('void');

-- what is secret is in no dead letter, whatever the member is called and wherever it stands
CREATE TABLE person (id int PRIMARY KEY, email text, pin int, card text CHECK (card <> 'c-secret'));
SELECT csv_file('people.json', $$[
	{"id": 1, "email": "e-secret", "Email": "e-secret", "e_mail": "another", "pin": "p-secret", "home": {"zip": "z-secret", "city": "Bern"}, "x\"y": [1, {"a": null}]},
	{"id": 2, "pay": {"card": "c-secret", "kind": "gold"}, "Pay": 1, "pin": 1},
	{"id": "i-value", "email": "e-secret", "home": {"ZIP": "z-secret"}},
	"e-secret"
]$$);
SELECT etl_create_pipeline('people', source => $$etl_json('etl_tmp/people.json') AS t(id int, email text, pin int, "pay.card" text, "home.zip" text)$$,
	query => 'SELECT id, email, pin, "pay.card" AS card FROM batch', target => 'person', key => '{id}',
	redact => '{email,pin,pay.card,home.zip}');
CALL etl_run('people');
SELECT index, stage, column_name, value, raw, message, detail, replayable FROM etl_dead_letters WHERE pipeline = 'people' ORDER BY index;
SELECT count(*) FROM etl_catalog.dead_letters d WHERE d::text LIKE '%-secret%';
SELECT etl_alter_pipeline('people', on_error => 'fail', source => $$etl_json('etl_tmp/people.json') AS t(id int, email text, pin int, "pay.card" text, "home.zip" text, _etl_raw text)$$,
	redact => '{email,pin,_etl_raw}'), etl_reset('people');
CALL etl_run('people');
SELECT etl_alter_pipeline('people', on_error => 'dead_letter');
CALL etl_run('people');
SELECT index, raw FROM etl_dead_letters WHERE pipeline = 'people' AND run = (SELECT max(run) FROM etl_runs) ORDER BY index;
SELECT etl_drop_pipeline('people');

-- a dead letter that is too long is kept in part
SELECT csv_file('long.json', format('[{"id": "%s"}]', repeat('x', 100000)));
SELECT etl_create_pipeline('long', source => $$etl_json('etl_tmp/long.json') AS t(id int)$$, target => 'person');
CALL etl_run('long');
SELECT length(raw), length(value), replayable FROM etl_dead_letters WHERE pipeline = 'long';
SELECT etl_drop_pipeline('long');

-- an item that jsonb does not take is set aside, and the file goes on; its letter is read again
TRUNCATE log;
SELECT csv_file('wrong.json', '[{"v": 1}, {"v": 2, "t": "\ud800"}, {"v": 3, "t": "\u0000"}, {"v": 4, "t": 1e999999}, {"v": 5}]');
SELECT etl_create_pipeline('wrong', source => $$etl_json('etl_tmp/wrong.json') AS t(v int)$$, target => 'log', batch_size => 2);
CALL etl_run('wrong');
SELECT v FROM log ORDER BY v;
SELECT stage, index, byte_offset, raw, sqlstate, message, detail, replayable FROM etl_dead_letters WHERE pipeline = 'wrong' ORDER BY index;
CALL etl_retry_dead_letters('wrong');
SELECT index, attempts, resolved FROM etl_dead_letters WHERE pipeline = 'wrong' ORDER BY index;
SELECT etl_alter_pipeline('wrong', on_error => 'fail'), etl_reset('wrong');
CALL etl_run('wrong');
SELECT etl_drop_pipeline('wrong');

SELECT * FROM counters_that_do_not_add_up;
DROP VIEW counters_that_do_not_add_up;
DROP FUNCTION not_broken;
DROP TABLE item, log, broken, person;

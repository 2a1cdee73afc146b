--
-- NDJSON: a line is an item, and what is broken on one says nothing about the next.
--
SELECT csv_file('a.ndjson', E'{"id":1,"v":"a"}\n{"id":2,"v":}\n{"id":3,"v":"c"}\n');
SELECT * FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson') AS t(id int, v text);
SELECT * FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson', on_error => 'skip') AS t(id int, v text);
SELECT * FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson', on_error => 'return') AS t(id int, v text, _etl_index int, _etl_raw text, _etl_item jsonb, _etl_error text);
SELECT count(*) FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson', on_error => 'skip', reject_limit => 0) AS t(id int);
-- nobody reads a column, and the broken line is no row all the same
SELECT count(*) FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson', on_error => 'skip') AS t(id int);
SELECT count(*) FROM etl_json('etl_tmp/a.ndjson', format => 'ndjson') AS t(id int);

-- all kinds of bad lines, each between two good ones
CREATE TABLE bad (n serial, line bytea);
INSERT INTO bad (line) VALUES ('ERROR upstream timeout'), ('{"id":-1,"t":"cu'), ('{"id":-1'), ('{"id":NaN}'), ('[Infinity]'), ('{"id":-1,}'),
	('{"id":-1,"t":"\\u0000"}'), ('{"id":-1,"t":"\\ud800"}'), ('{"id":-1,"t":1e999999}'), ('{"id":-1,"t":"\377"}'), ('{"id":-1,"t":"\000"}'), ('\000\000\000'),
	('{"id":-1}{"id":-2}'), ('{"id":-1} {"id":-2}'), ('{"id":-1} x'), ('{"id":-1},'), ('"'), ('\\"'), ('['), (']'), (repeat('[', 2000)::bytea),
	(('{"id":-1,"t":"' || repeat('x', 10000))::bytea), (('{"id":-1,"t":"' || repeat('\\n', 10000) || '"')::bytea), ('{''id'':-1}'), ('tru'), ('-'), ('\013{"id":-1}'), ('\357\273\277{"id":-1}');
SELECT csv_file('bad.ndjson', string_agg(format(E'{"id":%s}\n', n)::bytea || line || CASE WHEN n % 2 = 0 THEN '\x0d0a'::bytea ELSE '\x0a' END, '' ORDER BY n)) FROM bad;
SELECT _etl_index / 2 AS n, replace(left(_etl_raw, 30), U&'\FEFF', '<U+FEFF>') AS raw, _etl_item, _etl_error
FROM etl_json('etl_tmp/bad.ndjson', format => 'ndjson', on_error => 'return') AS t(id int, _etl_index int, _etl_raw text, _etl_item jsonb, _etl_error text)
WHERE id IS NULL;
SELECT count(*), sum(id), sum(n) FROM bad FULL JOIN etl_json('etl_tmp/bad.ndjson', format => 'ndjson', on_error => 'skip') AS t(id int) ON id = n;
-- the first good line shows that it is lines
SELECT count(*), sum(id) FROM etl_json('etl_tmp/bad.ndjson', on_error => 'skip') AS t(id int);
-- a line ends a value, and has not more than one; blank ones are none
SELECT id, _etl_raw, _etl_error FROM etl_json(csv_file('c.ndjson', E'\n \r\n{"id":\n1}\n\t{"id":2} \n\n{"id":3}'), format => 'ndjson', on_error => 'return') AS t(id int, _etl_raw text, _etl_error text);
SELECT count(*) FROM etl_json(csv_file('c.ndjson', E'\n \r\n'), format => 'ndjson') AS t(id int);

-- where nobody says that it is lines, the first one shows it: one value, and no array
SELECT * FROM etl_json('etl_tmp/a.ndjson', on_error => 'skip') AS t(id int, v text);
SELECT count(*) FROM etl_json(csv_file('c.ndjson', E'{"id":\n1}\n{"id":}\n'), on_error => 'skip') AS t(id int);
SELECT count(*) FROM etl_json(csv_file('c.ndjson', E'{"id":1} {"id":2}\n{"id":}\n'), on_error => 'skip') AS t(id int);
SELECT count(*) FROM etl_json(csv_file('c.ndjson', E'{"id":}\n{"id":2}\n'), on_error => 'skip') AS t(id int);
SELECT count(*), sum(id) FROM etl_json(csv_file('c.ndjson', E'{"id":\n1}\n{"id"\n:2}\n'), on_error => 'skip') AS t(id int);

-- with a path the items are inside of what the lines are; of a broken line none is taken
SELECT csv_file('d.ndjson', E'{"d":[{"id":1},{"id":2}]}\n{"d":[{"id":3},{"id":}]}\n{"d":{"id":4}}\n{"d":[]} \n{"d":[{"id":5}],"x":"\\u0000"}\n{"d":[{"id":6,"t":"\\u0000"},{"id":7}]}\nERROR\n{"d":[{"id":8}]} {"d":9}\n{"d":\n[{"id":9}]}\n{"x":1}\n{"d":[{"id":10}]}');
SELECT * FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd') AS t(id int);
SELECT * FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd', on_error => 'skip') AS t(id int);
SELECT * FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd', on_error => 'return') AS t(id int, _etl_index int, _etl_raw text, _etl_item jsonb, _etl_error text);
SELECT count(*) FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd', on_error => 'skip', reject_limit => 6) AS t(id int);
SELECT * FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'x.y', on_error => 'skip') AS t(id int);
SELECT * FROM etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd[id=4]', on_error => 'skip') AS t(id int);
SELECT * FROM etl_json(csv_file('c.ndjson', E'{"d":1}\n{"d":2}\n'), format => 'ndjson', items => 'x', on_error => 'skip') AS t(_etl_item jsonb);
-- only who says that it is lines gets them so
SELECT * FROM etl_json('etl_tmp/d.ndjson', items => 'd', on_error => 'skip') AS t(id int);

-- a line that is larger than an item may be is one of them
SET etl.max_item_size = '1kB';
SELECT id FROM etl_json(csv_file('c.ndjson', E'{"id":1}\n{"id":2,"t":"' || repeat('x', 1000) || E'"}\n{"id":3}\n'), format => 'ndjson', on_error => 'skip') AS t(id int);
SELECT id, _etl_raw, _etl_error FROM etl_json(csv_file('c.ndjson', E'{"id":1}\n{"id":2,"t":"' || repeat('x', 300000) || E'"}\n{"id":3}\n'), format => 'ndjson', on_error => 'return') AS t(id int, _etl_raw text, _etl_error text);
SELECT id FROM etl_json('etl_tmp/c.ndjson') AS t(id int);
RESET etl.max_item_size;

-- pipelines
\pset format unaligned
\pset tuples_only on
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE line (id int PRIMARY KEY, v text);
SELECT csv_file('nd_a.ndjson', E'{"id":1,"v":"a"}\n{"id":2,"v":}\n{"id":3,"v":"c"}\n'), csv_file('nd_b.ndjson', E'{"id":10,"v":"a"}\n');
SELECT etl_create_pipeline('nd', source => $$etl_json('etl_tmp/nd_*.ndjson', format => 'ndjson') AS t(id int, v text)$$, target => 'line', key => '{id}');
CALL etl_run('nd');
SELECT id FROM line ORDER BY id;
SELECT stage, source, line, page, index, byte_offset, raw, sqlstate, message, detail, attempts, replayable FROM etl_dead_letters WHERE pipeline = 'nd';
CALL etl_run('nd');
-- read again it is as broken; mended it loads; a part of it does not
CALL etl_retry_dead_letters('nd');
SELECT sqlstate, message, detail, attempts FROM etl_dead_letters WHERE pipeline = 'nd' AND NOT resolved;
UPDATE etl_catalog.dead_letters SET raw = '{"id":2,"v":"b"} {"id":4}' WHERE raw = '{"id":2,"v":}';
CALL etl_retry_dead_letters('nd');
SELECT sqlstate, message, detail, attempts FROM etl_dead_letters WHERE pipeline = 'nd' AND NOT resolved;
UPDATE etl_catalog.dead_letters SET raw = '{"id":2,"v":"b"}' WHERE raw LIKE '{"id":2%';
CALL etl_retry_dead_letters('nd');
SELECT id, v FROM line ORDER BY id;
-- lines that come later; the last one is cut off, and read again when the rest of it has come
SELECT csv_file('nd_a.ndjson', E'{"id":1,"v":"a"}\n{"id":2,"v":}\n{"id":3,"v":"c"}\nx\n{"id":5}\n{"id":');
CALL etl_run('nd');
SELECT csv_file('nd_a.ndjson', E'{"id":1,"v":"a"}\n{"id":2,"v":}\n{"id":3,"v":"c"}\nx\n{"id":5}\n{"id":6}\n{"id":7}y');
CALL etl_run('nd');
SELECT csv_file('nd_a.ndjson', E'{"id":1,"v":"a"}\n{"id":2,"v":}\n{"id":3,"v":"c"}\nx\n{"id":5}\n{"id":6}\n{"id":7}y\n{"id":8}');
CALL etl_run('nd');
SELECT string_agg(id::text, ' ' ORDER BY id) FROM line;
-- what was set aside of it is superseded then, whether the rest makes it a record or not
SELECT line, index, byte_offset, raw, attempts FROM etl_dead_letters WHERE pipeline = 'nd' AND NOT resolved ORDER BY line;
SELECT line, raw, state FROM etl_dead_letters WHERE pipeline = 'nd' AND state = 'superseded' ORDER BY line, id;
-- while somebody writes it, it is held back
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = ''1h''', current_database()); END $$;
SELECT csv_file('nd_b.ndjson', E'{"id":10,"v":"a"}\n{"id":11}\n!\n{"id":12');
CALL etl_run('nd');
CALL etl_run('nd');
SELECT csv_file('nd_b.ndjson', E'{"id":10,"v":"a"}\n{"id":11}\n!\n{"id":12}\n{"id":13}');
CALL etl_run('nd');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
SELECT string_agg(id::text, ' ' ORDER BY id) FROM line WHERE id >= 10;
SELECT line, raw FROM etl_dead_letters WHERE pipeline = 'nd' AND NOT resolved AND source LIKE '%b.ndjson';
-- or the first fault ends the run
SELECT etl_alter_pipeline('nd', on_error => 'fail'), etl_reset('nd');
CALL etl_run('nd');
SELECT etl_alter_pipeline('nd', on_error => 'dead_letter', reject_limit => 1);
CALL etl_run('nd');
SELECT etl_drop_pipeline('nd');

-- items inside of lines: what is set aside is the line, which is no record that could be tried again
SELECT etl_create_pipeline('inside', source => $$etl_json('etl_tmp/d.ndjson', format => 'ndjson', items => 'd', missing_columns => 'null') AS t(id int, v text)$$, target => 'line', key => '{id}',
	query => 'SELECT id + 1000 AS id, v FROM batch', batch_size => 2);
CALL etl_run('inside');
SELECT string_agg(id::text, ' ' ORDER BY id) FROM line WHERE id > 1000;
SELECT line, index, byte_offset, raw, sqlstate, message, replayable FROM etl_dead_letters WHERE pipeline = 'inside' ORDER BY id;
CALL etl_retry_dead_letters('inside');
CALL etl_run('inside');
-- the file grows: what was there is passed over; the last line is cut off, and held back or read again when the rest of it has come
COPY (SELECT WHERE false) TO PROGRAM $$printf '\n{"d":[{"id":11},{"id":12}]}\n{"d":[{"id":13},{"id"' >> etl_tmp/d.ndjson$$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = ''1h''', current_database()); END $$;
CALL etl_run('inside');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CALL etl_run('inside');
SELECT count(*), max(id) FROM line WHERE id > 1000;
SELECT line, index, raw, attempts FROM etl_dead_letters WHERE pipeline = 'inside' AND NOT resolved ORDER BY line DESC LIMIT 1;
COPY (SELECT WHERE false) TO PROGRAM $$printf ':14}]}\n{"d":[{"id":15}]}' >> etl_tmp/d.ndjson$$;
CALL etl_run('inside');
CALL etl_run('inside');
SELECT count(*), max(id) FROM line WHERE id > 1000;
SELECT count(*), count(DISTINCT (line, index)) FROM etl_dead_letters WHERE pipeline = 'inside' AND NOT resolved;
SELECT line, raw, state FROM etl_dead_letters WHERE pipeline = 'inside' AND state = 'superseded';
SELECT etl_drop_pipeline('inside');

-- a line that is too long cannot be tried again
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.max_item_size = ''1kB''', current_database()); END $$;
SELECT etl_create_pipeline('long', source => $$etl_json('etl_tmp/c.ndjson') AS t(id int)$$, target => 'line', key => '{id}', query => 'SELECT id + 100 AS id, NULL AS v FROM batch');
CALL etl_run('long');
SELECT line, byte_offset, length(raw), sqlstate, message, replayable FROM etl_dead_letters WHERE pipeline = 'long';
SELECT etl_drop_pipeline('long');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.max_item_size', current_database()); END $$;

-- all kinds again: bytes that are no text are there, too, and escaped; nothing of a secret is
TRUNCATE line;
SELECT etl_create_pipeline('bad', source => $$etl_json('etl_tmp/bad.ndjson', missing_columns => 'null') AS t(id int, v text)$$, target => 'line', key => '{id}', batch_size => 7);
CALL etl_run('bad');
SELECT count(*), sum(id) FROM line;
SELECT count(*), count(*) FILTER (WHERE stage = 'parse'), count(DISTINCT (line, index, byte_offset)), bool_and(line = index) FROM etl_dead_letters WHERE pipeline = 'bad';
SELECT left(raw, 30), sqlstate, replayable FROM etl_dead_letters WHERE pipeline = 'bad' AND (sqlstate = '22021' OR detail LIKE '%NUL%') ORDER BY line;
SELECT etl_alter_pipeline('bad', redact => '{v}'), etl_reset('bad');
CALL etl_run('bad');
SELECT count(*), count(raw) FROM etl_dead_letters WHERE pipeline = 'bad' AND run = (SELECT max(run) FROM etl_runs);
SELECT etl_drop_pipeline('bad');

-- a run that fails among them: the next one goes on there, by bytes or, in a compressed file, by records
CREATE FUNCTION fails_at(id int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF id = current_setting('regress.fails_at')::int THEN
		RAISE EXCEPTION 'fails' USING ERRCODE = '55000';
	END IF;
	RETURN id;
END $$;
COPY (SELECT WHERE false) TO PROGRAM 'gzip -c etl_tmp/bad.ndjson > etl_tmp/bad.ndjson.gz';
CREATE TABLE appended (id int);
\set VERBOSITY sqlstate
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET regress.fails_at = 13', current_database()); END $$;
SELECT etl_create_pipeline(name, source => format($$etl_json('etl_tmp/%s') AS t(id int)$$, name), target => 'appended', query => 'SELECT fails_at(id) AS id FROM batch', batch_size => 5)
FROM unnest('{bad.ndjson,bad.ndjson.gz}'::text[]) AS name;
-- three items on each good line
CREATE TABLE inside (LIKE appended);
SELECT csv_file('inside.ndjson', string_agg(format(E'{"d":[{"id":%s},{"id":%s},{"id":%s}]}\n', 3 * n, 3 * n + 1, 3 * n + 2)::bytea || line || '\x0a', '' ORDER BY n)) FROM bad WHERE line NOT LIKE '%u0000%';
SELECT etl_create_pipeline('inside', source => $$etl_json('etl_tmp/inside.ndjson', format => 'ndjson', items => 'd') AS t(id int)$$, target => 'inside', query => 'SELECT fails_at(id) AS id FROM batch', batch_size => 5);
CALL etl_run('inside');
CALL etl_run('bad.ndjson');
CALL etl_run('bad.ndjson.gz');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET regress.fails_at', current_database()); END $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET regress.fails_at = 0', current_database()); END $$;
CALL etl_run('bad.ndjson');
CALL etl_run('bad.ndjson.gz');
SELECT count(*), count(DISTINCT id), sum(id) FROM appended;
CALL etl_run('inside');
SELECT count(*), count(DISTINCT id), min(id), max(id) FROM inside;
SELECT pipeline, count(*), count(DISTINCT line), bool_and(line = index) FROM etl_dead_letters WHERE pipeline LIKE ANY ('{bad%,inside}') GROUP BY pipeline ORDER BY pipeline;
SELECT etl_drop_pipeline('inside');
SELECT etl_drop_pipeline(name) FROM unnest('{bad.ndjson,bad.ndjson.gz}'::text[]) AS name;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET regress.fails_at', current_database()); END $$;
\set VERBOSITY default
DROP FUNCTION fails_at;
DROP TABLE bad, line, appended, inside;

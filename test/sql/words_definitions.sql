--
-- What is said to somebody whose definition of a pipeline cannot be: about the text that was written, in its words.
--
CREATE TABLE words_orders (id int, day date, "Amount" numeric, PRIMARY KEY (id, day));
SELECT csv_file('words.csv', E'id,day,amount\n1,2024-01-01,5\n') AS path \gset
\set create 'SELECT etl_create_pipeline(''words'', target => ''words_orders'''
\set source 'source => $$etl_csv(''etl_tmp/words.csv'') AS t(id int, day date)$$'

-- Positions are those of the text, not of this statement nor of one that nobody wrote.
:create, source => $$etl_csv('etl_tmp/words.csv' AS t(id int)$$);
:create, source => $$etl_csv('etl_tmp/words.csv') AS t(id int$$);
:create, source => $$etl_csv('etl_tmp/words.csv') AS t(id nit)$$);
:create, source => $$etl_csv('etl_tmp/wörds.csv', heder => true) AS t(id int)$$);
:create, source => $$etl_csv('etl_tmp/words.csv', row_tpye => NULL) AS t(id int)$$);
:create, source => $$etl_cvs('etl_tmp/words.csv') AS t(id int)$$);
:create, source => 'SELECT * FROM words_orders');
:create, source => $$(SELECT * FROM etl_csv('etl_tmp/words.csv') AS t(id int)) AS s$$);
:create, :source, query => 'SELECT id, dya AS day FROM batch');
:create, :source, query => $$SELECT 'é' AS x, id
FROM batsch$$);
:create, :source, query => 'SELECT id day batch WHERE');
:create, :source, query => 'SELECT id, 1 / 0 AS day FROM batch');
:create, :source, rules => '{"new": "day > now(", "old": "true"}');
:create, :source, rules => '{"new": "day > 5"}');
-- A function of somebody's own has a place of its own.
CREATE FUNCTION words_inner(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN nix FROM words_orders; END $$;
:create, :source, query => 'SELECT id, day, words_inner(1) AS "Amount" FROM batch');
DROP FUNCTION words_inner;

-- Types and names of the target.
:create, source => $$etl_csv('etl_tmp/words.csv') AS t(id date, day date)$$);
:create, source => $$etl_csv('etl_tmp/words.csv') AS t(id int, day date, amount numeric)$$);
:create, source => $$etl_csv('etl_tmp/words.csv') AS t(id int, day date, price numeric)$$);
:create, :source, watermark => 'dya');
:create, :source, redact => 'idd');

-- Lists of names: a text, or an array; a name that is not plain in double quotes.
CREATE FUNCTION words_key(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	given text; hint text;
BEGIN
	EXECUTE format($f$SELECT etl_create_pipeline('words', target => 'words_orders', key => %s,
		source => $s$etl_csv('etl_tmp/words.csv') AS t(id int, day date)$s$)$f$, call);
	SELECT key::text INTO given FROM etl_pipelines WHERE name = 'words';
	PERFORM etl_drop_pipeline('words');
	RETURN given;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, nullif(hint, ''));
END $$;
SELECT call, words_key(call) FROM unnest(ARRAY[$$'id, day'$$, $$'{id,day}'$$, $$ARRAY['id', 'day']$$, $$'{day,id}'::name[]$$, $$'"day","id"'::varchar$$,
	$$'id'$$, $$'id day'$$, $$'id,'$$, $$'Id, day'$$, $$5$$, $$''$$, $$NULL$$, $$'{id,NULL}'$$, $$'{id'$$]) AS u(call);
DROP FUNCTION words_key;
-- Without a key the primary key is proposed.
:create, :source, mode => 'upsert');
:create, :source, whole => true);
SELECT etl_create_pipeline('first', target => 'words_orders', :source, key => 'id, day', redact => 'id');
SELECT etl_create_pipeline('a "b', target => 'words_orders', :source, key => 'id, day', after => 'first');
SELECT etl_create_pipeline('last', target => 'words_orders', :source, key => 'id, day', after => 'first, "a ""b"');
SELECT pipeline, after FROM etl_status WHERE after <> '{}' ORDER BY 1;
SELECT etl_alter_pipeline('last', after => '');
SELECT pipeline, after FROM etl_status WHERE pipeline = 'last';
SELECT etl_drop_pipeline(p) FROM unnest(ARRAY['last', 'a "b']) AS p;

-- A partitioned table says what a unique index on it needs.
CREATE TABLE words_parts (id int, day date) PARTITION BY RANGE (day);
SELECT etl_create_pipeline('words', target => 'words_parts', :source, key => 'id');
SELECT etl_create_pipeline('words', target => 'words_parts', :source, key => 'id, day');
DROP TABLE words_parts;

-- Schedules that are right, and yet not what they look like.
SET client_min_messages = error;
SELECT etl_alter_pipeline('first', schedule => '*/15 * * * *');
RESET client_min_messages;
SELECT etl_alter_pipeline('first', schedule => s) FROM unnest(ARRAY['*/45 * * * *', '* 3 * * *', '0 */5 */2 * *', '0,45 * * * *', '*/20 */8 * * *', '* * * * *', '@hourly',
	'45 minutes']) AS s;
-- What does not change what it means is not held against the target.
ALTER TABLE words_orders DROP CONSTRAINT words_orders_pkey;
SELECT etl_alter_pipeline('first', schedule => '');
SELECT etl_alter_pipeline('first', batch_size => 5);
SELECT etl_alter_pipeline('first', key => 'day, id');
ALTER TABLE words_orders ADD PRIMARY KEY (id, day);

-- A transaction that is read only.
BEGIN READ ONLY;
SELECT etl_pause('first');
ROLLBACK;
BEGIN READ ONLY;
SELECT etl_alter_pipeline('first', batch_size => 5);
ROLLBACK;

-- A target that was renamed.
ALTER TABLE words_orders RENAME TO words_sales;
SELECT etl_alter_pipeline('first', query => 'SELECT id, day FROM batch');
SELECT etl_alter_pipeline('first', target => 'words_sales');
SELECT etl_drop_pipeline('first');
DROP TABLE words_sales;

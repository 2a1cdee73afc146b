--
-- The options of etl_api: as arguments, as members of "options", as rows of etl_dialects.  Nothing is asked for here: what is
-- wrong with them is said before that.
--
\set VERBOSITY terse
CREATE FUNCTION try_options(options jsonb, more text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problem text;
	hint text;
BEGIN
	PERFORM etl_set_dialect('tried', options);
	EXECUTE format('SELECT count(*) FROM etl_api(''http://etl.invalid/'', pagination => ''tried'' %s) AS t(id int)', more);
	RETURN 'nothing is wrong';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', problem, nullif(hint, ''));
END $$;
CREATE FUNCTION try(options jsonb, more text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problem text;
	hint text;
BEGIN
	EXECUTE format('SELECT count(*) FROM etl_api(''http://etl.invalid/'', options => %L %s) AS t(id int)', options, more);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', CASE WHEN SQLSTATE <> '22023' THEN SQLSTATE ELSE problem END, nullif(hint, ''));
END $$;

-- A name that there is not: the nearest that there is, or all of them.
SELECT try('{"limt_param": "n"}');
SELECT try('{"slice_frm": "2024-01-01"}');
SELECT try('{"colour": "red"}');
SELECT try('{"": "x"}');
SELECT try(jsonb_build_object(repeat('x', 10000), 1)) ~ 'has no option "x+" \| The options are pagination, ' AS long_name;
SELECT try_options('{"nex": "data.next"}');
-- What is no option of paging is an argument only.
SELECT try('{"params": {"a": 1}}');
SELECT try('{"headers": "X: 1"}');
SELECT try('{"on_error": "skip"}');

-- Once, in one place.
SELECT try('{"page_size": 10}', ', page_size => 10');
SELECT try('{"pagination": "cursor"}', ', pagination => ''page''');
SELECT try('{"stop": ["empty", "short"]}');

-- Numbers and booleans are what they say, null is nothing, and the call is stronger than the dialect.
SELECT try_options('{"cap": 0}');
SELECT try('{"cap": -1}');
SELECT try('{"page_size": 2147483648}');
SELECT try('{"concurrency": 33}');
SELECT try('{"repeatable": "maybe"}');
SELECT try('{"repeatable": 1}');
SELECT try('{"missing_items": "ignore"}');
SELECT try('{"guard": "never"}');
SELECT try('{"slice_format": "german"}');
SELECT try('{"on_truncation": "ignore"}');
SELECT try('{"format": "xml"}');
SELECT try('{"method": "PUT"}');
SELECT try('{"answers": "200 perhaps"}');
SELECT try('{"wait": "header:X=soon"}');
SELECT try('{"cap": null, "rekey": null}', ', pagination => ''none'', max_pages => 0');
SELECT try('{"slice": "1 day"}');
SELECT try_options('{"guard": "content"}', $$, options => '{"guard": "never"}'$$);
SELECT try_options('{"pagination": "cursor"}', $$, options => '{"next": "a", "next_param": "b", "rekey": "last:id"}'$$);

-- No object.
SELECT try('[1]');
SELECT try('"cap"');
SELECT try('{"cap": {"items": 10}}');

-- All of them, as etl_set_dialect takes them.
SELECT etl_set_dialect('tried', jsonb_object_agg(name, value)) FROM (
	SELECT DISTINCT ON (key) key AS name, value FROM etl_dialects, jsonb_each(options) ORDER BY key) AS o;
SELECT etl_drop_dialect('tried');
DROP FUNCTION try, try_options;

--
-- Pipelines that run after others: which names they may have, and circles.
--
SELECT csv_file('after.csv', E'id\n1\n');
CREATE ROLE regress_after_one;
CREATE ROLE regress_after_two;
CREATE ROLE regress_after_monitor IN ROLE pg_monitor;
GRANT pg_read_server_files TO regress_after_one, regress_after_two, regress_after_monitor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_after_one, regress_after_two, regress_after_monitor;
CREATE TABLE after_target (id int);
GRANT INSERT, SELECT ON after_target TO regress_after_one, regress_after_two, regress_after_monitor;
SET client_min_messages = error; -- whether the library is preloaded or not

CREATE FUNCTION make(name text, after text[] DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
	SELECT etl_create_pipeline(name, source => 'etl_csv(''etl_tmp/after.csv'') AS t(id int)', target => 'after_target', after => after)
$$;

-- A pipeline that a role may not see does not exist, as far as it is concerned.
SET ROLE regress_after_one;
SELECT make('one');
SET ROLE regress_after_two;
SELECT make('two', '{one}');
SELECT make('two', '{none}');
SELECT make('two');
SELECT etl_alter_pipeline('two', after => '{two,one}');
SET ROLE regress_after_monitor;
SELECT make('three', '{one,two}');
SET ROLE regress_after_one;
SELECT etl_alter_pipeline('one', after => '{three}');
RESET ROLE;
GRANT regress_after_monitor TO regress_after_one;
SET ROLE regress_after_one;
SELECT etl_alter_pipeline('one', after => '{three}');
RESET ROLE;
REVOKE regress_after_monitor FROM regress_after_one;
SELECT etl_alter_pipeline('two', after => '{one}');
SET ROLE regress_after_two;
SELECT etl_alter_pipeline('one', schedule => '@daily');
-- what it was given before stays, though its owner may not see it
SELECT etl_alter_pipeline('two', max_failures => 3);
SELECT pipeline, after FROM etl_status;
RESET ROLE;

-- The way of a circle has the names that the role may see.
SELECT make('four', '{two}');
GRANT regress_after_two TO regress_after_one;
SELECT etl_alter_pipeline('four', owner => 'regress_after_one');
REVOKE regress_after_two FROM regress_after_one;
SET ROLE regress_after_one;
SELECT etl_alter_pipeline('one', after => '{four}');
RESET ROLE;
SELECT etl_alter_pipeline('one', after => '{four}');
SELECT etl_alter_pipeline('one', after => '{one}');

-- Each edge is looked at once: these have 2^40 ways.
SELECT count(make('l' || layer || side, CASE WHEN layer > 1 THEN ARRAY['l' || layer - 1 || 'a', 'l' || layer - 1 || 'b'] ELSE '{}' END))
FROM (SELECT * FROM generate_series(1, 40) AS layer, unnest('{a,b}'::text[]) AS side ORDER BY 1, 2) AS l;
SET statement_timeout = '60s';
SELECT etl_alter_pipeline('l40a', after => '{l39a,l39b}');
\set VERBOSITY terse
SELECT etl_alter_pipeline('l1a', after => '{l40b}');
\set VERBOSITY default
RESET statement_timeout;

-- limits
SELECT etl_alter_pipeline('one', after => array_fill('two'::text, ARRAY[101]));
SELECT etl_alter_pipeline('one', after => ARRAY['two', NULL]);

SELECT count(etl_drop_pipeline(name)) FROM etl_pipelines;
DROP FUNCTION make;
DROP TABLE after_target;
DROP OWNED BY regress_after_one, regress_after_two, regress_after_monitor;
DROP ROLE regress_after_one, regress_after_two, regress_after_monitor;

--
-- Which sources can be watched, by whom, and what is stored of that.  That files are watched is tested by
-- test/t/062_watch.pl.
--
SET client_min_messages = error; -- whether the library is preloaded or not
CREATE TABLE seen (id int PRIMARY KEY);
CREATE ROLE regress_watch_owner;
CREATE ROLE regress_watch_member IN ROLE regress_watch_owner;
GRANT CREATE ON SCHEMA public TO regress_watch_owner;
GRANT ALL ON seen TO regress_watch_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_watch_owner;
CREATE VIEW watched AS SELECT name, schedule, after, watch, watched, max_failures
	FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline ORDER BY name;

-- Paths and patterns, which need not be there; computed ones.
SELECT etl_create_pipeline('file', $$ etl_csv('nowhere/x.csv') AS t(id int) $$, target => 'seen', key => '{id}', watch => true);
SELECT etl_create_pipeline('glob', $$ etl_csv('/nowhere/*/?.csv') AS t(id int) $$, target => 'seen', key => '{id}', watch => true,
	schedule => '1 hour', timezone => 'UTC');
SELECT etl_create_pipeline('computed', $$ etl_csv(source => concat('/nowhere/', to_char(timestamp '2026-11-27', 'YYYY-MM-DD'), '.csv')) AS t(id int) $$,
	target => 'seen', key => '{id}', watch => true, after => '{file}');
SELECT etl_create_pipeline('idle', $$ etl_csv('nowhere/x.csv') AS t(id int) $$, target => 'seen', key => '{id}', watch => false);
SELECT * FROM watched;
SELECT pipeline, state, schedule, after, watch FROM etl_status WHERE pipeline IN ('file', 'glob', 'computed', 'idle') ORDER BY 1;

-- Files of the server, and nothing else
\set VERBOSITY sqlstate
SELECT etl_create_pipeline('url', $$ etl_csv('https://example.com/x.csv') AS t(id int) $$, target => 'seen', watch => true);
\set VERBOSITY default
SELECT etl_create_pipeline('url', $$ etl_csv('https://example.com/x.csv') AS t(id int) $$, target => 'seen', watch => true);
SELECT etl_create_pipeline('null', $$ etl_csv(NULL::text) AS t(id int) $$, target => 'seen', watch => true);
SELECT etl_create_pipeline('server', $$ etl_csv('shop', path => '/x.csv') AS t(id int) $$, target => 'seen', watch => true);
SELECT etl_alter_pipeline('glob', source => $$ etl_csv('https://example.com/x.csv') AS t(id int) $$);
SELECT etl_create_pipeline('bad', $$ etl_csv((1 / (SELECT 0))::text) AS t(id int) $$, target => 'seen', watch => true);
SELECT count(*) FROM etl_pipelines WHERE name IN ('url', 'null', 'server', 'bad');

-- Changes
SELECT etl_alter_pipeline('glob', source => $$ etl_csv('/nowhere/else/*.csv') AS t(id int) $$);
SELECT etl_alter_pipeline('computed', watch => false);
SELECT etl_alter_pipeline('file', watch => false);
SELECT etl_alter_pipeline('idle', watch => true, max_failures => 3);
SELECT * FROM watched;
SELECT etl_alter_pipeline('idle', max_failures => 4), etl_alter_pipeline('glob', schedule => '');
SELECT * FROM watched;

-- The path is the owner's code: it is evaluated as the owner, whoever changes the pipeline, who must be able to read
-- files of the server.
SET ROLE regress_watch_owner;
CREATE FUNCTION whose_path() RETURNS text STABLE LANGUAGE sql AS $$ SELECT '/nowhere/' || current_user || '.csv' $$;
SELECT etl_create_pipeline('owned', $$ etl_csv(whose_path()) AS t(id int) $$, target => 'seen', key => '{id}');
SELECT etl_alter_pipeline('owned', watch => true);
RESET ROLE;
GRANT pg_read_server_files TO regress_watch_member;
SELECT etl_alter_pipeline('owned', watch => true);
SET ROLE regress_watch_member;
SELECT etl_alter_pipeline('owned', watch => true);
RESET ROLE;
GRANT pg_read_server_files TO regress_watch_owner;
SET ROLE regress_watch_member;
SELECT etl_alter_pipeline('owned', watch => true);
RESET ROLE;
SELECT * FROM watched WHERE name = 'owned';
ALTER TABLE seen OWNER TO regress_watch_member;
GRANT CREATE ON SCHEMA public TO regress_watch_member;
SELECT etl_alter_pipeline('owned', owner => 'regress_watch_member');
SELECT watched FROM watched WHERE name = 'owned';
SELECT etl_resume('owned');
SELECT watched FROM watched WHERE name = 'owned';

SELECT etl_drop_pipeline(name) FROM etl_pipelines WHERE name IN ('file', 'glob', 'computed', 'idle', 'owned');
DROP VIEW watched;
DROP TABLE seen;
DROP FUNCTION whose_path;
DROP OWNED BY regress_watch_owner, regress_watch_member;
DROP ROLE regress_watch_member, regress_watch_owner;
RESET client_min_messages;

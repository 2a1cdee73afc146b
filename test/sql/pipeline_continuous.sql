--
-- What a continuous pipeline may be, and what is stored of that.  That it runs is tested by test/t/065_continuous.pl.
--
SET client_min_messages = error; -- whether the library is preloaded or not
CREATE TABLE stream (id int PRIMARY KEY);
CREATE VIEW continuous AS SELECT name, continuous, schedule, max_failures FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline ORDER BY name;

SELECT etl_create_pipeline('stream', $$ etl_csv('/nowhere/x.csv') AS t(id int) $$, target => 'stream', key => 'id', continuous => true);
SELECT * FROM continuous;
SELECT pipeline, state, continuous FROM etl_status WHERE pipeline = 'stream';

-- Not with what says when a run begins, or what it needs an end for
SELECT etl_alter_pipeline('stream', schedule => '1 hour');
SELECT etl_alter_pipeline('stream', watch => true);
SELECT etl_create_pipeline('before', $$ etl_csv('/nowhere/x.csv') AS t(id int) $$, target => 'stream', key => 'id');
SELECT etl_alter_pipeline('stream', after => 'before');
SELECT etl_alter_pipeline('stream', max_runtime => '1 hour');
SELECT etl_alter_pipeline('stream', whole => true);
SELECT etl_alter_pipeline('stream', mode => 'replace');
SELECT etl_create_pipeline('other', $$ etl_csv('/nowhere/x.csv') AS t(id int) $$, target => 'stream', key => 'id', continuous => true, schedule => '1 hour');
SELECT * FROM continuous;

-- A run that is started by hand ends.
SELECT csv_file('continuous.csv', E'id\n1\n');
SELECT etl_alter_pipeline('stream', source => $$ etl_csv('etl_tmp/continuous.csv') AS t(id int) $$);
CALL etl_run('stream') \gset run_
TABLE stream;

-- It becomes another one.
SELECT etl_alter_pipeline('stream', continuous => false, schedule => '1 hour', max_failures => 3);
SELECT * FROM continuous;
SELECT etl_alter_pipeline('stream', schedule => '', continuous => true);
SELECT * FROM continuous;
SELECT etl_alter_pipeline('stream', continuous => false);
SELECT * FROM continuous;

SELECT etl_drop_pipeline('stream'), etl_drop_pipeline('before');
DROP VIEW continuous;
DROP TABLE stream;

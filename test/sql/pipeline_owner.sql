--
-- Whose a pipeline is: given away, left behind by a role that was dropped, taken over.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SELECT csv_file('owner.csv', E'id\n1\n');
CREATE ROLE regress_etl_first LOGIN;
CREATE ROLE regress_etl_second LOGIN;
CREATE ROLE regress_etl_third LOGIN;
GRANT pg_read_server_files TO regress_etl_first, regress_etl_second, regress_etl_third;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_first, regress_etl_second, regress_etl_third;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_etl_first, regress_etl_second, regress_etl_third;
CREATE TABLE owned (id int, who name DEFAULT current_user);
GRANT ALL ON owned TO regress_etl_first;

SET ROLE regress_etl_first;
SELECT etl_create_pipeline('owned', source => $$etl_csv('etl_tmp/owner.csv') AS t(id int)$$, target => 'owned');
-- only to a role that one can become, and that has the rights
\set VERBOSITY sqlstate
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_second');
\set VERBOSITY default
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_nobody');
RESET ROLE;
GRANT regress_etl_second TO regress_etl_first;
SET ROLE regress_etl_first;
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_second');
CALL etl_run('owned');
SELECT etl_resume('owned');
RESET ROLE;
GRANT ALL ON owned TO regress_etl_second;
SET ROLE regress_etl_second;
SELECT etl_resume('owned');
SELECT name, owner FROM etl_pipelines;
RESET ROLE;
REVOKE regress_etl_second FROM regress_etl_first;
SET ROLE regress_etl_first;
SELECT name, owner FROM etl_pipelines;
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_first');
SET ROLE regress_etl_second;
CALL etl_run('owned');
RESET ROLE;
SELECT * FROM owned;

-- its role is dropped: nothing fails but what needs that role
REASSIGN OWNED BY regress_etl_second TO regress_etl_third;
DROP OWNED BY regress_etl_second;
DROP ROLE regress_etl_second;
SELECT name, owner IS NULL AS owner_is_gone, source IS NOT NULL AS seen FROM etl_pipelines;
SELECT pipeline, state FROM etl_status;
SELECT reason FROM etl_status;
SELECT count(*) FROM etl_runs;
CALL etl_run('owned');
SELECT etl_alter_pipeline('owned', batch_size => 10);
SET ROLE regress_etl_third;
SELECT count(*) FROM etl_pipelines;
SELECT etl_start('owned');
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_third');
RESET ROLE;
GRANT ALL ON owned TO regress_etl_third;
SELECT etl_alter_pipeline('owned', owner => 'regress_etl_third'), etl_reset('owned');
SELECT etl_resume('owned');
CALL etl_run('owned');
SELECT * FROM owned;
DROP OWNED BY regress_etl_third;
DROP ROLE regress_etl_third;
SELECT etl_drop_pipeline('owned');

-- A role that is renamed keeps what it has; one that gets the OID of a dropped role gets nothing, once a run has come upon that.
CREATE ROLE regress_etl_renamed LOGIN;
CREATE ROLE regress_etl_gone LOGIN;
GRANT pg_read_server_files TO regress_etl_renamed, regress_etl_gone;
GRANT ALL ON owned TO regress_etl_renamed, regress_etl_gone;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_renamed, regress_etl_gone;
SELECT oid AS gone FROM pg_roles WHERE rolname = 'regress_etl_gone' \gset
SET ROLE regress_etl_renamed;
SELECT etl_create_pipeline('renamed', source => $$etl_csv('etl_tmp/owner.csv') AS t(id int)$$, target => 'owned');
SET ROLE regress_etl_gone;
SELECT etl_create_pipeline('gone', source => $$etl_csv('etl_tmp/owner.csv') AS t(id int)$$, target => 'owned');
RESET ROLE;
ALTER ROLE regress_etl_renamed RENAME TO regress_etl_other;
DROP OWNED BY regress_etl_gone;
DROP ROLE regress_etl_gone;
TRUNCATE owned;
CALL etl_run('renamed');
CREATE ROLE regress_etl_new LOGIN SUPERUSER;
UPDATE pg_authid SET oid = :gone WHERE rolname = 'regress_etl_new';
SELECT 'regress_etl_new'::regrole::oid = :gone AS same_oid;
SELECT name, owner FROM etl_pipelines ORDER BY name;
SELECT pipeline, reason FROM etl_status ORDER BY pipeline;
CALL etl_run('gone');
SELECT * FROM owned;
DROP ROLE regress_etl_new;
SELECT etl_drop_pipeline(name) FROM etl_pipelines;
DROP OWNED BY regress_etl_other;
DROP ROLE regress_etl_other;

DROP TABLE owned;
DROP OWNED BY regress_etl_first;
DROP ROLE regress_etl_first;

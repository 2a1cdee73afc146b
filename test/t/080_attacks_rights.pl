# Attacks that failed when they were tried, and must keep failing: roles that want more than they are granted.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Attacks;
use PostgreSQL::Test::Utils;
use Prometheus;
use SchedulerNode;
use Test::More;

my $node = scheduler_node('rights', conf => "etl.settle_time = 0\n");
my $dir = PostgreSQL::Test::Utils::tempdir();
my $denied = '42501';

append_to_file("$dir/rows.csv", "id,note\n1,secret-a\n2,secret-b\nx,secret-c\n");
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
make_roles($node);

# What the others want to see, change, stop or become.
$node->safe_psql('postgres', <<"SQL");
SET SESSION AUTHORIZATION owner;
CREATE TABLE owner.target (id int PRIMARY KEY, note text);
SELECT etl_create_pipeline('mine', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$,
	target => 'owner.target', key => '{id}', watermark => 'id');
CALL etl_run('mine');
SQL

value('CREATE TABLE secret (id int PRIMARY KEY, note text); CREATE TABLE reader.t (id int PRIMARY KEY); ALTER TABLE reader.t OWNER TO reader');

# -- stranger -----------------------------------------------------------------------------------------

is( value(<<'SQL'), "etl_batch\netl_count_new\netl_differs\netl_emitted\netl_enriched\netl_has\netl_kept\netl_metrics\netl_next_runs\netl_run_instant\netl_scan_support\netl_server_validator\netl_since\netl_unnest\netl_until", 'what everybody may call');
SELECT DISTINCT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'etl') AND d.deptype = 'e'
	AND has_function_privilege('stranger', p.oid, 'EXECUTE') AND has_schema_privilege('stranger', p.pronamespace, 'USAGE') ORDER BY 1
SQL
my @tables = split /\n/, value("SELECT oid::regclass FROM pg_class WHERE relnamespace = 'etl_catalog'::regnamespace AND relkind IN ('r', 'v', 'S')");
cmp_ok(scalar @tables, '>', 8, 'there are tables to be protected');
my $internal = 'SET search_path = public, etl_internal';
my $views = join ', ', map { "(SELECT count(*) FROM $_)" } qw(etl_pipelines etl_runs etl_dead_letters etl_progress etl_status);
my $leak = q(CREATE FUNCTION pg_temp.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
	AS $$ BEGIN IF $1::text ~ 'mine|secret' THEN RAISE NOTICE '%', $1; END IF; RETURN true; END $$);
my $call = q(FROM etl_csv('/etc/passwd', header => false) AS t(a text));
sub validates { return "SELECT etl_internal.etl_server_validator(ARRAY[$_[0]]::text[], 'pg_foreign_server'::regclass)"; }

is(value("SELECT $views"), '1|1|1|0|1', 'there is something to be hidden');
attacks($node, 'stranger', [
	(map { [ "table $_", "TABLE $_", $denied ] } @tables),
	[ 'a function of etl_catalog', 'SELECT * FROM etl_catalog.server_metrics()', $denied ],
	[ 'etl_batch outside of a run', "$internal; SELECT * FROM etl_batch() AS t(a int)", qr/there is no batch/ ],
	[ 'etl_emitted outside of a run', "$internal; SELECT * FROM etl_emitted() AS t(a int)", qr/there is no batch/ ],
	[ 'etl_has outside of a run', "$internal; SELECT etl_has(1)", qr/there is no batch/ ],
	[ 'etl_differs outside of a run', "$internal; SELECT etl_differs('(0,1)', false)", qr/there is no batch/ ],
	[ 'etl_kept outside of a run', "$internal; SELECT etl_kept('(0,1)')", qr/there is no batch/ ],
	[ 'etl_count_new outside of a run', "$internal; SELECT etl_count_new()", qr/there is no batch/ ],
	[ 'views of pipelines', "SELECT $views", gives('0|0|0|0|0') ],
	[ 'a function that tells what it sees', $leak, gives('') ],
	[ 'in etl_pipelines', 'SELECT count(*) FROM etl_pipelines WHERE pg_temp.leak(name)', gives('0') ],
	[ 'in etl_runs', 'SELECT count(*) FROM etl_runs WHERE pg_temp.leak(pipeline) AND pg_temp.leak(message)', gives('0') ],
	[ 'in etl_dead_letters', 'SELECT count(*) FROM etl_dead_letters WHERE pg_temp.leak(message)', gives('0') ],
	[ 'in etl_status', 'SELECT count(*) FROM etl_status WHERE pg_temp.leak(pipeline)', gives('0') ],
	[ 'in etl_progress', 'SELECT count(*) FROM etl_progress WHERE pg_temp.leak(pipeline)', gives('0') ],
	[ 'in etl_metric_samples', "SELECT count(*) FROM etl_metric_samples WHERE labels ? 'pipeline' AND pg_temp.leak(labels)", gives('0') ],
	[ 'circuit breakers', 'TABLE etl_breakers', $denied ],
	[ 'a server', 'CREATE SERVER s FOREIGN DATA WRAPPER etl', $denied ],
	[ 'the support function of the planner', 'SELECT etl_internal.etl_scan_support(NULL::internal)', qr/internal/ ],
	[ 'EXPLAIN', "EXPLAIN SELECT * $call", $denied ],
	[ 'EXPLAIN ANALYZE', "EXPLAIN ANALYZE SELECT * $call", $denied ],
	[ 'validator: NULL', validates('NULL'), '22004' ],
	[ 'validator: two dimensions', "SELECT etl_internal.etl_server_validator('{{a=b},{c=d}}', 'pg_foreign_server'::regclass)", 'HV00D' ],
	[ 'validator: headers with arrays', validates(q('headers={"X": ["a"]}')), 'HV024' ],
	[ 'validator: headers that are none', validates(q('headers=[1]')), 'HV024' ],
	[ 'validator: a line feed in a header', validates(q(E'headers={"X": "a\\\\r\\\\nY: b"}')), 'HV024' ],
	[ 'validator: Host', validates(q('headers={"Host": "a"}')), 'HV024' ],
	[ 'validator: a private network', validates(q('allow_private=true')), $denied ],
	[ 'validator: a file', "SELECT etl_internal.etl_server_validator('{token_file=/etc/passwd}', 'pg_user_mapping'::regclass)", $denied ],
	[ 'validator: a huge rate', validates(q('rate_limit=99999999999999999999/s')), 'HV024' ],
	[ 'validator: a zone', validates(q('url=http://[::1%25lo]/')), 'HV024' ],
	[ 'validator: a user in the URL', validates(q('url=http://u:p@x/')), 'HV024' ],
	[ 'validator: a name of 1 MB', validates(q(repeat('x', 1000000) || '=1')), 'HV00D' ],
	[ 'validator: 50,000 headers', validates(q((SELECT 'headers=' || json_object_agg('X-' || i, 'v') FROM generate_series(1, 50000) i))), fails('HV024', qr/at most 100 headers/) ],
	[ 'validator: 200,000 origins', validates(q((SELECT 'allowed_origins=' || string_agg('http://h' || i, ',') FROM generate_series(1, 200000) i))), gives('') ],
]);

# -- files ------------------------------------------------------------------------------------------

attacks($node, 'reader', [
	[ 'etl_csv', "SELECT * $call", $denied ],
	[ 'etl_json', "SELECT * FROM etl_json('/etc/passwd') AS t(a text)", $denied ],
	[ 'etl_peek', "SELECT * FROM etl_peek('/etc/passwd')", $denied ],
	[ 'etl_csv_columns', "SELECT * FROM etl_csv_columns('/etc/passwd')", $denied ],
	[ 'etl_json_columns', "SELECT * FROM etl_json_columns('/etc/passwd')", $denied ],
	[ 'etl_import', "SELECT etl_import('reader.t', '/etc/passwd')", $denied ],
	[ 'EXPLAIN of a file', "EXPLAIN SELECT * FROM etl_csv('$dir/rows.csv') AS t(id int)", gives(qr/rows=1000 /) ],
	[ 'EXPLAIN of a pattern', "EXPLAIN SELECT * FROM etl_csv('$dir/r*.csv') AS t(id int)", gives(qr/rows=1000 /) ],
	[ 'EXPLAIN of a pattern that finds nothing', "EXPLAIN SELECT * FROM etl_csv('$dir/s*.csv') AS t(id int)", gives(qr/rows=1000 /) ],
	(map { [ "a URL $_", "SELECT * FROM etl_csv('$_') AS t(a text)", fails('22023', qr/Only http/) ] }
		  'file:///etc/passwd', 'gopher://127.0.0.1/', 'dict://127.0.0.1/', 'ftp://127.0.0.1/'),
	[ 'watching a file', "SELECT etl_create_pipeline('w', source => \$\$etl_csv('/etc/passwd') AS t(id int)\$\$, target => 'reader.t', watch => true)", $denied ],
]);

# -- pipelines of others ----------------------------------------------------------------------------

# To others a pipeline does not exist, and no message tells it from one that does not, but that its name is taken.
my $absent = '42704';
attacks($node, 'reader', [
	(map { [ $_, "SELECT $_", $absent ] }
		  "etl_alter_pipeline('mine', batch_size => 1)", "etl_alter_pipeline('mine', owner => 'reader')", "etl_drop_pipeline('mine')",
		  "etl_pause('mine')", "etl_resume('mine')", "etl_reset('mine')", "etl_start('mine')", "etl_purge('mine', '0 s')",
		  "etl_watermark('mine')", "etl_watermark('mine', 0)"),
	[ 'etl_adopt', 'SELECT etl_adopt()', $denied ],
	[ 'etl_run', "CALL etl_run('mine')", $absent ],
	[ 'etl_retry_dead_letters', "CALL etl_retry_dead_letters('mine')", $absent ],
	[ 'etl_cancel', "SELECT etl_cancel('mine')", gives('f') ],
	[ 'its name', q(SELECT etl_create_pipeline('mine', source => 'x', target => 'reader.t')), fails('42710', qr/^(?!.*owner).*HINT:  It is another role's: choose another name/s) ],
]);
is(value("SELECT enabled, batch_size > 1 FROM etl_pipelines WHERE name = 'mine'"), 't|t', 'the pipeline is what it was');

# -- definitions ------------------------------------------------------------------------------------


# One that would be a pipeline of owner's, but for what is given.
sub defines
{
	my (%option) = (source => "\$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$", target => "'owner.target'", @_);
	return "SELECT etl_create_pipeline('attack', " . join(', ', map { "$_ => $option{$_}" } sort keys %option) . ')';
}
my $csv = "etl_csv(''$dir/rows.csv'')";
attacks($node, 'owner', [
	[ 'target without rights', defines(target => q('secret')), $denied ],
	[ 'target in etl_catalog', defines(target => q('etl_catalog.pipelines')), $denied ],
	[ 'query over a table without rights', defines(query => q('SELECT s.* FROM batch, secret s')), $denied ],
	[ 'source: several statements', defines(source => qq('$csv AS t(id int); DROP TABLE owner.target')), '42601' ],
	[ 'source: a join', defines(source => qq('$csv AS t(id int), pg_authid')), '42601' ],
	[ 'source: a comment that is not closed', defines(source => qq('$csv AS t(id int) /*'), query => q('*/ SELECT id FROM batch')), '42601' ],
	[ 'source: a table', defines(source => q('pg_authid AS t')), '42601' ],
	[ 'source: etl_batch', "$internal; " . defines(source => q('etl_batch() AS t(id int)')), '0A000' ],
	[ 'query: several statements', defines(query => q('SELECT id FROM batch; DROP TABLE owner.target')), '42601' ],
	[ 'query: INTO', defines(query => q('SELECT id INTO owner.gained FROM batch')), '42601' ],
	[ 'query: a WITH that changes data', defines(query => q('WITH d AS (DELETE FROM owner.target RETURNING id) SELECT id FROM d')), '0A000' ],
	(map { [ "rules: $_->[0]", defines(rules => qq('{"r": "$_->[0]"}')), $_->[1] ] }
		  [ 'true), (1', '42601' ], [ 'true FROM pg_authid', '42601' ], [ 'true); SELECT (1', '42601' ], [ 'true /*', '42601' ]),
	(map { [ "$_->[0] => $_->[1]", defines(@$_), '22023' ] }
		  [ batch_size => -1 ], [ batch_size => 0 ], [ max_failures => -1 ], [ max_runtime => q('-1 s') ]),
	[ 'batch_size => 2^31', defines(batch_size => 2147483648), '42883' ],
	(map { [ "the name $_->[0]", defines() =~ s/'attack'/$_->[0]/r, $_->[1] ] }
		  [ q(repeat('x', 40000)), '42622' ], [ q(repeat('x', 64)), '42622' ], [ q(E'a\nLOG:  forged'), '42602' ], [ q(E'\x1b[2J'), '42602' ], [ q(''), '22004' ]),
	[ 'another target without rights', q(SELECT etl_alter_pipeline('mine', target => 'secret')), $denied ],
]);

# -- an owner's code, planned by a superuser ----------------------------------------------------------

my %planned = (
	'SET ROLE' => 'SET ROLE ' . getpwuid($<),
	'SESSION AUTHORIZATION' => 'SET SESSION AUTHORIZATION ' . getpwuid($<),
	'a temporary table' => 'CREATE TEMPORARY TABLE pg_class (a int)',
	'LISTEN' => 'LISTEN etl_alert',
	'a deferred trigger' => 'INSERT INTO owner.deferred VALUES (1)',
	'WITH HOLD' => 'DECLARE c CURSOR WITH HOLD FOR SELECT 1',
);
value(<<"SQL");
SET SESSION AUTHORIZATION owner;
CREATE TABLE owner.plans (statement text);
CREATE TABLE owner.deferred (a int);
CREATE FUNCTION owner.fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON owner.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION owner.fired();
CREATE FUNCTION owner.planned() RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE statement text;
BEGIN
	IF current_user <> session_user THEN
		FOR statement IN SELECT p.statement FROM owner.plans p LOOP EXECUTE statement; END LOOP;
	END IF;
	RETURN 0;
END \$\$;
CREATE FUNCTION owner.folded() RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN owner.planned(); END \$\$;
SELECT etl_create_pipeline('planned', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'owner.target',
	query => 'SELECT id + owner.folded() AS id, note FROM batch');
SQL
attacks($node, 'postgres', [
	(map { [ "plans $_ of an owner", "TRUNCATE owner.plans; INSERT INTO owner.plans VALUES ('$planned{$_}'); SELECT etl_alter_pipeline('planned', redact => '{}')",
		qr/security-restricted operation|within security-definer function/ ] } sort keys %planned),
]);
value('TRUNCATE owner.plans');

# -- an owner's code in a worker --------------------------------------------------------------------

value(<<'SQL');
SET SESSION AUTHORIZATION owner;
CREATE TABLE owner.tried (statement text, sqlstate text, who name, session name);
CREATE TABLE owner.ran (id int, note text);
CREATE FUNCTION owner.try(VARIADIC statements text[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE statement text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		BEGIN
			EXECUTE statement;
			INSERT INTO owner.tried VALUES (statement, NULL, current_user, session_user);
		EXCEPTION WHEN others THEN
			INSERT INTO owner.tried VALUES (statement, SQLSTATE, current_user, session_user);
		END;
	END LOOP;
	RETURN 0;
END $$;
SQL
my @tries = ('SET ROLE ' . getpwuid($<), 'SET SESSION AUTHORIZATION ' . getpwuid($<), 'ALTER ROLE owner SUPERUSER', "SET session_replication_role = 'replica'",
	"SET etl.allowed_hosts = '*:*'", "SET etl.log_interval = '1s'", 'SET etl.breaker_failures = 1', "SET log_min_messages = 'panic'",
	'INSERT INTO etl_catalog.runs DEFAULT VALUES', 'UPDATE etl_catalog.pipelines SET owner = 10', 'SELECT * FROM etl_catalog.pipelines');
my $tries = join ', ', map { s/'/''/gr } map { "\$t\$$_\$t\$" } @tries;
value(<<"SQL");
SET SESSION AUTHORIZATION owner;
SELECT etl_create_pipeline('worker', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'owner.ran',
	query => 'SELECT id + owner.try($tries) AS id, note FROM batch WHERE id = 1');
SELECT etl_create_pipeline('unlocks', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'owner.ran',
	query => 'SELECT id, note FROM batch, pg_advisory_unlock_all()');
CALL etl_run('worker');
CALL etl_run('unlocks');
CALL etl_run('unlocks');
SQL
for my $statement (@tries)
{
	is(value("SELECT DISTINCT sqlstate, who, session FROM owner.tried WHERE statement = \$t\$$statement\$t\$"),
		"$denied|owner|owner", "worker: $statement");
}
is(value('SELECT string_agg(id::text, NULL ORDER BY id) FROM owner.ran'), '112', 'worker: locks that are given up let nothing be loaded twice');

# -- row security of the target ---------------------------------------------------------------------

value(<<"SQL");
CREATE TABLE guarded (id int PRIMARY KEY, note text, who name DEFAULT current_user);
INSERT INTO guarded VALUES (1, 'SECRET of another', 'postgres');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (who = current_user);
GRANT ALL ON guarded TO owner;
SET SESSION AUTHORIZATION owner;
SELECT etl_create_pipeline('guarded', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'guarded', key => '{id}',
	query => \$\$SELECT id, note, CASE id WHEN 1 THEN 'owner' ELSE 'postgres' END::name AS who FROM batch\$\$);
CALL etl_run('guarded');
SQL
is(value('SELECT id, note, who FROM guarded'), '1|SECRET of another|postgres', 'row security: the rows of others are what they were');
is(value(q(SELECT count(*), count(*) FILTER (WHERE d::text ~ 'SECRET') FROM etl_dead_letters d WHERE pipeline = 'guarded' AND sqlstate = '42501')),
	'2|0', 'row security: dead letters without them');

# -- names, as logs and monitoring show them -----------------------------------------------------------

for my $name ('quote"} 1', 'back\\slash\\', 'per%cent%s')
{
	$node->psql('postgres', 'SET ROLE owner; ' . defines() =~ s/'attack'/\$n\$$name\$n\$/r . "; CALL etl_run(\$n\$$name\$n\$)");
}
my ($samples) = parse_metrics(value('SELECT etl_metrics()'));
is(scalar(grep { /etl_pipeline_enabled.*(back|quote|per)/ } keys %$samples), 3, 'names as labels');

# -- the owner of a database against the scheduler ------------------------------------------------------

value('CREATE DATABASE theirs OWNER creator; GRANT pg_read_server_files TO creator');
value('CREATE EXTENSION etl; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO creator', 'theirs');
attacks($node, 'creator', [
	(map { [ $_, $_, $denied ] } 'DROP SCHEMA etl_catalog CASCADE', 'ALTER SCHEMA etl_catalog RENAME TO x', 'ALTER SCHEMA etl_catalog OWNER TO creator',
		  q(COMMENT ON SCHEMA etl_catalog IS 'x'), 'CREATE TABLE etl_catalog.x ()', 'ALTER TABLE etl_catalog.runs OWNER TO creator',
		  'DROP TABLE etl_catalog.runs', 'DROP EXTENSION etl', 'ALTER EXTENSION etl UPDATE', 'ALTER EXTENSION etl ADD SCHEMA public'),
], database => 'theirs');
attacks($node, 'creator', [
	[ 'hosts of a database', q(ALTER DATABASE theirs SET etl.allowed_hosts = '*:*'), $denied ],
], database => 'theirs');

# What the scheduler calls in the database, and with which settings.
value(<<"SQL", 'theirs');
SET SESSION AUTHORIZATION creator;
CREATE SCHEMA evil;
CREATE TABLE evil.seen (what text, who name);
CREATE FUNCTION evil.spy(what text) RETURNS text LANGUAGE sql AS 'INSERT INTO evil.seen VALUES (what, current_user) RETURNING what';
CREATE FUNCTION evil.cardinality(anyarray) RETURNS int LANGUAGE sql AS \$\$ SELECT evil.spy('cardinality'); SELECT 0 \$\$;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS \$\$ SELECT evil.spy('format'); SELECT pg_catalog.format(\$1, VARIADIC \$2) \$\$;
CREATE FUNCTION evil.has_database_privilege(name, text) RETURNS boolean LANGUAGE sql AS \$\$ SELECT evil.spy('privilege'); SELECT true \$\$;
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE sql AS \$\$ SELECT evil.spy('octet_length'); SELECT 0 \$\$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS \$\$ SELECT evil.spy('now'); SELECT pg_catalog.now() \$\$;
CREATE TABLE evil.target (id int, note text);
SET search_path = public;
SELECT etl_create_pipeline('theirs', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'evil.target', schedule => '1 second');
ALTER DATABASE theirs SET search_path = evil, pg_catalog;
ALTER DATABASE theirs SET default_transaction_isolation = 'serializable';
ALTER DATABASE theirs SET default_transaction_read_only = on;
ALTER DATABASE theirs SET lock_timeout = '1ms';
ALTER DATABASE theirs SET row_security = off;
SQL
value("SET ROLE owner; SELECT etl_create_pipeline('beat', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, note text)\$\$, target => 'owner.target', key => '{id}', schedule => '1 second')");
setting('etl.databases', 'theirs, postgres');
becomes(q(SELECT count(*) > 1 FROM public.etl_runs WHERE state = 'succeeded'), 't', 'settings of the database: its pipelines run', 'theirs');
is(value(q(SELECT string_agg(what, ' ') FROM evil.seen WHERE who <> 'creator'), 'theirs'), '', 'and nothing of the owner as another');

# A database in which the scheduler fails: the others go on.
sub beats_on
{
	my $before = value(q(SELECT count(*) FROM etl_runs WHERE pipeline = 'beat'));
	return becomes(qq(SELECT count(*) > $before + 1 FROM etl_runs WHERE pipeline = 'beat' AND state = 'succeeded'), 't', $_[0]);
}
for my $setting ('role = ' . getpwuid($<), 'role = creator', q(statement_timeout = '1ms'))
{
	value("SET SESSION AUTHORIZATION creator; ALTER DATABASE theirs SET $setting", 'postgres');
	beats_on("$setting: other databases go on");
}
value('ALTER DATABASE theirs RESET ALL');

# The extension goes with the schema that it is in, and something else takes its place.
value(<<'SQL', 'theirs');
SET client_min_messages = error;
SET SESSION AUTHORIZATION creator;
DROP SCHEMA public CASCADE;
CREATE SCHEMA etl_catalog;
CREATE VIEW etl_catalog.schedules AS SELECT evil.spy('schedules') AS pipeline, now() AS next_run;
CREATE VIEW etl_catalog.pipelines AS SELECT evil.spy('pipelines') AS id, true AS enabled;
CREATE VIEW etl_catalog.runs AS SELECT evil.spy('runs') AS id;
SQL
beats_on('a false etl_catalog: other databases go on');
is(value(q(SELECT string_agg(what, ' ') FROM evil.seen WHERE who <> 'creator'), 'theirs'), '', 'and nothing of it is called');

$node->stop;
done_testing();

# What may happen to a run from outside: it is cancelled, terminated, takes too long, meets another run, meets
# DDL and locks on its target, loses its lock; and what pg_dump keeps of a pipeline.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('control');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/rows.csv", join('', "id\n", map { "$_\n" } 1 .. 1000));

# A batch in which row 250 is waits at the gate, which is closed while somebody holds lock 42.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE target (id int);
	CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		IF id = 250 THEN
			PERFORM pg_advisory_lock(42);
			PERFORM pg_advisory_unlock(42);
		END IF;
		RETURN true;
	END \$\$;
	CREATE FUNCTION gate_and_unlock(id int) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		IF id = 250 THEN PERFORM pg_advisory_unlock_all(); END IF;
		RETURN gate(id);
	END \$\$;
	SELECT etl_create_pipeline('p', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$,
		query => 'SELECT id FROM batch WHERE gate(id)', target => 'target', batch_size => 100);
});

# What is set for the database below is for runs, not for the sessions of this test.
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0';

my $gate = $node->background_psql('postgres', on_error_stop => 0);

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# Starts a run that will not get beyond the gate.
sub start
{
	query("TRUNCATE target; SELECT etl_reset('p');");
	$gate->query('SELECT pg_advisory_lock(42)');
	return query("SELECT etl_start('p')");
}

# The same, and waits until it stands there.
sub start_to_gate
{
	my $run = start();
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die 'no run at the gate';
	return $run;
}

sub open_gate
{
	$gate->query('SELECT pg_advisory_unlock(42)');
}

sub state_of
{
	my ($run) = @_;
	$node->poll_query_until('postgres', "SELECT state <> 'running' FROM etl_runs WHERE run = $run")
		or die "run $run does not end";
	return query("SELECT state || ' ' || coalesce(sqlstate, '') FROM etl_runs WHERE run = $run");
}

my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl pipeline'";

# Undisturbed, but for others.
my $run = start_to_gate();
is(query("SELECT state FROM etl_status"), 'running', 'status says that it runs');
is(query("SELECT count(*) FROM target"), '200', 'batches before the gate are committed');
my ($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('p')");
like($err, qr/pipeline "p" is running already/, 'a second run is refused');
($ret, $out, $err) = $node->psql('postgres', "SELECT etl_reset('p')");
like($err, qr/pipeline "p" is running/, 'so is etl_reset');
($ret, $out, $err) = $node->psql('postgres', "SELECT etl_drop_pipeline('p')");
like($err, qr/pipeline "p" is running/, 'so is etl_drop_pipeline');
query("SELECT etl_pause('p'), etl_resume('p')");
open_gate();
is(state_of($run), 'succeeded ', 'the run ends well');
is(query("SELECT count(*), count(DISTINCT id) FROM target"), '1000|1000', 'with all rows');

# A run is one that runs from its start to its end, also while it reads and is in no transaction.
append_to_file("$dir/many.csv", join('', "id\n", map { "$_\n" } 1 .. 300_000));
query("SELECT etl_create_pipeline('long', source => \$\$etl_csv('$dir/many.csv') AS t(id int)\$\$,
	query => 'SELECT id FROM batch WHERE id % 100000 = 0', target => 'target', batch_size => 100000)");
query("CREATE TABLE states (state text); CREATE PROCEDURE watch(id bigint) LANGUAGE plpgsql AS \$\$
	DECLARE
		s text;
	BEGIN
		LOOP
			SELECT state INTO s FROM etl_runs WHERE run = id;
			INSERT INTO states VALUES (s);
			EXIT WHEN s <> 'running';
		END LOOP;
	END \$\$");
for (1 .. 3)
{
	query("CALL watch(" . query("SELECT etl_start('long')") . ")");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM etl_status WHERE state = 'running'");
	query("SELECT etl_reset('long')");
}
is(query("SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM states"), 'running succeeded',
	'a run that reads is not taken for one that has crashed');
query("SELECT etl_drop_pipeline('long'); TRUNCATE target");

# DDL on the target between batches.
$run = start_to_gate();
my $ddl = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
	'ALTER TABLE target ADD COLUMN more int DEFAULT 7; CREATE INDEX ON target (id)' ], '<', '/dev/null');
open_gate();
$ddl->finish;
is(state_of($run), 'succeeded ', 'a column and an index are added meanwhile');
is(query("SELECT count(*), count(DISTINCT id), min(more) FROM target"), '1000|1000|7', 'all rows are there');

# Cancelled; the next run goes on there.
$run = start_to_gate();
query("SELECT pg_cancel_backend(pid) FROM ($worker) AS w");
is(state_of($run), 'cancelled 57014', 'pg_cancel_backend cancels the run');
is(query("SELECT count(*) FROM target"), '200', 'the batch in hand is rolled back');
open_gate();
query("CALL etl_run('p')");
is(query("SELECT count(*), count(DISTINCT id) FROM target"), '1000|1000', 'the next run does the rest');

# The CALL that waits is cancelled: so is the run.
query("TRUNCATE target; SELECT etl_reset('p');");
$gate->query('SELECT pg_advisory_lock(42)');
my $caller = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL etl_run('p')" ],
	'<', '/dev/null', '2>', '/dev/null');
$node->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
is(query("SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE query LIKE 'CALL%'"),
	't', 'the CALL holds no snapshot while it waits');
query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%'");
$caller->finish;
is(state_of(query('SELECT max(run) FROM etl_runs')), 'cancelled 57014', 'cancelling the CALL cancels the run');
open_gate();

# Terminated: the batch in hand is drained, or dropped.
$run = start_to_gate();
query("SELECT pg_terminate_backend(pid) FROM ($worker) AS w");
open_gate();
is(state_of($run), 'stopped 57014', 'pg_terminate_backend stops the run');
is(query("SELECT count(*) FROM target"), '300', 'the batch in hand is committed');
query("SELECT etl_alter_pipeline('p', on_shutdown => 'drop')");
$run = start_to_gate();
query("SELECT pg_terminate_backend(pid) FROM ($worker) AS w");
is(state_of($run), 'stopped 57014', 'or at once');
is(query("SELECT count(*) FROM target"), '200', 'without the batch in hand');
open_gate();
query("SELECT etl_alter_pipeline('p', on_shutdown => 'drain')");
$node->append_conf('postgresql.conf', "etl.drain_timeout = '100ms'\n");
$node->reload;
$run = start_to_gate();
query("SELECT pg_terminate_backend(pid) FROM ($worker) AS w");
is(state_of($run), 'stopped 57014', 'draining ends after etl.drain_timeout');
is(query("SELECT count(*) FROM target"), '200', 'without the batch');
open_gate();

# Too long.
query("SELECT etl_alter_pipeline('p', max_runtime => '200ms')");
$run = start();
is(state_of($run), 'failed 57014', 'max_runtime fails the run');
is(query("SELECT message FROM etl_runs WHERE run = $run"), 'the run took longer than max_runtime', 'and says so');
open_gate();
query("SELECT etl_alter_pipeline('p', max_runtime => '0s')");

# A lock that the owner's code does not wait for: it is tried again, then the run fails.
query("TRUNCATE target; SELECT etl_reset('p')");
query("CREATE TABLE closed (); CREATE FUNCTION is_open() RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN LOCK TABLE closed IN SHARE MODE NOWAIT; RETURN true; END \$\$;
	SELECT etl_alter_pipeline('p', query => 'SELECT id FROM batch WHERE is_open()')");
$gate->query('BEGIN; LOCK TABLE closed');
$run = query("SELECT etl_start('p')");
is(state_of($run), 'failed 55P03', 'a lock that is not had fails the run');
$gate->query('COMMIT');
query("SELECT etl_alter_pipeline('p', query => 'SELECT id FROM batch WHERE gate(id)')");
is(query("SELECT count(*) FROM etl_dead_letters"), '0', 'no row is blamed for any of this');

# A user's changes in a transaction that is open: waited for, and what is newer stays.  In a small table rows go by INSERT ...
# ON CONFLICT, in a larger one by MERGE, which another's new key makes give way to the former.
append_to_file("$dir/dated.csv", join('', "id,v,at\n", map { "$_,file,2026-01-01\n" } 1 .. 200));
query("CREATE TABLE dated (id int PRIMARY KEY, v text, at date) WITH (autovacuum_enabled = off);
	SELECT etl_create_pipeline('dated', source => \$\$etl_csv('$dir/dated.csv') AS t(id int, v text, at date)\$\$,
		target => 'dated', key => '{id}', watermark => 'at')");
for my $case ([ 'few rows', 10, '' ], [ 'many rows', 3000, '' ], [ 'many rows, a new key', 3000, "INSERT INTO dated VALUES (11, 'theirs')" ])
{
	my ($what, $rows, $insert) = @$case;

	query("TRUNCATE dated;
		INSERT INTO dated SELECT CASE WHEN g > 10 THEN g + 1000 ELSE g END, 'before', '2025-01-01' FROM generate_series(1, $rows) AS g;
		ANALYZE dated;
		SELECT etl_reset('dated')");
	$gate->query("BEGIN; UPDATE dated SET v = 'theirs', at = '2026-02-01' WHERE id = 5; DELETE FROM dated WHERE id = 6; $insert");
	$run = query("SELECT etl_start('dated')");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'etl pipeline' AND wait_event_type = 'Lock'")
		or die 'the run does not wait';
	$gate->query('COMMIT');
	is(state_of($run), 'succeeded ', "$what: a run waits for a row that a user has locked");
	is(query("SELECT inserted, updated, skipped FROM etl_runs WHERE run = $run"),
		$insert ? '190|9|1' : '191|8|1', "$what: and sees what became of it");
	is(query("SELECT v, count(*) FROM dated WHERE id <= 200 GROUP BY v ORDER BY v"), "file|199\ntheirs|1", "$what: the newer row stays");
}
query("SELECT etl_drop_pipeline('dated')");

# Without its lock a run can be overtaken, but not commit any more.
query("SELECT etl_alter_pipeline('p', query => 'SELECT id FROM batch WHERE gate_and_unlock(id)')");
my $first = start_to_gate();
my $second = query("SELECT etl_start('p')");
$node->poll_query_until('postgres',
	"SELECT count(*) > 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
is(query("SELECT state FROM etl_runs WHERE run = $first"), 'crashed', 'a run without its lock counts as dead');
open_gate();
is(state_of($second), 'succeeded ', 'another takes over');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM ($worker) AS w");
is(query("SELECT count(*), count(DISTINCT id) FROM target"), '1000|1000', 'each row is loaded once');

# The target is dropped.
query("SELECT etl_alter_pipeline('p', query => 'SELECT id FROM batch WHERE gate(id)')");
$run = start_to_gate();
query('DROP TABLE target');
open_gate();
is(state_of($run), 'failed 42P01', 'dropping the target fails the run, and blames no row');
is(query("SELECT count(*) FROM etl_dead_letters"), '0', 'no dead letters');
query("CREATE TABLE target (id int)");
$gate->quit;

# No free worker.
$node->append_conf('postgresql.conf', "max_worker_processes = 0\n");
$node->restart;
($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('p')");
like($err, qr/could not start a worker for pipeline "p".*max_worker_processes/s, 'no free worker slot');
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->restart;

# A dump has definition, checkpoint and watermark, and comes back as a copy.
query("SELECT etl_reset('p')");
query("CALL etl_run('p')");
($ret, $out, $err) = $node->psql('postgres', "SELECT etl_alter_pipeline('p', schedule => '1 hour', watch => true)");
like($err, qr/WARNING:  pipeline "p" does not run by itself\n.*not preloaded/, 'without preloading nothing runs by itself');
query('CREATE DATABASE copy');
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'restored');
is($node->safe_psql('copy', 'SELECT pipeline, state, schedule, watch FROM etl_status'), 'p|copy|1 hour|t', 'it is a copy there');
($ret, $out, $err) = $node->psql('copy', "CALL etl_run('p')");
like($err, qr/etl_adopt/, 'and does not run');
is($node->safe_psql('copy', "SELECT etl_adopt()"), '1', 'until it is adopted');
like($node->safe_psql('copy', "CALL etl_run('p')"), qr/succeeded\|0\|/, 'and reads nothing twice');
$node->safe_psql('copy', "SELECT etl_create_pipeline('q', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$, target => 'target')");

# A standby shows all of it and runs nothing; when it is promoted it goes on where the primary was.
query("SELECT etl_drop_pipeline('p'); TRUNCATE target; SELECT etl_create_pipeline('p', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$,
	query => 'SELECT id FROM batch WHERE id <= 990 OR 1 / (id - 991) > 0', target => 'target', batch_size => 100, on_error => 'fail')");
$node->psql('postgres', "CALL etl_run('p')");
is(query('SELECT count(*) FROM target'), '900', 'a run has failed in its last batch');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT pipeline, state, last_result FROM etl_status'), 'p|idle|failed', 'a standby shows pipelines');
is($standby->safe_psql('postgres', 'SELECT count(*) > 0, count(*) FILTER (WHERE state = \'crashed\') FROM etl_runs'), 't|0', 'and runs, of which none is taken for a crashed one');
for my $call ("CALL etl_run('p')", "SELECT etl_start('p')", "CALL etl_retry_dead_letters('p')")
{
	($ret, $out, $err) = $standby->psql('postgres', $call);
	like($err, qr/cannot run a pipeline on a standby/, "$call is refused there");
}
($ret, $out, $err) = $standby->psql('postgres', "SELECT etl_pause('p')");
like($err, qr/cannot execute etl_pause\(\) during recovery/, 'so are changes');
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', "SELECT etl_alter_pipeline('p', query => 'SELECT id FROM batch')");
$standby->safe_psql('postgres', "CALL etl_run('p')");
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM target'), '1000|1000', 'promoted it does the rest');
$standby->stop;

done_testing();

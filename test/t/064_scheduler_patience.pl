# What failed and may pass is tried again before its next time; one role does not take all workers; what never starts says
# why; and a restored database goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

my $node = scheduler_node('patience', init => { allows_streaming => 1 }, conf => <<'CONF');
etl.databases = 'postgres'
etl.max_workers = 2
etl.http_max_attempts = 1
max_worker_processes = 16
restart_after_crash = on
CONF

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/rows.csv", join('', "id\n", map { "$_\n" } 1 .. 10));
start_fixture();

# A pipeline of ten rows; with a gate its run waits while somebody holds that lock.
value(<<"SQL");
CREATE EXTENSION etl;
CREATE TABLE target (id int);
CREATE FUNCTION gate(lock bigint) RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM pg_advisory_lock_shared(lock);
	PERFORM pg_advisory_unlock_shared(lock);
	RETURN true;
END \$\$;
CREATE FUNCTION make(name text, schedule text DEFAULT NULL, after text[] DEFAULT NULL, gate int DEFAULT NULL, source text DEFAULT NULL,
	retry interval DEFAULT NULL, max_runtime interval DEFAULT NULL)
RETURNS void LANGUAGE sql AS \$\$
	SELECT etl_create_pipeline(name, target => 'target', schedule => schedule, timezone => 'UTC', after => after, retry => retry,
		source => coalesce(source, 'etl_csv(''$dir/rows.csv'') AS t(id int)'), max_runtime => max_runtime,
		query => format('SELECT id FROM batch WHERE gate(%s)', coalesce(gate, 0)))
\$\$;
SQL

my $gate = $node->background_psql('postgres');

sub status
{
	my ($pipeline, $columns) = @_;
	return "SELECT $columns FROM etl_status WHERE pipeline = '$pipeline'";
}

sub planned
{
	my ($pipeline) = @_;
	becomes(status($pipeline, 'next_run IS NOT NULL'), 't', "$pipeline is planned");
	return;
}

# Removes pipelines, none of which is run meanwhile.
sub drop_pipelines
{
	my ($condition) = @_;
	setting('etl.enabled', 'off');
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('etl pipeline', 'etl scheduler')")
	  or die 'pipelines do not end';
	value('SELECT etl_drop_pipeline(name) FROM etl_pipelines WHERE ' . ($condition // 'true'));
	setting('etl.enabled', 'on');
	return;
}

sub at_the_gate
{
	my ($lock, $n, $name) = @_;
	becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $lock AND NOT granted", $n, $name);
	return;
}

# How far the next run of a pipeline is away, as the scheduler's clock goes.
sub seconds_to_next
{
	my ($pipeline) = @_;
	return value(status($pipeline, 'ceil(extract(epoch FROM next_run - clock_timestamp()))::int - ' . clock_shift()));
}

sub fails_with
{
	my ($query, $pattern, $name) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $query, on_error_stop => 0);
	like($err, $pattern, $name);
	return;
}

# A server that fails for a while
my $url = fixture_url('/rows/3?status=503&times=3');
value("SELECT make('api', '1 day', source => 'etl_csv(''$url'') AS t(id int, name text)')");
planned('api');
shift_clock(86400 + 1);
foreach my $case ([ 1, 44, 61 ], [ 2, 89, 121 ], [ 3, 179, 241 ])
{
	my ($retries, $least, $most) = @$case;
	becomes("SELECT retries, failures FROM etl_status", "$retries|1", "try $retries fails, and is one failure with those before");
	my $wait = seconds_to_next('api');
	cmp_ok($wait, '>=', $least - 15, "it is tried again after a while");
	cmp_ok($wait, '<=', $most, 'and not at its next time only');
	like(value(status('api', 'reason')), qr/HTTP status 503/, 'the reason is told meanwhile');
	shift_clock($most);
}
becomes(status('api', 'last_result, failures, reason'), 'succeeded|0|', 'it goes on by itself when the server is back');
cmp_ok(seconds_to_next('api'), '>', 80000, 'and comes at its time again');
is(value('SELECT count(*) FROM target'), 3, 'with its rows');
drop_pipelines();

# At the time that the server names; not at all if that is not wanted; not for what does not pass
$url = fixture_url('/rows/3?status=429&retry_after=7200&times=1');
value("SELECT make('named', '1 day', source => 'etl_csv(''$url'') AS t(id int, name text)')");
$url = fixture_url('/rows/3?status=500&times=1');
value("SELECT make('unwanted', '1 day', source => 'etl_csv(''$url'') AS t(id int, name text)', retry => '0')");
value("SELECT make('lasting', '1 day', source => 'etl_csv(''$dir/missing.csv'') AS t(id int)')");
planned($_) for qw(named unwanted lasting);
shift_clock(86400 + 1);
becomes("SELECT count(*) FROM etl_runs WHERE pipeline IN ('named', 'unwanted', 'lasting') AND state = 'failed'", 3, 'three that fail');
becomes(status('named', 'reason IS NOT NULL'), 't', 'one of which was told when to come again');
cmp_ok(abs(seconds_to_next('named') - 7200), '<', 60, 'that is when it does');
becomes(status($_, 'failures'), 1, "$_ has failed"), cmp_ok(seconds_to_next($_), '>', 80000, "and waits for its time") for qw(unwanted lasting);
shift_clock(7201);
becomes(status('named', 'last_result'), 'succeeded', 'it was tried again then');
drop_pipelines();

# A run that crashes, with its server
$gate->query_safe('SELECT pg_advisory_lock(1)');
value("SELECT make('crash', '1 day', gate => 1)");
planned('crash');
shift_clock(86400 + 1);
at_the_gate(1, 1, 'a run');
kill 'KILL', value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
eval { $gate->quit };
$node->poll_query_until('postgres', 'SELECT true');
$gate = $node->background_psql('postgres');
becomes(status('crash', 'last_result, failures, reason'), 'crashed|1|the worker died', 'is killed');
cmp_ok(seconds_to_next('crash'), '<=', 61, 'it comes again soon');
shift_clock(61);
becomes(status('crash', 'last_result'), 'succeeded', 'and goes on');
drop_pipelines();

# Times that pass while it waits for a worker are counted, and one run is made for all of them.
setting('etl.max_workers', 0);
value("SELECT make('late', '1 minute')");
like(value(status('late', 'reason')), qr/etl.max_workers is 0/, 'why nothing starts is said');
setting('etl.max_workers', 2);
planned('late');
setting('etl.max_workers', 0);
shift_clock(61);
becomes("SELECT state FROM etl_catalog.schedules", 'waiting', 'it waits');
shift_clock(300);
becomes("SELECT skipped FROM etl_catalog.schedules", 5, 'five times pass');
setting('etl.max_workers', 2);
becomes(status('late', 'last_result, skipped'), 'succeeded|5', 'and one run is made');
is(value("SELECT count(*) FROM etl_runs WHERE pipeline = 'late'"), 1, 'for all');
drop_pipelines();

# One role does not take all workers.
value(<<'SQL');
CREATE ROLE crowd LOGIN;
CREATE ROLE other LOGIN;
GRANT pg_read_server_files TO crowd, other;
GRANT ALL ON SCHEMA public TO crowd, other;
GRANT ALL ON target TO crowd, other;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO crowd, other;
SQL
$gate->query_safe('SELECT pg_advisory_lock(2)');
value("SET ROLE crowd; SELECT make('crowd' || i, '1 hour', gate => 2) FROM generate_series(1, 4) i");
value("SET ROLE other; SELECT make('other', '2 hours')");
becomes('SELECT count(*) FROM etl_status WHERE next_run IS NOT NULL', 5, 'five pipelines of two roles');
shift_clock(3601);
at_the_gate(2, 1, 'of a role whose pipelines take their time one runs');
becomes("SELECT count(*) FROM etl_status WHERE state = 'waiting'", 3, 'the others wait');
shift_clock(3601);
becomes(status('other', 'last_result'), 'succeeded', 'so there is a worker for another role');
fails_with("SET ROLE crowd; SELECT etl_start('crowd4')", qr/role "crowd" has 1 runs under way, and may not have more.*etl.max_workers_per_role/s,
	'runs that are started by hand count as well');
fails_with("SET ROLE crowd; CALL etl_run('crowd4')", qr/may not have more/, 'with CALL, too');
setting('etl.max_workers_per_role', 2);
at_the_gate(2, 2, 'as many run as may');
is(value("SET ROLE crowd; SELECT count(*) FROM etl_status WHERE state = 'running'"), 2, 'and no more');
setting('etl.max_workers_per_role', 3);
value("SET ROLE crowd; SELECT count(etl_start(pipeline)) FROM (SELECT pipeline FROM etl_status WHERE state = 'waiting' LIMIT 1) s");
at_the_gate(2, 3, 'one more by hand');
$gate->query_safe('SELECT pg_advisory_unlock(2)');
becomes("SELECT count(*) FROM etl_status WHERE pipeline LIKE 'crowd%' AND last_result = 'succeeded'", 4, 'all get their turn');
is(value(<<'SQL'), 3, 'never more than three at a time');
SELECT max(n) FROM (SELECT (SELECT count(*) FROM etl_runs o WHERE o.started_at <= r.started_at AND coalesce(o.finished_at, 'infinity') > r.started_at
	AND o.pipeline LIKE 'crowd%') AS n FROM etl_runs r WHERE pipeline LIKE 'crowd%') x
SQL
drop_pipelines();
value("ALTER SYSTEM RESET etl.max_workers_per_role");

# The server's bound on how long a run takes
value("ALTER ROLE crowd SET etl.max_runtime = '100ms'");
$gate->query_safe('SELECT pg_advisory_lock(3)');
value("SET ROLE crowd; SELECT make('slow', gate => 3), make('slower', gate => 3, max_runtime => '9 years')");
fails_with("SET ROLE crowd; CALL etl_run('$_')", qr/the run took longer than etl.max_runtime/, "etl.max_runtime bounds $_") for qw(slow slower);
fails_with("SET ROLE crowd; ALTER ROLE crowd SET etl.max_runtime = 0", qr/permission denied/, 'and is no matter of the role');
$gate->query_safe('SELECT pg_advisory_unlock(3)');
value("ALTER ROLE crowd RESET etl.max_runtime");
value("SET ROLE crowd; CALL etl_run('slower')");
drop_pipelines();

# Who waits for a worker holds no lock of ours, and no circle goes by the wait.
value("SELECT make('p', gate => 4)");
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE etl_catalog.runs');
my $starter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT etl_start('p')" ], '<', '/dev/null', '>', \my $started);
becomes("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'etl pipeline' AND NOT l.granted", 1, 'a worker that waits for a table');
is(value("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.query LIKE '%etl_start%' AND a.pid <> pg_backend_pid() AND l.locktype = 'relation'"),
	0, 'its starter holds no lock on any');
$locker->query_safe('COMMIT');
$starter->finish;
like($started, qr/^\d+$/, 'and gets its number');
becomes(status('p', 'last_result'), 'succeeded', 'the run ends');
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 0, 'and its worker');
value("SELECT etl_reset('p')");
fails_with("SET deadlock_timeout = '10ms'; SELECT pg_advisory_lock(4); CALL etl_run('p')", qr/deadlock detected.*waits for a lock that waits for this session/s,
	'a run that waits for who waits for it');
becomes(status('p', 'last_result'), 'cancelled', 'is ended');
$locker->quit;
drop_pipelines();

# "after" what is dropped, and in circles that nobody could see
value("SELECT make('b'), make('c'), make('d', after => '{b,c}')");
fails_with("SELECT etl_drop_pipeline('c')", qr/NOTICE:  other pipelines run after pipeline "c".*"d"/s, 'who drops a pipeline is told who runs after it');
becomes(status('d', 'reason'), 'it runs after pipeline "c", which does not exist', 'and so is who looks at that one');
value("SELECT make('c')");
becomes(status('d', 'reason'), '', 'until there is one of that name again');
value("CALL etl_run('$_')") for qw(b c);
becomes(status('d', 'last_result'), 'succeeded', 'then it runs');
my @half = map { $node->background_psql('postgres') } 1, 2;
$half[0]->query_safe("BEGIN; SELECT etl_alter_pipeline('b', after => '{c}')");
$half[1]->query_safe("BEGIN; SELECT etl_alter_pipeline('c', after => '{b}')");
$_->query_safe('COMMIT') for @half;
$_->quit for @half;
becomes("SELECT string_agg(pipeline, ' ' ORDER BY pipeline) FROM etl_status WHERE reason = 'pipelines that it runs after wait for each other'", 'b c d',
	'two halves of a circle that passed each other are found');
value("SELECT etl_alter_pipeline('b', after => '{}')");
becomes("SELECT count(*) FROM etl_status WHERE reason IS NOT NULL", 0, 'and gone when it is cut');
drop_pipelines();

# A worker that is told to end says so, in the words of etl.
$gate->query_safe('SELECT pg_advisory_lock(5)');
value("SELECT make('told', gate => 5)");
value("SELECT etl_alter_pipeline('told', on_shutdown => 'drop')");
value("SELECT etl_start('told')");
at_the_gate(5, 1, 'a run');
value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
becomes("SELECT state, message FROM etl_runs ORDER BY run DESC LIMIT 1",
	'stopped|the run was stopped by a shutdown of the server, pg_terminate_backend, a lower etl.max_workers or etl.max_continuous_runs, or because a continuous pipeline was changed', 'is stopped');
$gate->query_safe('SELECT pg_advisory_unlock(5)');

# Restored, and adopted, a schedule goes on: numbers of runs, too.
$gate->query_safe('SELECT pg_advisory_lock(6)');
value("SELECT make('often', '1 second'), make('busy', '1 second', gate => 6)");
becomes("SELECT count(*) >= 2 FROM etl_runs WHERE pipeline = 'often' AND state = 'succeeded'", 't', 'a pipeline that runs often');
at_the_gate(6, 1, 'and one that is under way');
value('CREATE DATABASE copy');
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$gate->query_safe('SELECT pg_advisory_unlock(6)');
$node->command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'restored');
my $last = value("SELECT max(last_run) FROM etl_catalog.schedules", 'copy');
value("SELECT etl_adopt()", 'copy');
is(value("SELECT string_agg(DISTINCT reason, ' ') FROM etl_status WHERE schedule IS NOT NULL", 'copy'), 'this database is not in etl.databases',
	'what is not looked after says so');
is(value("SELECT count(*) FROM etl_status WHERE next_run IS NOT NULL", 'copy'), 0, 'and names no time');
fails_with('SELECT 1', qr/^$/, 'nothing is said where it is');
my ($ret, $out, $err) = $node->psql('copy', "SELECT make('new', '1 hour')");
like($err, qr/WARNING:  pipeline "new" does not run by itself\n.*this database is not in etl.databases.\n.*Put this database into/, 'nor at definition');
setting('etl.databases', 'postgres, copy');
becomes("SELECT count(*) >= 3 FROM etl_runs WHERE pipeline = 'often' AND state = 'succeeded'", 't', 'it goes on there', 'copy');
becomes("SELECT last_run > 0, failures, state <> 'paused', reason FROM etl_status WHERE pipeline = 'often'", 't|0|t|', 'without a failure', 'copy');
becomes("SELECT last_result FROM etl_status WHERE pipeline = 'busy'", 'succeeded', 'what was under way runs, too', 'copy');
is(value("SELECT count(*) FROM etl_status WHERE failures > 0", 'copy'), 0, 'and is not judged for what became of it elsewhere');
is(value("SELECT min(run) > $last FROM etl_runs", 'copy'), 't', 'numbers of runs go on');
setting('etl.databases', 'postgres');
drop_pipelines("name <> 'told'");

# A standby shows a run of its primary as what it is there.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$gate->query_safe('SELECT pg_advisory_lock(5)');
value("SELECT etl_start('told')");
at_the_gate(5, 1, 'a run on the primary');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT state, last_result FROM etl_status"), 'running|running', 'is under way, seen from a standby');
is($standby->safe_psql('postgres', "SELECT state FROM etl_runs ORDER BY run DESC LIMIT 1"), 'running', 'in the history, too');
$gate->query_safe('SELECT pg_advisory_unlock(5)');
becomes(status('told', 'last_result'), 'succeeded', 'it ends');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT state, last_result FROM etl_status"), 'idle|succeeded', 'there, too');
$standby->stop;

$gate->quit;
$node->stop('fast');
done_testing();

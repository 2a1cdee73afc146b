# How scheduled runs end from outside: pg_terminate_backend, a lowered etl.max_workers, a fast shutdown, etl_cancel, with
# on_shutdown 'drain' and 'drop'; and that they go on by themselves.  The extension is updated meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

my $node = scheduler_node('drain', conf => <<'CONF');
etl.databases = 'postgres'
etl.drain_timeout = '1h'
CONF

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/rows.csv", join('', "id\n", map { "$_\n" } 1 .. 1000));
my $gate;

# A batch in which row 250 is waits at the gate, which is closed while somebody holds lock 42.
value(<<"SQL");
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
SELECT etl_create_pipeline('p', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$, schedule => '1 hour',
	query => 'SELECT id FROM batch WHERE gate(id)', target => 'target', batch_size => 100);
SQL
becomes('SELECT next_run IS NOT NULL FROM etl_status', 't', 'a pipeline is planned');

# It comes due, and its run waits at the gate with two batches loaded and one in hand.  Returns its number.
sub start_to_gate
{
	my ($on_shutdown) = @_;
	value("TRUNCATE target; SELECT etl_reset('p'); SELECT etl_alter_pipeline('p', on_shutdown => '$on_shutdown')");
	$gate //= $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(42)');
	shift_clock(3601);
	becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1, "$on_shutdown: a run");
	is(value('SELECT count(*) FROM target'), 200, 'has loaded two batches');
	return value('SELECT max(run) FROM etl_runs');
}

sub open_gate
{
	$gate->query_safe('SELECT pg_advisory_unlock(42)');
	return;
}

sub ends
{
	my ($run, $state, $loaded, $name) = @_;
	becomes("SELECT state, loaded FROM etl_runs WHERE run = $run", "$state|$loaded", $name);
	return;
}

# By itself, once more; nothing is lost or doubled.
sub goes_on
{
	becomes('SELECT last_result, state, failures FROM etl_status', 'succeeded|idle|0', 'it goes on by itself');
	is(value('SELECT count(*), count(DISTINCT id) FROM target'), '1000|1000', 'and loads each row once');
	return;
}

my $terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'";

# pg_terminate_backend
my $run = start_to_gate('drain');
value($terminate);
is(value("SELECT state FROM etl_runs WHERE run = $run"), 'running', 'pg_terminate_backend waits for the batch in hand');
open_gate();
ends($run, 'stopped', 300, 'which is finished');
goes_on();
$run = start_to_gate('drop');
value($terminate);
ends($run, 'stopped', 200, 'or dropped');
open_gate();
goes_on();

# The batch takes too long.
setting('etl.drain_timeout', '100ms');
$run = start_to_gate('drain');
value($terminate);
ends($run, 'stopped', 200, 'a batch that takes longer than etl.drain_timeout is dropped, too');
open_gate();
goes_on();
setting('etl.drain_timeout', '1h');

# A lowered max_workers
foreach my $case ([ 'drain', 300 ], [ 'drop', 200 ])
{
	my ($on_shutdown, $loaded) = @$case;
	$run = start_to_gate($on_shutdown);
	setting('etl.max_workers', 0);
	open_gate() if $on_shutdown eq 'drain';
	ends($run, 'stopped', $loaded, 'a lowered etl.max_workers ends it');
	open_gate() if $on_shutdown eq 'drop';
	becomes('SELECT state FROM etl_status', 'waiting', 'until there is room');
	setting('etl.max_workers', 4);
	goes_on();
}

# etl_cancel rolls back in any case, and the next run comes at its time.
$run = start_to_gate('drain');
is(value("SELECT etl_cancel('p')"), 't', 'etl_cancel');
ends($run, 'cancelled', 200, 'rolls the batch in hand back');
open_gate();
becomes('SELECT state, failures FROM etl_status', 'idle|0', 'that is no failure');
shift_clock(3601);
goes_on();

# What it was to do is still to be done, though neither files nor other pipelines call for it any more.
value("CREATE TABLE other (id int); SELECT etl_create_pipeline('before', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$, target => 'other')");
foreach my $case ([ "watch => true, after => '{}'", sub { append_to_file("$dir/rows.csv", '') } ],
	[ "watch => false, after => '{before}'", sub { value("CALL etl_run('before')") } ])
{
	my ($trigger, $call) = @$case;
	value("SELECT etl_pause('p')");
	becomes("SELECT state FROM etl_status WHERE pipeline = 'p'", 'paused', "$trigger: without a schedule");
	$gate->query_safe('SELECT pg_advisory_lock(42)');
	value("TRUNCATE target; SELECT etl_reset('p'); SELECT etl_alter_pipeline('p', schedule => '', $trigger); SELECT etl_resume('p')");
	$call->();
	becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1, 'a run');
	$run = value("SELECT max(run) FROM etl_runs WHERE pipeline = 'p'");
	value("SELECT etl_cancel('p')");
	ends($run, 'cancelled', 200, 'is cancelled');
	open_gate();
	becomes("SELECT not_before IS NOT NULL, state FROM etl_status WHERE pipeline = 'p'", 't|idle', 'and does not come again at once');
	is(value("SELECT max(run) FROM etl_runs WHERE pipeline = 'p'"), $run, 'as indeed it does not');
	shift_clock(121);
	becomes("SELECT last_result, state, failures FROM etl_status WHERE pipeline = 'p'", 'succeeded|idle|0', 'it goes on after a while');
	is(value('SELECT count(*), count(DISTINCT id) FROM target'), '1000|1000', 'and loads each row once');
}
value("SELECT etl_drop_pipeline('before'); SELECT etl_alter_pipeline('p', schedule => '1 hour', after => '{}', watch => false)");

# A fast shutdown; it ends the session at the gate as well, which opens it.
foreach my $case ([ 'drain', 300 ], [ 'drop', 200 ])
{
	my ($on_shutdown, $loaded) = @$case;
	$run = start_to_gate($on_shutdown);
	ok($node->stop('fast', fail_ok => 1), 'a fast shutdown does not wait as long as a batch may be drained');
	eval { $gate->quit };
	undef $gate;
	$node->start;
	ends($run, 'stopped', $loaded, 'the run was stopped');
	goes_on();
}

# ALTER EXTENSION UPDATE, with an update that was not there yet: neither waits for the other.
my $share = $node->config_data('--sharedir') . '/extension';
my $script = "$share/etl--1.0--1.0.1.sql";
END { unlink $script if defined $script; }
SKIP:
{
	skip 'the folder of extensions is not ours to write in', 1 unless -w $share;
	append_to_file($script, <<'SQL');
ALTER TABLE etl_catalog.schedules ADD COLUMN added int DEFAULT 1;
ALTER TABLE etl_catalog.runs ADD COLUMN added int DEFAULT 1;
ALTER TABLE etl_catalog.pipelines ADD COLUMN added int DEFAULT 1;
SQL
	$run = start_to_gate('drain');
	succeeds("ALTER EXTENSION etl UPDATE TO '1.0.1'", 'the extension is updated during a run');
	open_gate();
	ends($run, 'succeeded', 1000, 'which goes on');
	becomes('SELECT state FROM etl_status', 'idle', 'and is taken note of');
	shift_clock(3601);
	becomes("SELECT last_run > $run, last_result FROM etl_status", 't|succeeded', 'and so does the schedule');
}

# DROP EXTENSION waits for nobody, either.  The run finds its tables gone.
$run = start_to_gate('drain');
succeeds('DROP EXTENSION etl', 'the extension is dropped during a run');
open_gate();
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 0, 'which ends');
is(value('SELECT count(*) FROM target'), 200, 'without what it could not write down');

$gate->quit;
$node->stop('fast');
done_testing();

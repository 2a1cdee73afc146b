# Runs that several processes share: each part is loaded once, whoever dies.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(start_fixture net_node fixture_url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = $ENV{ETL_KILLS} // 20;
my $parts = 12;
my $rows = 3000; # of each part

start_fixture();
my $node = net_node('parallel', preload => 1, conf => "restart_after_crash = on\nmax_worker_processes = 16\netl.settle_time = 0\n");
my $dir = PostgreSQL::Test::Utils::tempdir();

srand($ENV{ETL_TEST_SEED} // 42);

sub write_part
{
	my ($name, $from, $n, $more) = @_;

	open(my $out, '>', "$dir/$name") or die $!;
	print $out "id,part,v\n", map({ "$_,$name," . $_ % 7 . "\n" } $from .. $from + $n - 1), $more // ();
	close($out);
}
write_part(sprintf('p%02d.csv', $_), $_ * $rows, $rows) for 0 .. $parts - 1;

my $source = "etl_csv('$dir/p*.csv') AS t(id int, part text, v int)";
my $held = q{backend_type IN ('etl pipeline', 'etl parallel worker') AND wait_event = 'advisory'};

$node->safe_psql('postgres', qq{
	CREATE EXTENSION IF NOT EXISTS etl;
	CREATE TABLE target (id int, part text, v int, pid int);
	CREATE TABLE keyed (id int PRIMARY KEY, part text, v int);
	CREATE FUNCTION gate(part text) RETURNS int LANGUAGE plpgsql AS \$\$
	BEGIN
		IF part > 'p00.csv' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
		RETURN pg_backend_pid();
	END \$\$;
	SELECT etl_create_pipeline('append', source => \$\$$source\$\$, query => 'SELECT id, part, v, gate(part) AS pid FROM batch',
		target => 'target', batch_size => 500, parallel => 3);
	SELECT etl_create_pipeline('upsert', source => \$\$$source\$\$, target => 'keyed', key => 'id', watermark => 'id', batch_size => 500, parallel => 4);
});

sub value { return $node->safe_psql('postgres', $_[0]); }

my $exact = "SELECT count(*), count(DISTINCT id), sum(id) FROM target";
my $all = join '|', $parts * $rows, $parts * $rows, $parts * $rows * ($parts * $rows - 1) / 2;

# Three processes, each with a part of its own in hand.
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(1)');
my $client = start_run($node, 'append');
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM pg_stat_activity WHERE $held"), 'three processes load');
is(value("SELECT count(*), min(stage), bool_and(pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl pipeline')) FROM etl_progress"),
	'1|querying|t', 'they are one run');
ok(value('SELECT records > 3 * 500 FROM etl_progress'), 'whose progress is that of all');
$gate->query_safe('SELECT pg_advisory_unlock(1)');
$client->finish;
is(value($exact), $all, 'each row is there once');
is(value('SELECT count(DISTINCT pid) FROM target'), '3', 'and was loaded by one of three');
is(value("SELECT max(n) FROM (SELECT count(DISTINCT pid) AS n FROM target GROUP BY part) AS p"), '1', 'one for each part');
is(value("SELECT state, read, loaded, inserted FROM etl_runs"), 'succeeded|36000|36000|36000', 'the counters are those of all');
is(value("SELECT count(*), sum(rows), min(state) FROM etl_parts"), "$parts|36000|done", 'so are the parts');
is(value("CALL etl_run('append')") =~ /\|succeeded\|0\|/ && value($exact), $all, 'the next run finds nothing to do');

# As a later run does that takes this one for dead: a worker that is in its batch then commits nothing.
value('TRUNCATE target'), value("SELECT etl_reset('append')");
$gate->query_safe('SELECT pg_advisory_lock(1)');
$client = start_run($node, 'append');
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM pg_stat_activity WHERE $held"), 'three processes load once more');
value("UPDATE etl_catalog.runs SET state = 'crashed' WHERE state = 'running'");
my $before = value('SELECT count(*) FROM target');
$gate->query_safe('SELECT pg_advisory_unlock(1)');
$client->finish;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('etl pipeline', 'etl parallel worker')");
is(value('SELECT count(*) FROM target'), $before, 'nothing is committed behind the fence');
value("CALL etl_run('append')");
is(value($exact), $all, 'and the next run loads what is left');

# What ends one ends all.
for my $end (
	[ 'a worker is terminated', "pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl parallel worker' LIMIT 1", 'failed|57P01' ],
	[ 'a worker is cancelled', "pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl parallel worker' LIMIT 1", 'cancelled|57014' ],
	[ 'the leader is terminated', "pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 'stopped|57014' ],
	[ 'the run is cancelled', "etl_cancel('append')", 'cancelled|57014' ])
{
	my ($what, $statement, $state) = @$end;

	value('TRUNCATE target'), value("SELECT etl_reset('append')");
	value("SELECT etl_alter_pipeline('append', on_shutdown => 'drop')");
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$client = start_run($node, 'append');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM pg_stat_activity WHERE $held"), "$what: three processes load");
	value("SELECT $statement");
	ok($node->poll_query_until('postgres', "SELECT count(*) < 3 FROM pg_stat_activity WHERE $held"), 'one of them ends');
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	$client->finish;
	is(value('SELECT state, sqlstate FROM etl_runs ORDER BY run DESC LIMIT 1'), $state, 'the run ends');
	is(value("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('etl pipeline', 'etl parallel worker')"), 0, 'and all its processes');
	value("CALL etl_run('append')");
	is(value($exact), $all, 'the next one loads what is left');
}

# A fault that a worker finds is that of the run, with its place.
value('TRUNCATE target'), value("SELECT etl_reset('append')");
write_part('p99.csv', 99 * $rows, 10, "x,p99.csv,1\n");
value("SELECT etl_alter_pipeline('append', on_error => 'fail')");
my ($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('append')");
like($err, qr/invalid input syntax for type integer.*p99\.csv", line 12/s, 'a run fails with what one process has found');
is(value("SELECT state, sqlstate FROM etl_runs ORDER BY run DESC LIMIT 1"), 'failed|22P02', 'with its SQLSTATE');
unlink "$dir/p99.csv";
value("CALL etl_run('append')");
is(value("$exact WHERE part < 'p99'"), $all, 'what it had loaded is not loaded again');
value("SELECT etl_alter_pipeline('append', on_error => 'dead_letter', query => 'SELECT id, part, v, pg_backend_pid() AS pid FROM batch')");

# No more than there may be.
value('ALTER SYSTEM SET etl.max_parallel_workers = 0'), value('SELECT pg_reload_conf()');
ok($node->poll_query_until('postgres', 'SHOW etl.max_parallel_workers', '0'), 'no parallel workers');
value('TRUNCATE target'), value("SELECT etl_reset('append')");
value("CALL etl_run('append')");
is(value($exact), $all, 'the run loads all');
is(value('SELECT count(DISTINCT pid) FROM target'), 1, 'alone');
value('ALTER SYSTEM RESET etl.max_parallel_workers'), value('SELECT pg_reload_conf()');

# Parts that are not in the order of their names could be taken twice.
my $url = fixture_url('');
value(qq{SELECT etl_create_pipeline('unordered', source => \$\$etl_csv('$url/rows/{20,10}') AS t(id int)\$\$, target => 'keyed', parallel => 2)});
($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('unordered')");
like($err, qr/needs the parts of its source in the order of their names/, 'parts in another order are refused');
value("SELECT etl_drop_pipeline('unordered')");

# At random moments.
my $killed = 0;
my $wrong = 0;
sub wait_for_server
{
	for (1 .. 1800)
	{
		return if defined ask($node, 'SELECT 1');
		usleep(100_000);
	}
	die 'no recovery';
}
# On a busy machine many a run is over, or not begun, when its turn has come.
for (my $kill = 1; $kill <= $kills || ($killed < $kills / 3 || $kill % 4 != 1) && $kill <= 20 * $kills; $kill++)
{
	value('TRUNCATE target, keyed'), value("SELECT etl_reset('append'), etl_reset('upsert')") if $kill % 4 == 1;
	$client = start_run($node, $kill % 2 ? 'append' : 'upsert');
	usleep(int(rand(150_000)));
	my @pids = split /\n/, ask($node, "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('etl pipeline', 'etl parallel worker')") // '';
	my $signal = (qw(KILL TERM INT))[ $kill % 3 ];
	$killed += kill($signal, $pids[ rand @pids ]) if @pids;
	$client->finish;
	wait_for_server();
	next if $kill % 4;
	value("CALL etl_run('$_')") for qw(append upsert);
	$wrong++ if value($exact) ne $all || value('SELECT count(*), sum(id) FROM keyed') ne join '|', (split /\|/, $all)[ 0, 2 ];
	$wrong++ if value("SELECT etl_watermark('upsert')") != $parts * $rows - 1;
}
cmp_ok($killed, '>=', $kills / 3, "processes were killed ($killed times)");
is($wrong, 0, 'and what was loaded is exact');
is(value('SELECT count(*) FROM etl_runs WHERE emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated'), 0,
	'the counters of all runs add up');
$gate->quit;
done_testing();

# Backfills that are killed at random moments, and that come while another run is under way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $ranges = 12;
my $rows = 4000;

my $node = PostgreSQL::Test::Cluster->new('backfill');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\netl.settle_time = 0\n");
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir();
for my $range (0 .. $ranges)
{
	open(my $out, '>', "$dir/range_$range.csv") or die $!;
	print $out "id\n", map { $range * $rows + $_ . "\n" } 0 .. $rows - 1;
	close($out);
}

# Range $ranges is what the other runs read.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE target (id int);
	SELECT etl_create_pipeline('filled', source => \$\$etl_csv('$dir/range_' || etl_since($ranges) || '.csv') AS t(id int)\$\$,
		query => 'SELECT id FROM batch WHERE (pg_try_advisory_xact_lock_shared(1) OR pg_advisory_xact_lock_shared(1) IS NOT NULL)
			AND (id >= $rows OR pg_advisory_xact_lock_shared(2) IS NOT NULL)',
		target => 'target', batch_size => 300);
});
my $backfill = "CALL etl_backfill('filled', 0, $ranges, '1')";

# It waits for a run that is under way, and that is not disturbed.
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(1)');
my $first = $node->background_psql('postgres', on_error_die => 0);
$first->query_safe('SELECT pg_advisory_lock(2)');
my $run = start_run($node, 'filled');
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted});
my $client = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $backfill ],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM etl_backfills');
is($node->safe_psql('postgres', q{SELECT count(*) FROM etl_runs WHERE kind = 'backfill'}), 0, 'no range is read while another run is under way');
$gate->quit;
$run->finish;

# It is killed within the first range, where it is held, and then again and again; and called again.
my $held = q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 2 AND NOT granted};
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($held) AS l");
my $killed = kill('KILL', $node->safe_psql('postgres', $held));
$client->finish;
eval { $first->quit };
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM etl_backfills');
$client = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $backfill ],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
for my $kill (1 .. 15)
{
	my @pids = worker_pids($node);
	usleep(int(rand(40_000)));
	if ($kill % 5 == 0)
	{
		$node->stop('immediate');
		$node->start;
		$killed++;
	}
	else
	{
		$killed += kill('KILL', @pids);
	}
	$client->finish;
	for (1 .. 1800)
	{
		last if defined ask($node, 'SELECT 1');
		usleep(100_000);
	}
	last if $node->safe_psql('postgres', 'SELECT count(*) FROM etl_backfills') == 0;
	$client = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $backfill ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
}
$client->finish;
cmp_ok($killed, '>=', 1, "it was killed ($killed times)");
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'etl pipeline'});
$node->safe_psql('postgres', $backfill) if $node->safe_psql('postgres', 'SELECT count(*) FROM etl_backfills') > 0;

my $all = ($ranges + 1) * $rows;
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), min(id), max(id) FROM target'),
	"$all|$all|0|" . ($all - 1), 'each row of each range came once');
is($node->safe_psql('postgres', 'SELECT sum(inserted) FROM etl_runs'), $all, 'and the counters tell so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM etl_backfills'), 0, 'the backfill has ended');
is($node->safe_psql('postgres', q{SELECT count(*) FROM etl_catalog.checkpoints AS c
	WHERE NOT EXISTS (SELECT FROM etl_catalog.pipelines AS p WHERE p.id = c.pipeline)}), 0, 'and has left no checkpoint');
done_testing();

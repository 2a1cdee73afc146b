# Snapshots that replace each other while runs are killed at random moments: the worker, and the whole server.  Whenever the
# target of a replace is looked at, it is one of the snapshots from end to end; and behind a run that was let to its end, that of
# the replace and that of an upsert in batches which deletes what is gone are the last one, and so are the open versions of a
# history, in which no two of a key hold at one time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = 20;

my $node = PostgreSQL::Test::Cluster->new('snapshots');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\netl.settle_time = 0\n");
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $version = 0;

srand($ENV{ETL_TEST_SEED} // 42);

# Another snapshot: most of the keys, each with the version.
sub next_snapshot
{
	$version++;
	open(my $out, '>', "$dir/new.csv") or die $!;
	print $out "a,b,version\n";
	for my $id (1 .. 8000)
	{
		print $out 'x' x (1 + $id % 3), ",$id,$version\n" if rand() < 0.9;
	}
	close($out);
	rename("$dir/new.csv", "$dir/snapshot.csv") or die $!;
}
next_snapshot();

$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE target (a text, b int, version int, PRIMARY KEY (a, b));
	CREATE TABLE batches (LIKE target INCLUDING ALL);
	SELECT etl_create_pipeline('batches', source => \$\$etl_csv('$dir/snapshot.csv') AS t(a text, b int, version int)\$\$,
		target => 'batches', key => 'a, b', deletes => 'delete', delete_limit => '100%', batch_size => 700);
	SELECT etl_create_pipeline('snapshot', source => \$\$etl_csv('$dir/snapshot.csv') AS t(a text, b int, version int)\$\$,
		target => 'target', key => 'a, b', mode => 'replace', delete_limit => '100%', batch_size => 700);
	CREATE TABLE past (a text, b int, version int, valid_from timestamptz NOT NULL, valid_to timestamptz, CHECK (valid_to > valid_from));
	CREATE UNIQUE INDEX ON past (a, b) WHERE valid_to IS NULL;
	CREATE VIEW present AS SELECT a, b, version FROM past WHERE valid_to IS NULL;
	SELECT etl_create_pipeline('past', source => \$\$etl_csv('$dir/snapshot.csv') AS t(a text, b int, version int)\$\$,
		target => 'past', key => 'a, b', mode => 'history', deletes => 'delete', delete_limit => '100%', batch_size => 700);
});

# How many rows of a target and the snapshot are not in the other.
sub differences
{
	my ($target) = @_;

	return $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE snapshot (LIKE $target);
		COPY snapshot FROM '$dir/snapshot.csv' (FORMAT csv, HEADER);
		SELECT count(*) FROM ((TABLE snapshot EXCEPT TABLE $target) UNION ALL (TABLE $target EXCEPT TABLE snapshot)) AS d});
}

$node->safe_psql('postgres', "CALL etl_run('snapshot')");
is(differences('target'), 0, 'the first snapshot');

sub wait_for_server
{
	for (1 .. 1800)
	{
		return if defined ask($node, 'SELECT 1');
		usleep(100_000);
	}
	die 'no recovery';
}

my $mixed = 0;
my $wrong = 0;
my $killed = 0;
for my $kill (1 .. $kills)
{
	next_snapshot();
	my $client = start_run($node, (qw(snapshot batches past))[$kill % 3]);
	my @pids = worker_pids($node);
	for (1 .. int(rand(4)))
	{
		$mixed++ if (ask($node, 'SELECT count(DISTINCT version) FROM target') // 1) != 1;
	}
	usleep(int(rand(60_000)));
	if ($kill % 10 == 0)
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
	wait_for_server();
	$mixed++ if ask($node, 'SELECT count(DISTINCT version) FROM target') != 1;
	next if $kill % 4 > 0;
	$node->safe_psql('postgres', "CALL etl_run('$_')") for 'snapshot', 'batches', 'past';
	$wrong++ if differences('target') != 0 || differences('batches') != 0 || differences('present') != 0;
}
cmp_ok($killed, '>=', $kills / 2, "runs were killed ($killed times)");
is($mixed, 0, 'nobody sees rows of two snapshots');
is($wrong, 0, 'a run that ends leaves the last snapshot');
is($node->safe_psql('postgres', q{SELECT count(*) FROM etl_runs WHERE state <> 'running'
	AND (emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated)}),
	0, 'the counters of all runs add up');
is($node->safe_psql('postgres', q{SELECT count(*) FROM
	(SELECT valid_from < lag(valid_to, 1, '-infinity') OVER w OR version <= lag(version, 1, 0) OVER w AS wrong FROM past WINDOW w AS (PARTITION BY a, b ORDER BY valid_from)) AS v WHERE wrong}),
	0, 'versions of a key follow each other');
is($node->safe_psql('postgres', q{SELECT sum(r.closed) - (SELECT count(valid_to) FROM past) FROM etl_runs AS r}), 0, 'each version that has an end was counted');
is($node->safe_psql('postgres', 'SELECT sum(inserted) - sum(deleted) - (SELECT count(*) FROM target) - (SELECT count(*) FROM batches) - (SELECT count(*) FROM past) FROM etl_runs'),
	0, 'and tell what is there, those of killed runs too');

# A file that somebody may still be writing is waited for, and nothing is removed meanwhile.
open(my $half, '>', "$dir/snapshot.csv") or die $!;
print $half "a,b,version\nx,0,0\n";
close($half);
$node->safe_psql('postgres', "ALTER DATABASE postgres SET etl.settle_time = '1h'");
my $there = 'SELECT (SELECT count(*) FROM target), (SELECT count(*) FROM batches), (SELECT count(*) FROM past WHERE valid_to IS NULL)';
for my $pipeline ('snapshot', 'batches', 'past')
{
	my $rows = $node->safe_psql('postgres', $there);
	my $client = start_run($node, $pipeline);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'etl pipeline' AND wait_event_type = 'Extension'");
	is($node->safe_psql('postgres', "SELECT etl_cancel('$pipeline')"), 't', "$pipeline: the run waits");
	$client->finish;
	is($node->safe_psql('postgres', $there), $rows, 'and has removed nothing');
	is($node->safe_psql('postgres', "SELECT state FROM etl_runs WHERE pipeline = '$pipeline' ORDER BY run DESC LIMIT 1"), 'cancelled', 'when it is cancelled');
}
done_testing();

# Runs of pipelines that are killed at random moments: the worker, and the whole server.  After the last run
# the targets must be what one undisturbed run makes of the files, appended rows included: none lost, none
# doubled; and the counters of all runs together, those of killed ones too, must tell the same.  Open dead letters
# are those of records to whose keys no good one came later.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $rows = 0;
my $rows_per_file = 20000;
my $kills = 30;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmax_worker_processes = 16\n");
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $bad = 0;

# One more file, so that there is always something to do when it is time to kill.
sub add_file
{
	open(my $out, '>', sprintf('%s/part_%03d.csv', $dir, $rows / $rows_per_file)) or die $!;
	print $out "k,id,name,n\n";
	for my $id ($rows + 1 .. $rows + $rows_per_file)
	{
		my $n = $id % 997 == 0 ? 'x' : $id % 1009 == 0 ? -1 : $id % 50;
		$bad++ if $n eq 'x' || $n < 0;
		print $out $id % 5003, ",$id,\"name\n$id\",$n\n";
	}
	close($out);
	$rows += $rows_per_file;
}
add_file();

$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE appended (id int, name text, n int CHECK (n >= 0));
	CREATE TABLE upserted (id int PRIMARY KEY, name text, n int CHECK (n >= 0));
	CREATE TABLE twice (id int REFERENCES upserted, copy int);
	CREATE TABLE latest (k int PRIMARY KEY, id int, n int CHECK (n >= 0));
	SELECT etl_create_pipeline('latest', source => \$\$etl_csv('$dir/part_*.csv') AS t(k int, id int, n int)\$\$,
		target => 'latest', key => '{k}', batch_size => 700);
	SELECT etl_create_pipeline(mode, source => \$\$etl_csv('$dir/part_*.csv') AS t(id int, name text, n int)\$\$,
		target => target, key => key, batch_size => 700)
	FROM (VALUES ('append', 'appended', NULL::text[]), ('upsert', 'upserted', '{id}')) AS v(mode, target, key);
	SELECT etl_add_target('upsert', 'twice', 'SELECT id, copy FROM batch, generate_series(1, 2) AS copy');
});

sub wait_for_server
{
	for (1 .. 1800)
	{
		return if defined ask($node, 'SELECT 1');
		usleep(100_000);
	}
	die 'no recovery';
}

srand($ENV{ETL_TEST_SEED} // 42);
my $killed = 0;
for my $kill (1 .. $kills)
{
	add_file();
	my @clients = map { start_run($node, $_) } 'append', 'upsert', 'latest';
	my @pids = worker_pids($node);
	usleep(int(rand(60_000)));
	if ($kill % 10 == 0)
	{
		$node->stop('immediate');
		$node->start;
		$killed++;
	}
	elsif ($kill % 10 == 5)
	{
		$node->stop('fast');
		$node->start;
	}
	elsif (@pids)
	{
		$killed += kill('KILL', $pids[ int(rand(@pids)) ]);
	}
	$_->finish for @clients;
	wait_for_server();
}
cmp_ok($killed, '>=', $kills / 2, "runs were killed ($killed times)");

is($node->safe_psql('postgres', "SELECT count(*) FROM etl_runs r WHERE state = 'running'"),
	'0', 'no run seems to run that does not');
for my $name ('append', 'upsert', 'latest')
{
	$node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
	$node->safe_psql('postgres', "CALL etl_run('$name')");
}

my $good = $rows - $bad;
for my $table ('appended', 'upserted')
{
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM $table"),
		"$good|$good", "$table: each good row once");
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM $table WHERE name <> E'name\\n' || id OR n <> id % 50"),
		'0', "$table: as it is in the files");
}
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (id, copy)), sum(copy) FROM twice"),
	join('|', 2 * $good, 2 * $good, 3 * $good), 'a further target: all rows of each good record once');
is($node->safe_psql('postgres', "SELECT sum(inserted), sum(emitted - load_failed - loaded) FROM etl_run_targets WHERE target = 'public.twice'"),
	2 * $good . '|0', 'and its counters tell so');
for my $name ('append', 'upsert')
{
	is($node->safe_psql('postgres',
			"SELECT count(*), count(DISTINCT raw), bool_and(replayable) FROM etl_dead_letters WHERE pipeline = '$name'"),
		"$bad|$bad|t", "$name: each bad record is one dead letter");
	is($node->safe_psql('postgres',
			"SELECT sum(read), sum(loaded), sum(convert_failed + load_failed) FROM etl_runs WHERE pipeline = '$name'"),
		"$rows|$good|$bad", "$name: counters of all runs add up to the file");
	is($node->safe_psql('postgres',
			"SELECT bool_and(read = malformed + convert_failed + converted
				AND emitted = invalid + superseded + load_failed + loaded + skipped) FROM etl_runs WHERE pipeline = '$name'"),
		't', "$name: counters of each run add up");
}

$node->safe_psql('postgres', qq{
	CREATE TABLE records AS SELECT * FROM etl_csv('$dir/part_*.csv') AS t(k int, id int, n text);
	CREATE VIEW last_good AS SELECT DISTINCT ON (k) k, id, n::int FROM records WHERE n ~ '^\\d+\$' ORDER BY k, id DESC;
	CREATE VIEW open_letters AS SELECT substring(raw FROM ',(\\d+)')::int AS id FROM etl_dead_letters
		WHERE pipeline = 'latest' AND NOT resolved;
	CREATE VIEW bad_since AS SELECT r.id FROM records r LEFT JOIN last_good g USING (k)
		WHERE r.n !~ '^\\d+\$' AND r.id > coalesce(g.id, 0);
});
is($node->safe_psql('postgres', 'SELECT count(*) FROM (TABLE latest EXCEPT TABLE last_good) d'), 0, 'latest: the last good record of each key');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM latest) - (SELECT count(*) FROM last_good)'), 0, 'latest: all keys');
is($node->safe_psql('postgres', 'SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM open_letters'),
	$node->safe_psql('postgres', 'SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM bad_since'),
	'latest: the open letters are those of what came behind it');
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'latest'"), $bad, 'latest: each bad record is one dead letter');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'latest' AND state = 'superseded'"),
	'>', $bad / 2, 'latest: the others are superseded');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM etl_runs WHERE state = 'crashed'"),
	'>', 0, 'killed runs are shown as crashed');

$node->stop;
unlike(slurp_file($node->logfile), qr/name\n\d/, 'the log holds no record');

done_testing();

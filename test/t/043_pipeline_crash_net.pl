# Runs over an API and over files behind URLs that are killed at random moments.  After the last run the targets must be
# what one undisturbed run makes of them, appended rows included, the counters of all runs together must tell the same,
# and pages that were done are not asked for again.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = 30;

start_fixture();
my $node = net_node('crash_net', conf => "restart_after_crash = on\nmax_worker_processes = 16\n");
my $base = fixture_url('');

# A scan that is complete is followed by one for what is new, so that being killed at its end is not reading it twice.
sub api
{
	my ($name, $by, $paging) = @_;
	return "etl_api('$base/api/stream/by=$by/size=150', items => 'items', $paging,"
	  . " params => jsonb_build_object('since', etl_watermark('$name')))";
}
my %pipelines = (
	csv_append => [ "etl_csv('$base/rows/90000')", 90000 ],
	csv_upsert => [ "etl_csv('$base/rows/90000')", 90000 ],
	ndjson_append => [ "etl_json('$base/ndjson/60000')", 60000 ],
	array_append => [ "etl_json('$base/json/30000')", 30000 ],
	gzip_append => [ "etl_csv('$base/rows/30000?gzip=1')", 30000 ],
	api_append => [ api('api_append', 'cursor', "pagination => 'cursor', next => 'next', next_param => 'cursor'"), 75000 ],
	api_upsert => [ api('api_upsert', 'url', "pagination => 'next_url', next => 'next'"), 75000 ],
);
my @names = sort keys %pipelines;
fixture_do('/_stream?n=75000&shift=0&expired=0');

for my $name (@names)
{
	my $upsert = $name =~ /upsert/;
	$node->safe_psql('postgres', "CREATE TABLE $name (id int, name text, CHECK (id % 997 <> 0)" . ($upsert ? ', PRIMARY KEY (id)' : '') . ");
		SELECT etl_create_pipeline('$name', source => \$\$$pipelines{$name}[0] AS t(id int, name text)\$\$,
			target => '$name', batch_size => 100" . ($name =~ /api/ ? ", watermark => 'id'" : '') . ($upsert ? ", key => '{id}'" : '') . ')');
}

srand($ENV{ETL_TEST_SEED} // 42);
my $killed = 0;

# A run may be over before its moment comes, so there are more tries than kills.
for my $kill (1 .. 2 * $kills)
{
	last if $killed == $kills;
	my @clients = map { start_run($node, $_) } $names[ $kill % @names ], $names[ ($kill * 3 + 1) % @names ];
	my @pids = worker_pids($node);
	usleep(int(rand(60_000)));
	$killed += kill('KILL', $pids[ int(rand(@pids)) ]) if @pids;
	$_->finish for @clients;
	wait_for(sub { defined ask($node, 'SELECT 1') }, 'recovery') or die;
}
cmp_ok($killed, '>=', $kills / 2, "runs were killed ($killed times)");
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_runs r WHERE state = 'running'"), '0', 'no run seems to run that does not');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM etl_runs WHERE state = 'crashed'"), '>=', $kills / 2, 'killed runs are shown as crashed');

for my $name (@names)
{
	my $n = $pipelines{$name}[1];
	my $bad = int($n / 997);
	my $good = $n - $bad;
	$node->safe_psql('postgres', "CALL etl_run('$name')");
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE right(name, length(id::text)) <> id::text) FROM $name"),
		"$good|$good|0", "$name: each good record once, as it is there");
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT raw), bool_and(replayable) FROM etl_dead_letters WHERE pipeline = '$name'"),
		"$bad|$bad|t", "$name: each bad record is one dead letter");
	is($node->safe_psql('postgres', "SELECT sum(read), sum(load_failed) FROM etl_runs WHERE pipeline = '$name'"),
		"$n|$bad", "$name: counters of all runs add up to the source");
	is($node->safe_psql('postgres', "SELECT bool_and(read = malformed + convert_failed + converted
			AND emitted = invalid + superseded + load_failed + loaded + skipped) FROM etl_runs WHERE pipeline = '$name'"),
		't', "$name: counters of each run add up");
}

# Of the pages, those alone were asked for twice at which a run was killed, and the one asked for ahead.
my %asked;
$asked{$_->{path}}++ for grep { $_->{path} =~ /by=cursor/ && $_->{path} !~ /since/ } fixture_requests();
my $runs = $node->safe_psql('postgres', "SELECT count(*) FROM etl_runs WHERE pipeline = 'api_append'");
my $again = 0;
$again += $asked{$_} - 1 for keys %asked;
is(scalar(keys %asked), 500, 'each page was asked for');
cmp_ok($again, '<=', $runs * 3, "few of them again ($again times in $runs runs)");

$node->stop;
done_testing();

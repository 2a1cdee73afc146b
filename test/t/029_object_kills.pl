# Runs over objects of a bucket, killed at random moments: the worker, a backend beside it, or the postmaster.  After each kill
# more objects come, and some that were loaded get another version.  In the end each record of each version is there once,
# objects that were to be deleted are, and the store was never asked again for a version that had been read to its end.
#
# KILLS=300 kills so often; ETL_TEST_SEED makes other choices.
use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(wait_for);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'moto is not installed' if !has_store();
my $kills = $ENV{KILLS} // 9;
my $seed = $ENV{ETL_TEST_SEED} // 42;
srand($seed);
diag("seed $seed") if $kills > 9;

start_store();
my $node = PostgreSQL::Test::Cluster->new('kills');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmax_worker_processes = 16\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
store_server($node, 'lake', 's3://lake', options => "auth 'aws', writable 'true'");

my %when_done = (kept => 'keep', gone => 'delete');
for my $name (sort keys %when_done)
{
	$node->safe_psql('postgres', "CREATE TABLE $name (n int, source text);
		SELECT etl_create_pipeline('$name', \$\$etl_csv('lake', path => '$name/*.csv') AS t(n int, _etl_source text)\$\$, target => '$name',
			query => 'SELECT n, _etl_source AS source FROM batch', batch_size => 500, when_done => '$when_done{$name}')");
}

# -- objects ---------------------------------------------------------------------------------------

my %expected = (kept => 0, gone => 0); # records of all versions
my %etags;                             # of the versions that are in the store
my $next = 1;                          # number of the next record
my $objects = 0;

sub put_object
{
	my ($pipeline, $key) = @_;
	my $n = rand() < 0.2 ? 5000 : 700;
	my $body = join("\n", 'n', $next .. $next + $n - 1) . "\n";
	store_do('put', key => $key, body => $body);
	$etags{"/lake/$key"} = '"' . md5_hex($body) . '"';
	$next += $n;
	$expected{$pipeline} += $n;
}

sub put_more
{
	for my $pipeline (sort keys %when_done) { put_object($pipeline, sprintf '%s/%05d.csv', $pipeline, $objects++) for 1 .. 3; }
}

# The keys of the objects of which the version in the store is read to its end.
sub finished
{
	my $parts = $node->safe_psql('postgres', q{SELECT replace(part, 's3:/', ''), version FROM etl_parts WHERE state = 'done'});
	return map { my ($key, $version) = split /\|/; $version eq $etags{$key} ? ($key => 1) : () } split /\n/, $parts;
}

# -- kills -----------------------------------------------------------------------------------------

sub alive { return wait_for(sub { defined ask($node, 'SELECT 1') }, 'recovery') || die "the server does not come back\n"; }

sub kill_postmaster
{
	my $pid = $node->{_pid};
	$node->kill9;
	wait_for(sub { !kill 0, $pid }, 'the postmaster to be gone') or die;
	wait_for(sub { $node->start(fail_ok => 1) }, 'the server to start') or die;
	return 1;
}

sub kill_backend
{
	my $session = $node->background_psql('postgres', on_error_stop => 0, on_error_die => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	my $killed = kill 'KILL', $pid;
	eval { $session->quit; };
	return $killed;
}

sub kill_worker
{
	my @pids = worker_pids($node);
	return @pids ? kill 'KILL', $pids[ int(rand(@pids)) ] : 0;
}

sub kill_something
{
	my $choice = rand();
	return $choice < 0.6 ? kill_worker() : $choice < 0.8 ? kill_backend() : kill_postmaster();
}

# -- rounds ----------------------------------------------------------------------------------------

my ($killed, @again) = (0);
for my $round (1 .. 3 * $kills)
{
	last if $killed == $kills;
	my %finished = finished();
	for my $key (sort keys %finished)
	{
		next if $key !~ /kept/ || rand() > 0.05;
		put_object('kept', $key =~ s{^/lake/}{}r);
		delete $finished{$key};
	}
	put_more();
	store_do('reset');
	my @clients = map { start_run($node, $_) } sort keys %when_done;
	# somewhere on the way: the lists, objects that are read, others that are deleted
	my $moment = 1 + int(rand(24));
	wait_for(sub { store_requests() >= $moment || !grep { $_->pumpable } @clients }, 'requests');
	usleep(int(rand(30_000)));
	$killed += kill_something();
	$_->finish for @clients;
	alive();
	push @again, map { "round $round: $_->{target}" } grep { $_->{method} eq 'GET' && $finished{ $_->{target} } } store_requests();
}
cmp_ok($killed, '>=', $kills / 3, "runs were killed ($killed times)");

$node->safe_psql('postgres', "CALL etl_run('$_')") for sort keys %when_done;
is_deeply(\@again, [], 'no object that was read to its end is asked for again');
for my $name (sort keys %when_done)
{
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT n) FROM $name"), "$expected{$name}|$expected{$name}", "$name: each record is there once");
	is($node->safe_psql('postgres', "SELECT sum(read) FROM etl_runs WHERE pipeline = '$name'"), $expected{$name}, "$name: the counters of all runs say so");
}
is_deeply([ grep { /^gone/ } @{ store_do('keys') } ], [], 'what was to be deleted is');
is($node->safe_psql('postgres', 'SELECT count(*) FROM etl_parts WHERE pending'), '0', 'and nothing is left to be done');

done_testing();

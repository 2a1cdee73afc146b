# Whatever a query waits for on the network, it stops at once when it is told to.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

# What is waited for here never comes: a query that did not stop would be there for ever.
start_fixture();
my $node = net_node('cancel', conf => "etl.http_max_wait = '1h'");
my $columns = 'AS t(id int, name text)';

query($node, "CREATE SERVER slow FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('') . "', rate_limit '1/h')");

sub read_url { return 'SELECT count(*) FROM etl_csv(' . sql_quote($_[0]) . ") $columns"; }
my $limited = "SELECT count(*) FROM etl_csv('slow', path => '/rows/3') $columns";

my @phases = (
	[ 'resolving a name', read_url('http://hang.test/') ],
	[ 'connecting', read_url(fixture_url('/', 'full')) ],
	[ 'shaking hands', read_url(fixture_url('/', 'silent_tls')) ],
	[ 'waiting for a head', read_url(fixture_url('/rows/3?silent=head')) ],
	[ 'waiting for a body', read_url(fixture_url('/rows/1000?silent=5000')) ],
	[ 'reading a slow body', read_url(fixture_url('/rows/100000?drip=20')) ],
	[ 'backing off', 'SET etl.http_retry_budget = \'1h\'; ' . read_url(fixture_url('/rows/3?status=503&retry_after=3000')) ],
	[ 'waiting for the rate limit', "$limited; $limited" ],
);

# The process that runs a statement, once it waits where we want it.
sub waiting_backend
{
	my $pid;
	wait_for(
		sub {
			$pid = query($node, "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Extension'"
				  . " AND backend_type = 'client backend' AND state = 'active'");
			return $pid ne '';
		},
		'a wait');
	return $pid;
}

for my $phase (@phases)
{
	my ($name, $sql) = @$phase;
	for my $end ('pg_cancel_backend', 'pg_terminate_backend')
	{
		my $session = start_psql($node, split /; /, $sql);
		my $pid = waiting_backend();
		query($node, "SELECT $end($pid)");
		my $messages = finish_psql($session);
		ok(defined $messages, "$end ends a session while $name") or kill('KILL', $pid);
		like($messages // '', qr/57014|57P01/, 'and stops the query');
		ok(wait_for(sub { query($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' }, 'the end'),
			'and its backend is gone');
	}

	my @statements = split /; /, $sql;
	my $session = start_psql($node, @statements[ 0 .. $#statements - 1 ], "SET statement_timeout = '200ms'", $statements[-1]);
	my $messages = finish_psql($session);
	ok(defined $messages, "statement_timeout ends one while $name")
	  or kill('KILL', waiting_backend());
	like($messages // '', qr/57014: canceling statement due to statement timeout/, 'and stops the query');
}

# A transaction that is rolled back around a cancelled request leaves a session that works.
my ($code, $out, $err) = $node->psql('postgres', join(";\n", 'BEGIN', "SET LOCAL statement_timeout = '100ms'", 'SAVEPOINT s',
		read_url('http://hang.test/'), 'ROLLBACK TO s', 'SET LOCAL statement_timeout = 0', read_url(fixture_url('/rows/3')), 'COMMIT'),
	on_error_stop => 0);
is($out, '3', 'the session goes on after a cancelled request');

# Many at once: each leaves a thread behind that hangs in the resolver, and none of them holds anything up.
my $session = start_psql($node, (map { ('BEGIN', "SET LOCAL statement_timeout = '50ms'", read_url('http://hang.test/'), 'ROLLBACK') } 1 .. 10),
	"DO 'BEGIN RAISE NOTICE ''the end''; END'");
like(finish_psql($session) // '', qr/(57014.*){10}the end/s, 'ten cancelled requests');

# The server itself stops while requests hang.
my @sessions = map { start_psql($node, read_url($_)) } 'http://hang.test/', fixture_url('/', 'silent_tls'),
  fixture_url('/rows/3?silent=head');
ok(wait_for(sub { query($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension'"
				. " AND backend_type = 'client backend'") eq '3' }, 'three waits'), 'three hanging requests');
ok($node->stop('fast', fail_ok => 1), 'do not keep the server from stopping');
finish_psql($_) for @sessions;

done_testing();

# Retries, circuit breakers and rate limits: what is asked again, when, and what is spared.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
# A breaker that is open stays so until the test says otherwise, by a session's own etl.breaker_pause.
my $node = net_node('alone', conf => "etl.breaker_pause = '1h'\n");
my $columns = 'AS t(id int, name text)';
my $origin = fixture_url('');

sub rows_of { return "etl_csv(" . sql_quote($_[0]) . ") $columns"; }
sub read_url { return 'SELECT count(*) FROM ' . rows_of(fixture_url($_[0])); }
sub requests { return scalar(my @all = fixture_requests()); }

# Seconds between the requests that were made.
sub gaps
{
	my @times = map { $_->{time} } fixture_requests();
	return map { $times[$_] - $times[ $_ - 1 ] } 1 .. $#times;
}

# -- which answers are asked again ----------------------------------------------------------------

for my $status (408, 425, 500, 502, 504)
{
	fixture_reset();
	is(query($node, read_url("/rows/3?status=$status&times=2")), '3', "$status twice, then an answer");
	is(requests(), 3, "$status: three requests");
}
fixture_reset();
query_fails($node, read_url('/rows/3?status=502'), '58030', qr/HTTP status 502, in attempt 3/, '502 for ever');
is(requests(), 3, 'is given up after three requests');
for my $status (400, 403, 404, 409, 422, 501, 505)
{
	fixture_reset();
	query_fails($node, read_url("/rows/3?status=$status&times=1"), '\w+', qr/HTTP status $status/, "status $status");
	is(requests(), 1, "$status is not asked again");
}
fixture_reset();
query_fails($node, read_url('/raw?text='), '08006', qr/the connection was lost/, 'no answer at all');
is(requests(), 3, 'is asked again');
fixture_reset();
query_fails($node, 'SET etl.http_max_attempts = 5; ' . read_url('/rows/3?status=500'), '58030', qr/attempt 5/,
	'max_attempts');
is(requests(), 5, 'is obeyed');
like(
	query($node, 'EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM ' . rows_of(fixture_url('/rows/3?status=500&times=2&e'))),
	qr/Requests: 3\n.*Retries: 2\n/, 'EXPLAIN ANALYZE counts them');
fixture_reset();
is(query($node, read_url('/chain/3?e')), '10', 'a redirect');
is(requests(), 4, 'is not an attempt');

# -- how long it takes ----------------------------------------------------------------------------

fixture_reset();
query($node, read_url('/rows/3?status=502'));
is(requests(), 3, 'back-offs end');

for my $status (429, 503)
{
	fixture_reset();
	is(query($node, read_url("/rows/3?status=$status&times=2&patience")), '3', "$status without a time");
	my @gaps = gaps();
	cmp_ok($gaps[0], '>=', 1, "is waited for a second ($gaps[0])");
	cmp_ok($gaps[1], '>=', 2, "then two ($gaps[1])");
}

for my $asked ('1', '0.6', '1s')
{
	fixture_reset();
	is(query($node, read_url("/rows/3?status=503&times=1&retry_after=$asked")), '3', "Retry-After: $asked");
	my ($seconds) = $asked =~ /([\d.]+)/;
	cmp_ok((gaps())[0], '>=', $seconds, 'is waited in full');
}
for my $form ('date', 'rfc850', 'asctime', 'epoch')
{
	fixture_reset();
	is(query($node, read_url("/rows/3?status=429&times=1&retry_after=$form:2")), '3', "Retry-After as $form");
	my @times = map { $_->{time} } fixture_requests();
	cmp_ok($times[1], '>=', int($times[0]) + 2, 'is waited for');
}
fixture_reset();
is(query($node, "SET etl.http_max_wait = '5s'; " . read_url('/skewed?times=1')), '3', 'a server whose clock is ahead');
cmp_ok((gaps())[0], '>=', 1, 'is waited for on its own clock');

fixture_reset();
my $err = query_fails($node, read_url('/rows/3?status=429&retry_after=3600'), '53400',
	qr/the server asks to wait 3600\.000 seconds/, 'a long wait');
like($err, qr/HTTP status 429\. It may be asked again at \d{4}-\d\d-\d\d /, 'is an error that names the time');
is(requests(), 1, 'at once');
fixture_reset();
query_fails($node, "SET etl.http_max_wait = '500ms'; " . read_url('/rows/3?status=503&retry_after=0.6'), '53400',
	qr/asks to wait 0\.600 seconds/, 'max_wait is obeyed');
fixture_reset();
query_fails($node, "SET etl.http_retry_budget = '500ms'; " . read_url('/rows/3?status=503&retry_after=0.6'), '58030',
	qr/HTTP status 503/, 'the budget is obeyed');
is(requests(), 1, 'a wait beyond it is not begun');
is(query($node, "SET etl.http_retry_budget = '300ms'; " . read_url('/rows/60?drip=4&drop=200&times=1')), '60',
	'it begins with the first failure, however long the body took until then');

# -- timeouts -------------------------------------------------------------------------------------

my $quick = "SET etl.http_connect_timeout = '300ms'; SET etl.http_read_timeout = '300ms';"
  . ' SET etl.http_max_attempts = 1; ';
for my $silent (
	[ fixture_url('/', 'full'), 'connecting' ],
	[ fixture_url('/', 'silent_tls'), 'shaking hands' ],
	[ 'http://hang.test/', 'resolving the name' ],
	[ fixture_url('/', 'silent'), 'waiting for a head' ],
	[ fixture_url('/rows/3?silent=head'), 'waiting for a head as well' ],
	[ fixture_url('/rows/3?silent=20'), 'waiting for a body' ])
{
	my ($url, $phase) = @$silent;
	query_fails($node, $quick . 'SELECT * FROM ' . rows_of($url), '08006', qr/the server took too long/,
		"a timeout while $phase");
}
fixture_reset();
is(query($node, "SET etl.http_read_timeout = '2s'; SET etl.http_max_attempts = 1; " . read_url('/rows/10?drip=25')), '10',
	'a slow body is not a silent one');
is(query($node, "SET etl.http_read_timeout = '300ms'; " . read_url('/rows/1000?silent=5000&times=1')), '1000',
	'a body that falls silent goes on with another request');

# Requests that were sent ahead of their need: libcurl's clock runs while nobody fetches.
query($node, 'CREATE SERVER ahead FOREIGN DATA WRAPPER etl OPTIONS (url ' . sql_quote(fixture_url('', 'https'))
	  . ", ca_file '" . fixture_dir() . "/ca.crt', connect_timeout '3s', max_attempts '1')");
is( query($node, "SET etl.http_buffer_size = '32kB'; BEGIN; DECLARE c CURSOR FOR SELECT id FROM"
			. " etl_api('ahead', '/api/github/n=40000/size=20000', pagination => 'github') AS t(id int);"
			. ' MOVE 1 FROM c; SELECT pg_sleep(3.2); MOVE 39998 FROM c; FETCH ALL FROM c'),
	"\n40000", 'a connection is not late because nobody waited for it');

# -- the breaker ----------------------------------------------------------------------------------

my $breaker = 'SELECT state, failures FROM etl_breakers WHERE origin = ' . sql_quote($origin);

# Statements of one session, of which some fail; what it prints.
sub session
{
	my ($on, @statements) = @_;
	my ($code, $out, $err) = $on->psql('postgres', join(";\n", @statements), on_error_stop => 0);
	return wantarray ? ($out, $err) : $out;
}

my $fail = read_url('/rows/3?status=500');
my $once = 'SET etl.http_max_attempts = 1';
# In the session that says so: its next request is the probe.
my $pause_is_over = "SET etl.breaker_pause = '1ms'; SELECT pg_sleep_until(probe_at) FROM etl_breakers WHERE state = 'open'";

is(session($node, $once, ($fail) x 4, $breaker), 'closed|4', 'four failures');
fixture_reset();
my ($out, $stderr) = session($node, $once, ($fail) x 8, $breaker);
is($out, 'open|5', 'five failures open the breaker');
is(requests(), 5, 'and then nothing is sent');
like($stderr, qr/requests to "\Q$origin\E" are suspended after repeated failures\nDETAIL:  The next one may be sent in 3[56]\d\d\.\d seconds/,
	'but an error that says for how long');
is(session($node, $once, ($fail) x 4, read_url('/rows/3'), $breaker), "3\nclosed|0", 'a success starts anew');
is(session($node, $once, (read_url('/status/404')) x 8, $breaker), 'closed|0', '4xx is no failure');
is(session($node, $once, (read_url('/status/429')) x 8, $breaker), 'closed|0', 'neither is 429');
is(session($node, $once, ($fail) x 3, (read_url('/status/404')) x 1, $breaker), 'closed|0',
	'who says 404 is alive');
is(session($node, $once, (read_url('/rows/1000?drop=100&validator=none')) x 5, $breaker), 'open|5',
	'a lost connection is a failure');
is(session($node, $once, ('BEGIN', "SET LOCAL statement_timeout = '100ms'", read_url('/rows/3?silent=head'), 'ROLLBACK') x 6, $breaker),
	'closed|0', 'a cancelled request is no failure');
is(session($node, $once, ($fail) x 5, 'SELECT etl_breaker_reset(' . sql_quote("$origin/x") . ')',
		read_url('/rows/3'), $breaker),
	"t\n3\nclosed|0", 'etl_breaker_reset');
is(session($node, "SELECT etl_breaker_reset('http://nobody.example')"), 'f', 'of an unknown origin');
is(session($node, 'SELECT * FROM etl_breakers'), '', 'each session has its own breakers');
is(session($node, $once, ($fail) x 6, $pause_is_over, read_url('/rows/3'), $breaker), "\n3\nclosed|0",
	'after the pause a probe goes out, and closes it');
is(session($node, $once, ($fail) x 6, $pause_is_over, $fail, 'RESET etl.breaker_pause', $fail, $breaker), "\nopen|6", 'or leaves it open');
fixture_reset();
($out, $stderr) = session($node, 'SET etl.breaker_failures = 2', $fail);
is(requests(), 2, 'the retries of one query stop when the breaker opens');
like($stderr, qr/HTTP status 500/, 'and tell what happened');

# -- shared by all backends -----------------------------------------------------------------------

my $shared = net_node('together', preload => 1, conf => "etl.breaker_pause = '1h'\n");

sub open_breaker
{
	session($shared, 'SELECT etl_breaker_reset(' . sql_quote($origin) . ')', $once, ($fail) x 5);
	is(query($shared, $breaker), 'open|5', 'open in all sessions');
	return;
}

open_breaker();
fixture_reset();
query_fails($shared, $fail, '08006', qr/are suspended/, 'the failures of one session spare the service another');
is(requests(), 0, 'nothing is sent');

# Another role has a breaker of its own, and room for it, whatever this one does.
$shared->safe_psql('postgres', q(CREATE ROLE other SUPERUSER; CREATE ROLE third SUPERUSER;));
is(session($shared, 'SET ROLE other', read_url('/rows/3')), '3', 'but those of one role do not keep out another');
is(query($shared, $breaker . ' ORDER BY role'), "open|5\nclosed|0", 'each has its own breaker');
session($shared, 'SET ROLE third', "SET etl.http_connect_timeout = '1s'", $once,
	map { "SELECT count(*) FROM etl_csv('http://127.0.0.2:$_/x') $columns" } 20000 .. 20600);
is(query($shared, "SELECT count(*) FROM etl_breakers WHERE role = 'third'::regrole"), '64', 'a role that asks many origins has so many breakers');
is(query($shared, $breaker . ' ORDER BY role'), "open|5\nclosed|0", 'and others keep theirs');
is(query($shared, 'SELECT etl_breaker_reset(' . sql_quote($origin) . ')'), 't', 'etl_breaker_reset');
is(query($shared, $breaker . ' ORDER BY role'), "closed|0\nclosed|0", 'closes those of all roles');
$breaker .= " AND role = CURRENT_USER::regrole";
session($shared, $once, ($fail) x 5);

# A probe that hangs keeps everybody else out, until its query is cancelled or its backend is gone.
for my $end ('pg_cancel_backend', 'pg_terminate_backend')
{
	open_breaker();
	my $probe = $shared->background_psql('postgres', on_error_stop => 0);
	my $pid = $probe->query('SELECT pg_backend_pid()');
	$probe->query($pause_is_over);
	$probe->query_until(qr/sent/, "\\echo sent\n" . read_url('/rows/3?silent=head') . ";\n");
	ok(wait_for(sub { query($shared, $breaker) =~ /^half-open/ }, 'the probe'), 'a probe is under way');
	is(query($shared, 'SELECT probe_pid FROM etl_breakers WHERE state = \'half-open\''), $pid, 'and whose it is');
	query_fails($shared, read_url('/rows/3'), '08006', qr/whether it works again is under way/, 'nobody else gets through');
	query($shared, "SELECT $end($pid)");
	ok(wait_for(sub { query($shared, $breaker) !~ /^half-open/ }, 'its end'), "$end frees its place");
	is(query($shared, "$pause_is_over; " . read_url('/rows/3')), "\n3", 'for the next probe');
	is(query($shared, $breaker), 'closed|0', 'which closes the breaker');
	$probe->{run}->kill_kill;
}

# A cursor that is to be read to its end asks for its next page ahead, but nobody may ever read on: that is no probe.
{
	query($shared, 'SELECT etl_breaker_reset(' . sql_quote($origin) . ')');
	my $reader = $shared->background_psql('postgres', on_error_stop => 0);
	$reader->query('SET cursor_tuple_fraction = 1; BEGIN');
	$reader->query('DECLARE c CURSOR FOR SELECT id FROM etl_api(' . sql_quote(fixture_url('/api/notion/n=50/size=10'))
		  . ", pagination => 'notion') AS t(id int)");
	is($reader->query('FETCH 1 FROM c'), '1', 'a cursor on the first of five pages');
	open_breaker();
	like($reader->query('FETCH 10 FROM c'), qr/11$/, 'reads the second one, which had been asked for');
	is(query($shared, $breaker), 'open|5', 'and asks for no third one while the breaker is open');
	is(query($shared, "$pause_is_over; " . read_url('/rows/3')), "\n3", 'so that others can probe');
	like($reader->query('FETCH ALL FROM c'), qr/50$/, 'and then the cursor reads on');
	$reader->quit;
}

# Exactly one of many that come at the same moment.
open_breaker();
fixture_reset();
my @crowd = map { start_psql($shared, split(/; /, $pause_is_over), read_url('/rows/3?silent=head')) } 1 .. 6;
ok(wait_for(sub { (grep { $_->pumpable && $_->pump_nb } @crowd) == 1 }, 'all but one'),
	'of six sessions five are refused');
is(requests(), 1, 'and one request is sent');
query($shared, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%silent%' AND pid <> pg_backend_pid()");
$_->finish for @crowd;

# -- rate limits ----------------------------------------------------------------------------------

query($shared, 'SELECT etl_breaker_reset(' . sql_quote($origin) . ')');
# Of three sessions two have what an hour allows, and the third waits for the next.
query($shared, "CREATE SERVER hourly FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'other') . "', rate_limit '2/h')");
fixture_reset();
@crowd = map { start_psql($shared, "SELECT count(*) FROM etl_csv('hourly', path => '/rows/3') $columns") } 1 .. 3;
ok(wait_for(sub { (grep { $_->pumpable && $_->pump_nb } @crowd) == 1 && query($shared, q(SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'client backend' AND wait_event_type = 'Extension')) eq '1' }, 'all but one'), 'of three sessions one waits');
is(requests(), 2, 'two have sent their requests');
query($shared, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%hourly%' AND pid <> pg_backend_pid()");
$_->finish for @crowd;

query($shared, "CREATE SERVER slow FOREIGN DATA WRAPPER etl OPTIONS (url '$origin', rate_limit '2/s')");
my $limited = "SELECT count(*) FROM etl_csv('slow', path => '/rows/3') $columns";
fixture_reset();
@crowd = map { start_psql($shared, $limited, $limited) } 1 .. 3;
$_->finish for @crowd;
my @times = sort map { $_->{time} } fixture_requests();
is(scalar @times, 6, 'six requests of three sessions');
cmp_ok($times[5] - $times[0], '>', 1, 'take their time');
like(query($shared, "EXPLAIN (ANALYZE, COSTS OFF) SELECT FROM etl_csv('slow', path => '/rows/3') $columns,"
			. " etl_csv('slow', path => '/rows/3') AS u(id int, name text), etl_csv('slow', path => '/rows/3') AS v(id int, name text)"),
	qr/Waited: [1-9]\d* ms/, 'EXPLAIN ANALYZE shows the wait');

# A limit is one of its server: requests of others, to the same origin, count for nothing.
query($shared, "CREATE SERVER strict FOREIGN DATA WRAPPER etl OPTIONS (url '$origin', rate_limit '1/h')");
my $strict = "SELECT count(*) FROM etl_csv('strict', path => '/rows/3') $columns";
query($shared, read_url('/rows/3'));
is(query($shared, $strict), '3', 'what is sent without the server does not use up its limit');
is(session($shared, 'SET ROLE other', "SET statement_timeout = '300ms'", $strict), '', 'whoever uses the server shares it');
session($shared, 'SET ROLE other', $once,
	map { "SELECT count(*) FROM etl_csv('http://127.0.0.2:$_/x') $columns" } 20000 .. 20100);
is(session($shared, 'SET ROLE other', "SET statement_timeout = '300ms'", $strict), '', 'and cannot have it forgotten');

# What to do next is said to who can do it.
$shared->safe_psql('postgres', 'CREATE SERVER shop FOREIGN DATA WRAPPER etl OPTIONS (url ' . sql_quote($origin) . q{, allow_private 'true');
	CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE nobody; GRANT USAGE ON FOREIGN SERVER shop TO watcher, nobody;
	DO $$ DECLARE f regprocedure; BEGIN
		FOR f IN SELECT oid FROM pg_proc WHERE proname = 'etl_csv' LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO watcher, nobody', f);
		END LOOP;
	END $$;});
my $failing = "SELECT count(*) FROM etl_csv('shop', path => '/rows/3?status=500') $columns";
for my $who ([ scalar getpwuid($<), 'The view etl_breakers has more; etl_breaker_reset() lets requests through at once' ],
	[ 'watcher', 'The view etl_breakers has more; a superuser can call etl_breaker_reset() to let requests through' ],
	[ 'nobody', 'Try again later; a superuser can call etl_breaker_reset() to let requests through at once' ])
{
	($out, $stderr) = session($shared, "SET ROLE $who->[0]", $once, ($failing) x 6);
	like($stderr, qr/are suspended after repeated failures\nDETAIL:.*\nHINT:  \Q$who->[1]\E/, "a hint for $who->[0]");
}
$shared->safe_psql('postgres', q(DROP SERVER shop; DROP OWNED BY watcher, nobody; DROP ROLE watcher, nobody));

$node->stop;
$shared->stop;
done_testing();

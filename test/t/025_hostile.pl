# Servers and users who mean harm: what they choose the size of costs little, and secrets stay out of sight.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('hostile', conf => "etl.breaker_failures = 1000\netl.http_max_attempts = 1\n");
my $port = fixture_port();
my $columns = 'AS t(id int, name text)';

sub server
{
	my ($options, $mapping) = @_;
	$node->safe_psql('postgres', "DROP SERVER IF EXISTS shop CASCADE;"
		  . " CREATE SERVER shop FOREIGN DATA WRAPPER etl OPTIONS (url 'http://127.0.0.1:$port'" . ($options ? ", $options" : '') . ');'
		  . ($mapping ? " CREATE USER MAPPING FOR PUBLIC SERVER shop OPTIONS ($mapping);" : ''));
	return;
}
sub read_server { return "SELECT * FROM etl_csv('shop', path => " . sql_quote($_[0]) . ") $columns"; }
sub plan_of { return "EXPLAIN (COSTS OFF) SELECT * FROM etl_csv($_[0]) $columns"; }

# -- secrets that a server shows in a form of its own ---------------------------------------------

my $token = 'pa"ss\\word&long/x';
my @forms = qw(json slashes unicode html entities percent twice nested printable csv repr);
for my $auth ([ 'bearer', 'token' ], [ 'header', 'key' ], [ 'query', 'key' ])
{
	server("auth '$auth->[0]'", "$auth->[1] " . sql_quote($token));
	for my $form (@forms)
	{
		my $err = query_fails($node, read_server("/parrot/$form"), '42501', qr/The response begins: .*\*\*\*/, "$auth->[0], shown as $form");
		unlike($err, qr/pa.{0,9}ss|word|long|%70|u0070|#112/, 'is masked');
	}
}
server("auth 'basic'", "user 'me', password " . sql_quote($token));
unlike(query_fails($node, read_server("/parrot/$_"), '42501', qr/\*\*\*/, "basic, shown as $_"), qr/Basic [a-zA-Z0-9]/, 'is masked')
  for @forms;
server("headers '{\"X-API-Key\": \"se+cret/word\"}'");
unlike(query_fails($node, read_server("/parrot/$_"), '42501', qr/\*\*\*/, "a header, shown as $_"), qr/cret|word/, 'is masked')
  for @forms;

# -- URLs that are not ----------------------------------------------------------------------------

for my $url ('http:/me:PASSW0RD@h/x', 'https//me:PASSW0RD@h/x', 'http:me:PASSW0RD@h/x', 'me:PASSW0RD@h/x?k=SEKRET', '//me:PASSW0RD@h/x',
	' http:/me:PASSW0RD@h/x')
{
	my $err = query_fails($node, 'SELECT * FROM etl_csv(' . sql_quote($url) . ") $columns", '22023', qr/invalid URL/, "$url is an error");
	unlike($err =~ s/LINE .*//sr, qr/PASSW0RD|SEKRET/, 'that does not show the password');
	unlike(query($node, plan_of(sql_quote($url))), qr/PASSW0RD|SEKRET/, 'nor does EXPLAIN');
}
for my $expression (q(concat('http:', '//u:PASSW0RD@h/?key=SEKRET')), q('http:' || chr(47) || '/u:PASSW0RD@h/?key=SEKRET' || now()),
	q(format('http://%s', U&'u:PASSW0RD@h''SEKRET' || random())),
	q((SELECT 'PASSW0RD' || current_user || E'it\\'s SEKRET' OFFSET 0)))
{
	my $plan = query($node, plan_of("lower(concat($expression, clock_timestamp()))"));
	unlike($plan =~ s/InitPlan.*//sr, qr/PASSW0RD|SEKRET/, "EXPLAIN of $expression");
	like($plan, qr/Source: .*concat/, 'shows what is called');
}

# -- what others choose the size of ---------------------------------------------------------------

sub follow
{
	return "SELECT * FROM etl_api('http://127.0.0.1:$port', '/lure?$_[0]', items => 'data', pagination => 'next_url', next => 'next') AS t(id int)";
}
my $err = query_fails($node, follow('count=5000'), '42501', qr/HTTP status 403/, 'a next URL of thousands of parameters');
cmp_ok(length $err, '<', 3000, 'is shown at no length');
unlike($err, qr/b00\d\d\d\d/, 'and without its values');
query_fails($node, follow('bytes=60000'), '42501', qr/HTTP status 403/, 'a next URL of 60 kB');
for my $lure ('count=8000', 'bytes=65537', 'bytes=3000000')
{
	$err = query_fails($node, follow($lure), '08P01', qr/the URL of the next page cannot be followed\nDETAIL:  The URL is longer than 64 kB/,
		"a next URL: $lure");
	cmp_ok(length $err, '<', 3000, 'is not shown at length either');
}
query_fails($node, "SELECT * FROM etl_csv('http://127.0.0.1:$port/' || repeat('x', 70000)) $columns", '22023', qr/longer than 64 kB/,
	'a URL of a user');
server();
query_fails($node, "SELECT * FROM etl_csv('shop', path => repeat('x', 70000)) $columns", '22023', qr/longer than 64 kB/, 'a path');
query_fails($node, "SELECT * FROM etl_csv('shop', path => '/redirect/302?to=/' || repeat('x', 65500)) $columns", '54000',
	qr/the URL of the request is longer than 64 kB/, 'a path that makes a URL too long');

sub params { return "SELECT * FROM etl_api('shop', '/rows/3', params => $_[0], pagination => 'none', format => 'csv') AS t(id int)"; }
sub object { return "(SELECT jsonb_object_agg('p' || i, $_[1]) FROM generate_series(1, $_[0]) i)"; }
is(query($node, params(object(1000, 'i')) . ' LIMIT 1'), '1', 'a thousand parameters');
query_fails($node, params(object(1001, 'i')), '22023', qr/argument "params" has more than 1000 parameters/, 'and one more');
query_fails($node, params(q((SELECT jsonb_build_object('a', jsonb_agg(i)) FROM generate_series(1, 100000) i))), '22023',
	qr/more than 1000 parameters/, 'of one name');
query_fails($node, params(object(10, q(repeat('x', 7000)))), '22023', qr/the parameters make a URL of more than 64 kB/,
	'parameters that are too long together');
query_fails($node, params(q(jsonb_build_object('a', repeat('{key}', 5000)))) =~ s/pagination => 'none'/pagination => 'none', key => repeat('k', 5000)/r,
	'54000', qr/the request is too large with what takes the place of \{key\}/, 'a parameter that grows');
query_fails($node, params(q('{}')) =~ s/params => '\{\}'/'headers => ' . object(101, 'i')/er, '22023',
	qr/argument "headers" has more than 100 headers/, 'headers');
query_fails($node, "CREATE SERVER more FOREIGN DATA WRAPPER etl OPTIONS (url 'http://x', headers '{"
	  . join(',', map { qq("X-$_": "x") } 1 .. 101) . "}')", 'HV024', qr/at most 100 headers/, 'headers of a server');

query_fails($node, "SELECT * FROM etl_csv('http://127.0.0.1:$port/long_line/$_') $columns", '08006',
	qr/the response is not one of HTTP\nDETAIL:  The HTTP library says: the header of the response is too large/, "a header of $_ kB")
  for 60, 90, 200, 1000;

# -- paths that are below their server ------------------------------------------------------------

$node->safe_psql('postgres', "ALTER SERVER shop OPTIONS (SET url 'http://127.0.0.1:$port/rows')");
for my $path ('/%2e%2e/echo', '/%252e%252e/echo', '/..%25252fecho', '/%25252525252525252525252e%2e/echo', '/%252e%2e;/echo')
{
	query_fails($node, read_server($path), '22023', qr/leads out of the URL/, "$path leads out");
}

# -- everything that was written down -------------------------------------------------------------

my @leaks = grep { /PASSW0RD|SEKRET|ss.{1,5}word/ && !/STATEMENT|statement:|OPTIONS|CREATE|LINE|^\s/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @leaks), '', 'no secret in the log of the server');

$node->stop;
done_testing();

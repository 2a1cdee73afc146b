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
query_fails($node, params(q(jsonb_build_object('a', repeat('{key}', 5000)))) =~ s/pagination => 'none'/pagination => 'none', options => jsonb_build_object('key', repeat('k', 5000))/r,
	'54000', qr/the request is too large with what takes the place of \{key\}/, 'a parameter that grows');
query_fails($node, params(q('{}')) =~ s/params => '\{\}'/'headers => ' . object(101, 'i')/er, '22023',
	qr/argument "headers" has more than 100 headers/, 'headers');
query_fails($node, "CREATE SERVER more FOREIGN DATA WRAPPER etl OPTIONS (url 'http://x', headers '{"
	  . join(',', map { qq("X-$_": "x") } 1 .. 101) . "}')", 'HV024', qr/at most 100 headers/, 'headers of a server');

query_fails($node, "SELECT * FROM etl_csv('http://127.0.0.1:$port/long_line/$_') $columns", '08006',
	qr/the response is not one of HTTP\nDETAIL:  The HTTP library says: the header of the response is too large/, "a header of $_ kB")
  for 60, 90, 200, 1000;

$err = query_fails($node, "SELECT * FROM etl_api('http://127.0.0.1:$port', '/long_names/300') AS t(id int)", '22023', qr/DETAIL|HINT/, 'names of 300 kB');
cmp_ok(length $err, '<', 10000, 'are not quoted in full');

# White space is held where the page is looked at as a whole, and only so much of it.
for my $path ('/blank', '/blank/{"items":[]}', '/blank/[]')
{
	query_fails($node, "SET etl.max_item_size = '1MB'; SELECT * FROM etl_api('http://127.0.0.1:$port', " . sql_quote($path) . ') AS t(id int)',
		'54000', qr/the page is too large for its paging to be detected/, "white space for ever: $path") if $path ne '/blank/[]';
	server("max_body '3MB'");
	query_fails($node, "SELECT * FROM etl_api('shop', " . sql_quote($path) . ", pagination => 'none') AS t(id int)",
		'54000', qr/the answer is too large\nDETAIL:  Server "shop" allows 3072 kB for one/, "max_body: $path");
}
server("max_body '10kB'");
is(query($node, 'SELECT count(*) FROM (' . read_server('/rows/100') . ') r'), '100', 'an answer within max_body');
query_fails($node, read_server('/rows/10000'), '54000', qr/the answer is too large/, 'and one that is not');
server("max_answer_time '500ms'");
query_fails($node, read_server($_), '08006', qr/the answer takes too long.*\nDETAIL:  Server "shop" allows 0.500 seconds/, "max_answer_time: $_")
  for '/rows/1000?drip=20', '/rows/3?silent=head', '/rows/3?silent=10';
server("max_answer_time '5s'");
is( query($node, "BEGIN; DECLARE c CURSOR FOR SELECT id FROM etl_csv('shop', path => '/rows/3') $columns; FETCH 1 FROM c; SELECT pg_sleep(5.1);"
		. ' FETCH ALL FROM c'), "1\n\n2\n3", 'time in which nobody reads does not count');

# -- what the server says -------------------------------------------------------------------------

server("auth 'bearer'", "token 'not-to-be-shown'");
for my $status ([ 200, 'HV000' ], [ 400, '22023' ], [ 403, '42501' ])
{
	$err = query_fails($node, "SELECT * FROM etl_api('shop', '/quota/$status->[0]', pagination => 'graphql', next => 'data.next', body => '{}', items => 'data.x') AS t(id int)",
		$status->[1], qr/DETAIL:  .*Quota of .*\*\*\*.* is used up/, "an error in the body, status $status->[0]");
	unlike($err, qr/shown/, 'without the token');
}
for my $coding (qw(gzip zstd br twice))
{
	query_fails($node, "SELECT * FROM etl_api('shop', '/json/3?encoding=$coding'$_) AS t(id int)", '0A000',
		qr/the page is compressed, though it was asked for as it is\nDETAIL:  Its Content-Encoding is/, "a page in $coding")
	  for '', ", pagination => 'none'";
}

# -- whose secrets go where -----------------------------------------------------------------------

# Who owns a server gets the secrets of its mappings, but none out of files that he may not read.
append_to_file(fixture_dir() . '/token', "token-of-file\n");
$node->safe_psql('postgres', "CREATE ROLE seller; GRANT USAGE ON FOREIGN DATA WRAPPER etl TO seller; ALTER SERVER shop OWNER TO seller;"
	  . " ALTER SERVER shop OPTIONS (ADD allow_private 'true'); CREATE USER MAPPING FOR @{[ scalar getpwuid $< ]} SERVER shop OPTIONS (token_file '"
	  . fixture_dir() . "/token')");
my $other = fixture_port('other');
fixture_reset();
query_fails($node, read_server('/rows/3'), '42501', qr/permission denied to send a secret of a file to server "shop"/, 'a file, to a server of a role that reads none');
sub for_origins { $node->safe_psql('postgres', "ALTER USER MAPPING FOR @{[ scalar getpwuid $< ]} SERVER shop OPTIONS ($_[0] allowed_origins '$_[1]')"); return; }
for_origins('ADD', "http://127.0.0.1:$port");
is(query($node, 'SELECT count(*) FROM (' . read_server('/rows/3') . ') r'), '3', 'unless the mapping says for which origin it is');
is((fixture_requests())[-1]{headers}{authorization}, 'Bearer token-of-file', 'which gets it');
$node->safe_psql('postgres', "ALTER SERVER shop OPTIONS (SET url 'http://127.0.0.1:$other')");
query_fails($node, read_server('/rows/3'), '42501', qr/the secrets of the user mapping are not for origin "http:..127.0.0.1:$other"/, 'another URL of the server');
for my $option ('DROP allowed_origins', "SET allowed_origins 'http://127.0.0.1:$other'")
{
	query_fails($node, "SET ROLE seller; ALTER USER MAPPING FOR @{[ scalar getpwuid $< ]} SERVER shop OPTIONS ($option)", '42501',
		qr/permission denied to set option "token_file"/, "its owner: $option");
}
$node->safe_psql('postgres', "ALTER SERVER shop OPTIONS (SET url 'http://127.0.0.1:$port', ADD token_url 'http://127.0.0.1:$other/token', SET auth 'oauth2');"
	  . " ALTER USER MAPPING FOR @{[ scalar getpwuid $< ]} SERVER shop OPTIONS (ADD client_id 'x', ADD client_secret_file '" . fixture_dir() . "/token')");
query_fails($node, read_server('/rows/3'), '42501', qr/are not for origin "http:..127.0.0.1:$other"/, 'another URL of the token service');
$node->safe_psql('postgres', "ALTER SERVER shop OPTIONS (DROP token_url, SET auth 'bearer', ADD allowed_origins 'http://127.0.0.1:$other')");
fixture_reset();
query_fails($node, "SELECT * FROM etl_api('shop', '/lure?next=http://127.0.0.1:$other/lure', items => 'data', pagination => 'next_url', next => 'next') AS t(id int)",
	'42501', qr/the next page is at another origin/, 'another origin that the server allows');
is(scalar(grep { $_->{port} == $other } fixture_requests()), 0, 'nothing is sent there');

# -- paths that are below their server ------------------------------------------------------------

server();
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

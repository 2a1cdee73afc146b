# Reading over http: what comes through whole, what is an error, and what is left behind.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
# Each of many deliberate failures must meet an open door, and no test wait for a back-off of seconds.
my $node = net_node('http', conf => "etl.breaker_failures = 1000\n");

my $columns = 'AS t(id int, name text)';

sub rows_of { return "etl_csv(" . sql_quote($_[0]) . ") $columns"; }

# Count and sum of /rows/N tell whether all rows came, once each.
sub check_rows
{
	my ($path, $n, $name) = @_;
	my $sum = $n * ($n + 1) / 2;
	is(query($node, "SELECT count(*), sum(id) FROM " . rows_of(fixture_url($path))), "$n|$sum", $name);
}

# -- what comes through ---------------------------------------------------------------------------

is(query($node, "SELECT * FROM " . rows_of(fixture_url('/rows/2'))), "1|name 1\n2|name 2", 'rows');
check_rows('/rows/10000', 10000, 'many rows');
check_rows('/rows/10000?chunked=1', 10000, 'chunks');
check_rows('/rows/10000?close=1', 10000, 'a body that ends with the connection');
check_rows('/rows/10000?gzip=1', 10000, 'a gzip file');
check_rows('/rows/10000?encoding=gzip', 10000, 'a gzip coding');
check_rows('/rows/10000?encoding=zstd', 10000, 'a zstd coding');
check_rows('/rows/10000?encoding=gzip&gzip=1', 10000, 'a gzip coding of a gzip file');
check_rows('/chain/10', 10, 'ten redirects');
is(query($node, "SELECT * FROM etl_csv(" . sql_quote(fixture_url('/early')) . ") AS t(id int)"),
	'1', 'interim responses and trailers are passed over');
is( query($node, "SELECT count(*) FROM " . rows_of(fixture_url('/rows/0'))), '0', 'only a header');
is(query($node, 'SELECT _etl_source FROM etl_csv('
			. sql_quote('http://user:secret@127.0.0.1:' . fixture_port() . '/rows/1?token=secret#secret')
			. ') AS t(_etl_source text)'),
	fixture_url('/rows/1?token=***'), 'a source is named without its secrets');
is(query($node, "SELECT count(*) FROM "
			. 'etl_csv(' . sql_quote(fixture_url('/files/real/birdstrikes.csv')) . ", match => 'position')"
			. ' AS t(' . join(', ', map { "c$_ text" } 1 .. 14) . ')'),
	query($node, "SELECT count(*) FROM etl_csv(" . sql_quote("$FindBin::RealBin/../fixtures/real/birdstrikes.csv")
			. ", match => 'position') AS t(" . join(', ', map { "c$_ text" } 1 .. 14) . ')'),
	'a real file is the same as on disk');

# Several URLs by lists in braces: in the order in which they are named.
is(query($node, 'SELECT count(*), string_agg(DISTINCT _etl_source, \' \') FROM etl_csv(' . sql_quote(fixture_url('/rows/{3,2}')) . ') AS t(id int, _etl_source text)'),
	'5|' . fixture_url('/rows/2') . ' ' . fixture_url('/rows/3'), 'words');
is(query($node, 'SELECT string_agg(id::text, \' \') FROM ' . rows_of(fixture_url('/rows/{3,1}'))), '1 2 3 1', 'in their order');
check_rows("/rows/$_->[0]", @$_[1 .. 2]) for ['{5..5}', 5, 'one number'], ['{0007..7}', 7, 'with zeros before it'];
is(query($node, 'SELECT count(*) FROM ' . rows_of(fixture_url('/rows/{1,2}{0..2}'))), 10 + 11 + 12 + 20 + 21 + 22, 'two lists');
check_rows('/rows/3?a={1,2}', 3, 'a query keeps its braces');
query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url('/rows/{3,4,3}')), '22023', qr/a list in braces names a URL twice/, 'the same twice');
query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url('/rows/{1..10001}')), '22023', qr/stands for too many URLs/, 'too many');
query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url('/rows/{1..101}{1..101}')), '22023', qr/stands for too many URLs/, 'too many together');

# -- one statement, one request -------------------------------------------------------------------

fixture_reset();
is(query($node, "SELECT count(*) FROM generate_series(1, 3) AS g, " . rows_of(fixture_url('/rows/10'))),
	'30', 'a join');
is(query($node, 'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;'
			. " SELECT count(*) FROM generate_series(1, 3) AS g LEFT JOIN "
			. rows_of(fixture_url('/rows/10000?again')) . ' ON t.id > g'),
	10000 * 3 - 6, 'a source that is read again');
is(scalar fixture_requests(), 2, 'each was asked for once');

fixture_reset();
is(query($node, 'SELECT count(*) FROM etl_peek(' . sql_quote(fixture_url('/rows/10000')) . ')'), '10', 'etl_peek');
is(scalar fixture_requests(), 1, 'asks once as well');

# So does a look at JSON, which is known by its first bytes; an import asks once for its sample, and once for the load.
my $json = '[{"id": 1, "cart": {"n": 2}}, {"id": 2, "zip": "00501"}]';
my $answer = "HTTP/1.1 200 OK\r\nContent-Length: " . length($json) . "\r\n\r\n$json";
my $items = sql_quote(fixture_url('/raw?text=' . $answer =~ s/([^\w])/sprintf('%%%02X', ord($1))/ger));
fixture_reset();
is(query($node, "SELECT count(*) FROM etl_peek($items)"), '2', 'etl_peek of JSON');
is(scalar fixture_requests(), 1, 'asks once');
is(query($node, "SELECT etl_import('carts', $items); SELECT string_agg(to_json(c)::text, ' ' ORDER BY id) FROM carts AS c"),
	qq(2\n{"id":1,"cart":{"n": 2},"zip":null} {"id":2,"cart":null,"zip":"00501"}), 'etl_import of JSON');
is(scalar fixture_requests(), 3, 'asks twice');

# What is read once leaves no copy on disk; what may be read again does.
my $temp_files = q(SELECT count(*) FROM pg_ls_tmpdir());
sub open_cursor { return "BEGIN; DECLARE c NO SCROLL CURSOR FOR $_[0]; FETCH 1 FROM c; $temp_files; COMMIT"; }
my $hundred = rows_of(fixture_url('/rows/100000'));
like(query($node, open_cursor("SELECT id FROM $hundred")), qr/^1\n0$/, 'a scan keeps no copy');
like(query($node, 'SET enable_nestloop = off; SET enable_mergejoin = off; '
			. open_cursor("SELECT id FROM $hundred JOIN generate_series(1, 2) AS g ON g = id")), qr/^1\n0$/,
	'nor does a hash join');
like(query($node, "SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
			. open_cursor("SELECT g FROM generate_series(1, 2) AS g LEFT JOIN $hundred ON t.id > g")), qr/^1\n1$/,
	'the inner side of a nested loop does');
like(query($node, open_cursor("SELECT (SELECT max(id) FROM $hundred WHERE id < g) FROM generate_series(5, 7) AS g")), qr/^4\n1$/,
	'so does a subquery that is run for each row');
is(query($node, "SELECT (SELECT max(id) FROM $hundred WHERE id < g) FROM generate_series(5, 7) AS g"), "4\n5\n6",
	'and it has the same rows each time');

# The kept copy is a query's own, and to leave it when it cannot be written is not another error.
my $err = query_fails($node, "SET temp_file_limit = '64kB'; SET enable_material = off; SET enable_hashjoin = off;"
	  . " SET enable_mergejoin = off; SELECT count(*) FROM generate_series(1, 2) AS g LEFT JOIN $hundred ON t.id > g",
	'53400', qr/temp_file_limit/, 'a copy that is too large');
is(scalar(() = $err =~ /(WARNING|ERROR):/g), 1, 'is one error and no more');

fixture_reset();
query($node, "EXPLAIN SELECT * FROM " . rows_of(fixture_url('/rows/10')));
is(scalar fixture_requests(), 0, 'EXPLAIN sends nothing');
my $plan = query($node, 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM '
	  . rows_of(fixture_url('/rows/10?token=secret', 'http', 'user:secret@127.0.0.1')));
like($plan, qr/Source: http:\S+\/rows\/10\?token=\*\*\*$/m, 'EXPLAIN shows the source without secrets');
like($plan, qr/Requests: 1\n.*Retries: 0\n.*Waited: 0 ms/, 'and what it took');
unlike($plan, qr/secret/, 'no secret in EXPLAIN');
$plan = query($node, 'EXPLAIN SELECT * FROM (VALUES (1)) AS v(x), LATERAL etl_csv('
	  . sql_quote(fixture_url('/rows/1', 'http', 'user:secret@127.0.0.1') . '?token=secret') . " || x) $columns");
unlike($plan, qr/secret/, 'nor where it is part of an expression');

fixture_reset();
like(query($node, "SELECT id FROM " . rows_of(fixture_url('/endless')) . ' LIMIT 3'), qr/^1\n1\n1$/,
	'LIMIT ends an endless body');
is(query($node, 'BEGIN; DECLARE c CURSOR FOR SELECT id FROM ' . rows_of(fixture_url('/endless'))
			. '; FETCH 2 FROM c; CLOSE c; SELECT count(*) FROM pg_cursors; COMMIT'),
	"1\n1\n0", 'a closed cursor ends it too');

my @requests = fixture_requests();
is($requests[0]{headers}{'accept-encoding'}, 'identity', 'a body is asked for as it is stored');
like($requests[0]{headers}{'user-agent'}, qr{^etl/}, 'we say who we are');

# -- bodies that break off ------------------------------------------------------------------------

sub check_requests
{
	my ($expected, $name) = @_;
	my @got = map { $_->{headers}{range} // '-' } fixture_requests();
	is(join(' ', @got), $expected, $name);
}

for my $fault ('drop', 'end')
{
	fixture_reset();
	check_rows("/rows/10000?$fault=50000&times=1", 10000, "$fault: goes on where it was");
	check_requests('- bytes=50000-', "$fault: with the rest only");
}
@requests = fixture_requests();
is($requests[1]{headers}{'if-range'}, '"one"', 'if it is the same still');

fixture_reset();
check_rows('/rows/10000?drop=50000', 10000, 'a connection that is lost again and again');
check_requests('- bytes=50000- bytes=100000-', 'each attempt brings something');

fixture_reset();
check_rows('/rows/10000?drop=50000&times=1&validator=date', 10000, 'a date is a validator');
@requests = fixture_requests();
is($requests[1]{headers}{'if-range'}, 'Mon, 01 Jan 2024 00:00:00 GMT', 'the date is sent');

# 147796 bytes; each part ends at the end of a line, so that its end looks like one of the file
fixture_reset();
check_rows('/rows/10000?drop=50009&times=1&part=52005', 10000, 'a server that sends less than the rest');
check_requests('- bytes=50009- bytes=102014-', 'is asked for what is left');

check_rows('/rows/10000?encoding=gzip&drop=20000&times=1', 10000, 'a compressed body goes on as well');

fixture_reset();
check_rows('/rows/1000?drop=0&times=2&validator=none', 1000, 'nothing was read yet: simply again');
check_requests('- - -', 'without a range');
# The first answer brings nothing, the second is read on by a second scan of the same source, and is lost then.
fixture_reset();
is(query($node, 'SELECT (SELECT count(*) FROM (SELECT id FROM ' . rows_of(fixture_url('/rows/10000?columns=100&drop=0,1000000'))
			. ' LIMIT g) AS s) FROM (VALUES (1), (10000)) AS v(g)'), "1\n10000", 'the same from the second reading of a source');
like((fixture_requests())[2]{headers}{'if-range'}, qr/^"one"$/, 'goes on if it is the same still');
check_rows('/rows/1000?chunked=1&end=5000&times=1', 1000, 'chunks that end too early');
# 12794 bytes in 13 chunks, but for the empty one behind them
check_rows('/rows/1000?chunked=1&end=12885&times=1', 1000, 'chunks of which only the last, empty one is missing');

my %broken = (
	'drop=50000&validator=none' => qr/neither a strong ETag/,
	'drop=50000&validator=weak' => qr/neither a strong ETag/,
	'drop=50000&validator=young' => qr/neither a strong ETag/,
	'drop=50000&range=ignore' => qr/does not send parts/,
	'drop=50000&range=wrong' => qr/sent another part/,
	'drop=50000&range=silent' => qr/did not say which part/,
	'drop=50000&range=changed' => qr/has changed since/,
	'drop=50000&range=grown' => qr/another size/,
	'drop=50000&range=short' => qr/become shorter/,
);
for my $fault (sort keys %broken)
{
	my $err = query_fails($node, 'SELECT count(*) FROM ' . rows_of(fixture_url("/rows/10000?$fault")),
		'08006', qr/could not resume reading "\S+" after 50000 bytes/, "cannot go on: $fault");
	like($err, $broken{$fault}, "why: $fault");
}

query_fails($node, 'SELECT count(*) FROM ' . rows_of(fixture_url('/rows/10000?chunked=1&drop=50000&range=sizeless')),
	'08006', qr/did not say how large the whole is/, 'a part of nobody knows how much');
query_fails($node, 'SELECT count(*) FROM ' . rows_of(fixture_url('/rows/10?drop=0')),
	'08006', qr/the connection was lost/, 'nothing ever comes');
query_fails($node, 'SELECT count(*) FROM ' . rows_of(fixture_url('/rows/1000?length=1000')),
	'08006', qr/could not resume|connection was lost/, 'a body that is never as long as was said');

# -- errors ---------------------------------------------------------------------------------------

my @errors = (
	[ '/status/404/no%20such%20thing', '58P01', qr/HTTP status 404.*no such thing/s ],
	[ '/status/410', '58P01', qr/HTTP status 410/ ],
	[ '/status/401', '42501', qr/HTTP status 401/ ],
	[ '/status/403/go%20away', '42501', qr/HTTP status 403.*go away/s ],
	[ '/status/400', '22023', qr/HTTP status 400/ ],
	[ '/status/422', '22023', qr/HTTP status 422/ ],
	[ '/status/501', '58030', qr/HTTP status 501/ ],
	[ '/status/304', '58030', qr/HTTP status 304/ ],
	[ '/redirect/300?to=/rows/1', '58030', qr/HTTP status 300/ ],
	[ '/rows/10?status=206', '58030', qr/HTTP status 206/ ],
	[ '/loop', '08006', qr/could not follow a redirect.*the 11th in a row/ ],
	[ '/chain/11', '08006', qr/the 11th in a row/ ],
	[ '/redirect/302?to=file:///etc/passwd', '08006', qr/Only http/ ],
	[ '/redirect/302?to=ftp://127.0.0.1/', '08006', qr/Only http/ ],
	[ '/redirect/302?to=http://', '08006', qr/names no host/ ],
	[ '/large_head/100', '08006', qr/header of the response is too large/ ],
	[ '/rows/10?encoding=br', '0A000', qr/content coding is not supported/ ],
	[ '/rows/10?encoding=twice', '0A000', qr/content coding is not supported/ ],
	[ '/raw?text=SSH-2.0-OpenSSH%0D%0A', '08006', qr/not one of HTTP/ ],
	[ '/raw?text=HTTP/1.1+200+OK%0D%0ATransfer-Encoding:+gzip,+chunked%0D%0A%0D%0A0%0D%0A%0D%0A',
		'08006', qr/transfer coding that was not asked for|Unsolicited Transfer-Encoding/ ],
);
for my $error (@errors)
{
	my ($path, $sqlstate, $pattern) = @$error;
	query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url($path)), $sqlstate, $pattern, "error: $path");
}
query_fails($node, 'SELECT * FROM ' . rows_of('http://127.0.0.1:1/'), '08006',
	qr/could not be reached/, 'nobody listens');
query_fails($node, 'SELECT * FROM ' . rows_of('http://no-such-host.invalid/'), '08006',
	qr/could not be resolved/, 'no such host');
query_fails($node, 'SELECT * FROM ' . rows_of('http://user:secret@exa mple/?secret'), '22023',
	qr{invalid URL "http://exa mple/\?\*\*\*"}, 'no URL');

# What is meant as a URL is shown as one, not as a file's or server's name with a password in it.
for my $call ("etl_csv('ftp://user:secret\@host/x?secret')", "etl_csv(' http://user:secret\@host/')",
	"etl_peek('sftp://user:secret\@bucket/x')", "etl_api('htps://user:secret\@host/')",
	"etl_csv('ftp://user:secret\@host', path => '/x')")
{
	my $err = query_fails($node, "SELECT * FROM $call" . ($call =~ /peek/ ? '' : ' AS t(id int)'), '22023',
		qr{invalid URL ".*//(host|bucket)/?.*"\nDETAIL:  Only http:// and https:// URLs can be read}, "no URL of ours: $call");
	unlike($err, qr/secret/, 'without its secrets');
}
is(query($node, 'SELECT * FROM etl_csv(' . sql_quote(fixture_url('')) . ", path => '/rows/1') AS t(id int)"), '1',
	'a path below a URL');

# A server that sends something back that it was told in confidence.
$err = query_fails($node, 'SELECT * FROM '
	  . rows_of(fixture_url('/echo?status=400&token=secret%2Ftoken', 'http', 'user:secret%20word@127.0.0.1')),
	'22023', qr/HTTP status 400/, 'an error that quotes the request');
like($err, qr/The response begins: .*authorization/, 'is shown');
unlike($err, qr/secret|dXNlcj/, 'without its secrets');
like($err, qr/The response begins: .{1,200}$/m, 'and not too much of it');
$err = query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url('/status/400?body=%00%01')),
	'22023', qr/HTTP status 400/, 'an error that is no text');
unlike($err, qr/begins/, 'is not shown');

# -- memory and descriptors -----------------------------------------------------------------------

sub in_one_session { return query($node, join(";\n", @_)); }

my $count_fds = "SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')";
my $one = rows_of(fixture_url('/rows/10'));
my $bad = rows_of(fixture_url('/rows/1000?drop=100&validator=none'));
my $out = in_one_session(
	"\\set ON_ERROR_STOP 0\nSELECT count(*) FROM $one",
	"SELECT count(*) FROM $bad",
	$count_fds,
	(map { ("SELECT count(*) FROM $bad", "SELECT * FROM $one LIMIT 1", "SELECT count(*) FROM $one") } 1 .. 20),
	$count_fds);
my @counts = split /\n/, $out;
cmp_ok($counts[-1], '<=', $counts[1] + 1, "no descriptor is left behind ($counts[1] at first)");

fixture_reset();
in_one_session(map { "SELECT count(*) FROM $one" } 1 .. 5);
my %connections;
$connections{ $_->{client} }++ for fixture_requests();
is(scalar keys %connections, 1, 'a connection is used again');

# 200 MB out of 200 kB, and 200 MB as they are, in a few MB of memory
my $anon = "SELECT substring(pg_read_file('/proc/self/status') from 'RssAnon:\\s+(\\d+)')::int";
for my $path ('/bomb/200', '/bomb/200?coded=1', '/rows/3000000')
{
	@counts = split /\n/, in_one_session(
		'SELECT count(*) FROM ' . rows_of(fixture_url('/rows/10')), $anon,
		'SELECT count(*) FROM ' . rows_of(fixture_url($path)), $anon);
	cmp_ok($counts[3] - $counts[1], '<', 12 * 1024, "$path: $counts[2] rows in bounded memory");
}

# -- TLS ------------------------------------------------------------------------------------------

query_fails($node, 'SELECT * FROM ' . rows_of(fixture_url('/rows/1', 'https')), '08006',
	qr/certificate of the server is not trusted/, 'an unknown authority');
query_fails($node, 'SELECT * FROM ' . rows_of('https://127.0.0.1:' . fixture_port('http') . '/'), '08006',
	qr/could not be encrypted/, 'TLS where there is none');
query_fails($node, 'SELECT * FROM ' . rows_of('http://127.0.0.1:' . fixture_port('https') . '/'), '08006',
	qr/connection was lost/, 'no TLS where there is');

my $ca = fixture_dir() . '/ca.crt';
my ($crt, $key) = (fixture_dir() . '/client.crt', fixture_dir() . '/client.key');
$node->safe_psql('postgres', "CREATE SERVER tls FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'https') . "', ca_file '$ca');
	CREATE SERVER named FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'https', 'localhost') . "', ca_file '$ca');
	CREATE SERVER other_name FOREIGN DATA WRAPPER etl
		OPTIONS (url '" . fixture_url('', 'https', 'mixed.test') . "', ca_file '$ca');
	CREATE SERVER mutual FOREIGN DATA WRAPPER etl
		OPTIONS (url '" . fixture_url('', 'mutual') . "', ca_file '$ca', client_cert '$crt', client_key '$key');
	CREATE SERVER anonymous FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'mutual') . "', ca_file '$ca')");
for my $server ('tls', 'named', 'mutual')
{
	is(query($node, "SELECT count(*) FROM etl_csv('$server', path => '/rows/5') $columns"), '5', "server $server");
}
query_fails($node, "SELECT * FROM etl_csv('other_name', path => '/rows/5') $columns", '08006',
	qr/certificate of the server is not trusted/, 'a certificate for another name');
query_fails($node, "SELECT * FROM etl_csv('anonymous', path => '/rows/5') $columns", '08006',
	qr/could not read/, 'a client without its certificate');
# What one server was trusted or given a certificate for is nothing to another, in the same session either.
my $by_tls = "SELECT count(*) FROM etl_csv('tls', path => '/rows/5') $columns";
query_fails($node, "$by_tls; SELECT * FROM " . rows_of(fixture_url('/rows/1', 'https')), '08006',
	qr/certificate of the server is not trusted/, 'a connection is not used by who does not trust it');
query($node, "CREATE SERVER half FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'mutual') . "', ca_file '$ca', client_cert '$crt');"
	  . " CREATE SERVER false_key FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'mutual')
	  . "', ca_file '$ca', client_cert '$crt', client_key '" . fixture_dir() . "/server.key')");
query_fails($node, "SELECT count(*) FROM etl_csv('mutual', path => '/rows/5') $columns; SELECT count(*) FROM etl_csv('$_', path => '/rows/5') $columns",
	'\w+', qr/certificate|key/, "a connection of who has the key is not for server $_") for 'half', 'false_key';
is(query($node, "SELECT count(*) FROM etl_csv('mutual', path => '/rows/5') $columns; SELECT count(*) FROM etl_csv('mutual', path => '/rows/5') $columns"),
	"5\n5", 'who has it connects again');
query_fails($node, "SELECT count(*) FROM etl_csv('mutual', path => '/rows/5') $columns;"
	  . " SELECT * FROM etl_csv('anonymous', path => '/rows/5') $columns", '08006',
	qr/could not read/, 'nor by who lacks its certificate');
is(query($node, "SELECT sum(id) FROM etl_csv('tls', path => '/rows/10000?drop=50000&times=1') $columns"),
	50005000, 'a lost TLS connection goes on');
is(query($node, "SELECT sum(id) FROM etl_csv('tls', path => '/rows/10000?end=50000&times=1') $columns"),
	50005000, 'so does one that ends without a farewell');

$node->stop;
done_testing();

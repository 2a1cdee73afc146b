# Attacks that failed when they were tried, and must keep failing: requests to where they must not go, credentials that
# must stay where they are, and servers that answer to do harm.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Attacks;
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('network', conf => "etl.breaker_failures = 1000\netl.http_max_attempts = 1\netl.allowed_hosts = '*:*'\n");
my ($port, $other) = map { fixture_port($_) } qw(http other);
my $ca = fixture_dir() . '/ca.crt';
my $denied = '42501';
make_roles($node);

sub read_url { return 'SELECT count(*) FROM etl_csv(' . sql_quote($_[0]) . ') AS t(id int)'; }
sub read_path { return 'SELECT count(*) FROM etl_csv(' . sql_quote($_[0]) . ', path => ' . sql_quote($_[1]) . ') AS t(id int)'; }
sub read_api { return "SELECT count(*) FROM etl_api('shop', $_[0]) AS t(id int)"; }
sub at_public { return "http://public.test:$port$_[0]"; }
sub encoded { return $_[0] =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger; }
sub redirect_to { return '/redirect/302?to=' . encoded($_[0]); }
sub answer { return "/status/200?body=" . encoded($_[0]); }
sub requests_at { my $at = fixture_port($_[0]); return grep { $_->{port} == $at } fixture_requests(); }
sub paths { return join ' ', map { $_->{path} } fixture_requests(); }

# Several roles' servers; each has its mappings.
sub server
{
	my ($name, $options, %mapping) = @_;
	$node->safe_psql('postgres', join '; ', "CREATE SERVER $name FOREIGN DATA WRAPPER etl OPTIONS ($options)",
		"GRANT USAGE ON FOREIGN SERVER $name TO reader, owner, creator",
		map { "CREATE USER MAPPING FOR $_ SERVER $name OPTIONS ($mapping{$_})" } keys %mapping);
	return;
}
server('shop', "url '" . at_public('') . q(', auth 'bearer', headers '{"X-Key": "secret-header"}', allowed_origins ') . "http://public.test:$other'",
	PUBLIC => "token 'secret-token'");
server('rows', "url '" . at_public('/rows') . q('));

# -- hosts ------------------------------------------------------------------------------------------

is(query($node, 'SET ROLE reader; ' . read_url(at_public('/rows/3'))), '3', 'reader may read what is public');
fixture_reset();
attacks($node, 'reader', [
	(map { [ "the host $_", read_url("http://$_:$port/rows/3"), fails($denied, qr/not one of the public internet/) ] }
		  qw(127.0.0.1 2130706433 0x7f000001 0x7f.1 017700000001 127.1 0 0.0.0.0 [::] [::1] [::ffff:127.0.0.1] [::ffff:7f00:1]
		  [::127.0.0.1] [64:ff9b::7f00:1] localhost LOCALHOST)),
	[ 'a host behind a user', read_url("http://public.test\@127.0.0.1:$port/rows/3"), $denied ],
	(map { [ "the host $_", read_url("http://$_:$port/rows/3"), '22023' ] }
		  'public.test\\@127.0.0.1', '127.0.0.1\\@public.test', '127%2e0.0.1', "127\x{ef}\x{bc}\x{8e}0.0.1", "127\x{e3}\x{80}\x{82}0.0.1", '[::1%25lo]', '[fe80::1%lo]'),
	[ 'a host in the fragment', read_url("http://nowhere.test:$port#\@public.test:$port/rows/3"), '08006' ],
	[ 'port 65536', read_url('http://public.test:65536/rows/3'), '22023' ],
	[ 'port + 2^32', read_url('http://public.test:' . (4294967296 + $port) . '/rows/3'), '22023' ],
	[ 'no slashes', read_url("http:public.test:$port/rows/3"), '22023' ],
	[ 'one slash', read_url("http:/public.test:$port/rows/3"), '22023' ],
	[ 'a blank before the URL', read_url(' ' . at_public('/rows/3')), '22023' ],
	[ 'a line feed before the URL', read_url("\n" . at_public('/rows/3')), '22023' ],
	(map { [ "the scheme $_", read_url("$_://public.test:$port/rows/3"), fails('22023', qr/Only http/) ] } qw(file gopher dict ftp ftps scp smb telnet)),
]);
is(paths(), '', 'and nothing is sent');
attacks($node, 'reader', [ [ 'a port with a zero before', read_url("http://public.test:0$port/rows/3"), gives('3') ] ]);

# Without the setting no host at all.
$node->safe_psql('postgres', q(ALTER ROLE creator SET etl.allowed_hosts = ''));
fixture_reset();
attacks($node, 'creator', [
	[ 'a host that is not admitted', read_url(at_public('/rows/3')), fails($denied, qr/etl.allowed_hosts/) ],
	[ 'admits it himself', "SET etl.allowed_hosts = '*:*'", $denied ],
]);
is(paths(), '', 'and nothing is sent');

# -- paths of a server ------------------------------------------------------------------------------

fixture_reset();
attacks($node, 'reader', [
	[ 'a path of 1.2 MB', read_path('rows', '../' x 400_000 . 'echo'), fails('22023', qr/longer than 64 kB/) ],
	(map { [ 'the path ' . substr($_, 0, 20), read_path('rows', $_ . 'echo'), fails('22023', qr/leads out/) ] }
		  '../', '../' x 21_000, '%2e%2e/', '..%2f', '%2e%2e%2f', '..\\', '..%5c', '..;/', '..;x/', 'a/../../', './../'),
	[ 'a path that is a URL', read_path('rows', "http://127.0.0.1:$other/rows/3"), fails('22023', qr/must be relative/) ],
	[ 'a path with a line feed', read_path('rows', "3\r\nX-Evil: 1"), '22023' ],
	[ 'a path that begins with a user', read_path('rows', "\@127.0.0.1:$other/rows/3"), qr/./ ],
	[ 'a path that begins as a host does', read_path('rows', "//127.0.0.1:$other/rows/3"), qr/./ ],
]);
unlike(paths(), qr{(^| )(?!/rows/)}, 'nothing is asked for outside of the URL');
is(scalar requests_at('other'), 0, 'nor anybody else');

# -- options that a superuser has set ---------------------------------------------------------------

# Whoever owns the server cannot have it go elsewhere with them: the whole list is checked again.
server('within', "url 'http://127.0.0.1:$port', allow_private 'true'");
server('lake_within', "url 's3://lake', endpoint 'http://127.0.0.1:$port', region 'eu-1', allow_private 'true'");
$node->safe_psql('postgres', "CREATE USER MAPPING FOR creator SERVER lake_within OPTIONS (access_key_id_file '$ca', secret_access_key_file '$ca'); ALTER SERVER within OWNER TO creator; ALTER SERVER lake_within OWNER TO creator");
fixture_reset();
attacks($node, 'creator', [
	[ 'its owner reads it', read_path('within', '/rows/3'), gives('3') ],
	(map { [ "and changes $_->[0]", "ALTER SERVER within OPTIONS ($_->[1])", $denied ] }
		[ 'url', "SET url 'http://127.0.0.1:$other'" ], [ 'token_url', "ADD token_url 'http://127.0.0.1:$other/token'" ],
		[ 'allowed_origins', "ADD allowed_origins 'http://127.0.0.1:$other'" ], [ 'headers', q(ADD headers '{"X": "1"}') ]),
	(map { [ "and changes $_->[0] of a bucket", "ALTER SERVER lake_within OPTIONS ($_->[1])", $denied ] }
		[ 'url', "SET url 's3://other'" ], [ 'endpoint', "SET endpoint 'http://127.0.0.1:$other'" ], [ 'region', "SET region 'eu-2'" ],
		[ 'addressing', "ADD addressing 'path'" ]),
	[ 'and changes the file of a secret', "ALTER USER MAPPING FOR creator SERVER lake_within OPTIONS (SET secret_access_key_file '/etc/passwd')", $denied ],
	[ 'and takes it away', 'ALTER SERVER within OPTIONS (DROP allow_private)', gives('') ],
	[ 'but has it back no more', q(ALTER SERVER within OPTIONS (ADD allow_private 'true')), $denied ],
	[ 'nor goes there', read_path('within', '/rows/3'), fails($denied, qr/not one of the public internet/) ],
]);
is(scalar requests_at('other'), 0, 'nobody else is asked');

# -- redirects --------------------------------------------------------------------------------------

fixture_reset();
attacks($node, 'reader', [
	(map { [ "a redirect to $_", read_url(at_public(redirect_to($_))), $denied ] }
		  "http://127.0.0.1:$other/rows/3", "http://[::1]:$other/rows/3", "//127.0.0.1:$other/rows/3",
		  "http://public.test\@127.0.0.1:$other/rows/3", "http://localhost:$port/rows/3", 'http://169.254.169.254/'),
	(map { [ "a redirect to $_", read_url(at_public(redirect_to($_))), '08006' ] }
		  'file:///etc/passwd', "http:\\\\127.0.0.1:$other/rows/3", 'gopher://127.0.0.1/', "http://127.0.0.1\\\@public.test:$other/"),
]);
is(join(' ', grep { !/^.redirect/ } split / /, paths()), '', 'nothing is asked for there');

fixture_reset();
my $there = "http://public.test:$other";
attacks($node, 'reader', [
	[ 'a redirect with a password in the URL', read_url("http://me:secret-word\@public.test:$port" . redirect_to("$there/rows/3")), gives('3') ],
	[ 'a redirect of a server', read_path('shop', redirect_to("$there/rows/3")), gives('3') ],
	[ 'a redirect there and back', read_path('shop', redirect_to($there . redirect_to(at_public('/rows/3?back')))), gives('3') ],
	[ 'a cookie', read_path('shop', '/raw?text=' . encoded("HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /rows/3?cookie\r\nContent-Length: 0\r\n\r\n")), gives('3') ],
]);
is(scalar(grep { $_->{headers}{authorization} || $_->{headers}{'x-key'} } requests_at('other')), 0, 'credentials do not go along');
my ($back) = grep { $_->{path} =~ m{^/rows.*back$} } requests_at('http');
ok($back && !$back->{headers}{authorization} && !$back->{headers}{'x-key'}, 'nor come back');
my ($with_cookie) = grep { $_->{path} =~ m{^/rows.*cookie$} } requests_at('http');
ok($with_cookie && !$with_cookie->{headers}{cookie}, 'no cookie is kept');

# -- certificates -----------------------------------------------------------------------------------

my ($https, $mutual) = map { fixture_port($_) } qw(https mutual);
server('tls', "url 'https://public.test:$https', ca_file '$ca'");
server('tls_unknown', "url 'https://public.test:$https'");
server('tls_other_name', "url 'https://mixed.test:$https', ca_file '$ca'");
server('with_certificate', "url 'https://public.test:$mutual', ca_file '$ca', client_cert '" . fixture_dir() . "/client.crt', client_key '" . fixture_dir() . "/client.key'");
server('without_certificate', "url 'https://public.test:$mutual', ca_file '$ca'");
server('without_key', "url 'https://public.test:$mutual', ca_file '$ca', client_cert '" . fixture_dir() . "/client.crt'");
attacks($node, 'reader', [
	[ 'a certificate that is known', read_path('tls', '/rows/3'), gives('3') ],
	[ 'a certificate of nobody known', read_path('tls_unknown', '/rows/3'), '08006' ],
	[ 'a certificate of another name', read_path('tls_other_name', '/rows/3'), '08006' ],
]);
fixture_reset();
attacks($node, 'postgres', [
	[ 'a connection with a certificate', 'SET ROLE owner; ' . read_path('with_certificate', '/rows/3'), gives('3') ],
	[ 'and then one without', 'SET ROLE reader; ' . read_path('without_certificate', '/rows/3'), '08006' ],
	[ 'or without its key', 'SET ROLE reader; ' . read_path('without_key', '/rows/3'), qr/could not read/ ],
]);
is(scalar fixture_requests(), 1, 'is not the same');

# -- tokens of others in one session ----------------------------------------------------------------

server('guarded', "url '" . at_public('') . "', auth 'oauth2', token_url '" . at_public('/token') . "'",
	owner => "client_id 'me', client_secret 'secret-of-owner'", reader => "client_id 'me', client_secret 'secret-of-reader'");
fixture_reset();
attacks($node, 'postgres', [
	[ 'a token of owner', 'SET ROLE owner; ' . read_path('guarded', '/guarded'), gives('3') ],
	[ 'a token of reader', 'SET ROLE reader; ' . read_path('guarded', '/guarded'), gives('3') ],
	[ 'without a mapping', 'SET ROLE creator; ' . read_path('guarded', '/guarded'), 'HV00J' ],
	[ 'a superuser without a mapping', read_path('guarded', '/guarded'), 'HV00J' ],
]);
is(paths(), '/token /guarded /token /guarded', 'each role has its own token');

# -- buckets ---------------------------------------------------------------------------------------

server('lake', "url 's3://lake/in', auth 'aws', endpoint '" . at_public('') . q('),
	PUBLIC => "access_key_id 'secret-id', secret_access_key 'secret-key', session_token 'secret-session'");
$node->safe_psql('postgres', "GRANT USAGE ON FOREIGN DATA WRAPPER etl TO creator; CREATE SERVER closed FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', endpoint '" . at_public('') . "')");
fixture_reset();
attacks($node, 'reader', [
	(map { [ "the key $_", read_path('lake', $_), fails('22023', qr/stands between slashes/) ] } qw(.. ../x /../x a/../../x ./x a/.)),
	(map { [ "the key $_", read_path('lake', $_), fails('22023', qr/leads out of the URL/) ] } '%2e%2e/x', '..%2fx', '..\\\\x', 'a/..;/x'),
	(map { [ "the key $_", read_path('lake', $_), '58P01' ] } '//127.0.0.1/x', 'http://127.0.0.1/x', '?prefix=', "x\r\nX-Evil: 1"),
	(map { [ "the pattern $_", read_path('lake', $_), '58P01' ] } '**', '../**', '/**', '*&prefix='),
	[ 'a list of what is above', "SELECT * FROM etl_list('lake', '../')", '58P01' ],
	[ 'a bucket of a server without USAGE', read_path('closed', 'x'), $denied ],
	[ 'a list of one', "SELECT * FROM etl_list('closed')", $denied ],
]);
is(join(' ', grep { !m{^/lake/in/|^/lake\?list-type=2&encoding-type=url&prefix=in%2F} } split / /, paths()), '', 'nothing is asked for above the prefix');
is(join(' ', grep { /secret-key/ } map { %{ $_->{headers} } } fixture_requests()), '', 'the secret key goes nowhere');
fixture_reset();
attacks($node, 'creator', [
	(map { [ "the endpoint $_", "DROP SERVER IF EXISTS mine; CREATE SERVER mine FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', endpoint '$_'); " . read_path('mine', '*'), fails($denied, qr/not one of the public internet/) ] }
		  "http://127.0.0.1:$port", "http://localhost:$port", 'http://169.254.169.254', 'http://[::1]'),
	[ 'a region that leads elsewhere', "CREATE SERVER evil FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', region 'x.evil.test/')", 'HV024' ],
	[ 'a bucket that leads elsewhere', "CREATE SERVER evil FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake\@evil.test/')", 'HV024' ],
	[ 'a file of keys', "CREATE SERVER keys FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', auth 'aws'); CREATE USER MAPPING FOR creator SERVER keys OPTIONS (credentials_file '/etc/passwd')", $denied ],
]);
is(paths(), '', 'and nothing is sent');

# -- what may be asked for ---------------------------------------------------------------------------

fixture_reset();
attacks($node, 'reader', [
	[ 'headers: a line feed in a value', read_api(q('/x', headers => '{"X": "a\r\nY: b"}')), '22023' ],
	[ 'headers: a line feed in a name', read_api(q('/x', headers => '{"X: a\r\nY": "b"}')), '22023' ],
	(map { [ "headers: $_", read_api(qq('/x', headers => '{"$_": "1"}')), fails('22023', qr/set by etl itself/) ] }
		  qw(Host host Content-Length Transfer-Encoding Connection)),
	(map { [ "$_->[0] of 200,000", read_api("'/x', $_->[0] => repeat('$_->[1]', 200000)"), '22023' ] }
		  [ stop => 'a|' ], [ items => 'a.' ], [ next => 'a[].' ]),
	(map { [ "$_->[0] of 200,000", read_api("'/x', options => jsonb_build_object('$_->[0]', repeat('$_->[1]', 200000))"), '22023' ] }
		  [ answers => '200 ok|' ], [ answers => '200 a=b fail|' ], [ wait => 'header:X|' ]),
	[ 'method with a line feed', read_api(q('/x', method => E'GET / HTTP/1.1\r\nX: y')), '22023' ],
	[ 'method DELETE', read_api(q('/x', method => 'DELETE')), '22023' ],
	(map { [ "$_->[0] => $_->[1]", read_api("'/x', $_->[0] => $_->[1]"), $_->[2] // '22023' ] }
		  [ concurrency => 0 ], [ concurrency => -1 ], [ concurrency => 2147483647 ], [ concurrency => 2147483648, '42883' ],
		  [ page_size => 0 ], [ page_size => -1 ], [ page_size => 2147483648, '42883' ], [ max_pages => 0 ], [ max_pages => -1 ]),
]);
is(paths(), '', 'nothing of that is sent');
attacks($node, 'reader', [ [ 'params with line feeds', read_api(q('/json/3', pagination => 'none', params => '{"a\r\nX: y": "1\r\n\r\nGET /evil HTTP/1.1", "b&c": "d&e=f#g"}')), gives('3') ] ]);
is(paths(), '/json/3?b%26c=d%26e%3Df%23g&a%0D%0AX%3A%20y=1%0D%0A%0D%0AGET%20%2Fevil%20HTTP%2F1.1', 'is percent-encoded');

# Where the next page is, says the server.
sub next_is { return answer(qq({"data": [{"id": 1}], "next": "$_[0]"})); }
sub follows { return read_api("'" . next_is($_[0]) . "', items => 'data', pagination => 'next_url', next => 'next'"); }
fixture_reset();
attacks($node, 'reader', [
	[ 'a cursor that would be a header of its own', read_api("'" . next_is('a\r\nX-Evil: 1') . "', items => 'data', pagination => 'cursor', next => 'next', next_param => 'header:X-Next'"), '08P01' ],
	[ 'a next page elsewhere', follows("http://mixed.test:$other/rows/3"), $denied ],
	[ 'a next page in the private network', follows("http://127.0.0.1:$other/rows/3"), $denied ],
	[ 'a next page behind a user', follows("http://public.test\@127.0.0.1:$other/rows/3"), qr/./ ],
	[ 'a next page with backslashes', follows("http://public.test:$port\\\\\@127.0.0.1:$other/"), '08P01' ],
	[ 'a next page in a file', follows('file:///etc/passwd'), '08P01' ],
]);
is(scalar(grep { $_->{path} !~ /^.status/ } fixture_requests()), 0, 'nothing is asked for there');

# -- secrets in messages and plans -------------------------------------------------------------------

my $secret_url = "http://me:secret-word\@public.test:$port/rows/3?key=secret-key";
my $no_secret = qr/^(?!.*secret-).*\*\*\*/s;
attacks($node, 'reader', [
	[ 'an echo of the token and a header', read_path('shop', '/echo?status=403'), fails($denied, $no_secret) ],
	[ 'an echo of the query', read_path('shop', '/echo?status=400&key=secret-key'), fails('22023', $no_secret) ],
	[ 'EXPLAIN of a URL', 'EXPLAIN ' . read_url($secret_url), gives($no_secret) ],
	[ 'EXPLAIN ANALYZE', 'EXPLAIN ANALYZE ' . read_url($secret_url), gives($no_secret) ],
	[ 'EXPLAIN of an expression', 'EXPLAIN SELECT * FROM etl_csv(' . sql_quote($secret_url) . ' || lower(current_user)) AS t(id int)', gives($no_secret) ],
	[ 'EXPLAIN with LATERAL', 'EXPLAIN SELECT * FROM (VALUES (1)) AS v(x), LATERAL etl_csv(' . sql_quote($secret_url) . ' || x) AS t(id int)', gives($no_secret) ],
	[ 'EXPLAIN of a prepared statement', 'SET plan_cache_mode = force_generic_plan; PREPARE p(text) AS SELECT * FROM etl_csv(' . sql_quote($secret_url) . ' || $1) AS t(id int); EXPLAIN EXECUTE p(1)', gives($no_secret) ],
]);
$node->safe_psql('postgres', qq{
	CREATE TABLE reader.t (id int PRIMARY KEY, name text CHECK (name <> 'name 2'));
	ALTER TABLE reader.t OWNER TO reader;
	SET ROLE reader;
	SELECT etl_create_pipeline('secret', source => \$\$etl_csv('$secret_url') AS t(id int, name text)\$\$, target => 'reader.t', key => '{id}');
	CALL etl_run('secret');
	SELECT etl_create_pipeline('failing', source => \$\$etl_csv('$secret_url&status=400') AS t(id int, name text)\$\$, target => 'reader.t', key => '{id}')});
attacks($node, 'reader', [ [ 'a run that fails', "CALL etl_run('failing')", fails('22023', $no_secret) ] ]);
is(query($node, q{SELECT count(*) FROM etl_dead_letters}), '1', 'there is a dead letter');
is(query($node, qq{SELECT count(*) FROM $_ AS x WHERE x::text ~ 'secret-'}), '0', "no secret in $_")
  for qw(etl_dead_letters etl_runs etl_status etl_metric_samples etl_catalog.checkpoints etl_catalog.dead_letters);
is(query($node, q{SET ROLE monitor; SELECT count(*) FROM etl_pipelines AS x WHERE x::text ~ 'secret-'}), '0', 'nor in etl_pipelines for pg_monitor');

# -- answers ------------------------------------------------------------------------------------------

sub raw { my (%part) = @_; return '/raw?' . join '&', map { "$_=" . encoded($part{$_}) } sort keys %part; }
my $ok = "HTTP/1.1 200 OK\r\n";
my $three = "\r\nid\n1\n2\n3\n";
attacks($node, 'reader', [
	[ 'Content-Length of 2^63-1', read_path('shop', raw(text => $ok . "Content-Length: 9223372036854775807\r\n$three")), '08006' ],
	[ 'Content-Length below 0', read_path('shop', raw(text => $ok . "Content-Length: -1\r\n$three")), '08006' ],
	[ 'a header of 200 kB', read_path('shop', raw(before => $ok . 'X: ', text => 'x', repeat => 200_000, after => "\r\n$three")), qr/./ ],
	[ '30,000 headers', read_path('shop', raw(before => $ok, text => "X: xxxxxxxx\r\n", repeat => 30_000, after => $three)), '08006' ],
	[ '20,000 interim answers', read_path('shop', raw(text => "HTTP/1.1 100 Continue\r\n\r\n", repeat => 20_000, after => $ok . $three)), '08006' ],
	[ 'a chunk extension of 3 MB', read_path('shop', raw(before => $ok . "Transfer-Encoding: chunked\r\n\r\n9;x=", text => 'x', repeat => 3_000_000, after => "\r\nid\n1\n2\n3\n\r\n0\r\n\r\n")), gives('3') ],
	[ 'a NUL in a header', read_path('shop', raw(text => $ok . "X: a\0b\r\n$three")), '08006' ],
	[ 'a Link of 60 kB', "SELECT count(*) FROM etl_api('shop', '" . raw(before => $ok . "Content-Length: 10\r\nLink: ", text => '<x>; rel=', repeat => 6_700, after => qq(\r\n\r\n[{"id":1}])) . "', pagination => 'link') AS t(id int)", gives('1') ],
	[ 'a wait of ages', read_path('shop', '/rows/3?status=503&retry_after=99999999999999999999'), fails('53400', qr/wait/) ],
	[ 'a wait below 0', read_path('shop', '/rows/3?status=503&retry_after=-5'), '58030' ],
]);
my $keys = '{"data": [{"a\"b": 1, "a); DROP TABLE x; --": 2, "\u001b[2J": 3, "a\nb": 4, "a\u0027b": 5}]}';
my $columns = qq("a""b" bigint, a_drop_table_x bigint, "2j" bigint, "a\nb" bigint, "a'b" bigint);
attacks($node, 'reader', [
	[ 'etl_api_explain: columns from names that are SQL', "SELECT value FROM etl_api_explain('shop', '" . answer($keys) . "') WHERE property = 'columns'", gives($columns) ],
	[ 'etl_api_explain: the call', "SELECT value FROM etl_api_explain('shop', '" . answer($keys) . "') WHERE property = 'call'", gives(qr/AS t\(\Q$columns\E\);$/) ],
]);

my @leaks = grep { /secret-/ && !/STATEMENT|statement:|OPTIONS|^\s/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @leaks), '', 'no secret in the log of the server');

$node->stop;
done_testing();

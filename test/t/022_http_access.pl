# Who may go where, with which credentials; and what becomes of both at a redirect.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('access', conf => "etl.breaker_failures = 1000\netl.http_max_attempts = 1\n");
my $port = fixture_port();
my $columns = 'AS t(id int, name text)';

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE reader LOGIN;
CREATE ROLE other LOGIN;
CREATE ROLE files LOGIN IN ROLE pg_read_server_files;
CREATE ROLE owner LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER etl TO owner, files;
DO $$
DECLARE f regprocedure;
BEGIN
	FOR f IN SELECT oid FROM pg_proc WHERE proname IN ('etl_csv', 'etl_peek', 'etl_api') LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO reader, other, files, owner', f);
	END LOOP;
END $$;
SQL

sub as_role { my ($role, $sql) = @_; return "SET ROLE $role; $sql"; }
sub rows_of { return "etl_csv(" . sql_quote($_[0]) . ") $columns"; }
sub read_url { return 'SELECT count(*) FROM ' . rows_of($_[0]); }
sub read_server { return 'SELECT count(*) FROM etl_csv(' . sql_quote($_[0]) . ', path => ' . sql_quote($_[1] // '/rows/3') . ") $columns"; }
sub server { my ($name, $options) = @_; return "CREATE SERVER $name FOREIGN DATA WRAPPER etl OPTIONS ($options)"; }
sub admits { $node->safe_psql('postgres', "LOAD 'etl'; ALTER SYSTEM SET etl.allowed_hosts = " . sql_quote($_[0])); $node->reload; return; }
sub requests { return scalar(my @all = fixture_requests()); }

# The headers of the only request to a port.
sub headers_at
{
	my @there = grep { $_->{port} == fixture_port($_[0]) } fixture_requests();
	return scalar @there == 1 ? $there[0]{headers} : {};
}

my $denied = '42501';

# -- hosts ----------------------------------------------------------------------------------------

fixture_reset();
for my $role ('reader', 'files', 'owner')
{
	query_fails($node, as_role($role, read_url("http://public.test:$port/rows/3")), $denied,
		qr/permission denied to read "http:\S+"\nDETAIL:  The host is not one that "etl.allowed_hosts" admits\.\nHINT:  Only superusers may read any URL/,
		"$role may go nowhere by default");
}
is(requests(), 0, 'and nothing is sent');
is(query($node, read_url("http://public.test:$port/rows/3")), '3', 'a superuser may');
is(query($node, read_url(fixture_url('/rows/3'))), '3', 'even to a loopback address');

admits("public.test:$port, *.public.test:*");
is(query($node, as_role('reader', read_url("http://public.test:$port/rows/3"))), '3', 'a host that is admitted');
query_fails($node, as_role('reader', read_url("http://public.test:" . fixture_port('other') . '/rows/3')), $denied,
	qr/not one that "etl.allowed_hosts" admits/, 'on another port');
query_fails($node, as_role('reader', read_url("http://notpublic.test:$port/rows/3")), $denied,
	qr/not one that "etl.allowed_hosts" admits/, 'a host that only ends like it');
query_fails($node, "LOAD 'etl';" . as_role('reader', "SET etl.allowed_hosts = '*:*'"), $denied, qr/permission denied to set parameter/,
	'only a superuser sets the list');
query_fails($node, "LOAD 'etl'; SET etl.allowed_hosts = 'https://x'", '22023', qr/"https:..x" is not a host/, 'a list that is none');

admits('*:*');
for my $host ('127.0.0.1', 'localhost', 'private.test', 'mapped.test', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1',
	'0', '[64:ff9b::7f00:1]')
{
	fixture_reset();
	query_fails($node, as_role('reader', read_url("http://$host:$port/rows/3")), $denied,
		qr/not one of the public internet/, "reader may not go to $host");
	is(requests(), 0, 'and nothing is sent');
}
is(query($node, as_role('reader', read_url("http://mixed.test:$port/rows/3"))), '3',
	'of the addresses of a host a public one is taken');
my $other = fixture_port('other');
fixture_reset();
my $err = query_fails($node, as_role('reader', read_url("http://rebind.test:$port/rows/3") . ";\n" . read_url("http://rebind.test:$other/rows/3")),
	$denied, qr/not one of the public internet/, 'a name that has another address when it is looked up again');
# (some libcurls look the first time twice, and so find the second address at once)
unlike(join(' ', map { $_->{port} } fixture_requests()), qr/\b$other\b/, 'what counts is the address that is connected to');

# A connection that somebody else was allowed to make must not carry a request of one who is not.
fixture_reset();
query_fails($node, read_url("http://mapped.test:$port/rows/3") . ';' . as_role('reader', read_url("http://mapped.test:$port/rows/3?mine")),
	$denied, qr/not one of the public internet/, 'an open connection lets nobody through');
is(requests(), 1, 'nothing is sent on it');

is(query($node, as_role('reader', read_url("http://signals.test:$port/rows/3"))), '3',
	'no signal reaches the thread that resolves names');

# -- redirects ------------------------------------------------------------------------------------

sub redirect_to { return "/redirect/302?to=" . ($_[0] =~ s/([&?#])/sprintf '%%%02X', ord $1/ger); }

admits("public.test:$port");
is(query($node, as_role('reader', read_url("http://public.test:$port" . redirect_to("http://public.test:$port/rows/3")))), '3',
	'a redirect to a host that is admitted');
for my $to ("http://public.test:$other/rows/3", "http://127.0.0.1:$other/rows/3", "http://private.test/", "http://169.254.169.254/")
{
	fixture_reset();
	query_fails($node, as_role('reader', read_url("http://public.test:$port" . redirect_to($to))), $denied,
		qr/permission denied to follow a redirect to "\Q$to\E"/, "a redirect to $to is refused");
	is(requests(), 1, 'nothing is sent there');
}
fixture_reset();
query_fails($node, read_url("http://public.test:$port" . redirect_to("http://127.0.0.1:$other/rows/3")), $denied,
	qr/not one of the public internet.*HINT:  No redirect leads there from the public internet: read that URL itself/s,
	'what is public leads not even a superuser into the private network');
is(requests(), 1, 'nothing is sent there either');
is(query($node, read_url(fixture_url(redirect_to("http://127.0.0.1:$other/rows/3")))), '3', 'who starts there may stay there');

# -- credentials ----------------------------------------------------------------------------------

sub with_server
{
	my ($options, $mapping) = @_;
	$node->safe_psql('postgres', "DROP SERVER IF EXISTS shop CASCADE; " . server('shop', $options)
		  . "; GRANT USAGE ON FOREIGN SERVER shop TO reader;"
		  . ($mapping ? " CREATE USER MAPPING FOR PUBLIC SERVER shop OPTIONS ($mapping);" : ''));
	fixture_reset();
	return;
}
my $base = "url 'http://public.test:$port'";

with_server("$base, auth 'bearer'", "token 'secret-token'");
is(query($node, as_role('reader', read_server('shop'))), '3', 'a server');
is(headers_at('http')->{authorization}, 'Bearer secret-token', 'bearer');
with_server("$base, auth 'basic'", "user 'me', password 'secret:word'");
query($node, as_role('reader', read_server('shop')));
is(headers_at('http')->{authorization}, 'Basic bWU6c2VjcmV0OndvcmQ=', 'basic');
with_server("$base, auth 'header', auth_name 'X-Key'", "key 'secret'");
query($node, as_role('reader', read_server('shop')));
is(headers_at('http')->{'x-key'}, 'secret', 'a key in a header');
with_server("$base, auth 'query', auth_name 'k'", "key 'se&cret'");
query($node, as_role('reader', read_server('shop', '/rows/3?a=b')));
like((fixture_requests())[0]{path}, qr/\?a=b&k=se%26cret$/, 'a key in the query');
my $err_of = sub { return query_fails($node, as_role('reader', read_server('shop', '/echo?status=400')), '22023', $_[0], $_[1]); };
like($err_of->(qr/k=\*\*\*/, 'a key that an error shows as it was sent'), qr/status 400/, 'is masked');
with_server("$base, auth 'bearer', headers '{\"X-Id\": \"longsecret\"}'", "token 'longsecret-and-more', client_id 'long'");
unlike($err_of->(qr/authorization,"\*\*\*"/, 'a secret that begins with another'), qr/and-more/, 'is masked whole');
with_server(qq($base, headers '{"X-Version": "2", "X-Note": "a \\"b\\""}'));
query($node, as_role('reader', read_server('shop')));
is(headers_at('http')->{'x-version'} . headers_at('http')->{'x-note'}, '2a "b"', 'headers of the server');
fixture_reset();
query($node, read_url("http://me:secret%3Aword\@127.0.0.1:$port/rows/3"));
is(headers_at('http')->{authorization}, 'Basic bWU6c2VjcmV0OndvcmQ=', 'user and password of a URL');
is((fixture_requests())[0]{path}, '/rows/3', 'which is sent without them');

my $secret_file = fixture_dir() . '/token';
append_to_file($secret_file, "secret-of-file\n");
with_server("$base, auth 'bearer'", "token_file '$secret_file'");
query($node, as_role('reader', read_server('shop')));
is(headers_at('http')->{authorization}, 'Bearer secret-of-file', 'a secret that is in a file');
unlink $secret_file;
query_fails($node, as_role('reader', read_server('shop')), '58P01', qr/could not open file/, 'is read when it is needed');
mkdir $secret_file;
query_fails($node, as_role('reader', read_server('shop')), '42809', qr/not a regular file/, 'and is a file');

with_server("$base, auth 'bearer', headers '{\"X-Key\": \"secret\"}', allowed_origins 'http://public.test:$other'",
	"token 'secret-token'");
is(query($node, as_role('reader', read_server('shop', redirect_to("/rows/3")))), '3', 'a redirect within the origin');
my @requests = fixture_requests();
is($requests[1]{headers}{authorization}, 'Bearer secret-token', 'takes the credentials along');
fixture_reset();
is(query($node, as_role('reader', read_server('shop', redirect_to("http://public.test:$other/rows/3")))), '3',
	'a redirect to another origin that is allowed');
is(headers_at('http')->{authorization}, 'Bearer secret-token', 'credentials go to the first');
ok(!exists headers_at('other')->{authorization} && !exists headers_at('other')->{'x-key'}, 'and not to the second');
fixture_reset();
query_fails($node, as_role('reader', read_server('shop', redirect_to("http://mixed.test:$other/rows/3"))), $denied,
	qr/neither that of the server nor one of its "allowed_origins"/, 'a redirect to one that is not');

with_server('url ' . sql_quote(fixture_url('', 'https', 'public.test')) . ", auth 'bearer', ca_file '" . fixture_dir() . "/ca.crt',"
	  . " allowed_origins 'http://public.test:$port'", "token 'secret-token'");
query_fails($node, as_role('reader', read_server('shop', redirect_to("http://public.test:$port/rows/3"))), '08006',
	qr/it leads from https to http/, 'credentials are not followed by a downgrade');
is(scalar(grep { $_->{port} == $port } fixture_requests()), 0, 'nothing is sent in the clear');

# -- OAuth 2.0 ------------------------------------------------------------------------------------

my $oauth = "$base, auth 'oauth2', token_url 'http://public.test:$port/token', scope 'read all'";
with_server($oauth, "client_id 'me', client_secret 'se cret'");
my $session = as_role('reader', join('; ', map { read_server('shop', '/guarded') } 1 .. 3));
is(query($node, $session), "3\n3\n3", 'a token is fetched');
@requests = fixture_requests();
is(join(' ', map { $_->{path} } @requests), '/token /guarded /guarded /guarded', 'once in a session');
is($requests[0]{body}, 'grant_type=client_credentials&scope=read%20all', 'for the client');
is($requests[0]{headers}{authorization}, 'Basic bWU6c2UlMjBjcmV0', 'that says who it is');
is($requests[1]{headers}{authorization}, 'Bearer token-1', 'and goes along');

with_server($oauth, "client_id 'me', client_secret 'secret'");
is( query($node, as_role('reader', join('; ', read_server('shop', '/guarded'), 'RESET ROLE', 'SELECT 1 FROM etl_csv(' . sql_quote(fixture_url('/revoke')) . ", header => false) $columns",
			'SET ROLE reader', read_server('shop', '/guarded')))),
	"3\n3", 'a token that is refused is fetched anew');
is(join(' ', map { $_->{path} } fixture_requests()), '/token /guarded /revoke /guarded /token /guarded', 'once');
with_server("$oauth, token_auth 'body'", "client_id 'me', client_secret 'secret', refresh_token 'r/1'");
is(query($node, as_role('reader', read_server('shop', '/guarded'))), '3', 'a refresh token');
@requests = fixture_requests();
is($requests[0]{body}, 'grant_type=refresh_token&refresh_token=r%2F1&scope=read%20all&client_id=me&client_secret=secret',
	'and the client in the body');
fixture_reset();
fixture_do('/revoke');
with_server($oauth =~ s/token'/token?answer=no+JSON'/r, "client_id 'me', client_secret 'secret'");
query_fails($node, as_role('reader', read_server('shop', '/guarded')), 'HV000', qr/could not read an access token/,
	'an answer that is no token');
with_server($oauth =~ s/token'/token?status=400'/r, "client_id 'me', client_secret 'secret'");
$err = query_fails($node, as_role('reader', read_server('shop', '/guarded')), '58030', qr/HTTP status 400/, 'an error of the token service');
unlike($err, qr/secret/, 'without secrets');

# -- rights on servers and options ----------------------------------------------------------------

with_server($base);
query_fails($node, as_role('other', read_server('shop')), $denied, qr/permission denied for foreign server shop/, 'USAGE is needed');
query_fails($node, "SET ROLE reader; PREPARE p AS " . read_server('shop')
	  . "; EXECUTE p; RESET ROLE; REVOKE USAGE ON FOREIGN SERVER shop FROM reader; SET ROLE reader; EXECUTE p",
	$denied, qr/permission denied for foreign server shop/, 'each time');
query_fails($node, read_server('nowhere'), '42704', qr/server "nowhere" does not exist/, 'no such server');
query_fails($node, "CREATE FOREIGN DATA WRAPPER foreign_to_us; CREATE SERVER s2 FOREIGN DATA WRAPPER foreign_to_us; " . read_server('s2'),
	'42809', qr/is not of the foreign data wrapper "etl"/, 'a server of another wrapper');
with_server("url 'http://public.test:$port/rows'");
is(query($node, as_role('reader', read_server('shop', '3'))), '3', 'a path is below the URL');
query_fails($node, as_role('reader', read_server('shop', '../files/real/airports.csv')), '22023', qr/leads out of the URL/,
	'and stays there');
query_fails($node, as_role('reader', read_server('shop', 'http://public.test/')), '22023', qr/must be relative/, 'and is no URL');
query_fails($node, as_role('reader', read_server('shop', '..%2ffiles/real/airports.csv')), '22023', qr/leads out of the URL/,
	'however it is written');

# -- what the arguments of etl_api can ask for ----------------------------------------------------

sub read_api { return "SELECT count(*) FROM etl_api('shop', $_[0]) AS t(id int)"; }
with_server("url 'http://public.test:$port/api', auth 'bearer'", "token 'secret-token'");
my $pages = "'/notion/n=25/size=10', pagination => 'notion'";
is(query($node, as_role('reader', read_api("$pages, " . api_options(next_path => '/api/notion/n=25/size=10')))), '25', 'next_path');
for my $next_path ('/rows/3', '../../../files/x?{next}', "http://mixed.test:$port/x", '//mixed.test/', '/api/..%2f{next}')
{
	fixture_reset();
	query_fails($node, as_role('reader', read_api("$pages, " . api_options(next_path => $next_path))), '22023',
		qr/invalid value for option "next_path"\nDETAIL:  It leads (out|to another)/, "next_path => $next_path");
	is(requests(), 1, 'and nothing is sent there');
}
for my $header ('Host', 'host', 'Content-Length', 'Transfer-Encoding', 'Connection')
{
	fixture_reset();
	query_fails($node, as_role('reader', read_api(qq('', headers => '{"$header": "private.test"}'))), '22023',
		qr/set by etl itself/, "a user does not set $header");
	query_fails($node, as_role('reader', read_api("'', items => 'items', pagination => 'cursor', next => 'x', next_param => 'header:$header'")),
		'22023', qr/not the name of a header that can be set/, 'nor has a cursor put there');
	is(requests(), 0, 'and nothing is sent');
}

with_server("url 'http://127.0.0.1:$port'");
query_fails($node, as_role('reader', read_server('shop')), $denied,
	qr/not one of the public internet\.\nHINT:  Only superusers, and servers with the option "allow_private", may reach/,
	'a server at a private address');
with_server("url 'http://localhost:$port'");
query_fails($node, as_role('reader', read_server('shop')), $denied, qr/HINT:  Only superusers, and servers with the option "allow_private"/,
	'a server whose name leads there');
with_server("url 'http://127.0.0.1:$port', allow_private 'true'");
is(query($node, as_role('reader', read_server('shop'))), '3', 'that says so');
is(query($node, as_role('reader', read_server('shop', redirect_to("http://127.0.0.1:$port/rows/3")))), '3', 'also after a redirect');
query_fails($node, as_role('reader', read_server('shop', redirect_to("http://127.0.0.1:$other/rows/3"))), $denied,
	qr/neither that of the server/, 'but only to itself');

admits('*:*');
query_fails($node, as_role('reader', read_server('shop', redirect_to("http://127.0.0.1:$other/rows/3"))), $denied,
	qr/The address is not one of the public internet/, 'whatever other hosts are admitted');
query_fails($node, as_role('reader', read_server('shop', redirect_to("http://localhost:$other/rows/3"))), $denied,
	qr/not one of the public internet.*HINT:  A redirect leads there only if option "allowed_origins" of the server lists/s, 'by its name neither');
is(scalar(grep { $_->{port} == $other } fixture_requests()), 0, 'nothing is sent there');
admits("public.test:$port");

# The proxy is asked for the whole URL.
with_server("url 'http://private.test:81', proxy 'http://127.0.0.1:$port'");
query_fails($node, as_role('reader', read_server('shop', '/x')), '58P01', qr/HTTP status 404/, 'a proxy is asked');
is((fixture_requests())[0]{path}, 'http://private.test:81/x', 'for the whole URL');

my @options = (
	[ 'owner', "url 'http://x', allow_private 'true'", $denied, qr/permission denied to set option "allow_private"/ ],
	[ 'owner', "url 'http://x', proxy 'http://y'", $denied, qr/permission denied to set option "proxy"/ ],
	[ 'owner', "url 'http://x', ca_file '/x'", $denied, qr/permission denied to set option "ca_file"/ ],
	[ 'owner', "url 'http://x', client_cert '/x'", $denied, qr/permission denied to set option "client_cert"/ ],
	[ 'owner', "url 'http://x', client_key '/x'", $denied, qr/permission denied to set option "client_key"/ ],
	[ 'files', "url 'http://x', allow_private 'true'", $denied, qr/permission denied to set option "allow_private"/ ],
	[ 'owner', "ulr 'http://x'", 'HV00D', qr/invalid option "ulr"\nHINT:  Perhaps you meant the option "url"/ ],
	[ 'owner', "rate_limits '1/s'", 'HV00D', qr/Perhaps you meant the option "rate_limit"/ ],
	[ 'owner', "base_url 'http://x'", 'HV00D', qr/Perhaps you meant the option "url"/ ],
	[ 'owner', "token 'x'", 'HV00D', qr/It is an option of user mappings/ ],
	[ 'owner', "xyzzy 'x'", 'HV00D', qr/invalid option "xyzzy"\nLOCATION/ ],
	[ 'owner', "url 'ftp://x'", 'HV024', qr/Only http/ ],
	[ 'owner', "url 'http://u:secret\@x'", 'HV024', qr/belong into a user mapping/ ],
	[ 'owner', "auth 'digest'", 'HV024', qr/It must be none, bearer/ ],
	[ 'owner', "rate_limit 'often'", 'HV024', qr/such as 10/ ],
	[ 'owner', "connect_timeout 'x'", 'HV024', qr/It must be a time/ ],
	[ 'owner', "read_timeout '0'", 'HV024', qr/It must be a time/ ],
	[ 'owner', "max_attempts '0'", 'HV024', qr/from 1 to 1000/ ],
	[ 'owner', "allow_private 'maybe'", $denied, qr/allow_private/ ],
	[ scalar getpwuid($<), "allow_private 'maybe'", 'HV024', qr/true or false/ ],
	[ scalar getpwuid($<), "ca_file 'x'", 'HV024', qr/absolute path/ ],
	[ 'owner', "allowed_origins 'example.com'", 'HV024', qr/"example.com" is not an origin/ ],
	[ 'owner', "headers 'X: y'", '22P02', qr/json/ ],
	[ 'owner', "headers '[]'", 'HV024', qr/JSON object/ ],
	[ 'owner', q(headers '{"X": 1}'), 'HV024', qr/must be strings/ ],
	[ 'owner', q(headers '{"X": "a\r\nY: b"}'), 'HV024', qr/control characters/ ],
	[ 'owner', q(headers '{"X Y": "a"}'), 'HV024', qr/letters, digits and hyphens/ ],
	[ 'owner', q(headers '{"Host": "a"}'), 'HV024', qr/set by etl itself/ ],
	[ 'owner', "auth_name E'X\\nY'", 'HV024', qr/control characters/ ],
);
for my $option (@options)
{
	my ($role, $text, $sqlstate, $pattern) = @$option;
	query_fails($node, as_role($role, server('s3', $text)), $sqlstate, $pattern, "option of a server: $text ($role)");
}
$node->safe_psql('postgres', as_role('owner', server('mine', "url 'http://public.test:$port'")));
my @mappings = (
	[ 'owner', "token_file '/x'", $denied, qr/permission denied to set option "token_file"/ ],
	[ 'owner', "tokn 'x'", 'HV00D', qr/Perhaps you meant the option "token"/ ],
	[ 'owner', "url 'x'", 'HV00D', qr/It is an option of the server/ ],
	[ 'owner', "token E'a\\nb'", 'HV024', qr/control characters/ ],
	[ 'owner', "token ''", 'HV024', qr/must not be empty/ ],
	[ scalar getpwuid($<), "token_file 'x'", 'HV024', qr/absolute path/ ],
	[ scalar getpwuid($<), "token 'x', token_file '/x'", 'HV024', qr/exclude each other/ ],
);
for my $mapping (@mappings)
{
	my ($role, $text, $sqlstate, $pattern) = @$mapping;
	query_fails($node, as_role($role, "CREATE USER MAPPING FOR owner SERVER mine OPTIONS ($text)"), $sqlstate, $pattern,
		"option of a mapping: $text ($role)");
}
is(query($node, as_role('owner', read_server('mine'))), '3', 'who may create servers may reach public hosts');
query_fails($node, as_role('owner', server('empty', "auth 'none'") . '; ' . read_server('empty')), 'HV00J',
	qr/server "empty" lacks option "url"/, 'a server without a URL');
for my $auth ([ 'bearer', 'token' ], [ 'basic', 'user' ], [ 'header', 'key' ], [ 'query', 'key' ], [ 'oauth2', 'token_url' ])
{
	query_fails($node, as_role('owner', server("lacking_$auth->[0]", "url 'http://x', auth '$auth->[0]'") . '; ' . read_server("lacking_$auth->[0]")), 'HV00J',
		qr/server "lacking_$auth->[0]" lacks option "$auth->[1]"/, "$auth->[0] without its secret");
}

# -- everything that was written down -------------------------------------------------------------

my @leaks = grep { /secret/ && !/STATEMENT|statement:|option|OPTIONS|CREATE|^\s/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @leaks), '', 'no secret in the log of the server');

$node->stop;
done_testing();

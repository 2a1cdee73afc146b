# Tokens for assertions that a private key signs.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Cluster;
use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('jwt', streaming => 1, conf => "etl.breaker_failures = 1000\n");
my $dir = fixture_dir();
my %generate = (
	rsa => [ 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048' ],
	traditional => [ 'genrsa', '-traditional', '2048' ],
	ec => [ 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256' ],
	p384 => [ 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384' ],
	encrypted => [ 'genpkey', '-algorithm', 'RSA', '-aes256', '-pass', 'pass:secret' ]);
for my $name (sort keys %generate)
{
	my ($command, @options) = @{ $generate{$name} };
	system_or_bail('openssl', $command, '-out', "$dir/$name.pem", @options);
	chmod 0644, "$dir/$name.pem";
}
system_or_bail('openssl', 'pkey', '-in', "$dir/$_.pem", '-pubout', '-out', "$dir/$_.pub") for qw(rsa traditional ec);
$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO reader;'
	  . ' GRANT USAGE ON FOREIGN DATA WRAPPER etl TO reader');

sub with_server
{
	my ($options, $mapping, $token_url) = @_;
	$node->safe_psql('postgres', "DROP SERVER IF EXISTS warehouse CASCADE; CREATE SERVER warehouse FOREIGN DATA WRAPPER etl OPTIONS (url "
		  . sql_quote(fixture_url('')) . ", auth 'oauth2', grant 'jwt_bearer', token_url " . sql_quote(fixture_url($token_url // '/token'))
		  . "$options); CREATE USER MAPPING FOR CURRENT_USER SERVER warehouse OPTIONS ($mapping)");
	fixture_reset();
	return;
}
my $scan = "SELECT count(*) FROM etl_api('warehouse', '/api/guarded/n=25/size=10') AS t(id int)";

sub assertions { return map { $_->{body} =~ /(?:^|&)assertion=([^&]+)/ ? $1 : () } fixture_requests(); }
sub steps { return join(' ', map { $_->{path} =~ m{^/token} ? 'token' : $_->{path} =~ /page=(\d+)/ ? $1 : 1 } fixture_requests()); }

# An integer of DER.
sub der_integer
{
	my ($bytes) = @_;
	$bytes =~ s/^\0+(?=.)//s;
	$bytes = "\0$bytes" if ord($bytes) & 0x80;
	return "\x02" . chr(length $bytes) . $bytes;
}

# Header and claims of an assertion that is signed as it should be.
sub verified
{
	my ($assertion, $key, $name) = @_;
	my ($header, $claims, $signature) = split /\./, $assertion;
	my $bytes = decode_base64url($signature);
	my $file = "$dir/signature";

	if ($key eq 'ec')
	{
		is(length $bytes, 64, 'two numbers of 32 bytes');
		my $numbers = der_integer(substr $bytes, 0, 32) . der_integer(substr $bytes, 32);
		$bytes = "\x30" . chr(length $numbers) . $numbers;
	}
	unlink $file, "$dir/signed";
	open my $out, '>:raw', $file or die $!;
	print $out $bytes;
	close $out;
	append_to_file("$dir/signed", "$header.$claims");
	ok(run_log([ 'openssl', 'dgst', '-sha256', '-verify', "$dir/$key.pub", '-signature', $file, "$dir/signed" ]), $name);
	return (decode_json(decode_base64url($header)), decode_json(decode_base64url($claims)));
}

# -- RS256, as Google's service accounts have it --------------------------------------------------

with_server(", scope 'read all', issuer 'me\@project', key_id 'key\"1'", "private_key_file '$dir/rsa.pem'");
my $before = time;
is(query($node, "$scan; $scan"), "25\n25", 'RS256');
is(steps(), 'token 1 2 3 1 2 3', 'one token for all pages of all scans');
my @requests = fixture_requests();
like($requests[0]{body}, qr/^grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=[-\w.]+&scope=read%20all$/,
	'what the token service is told');
ok(!exists $requests[0]{headers}{authorization}, 'and nothing but that');
my ($header, $claims) = verified((assertions())[0], 'rsa', 'signed');
is_deeply($header, { alg => 'RS256', typ => 'JWT', kid => 'key"1' }, 'the header');
my ($iat, $exp, $jti) = delete @$claims{qw(iat exp jti)};
is_deeply($claims, { iss => 'me@project', aud => fixture_url('/token'), scope => 'read all' }, 'the claims');
cmp_ok($iat, '>=', $before, 'issued now');
is($exp, $iat + 180, 'for three minutes');
like($jti, qr/^[0-9a-f-]{36}$/, 'with a number');

with_server(", subject 'you', audience 'https://they', scope 'read'",
	"client_id 'me', client_secret 'hush', private_key '" . slurp_file("$dir/traditional.pem") . "'");
is(query($node, $scan =~ s/10/10\/revoke=2/r), '25', 'a token that is refused on the way');
is(steps(), 'token 1 2 token 2 3', 'is fetched anew once');
my @assertions = assertions();
isnt($assertions[0], $assertions[1], 'for another assertion');
(undef, $claims) = verified($assertions[1], 'traditional', 'signed, with the key in the mapping');
is_deeply([ @$claims{qw(iss sub aud)} ], [ 'me', 'you', 'https://they' ], 'the claims');
is((fixture_requests())[0]{headers}{authorization}, 'Basic bWU6aHVzaA==', 'a client that has a secret says that too');

# -- ES256 ----------------------------------------------------------------------------------------

with_server(", algorithm 'ES256', issuer 'me'", "private_key_file '$dir/ec.pem'");
is(query($node, $scan), '25', 'ES256');
($header) = verified((assertions())[0], 'ec', 'signed');
is($header->{alg}, 'ES256', 'the header');

# -- what goes wrong ------------------------------------------------------------------------------

append_to_file("$dir/no_key.pem", "-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----\n");
append_to_file("$dir/text", "secret\n");
for my $case (
	[ 'RS256', 'ec', qr/RS256 needs an RSA key/ ],
	[ 'ES256', 'rsa', qr/ES256 needs a key on the curve P-256/ ],
	[ 'ES256', 'p384', qr/ES256 needs a key on the curve P-256/ ],
	[ 'RS256', 'encrypted', qr/not a private key in PEM without a password/ ],
	[ 'RS256', 'no_key', qr/not a private key in PEM without a password/ ])
{
	my ($algorithm, $key, $pattern) = @$case;
	with_server(", algorithm '$algorithm', issuer 'me'", "private_key_file '$dir/$key.pem'");
	my $message = query_fails($node, $scan, 'HV024', qr/invalid value for option "private_key"\nDETAIL:  .*$pattern/, "$algorithm with $key");
	unlike($message, qr/secret|BEGIN/, 'nothing of the key is shown');
	is(steps(), '', 'nothing is sent');
}
with_server(", issuer 'me'", "private_key_file '$dir/text'");
query_fails($node, $scan, 'HV024', qr/invalid value for option "private_key"\nDETAIL:  It must be a private key in PEM/, 'a file without a key');
with_server(", issuer 'me'", "private_key_file '$dir/none.pem'");
query_fails($node, $scan, '58P01', qr/could not open file/, 'no such file');
with_server('', "private_key_file '$dir/rsa.pem'");
query_fails($node, $scan, 'HV00J', qr/lacks option "issuer"/, 'no issuer');
with_server(", issuer 'me'", "client_id 'me'");
query_fails($node, $scan, 'HV00J', qr/lacks option "private_key"/, 'no key');
with_server(", issuer 'me'", "private_key_file '$dir/rsa.pem'", '/echo?status=400');
my $message = query_fails($node, $scan, '58030', qr/HTTP status 400/, 'an error of the token service');
unlike($message, qr/eyJ/, 'does not show the assertion');
my $option = "CREATE SERVER s FOREIGN DATA WRAPPER etl OPTIONS (url 'http://x', ";
query_fails($node, "$option grant 'password')", 'HV024', qr/must be client_credentials or jwt_bearer/, 'another grant');
query_fails($node, "$option algorithm 'HS256')", 'HV024', qr/must be RS256 or ES256/, 'another algorithm');
query_fails($node, "SET ROLE reader; $option grant 'jwt_bearer'); CREATE USER MAPPING FOR reader SERVER s OPTIONS (private_key_file '/x')",
	'42501', qr/permission denied to set option "private_key_file"/, 'a file is for those who may read files');
query_fails($node, "SET ROLE reader; @{[$option =~ s/SERVER s /SERVER r /r]} grant 'jwt_bearer'); CREATE USER MAPPING FOR reader SERVER r OPTIONS (private_key 'secret')",
	'HV024', qr/must be a private key in PEM/, 'no key at all');
unlike(slurp_file($node->logfile) =~ s/^.*(?:STATEMENT|statement:).*(?:\n\t.*)*//gmr, qr/BEGIN |eyJ|hush/, 'nothing secret is in the log');

# -- what else there is to tokens -----------------------------------------------------------------

# A refresh token that is good for one time only.
$node->safe_psql('postgres', "DROP SERVER warehouse CASCADE; CREATE SERVER warehouse FOREIGN DATA WRAPPER etl OPTIONS (url "
	  . sql_quote(fixture_url('')) . ", auth 'oauth2', token_url " . sql_quote(fixture_url('/token?rotate=1'))
	  . "); CREATE USER MAPPING FOR CURRENT_USER SERVER warehouse OPTIONS (client_id 'me', client_secret 'hush', refresh_token 'first')");
fixture_reset();
my ($status, $stdout, $stderr) = $node->psql('postgres', "$scan; " . ($scan =~ s/10/10\/revoke=1/r));
is($stdout, "25\n25", 'a refresh token that is replaced');
is_deeply([ map { $_->{body} =~ /refresh_token=([^&]+)/ ? $1 : () } fixture_requests() ], [ 'first', 'refresh-1' ], 'the new one is used');
is($stderr, '', 'without a word');
my $refreshed = sub { return join(' ', map { $_->{body} =~ /refresh_token=([^&]+)/ ? $1 : () } fixture_requests()); };
is(query($node, 'BEGIN; ' . $scan . '; ROLLBACK'), '25', 'another session, whose transaction is rolled back');
is($refreshed->(), 'first refresh-1 refresh-2', 'uses the newest one');
$node->safe_psql('postgres', "CREATE TABLE loaded (id int PRIMARY KEY); SELECT etl_create_pipeline('fresh', source => "
	  . sql_quote($scan =~ s/.* FROM (.*) AS t/$1 AS t/r) . ", target => 'loaded', key => '{id}')");
query($node, "CALL etl_run('fresh')") for 1 .. 2;
is(query($node, "SELECT string_agg(state, ' ') FROM etl_runs"), 'succeeded succeeded', 'so do runs of pipelines');
is($refreshed->(), 'first refresh-1 refresh-2 refresh-3 refresh-4', 'each its own');
$_->finish for map { start_psql($node, $scan) } 1 .. 4;
is($refreshed->(), 'first ' . join(' ', map { "refresh-$_" } 1 .. 8), 'sessions at the same time, too');
query_fails($node, "SET ROLE pg_monitor; TABLE etl_catalog.refresh_tokens", '42501', qr/permission denied for schema etl_catalog/, 'no role sees them');
unlike((run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]))[0], qr/refresh-\d/, 'nor does a dump');
is(query($node, 'SELECT count(*), max(token) FROM etl_catalog.refresh_tokens'), '1|refresh-9', 'a row for each mapping');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR CURRENT_USER SERVER warehouse OPTIONS (SET refresh_token 'second')");
fixture_reset();
query($node, $scan) for 1 .. 2;
is($refreshed->(), 'second refresh-1', 'a mapping that was changed begins anew');
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
fixture_reset();
($status, $stdout, $stderr) = $node->psql('postgres', "$scan; " . ($scan =~ s/10/10\/revoke=1/r));
is($stdout, "25\n25", 'without a worker that keeps it');
like($stderr, qr/WARNING:  the new refresh token of server "warehouse" could not be kept/, 'there is a warning');
unlike($stderr, qr/second|refresh-\d|hush/, 'that does not show it');
is($refreshed->(), 'refresh-2 refresh-1', 'and the session goes on with it');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
fixture_reset();
query_fails($standby, $scan, '25006', qr/cannot use a refresh token on a standby/, 'a standby keeps none');
is($refreshed->(), '', 'and so asks for none');
$standby->stop;

my $tokens = sub { return scalar(grep { $_->{path} =~ m{^/token} } fixture_requests()); };
my $paged = sub {
	my ($knobs, $options) = @_;
	return "SELECT count(*) FROM etl_api('warehouse', '/api/guarded/n=60/size=10/paged=1/$knobs', pagination => 'page', items => 'items',"
	  . " stop => 'total=total'$options) AS t(id int)";
};
fixture_reset();
is(query($node, "$scan; " . $paged->('revoke=3', ', concurrency => 4')), "25\n60", 'several requests that are refused together');
is($tokens->(), 2, 'are one reason for a new token');
fixture_reset();
my $refresh = ', ' . api_options(answers => '200 error=token_expired refresh');
is(query($node, $paged->('soft=1/revoke=3', $refresh)), '60', 'a token that is refused by an answer with status 200');
is($tokens->(), 2, 'is fetched anew if the dialect says so');
fixture_reset();
query_fails($node, $paged->('soft=1/never=1', $refresh), '58030', qr/HTTP status 200, in attempt 3/, 'but not for ever');
query_fails($node, $paged->('soft=1/never=1', $refresh) =~ s/'warehouse', '/"'" . fixture_url('')/er, 'HV000', qr/answers with an error/,
	'who has no token to renew gets an error');

done_testing();

# Keys of the machine on which the server runs: web identity, container, instance.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Attacks;
use HttpFixture qw(query query_fails);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $dir = PostgreSQL::Test::Utils::tempdir();
my $role = 'arn:aws:iam::123456789012:role/loader';
my $identity = 'who-the-machine-is';
append_to_file("$dir/identity", "$identity\n");
my $node = PostgreSQL::Test::Cluster->new('machine');
$node->init;
$node->append_conf('postgresql.conf', "session_preload_libraries = etl\n");
$node->append_conf('postgresql.conf', "etl.aws_$_->[0] = '$_->[1]'\n")
	for [ sts_url => store_url() ], [ metadata_url => store_url() ], [ container_url => store_url() . '/container' ], [ container_token_file => "$dir/identity" ];
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
store_do('put', key => "parts/$_.csv", body => "n\n$_\n") for 1 .. 5;

# A server for each kind, in whose way nothing private may be reached but the bucket.
my %kinds = (
	web_identity => ", role_arn '$role', web_identity_token_file '$dir/identity'",
	container => '',
	instance => '');
store_server($node, $_, 's3://lake', options => "auth 'aws', concurrency '1', credentials '$_'$kinds{$_}", keys => '') for sort keys %kinds;

sub sum { return query($node, "SELECT sum(n) FROM etl_csv('$_[0]', path => 'parts/*.csv') AS t(n int)"); }

# What was asked of the services, and the statuses of what was asked of the bucket.
sub fetched { return grep { $_->{target} !~ /lake/ } store_requests(); }
sub statuses { return join ' ', map { $_->{status} } grep { $_->{target} =~ /lake/ } store_requests(); }

my %asks = (
	web_identity => [ 'POST /' ],
	container => [ 'GET /container' ],
	instance => [ 'PUT /latest/api/token', 'GET /latest/meta-data/iam/security-credentials/', 'GET /latest/meta-data/iam/security-credentials/loader' ]);
for my $kind (sort keys %kinds)
{
	store_do('reset');
	store_do('machine', lifetime => 3600);
	is(sum($kind), 15, "$kind: the keys of the machine");
	is_deeply([ map { "$_->{method} $_->{target}" } fetched() ], $asks{$kind}, 'are asked for once');
	my ($request) = grep { $_->{target} =~ /lake/ } store_requests();
	ok($request->{headers}{'x-amz-security-token'}, 'and go with their token');

	# Their time is over by what they say: others are asked for, before a request is refused.
	store_do('reset');
	store_do('machine', lifetime => -60);
	is(sum($kind), 15, 'keys whose time is over');
	is(statuses(), '200 200 200 200 200 200', 'are not shown again');
	is(scalar(fetched()), 6 * @{ $asks{$kind} }, 'but asked for with each request');

	# It is over before they say so.
	store_do('reset');
	store_do('machine', lifetime => 3600, uses => 2);
	is(sum($kind), 15, 'keys that are refused as expired');
	is(statuses(), '200 200 400 200 200 400 200 200', 'are asked for again, and so is what was refused');
	is(scalar(fetched()), 3 * @{ $asks{$kind} }, 'once each time');
}

# The whole of the clock: each answer is held back until a run takes longer than the keys live.
store_do('machine', lifetime => 2, seconds => 2);
store_do('reset');
store_do('fault', kind => 'slow', ms => 1000);
is(sum('web_identity'), 15, 'a run that is longer than the life of keys');
cmp_ok(scalar(fetched()), '>', 2, 'which are asked for again meanwhile');

# What is refused with whatever keys is asked for once more, and no more.
store_do('reset');
store_do('machine', lifetime => 3600);
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => '/3.csv');
query_fails($node, "SELECT sum(n) FROM etl_csv('instance', path => 'parts/*.csv') AS t(n int)", '42501', qr/HTTP status 403/, 'what is not allowed');
is(statuses(), '200 200 200 403 403', 'is asked for once more');
is(scalar(fetched()), 2 * 3, 'with other keys');
store_do('reset');

# The keys are those of a server, and not of a session.
store_server($node, 'other', 's3://lake', options => "auth 'aws', concurrency '1', credentials 'instance'", keys => '');
is(query($node, join ';', map { "SELECT n FROM etl_csv('$_', path => 'parts/1.csv') AS t(n int)" } qw(instance instance other)), "1\n1\n1", 'two servers in a session');
is(scalar(fetched()), 2 * 3, 'have keys of their own');

# -- services that give none ------------------------------------------------------------------------

sub fails_with
{
	my ($name, $setting, $server, $sqlstate, $message) = @_;
	my $text = query_fails($node, "$setting; SELECT * FROM etl_csv('$server', path => 'parts/1.csv') AS t(n int)", $sqlstate, $message, $name);
	unlike($text, qr/$identity/, "$name: no secret is shown");
	return $text;
}

my $url = store_url();
fails_with('no container', "SET etl.aws_container_url = ''", 'container', '42704', qr/setting "etl.aws_container_url" does not say/);
fails_with('no such container', "SET etl.aws_container_url = '$url/latest/none'", 'container', '28000', qr/could not get keys for server "container" from "$url\/latest\/none": HTTP status 401/);
fails_with('no metadata', "SET etl.aws_metadata_url = '$url/latest/none'", 'instance', '28000', qr/HTTP status 401/);
$node->safe_psql('postgres', "ALTER SERVER web_identity OPTIONS (SET role_arn '${role}s')");
fails_with('another role', 'SET etl.aws_sts_url = DEFAULT', 'web_identity', '28000', qr/InvalidIdentityToken/);
$node->safe_psql('postgres', "ALTER SERVER web_identity OPTIONS (SET role_arn '$role')");
fails_with('an answer that is none', "SET etl.aws_container_url = '$url/_requests'", 'container', '28000', qr/is not a JSON object/);
query_fails($node, "SET etl.aws_$_ = 'nonsense'", '22023', qr/invalid value/, "aws_$_: nonsense") for qw(sts_url metadata_url container_url);

# -- options ----------------------------------------------------------------------------------------

for my $bad (
	[ "url 's3://lake', auth 'aws', credentials 'environment'", 'HV024', qr/web_identity, container or instance/ ],
	[ "url 's3://lake', credentials 'instance'", 'HV024', qr/Set option "auth" to aws/ ],
	[ "url 's3://lake', auth 'aws', credentials 'instance', role_arn '$role'", 'HV024', qr/"role_arn" of server "bad" is for a web identity/ ],
	[ "url 's3://lake', auth 'aws', credentials 'web_identity', role_arn '$role'", 'HV00J', qr/lacks option "web_identity_token_file"/ ],
	[ "url 's3://lake', auth 'aws', credentials 'web_identity', web_identity_token_file 'identity'", 'HV024', qr/absolute path/ ])
{
	query_fails($node, "CREATE SERVER bad FOREIGN DATA WRAPPER etl OPTIONS ($bad->[0]); SELECT * FROM etl_list('bad', '*')", @$bad[ 1, 2 ], "OPTIONS ($bad->[0])");
	$node->safe_psql('postgres', 'DROP SERVER IF EXISTS bad');
}
$node->safe_psql('postgres', "CREATE USER MAPPING FOR CURRENT_USER SERVER instance OPTIONS (access_key_id 'x', secret_access_key 'y')");
query_fails($node, "SELECT * FROM etl_list('instance', '*')", 'HV024', qr/its user mapping has keys/, 'keys besides');

# -- attacks ----------------------------------------------------------------------------------------

# Servers that a superuser has made for a role, which owns them from then on.
make_roles($node);
store_do('reset');
store_server($node, 'his', 's3://lake/parts', options => "auth 'aws', concurrency '1', credentials 'instance'", keys => '');
store_server($node, 'plain', 's3://lake/parts', keys => '');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER etl TO owner; ALTER SERVER his OWNER TO owner; ALTER SERVER plain OWNER TO owner; GRANT USAGE ON FOREIGN SERVER his TO reader');
my $denied = fails('42501', qr/permission denied to set option/);
my $redirect = store_url() =~ s/127.0.0.1/localhost/r;
attacks($node, 'owner', [
	[ 'the keys of the machine', "CREATE SERVER x FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', auth 'aws', credentials 'instance')", fails('42501', qr/credentials of the database server itself/) ],
	[ 'added to a server', "ALTER SERVER plain OPTIONS (ADD credentials 'instance')", '42501' ],
	[ 'another endpoint', "ALTER SERVER his OPTIONS (SET endpoint 'https://evil.example')", $denied ],
	[ 'another bucket', "ALTER SERVER his OPTIONS (SET url 's3://evil')", $denied ],
	[ 'an ordinary URL', "ALTER SERVER his OPTIONS (SET url 'https://evil.example', DROP endpoint)", $denied ],
	[ 'another region', "ALTER SERVER his OPTIONS (ADD region 'evil-1')", $denied ],
	[ 'another origin', "ALTER SERVER his OPTIONS (ADD allowed_origins 'https://evil.example')", $denied ],
	[ 'a header', q(ALTER SERVER his OPTIONS (ADD headers '{"X-Amz-Meta": "x"}')), $denied ],
	[ 'a role', "ALTER SERVER his OPTIONS (ADD role_arn '$role')", $denied ],
	[ 'a role of a mapping', "CREATE USER MAPPING FOR owner SERVER his OPTIONS (role_arn '$role')", 'HV00D' ],
	[ 'keys of a mapping', "CREATE USER MAPPING FOR owner SERVER his OPTIONS (access_key_id 'x', secret_access_key 'y')", gives('') ],
	[ 'which do not help', "SELECT * FROM etl_list('his', '*')", 'HV024' ],
	[ 'another metadata service', "SET etl.aws_metadata_url = 'http://evil.example'", '42501' ],
	[ 'another STS', "SET etl.aws_sts_url = 'http://evil.example'", '42501' ],
	[ 'another container', "SET etl.aws_container_url = 'http://evil.example'", '42501' ],
	[ 'a file', "SET etl.aws_container_token_file = '/etc/passwd'", '42501' ],
	[ 'settings of a role', "ALTER ROLE owner SET etl.aws_metadata_url = 'http://evil.example'", '42501' ],
	[ 'settings of a function', "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET etl.aws_metadata_url = 'http://evil.example' AS 'SELECT 1'", '42501' ],
	[ 'the metadata service itself', "CREATE SERVER y FOREIGN DATA WRAPPER etl OPTIONS (url 'http://169.254.169.254'); SELECT * FROM etl_csv('y', path => 'latest/meta-data/') AS t(a text)", fails('42501', qr/not one of the public internet/) ],
]);
is(scalar(store_requests()), 0, 'nothing was sent for any of these');
attacks($node, 'reader', [
	[ 'what USAGE gives', "SELECT sum(n) FROM etl_csv('his', path => '*.csv') AS t(n int)", gives('15') ],
	[ 'above the prefix', "SELECT * FROM etl_csv('his', path => '../a.csv') AS t(n int)", '22023' ],
	[ 'the keys by an URL', "SELECT * FROM etl_csv('$url/latest/meta-data/iam/security-credentials/loader') AS t(a text)", '42501' ],
]);

# A bucket that sends elsewhere what it was sent: the signature stays behind.
store_do('reset');
store_do('fault', kind => 'redirect', to => "$redirect/latest/meta-data/", match => '1.csv');
attacks($node, 'reader', [ [ 'a redirect to the metadata service', "SELECT * FROM etl_csv('his', path => '1.csv') AS t(n int)", fails('42501', qr/permission denied to follow a redirect/) ] ]);

# What it says of a request is shown without what is secret.
store_do('reset');
store_do('fault', kind => 'echo', status => 400, match => '1.csv');
my $message = query_fails($node, "SELECT * FROM etl_csv('his', path => '1.csv') AS t(n int)", '58030', qr/HTTP status 400/, 'a bucket that repeats what it was sent', extra_params => [ '-U', 'reader' ]);
my ($request) = grep { $_->{target} =~ /1\.csv/ } store_requests();
my ($id) = $request->{headers}{authorization} =~ /Credential=(\w+)/;
like($message, qr/\*\*\*/, 'is shown');
unlike($message, qr/\Q$id\E|\Q$request->{headers}{'x-amz-security-token'}\E/, 'but not the keys');

done_testing();

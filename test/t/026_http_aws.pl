# auth 'aws': requests signed for an S3 that verifies signatures.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(query query_fails);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $node = PostgreSQL::Test::Cluster->new('aws');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
store_server($node, 'lake', 's3://lake');

sub rows { return query($node, "SELECT sum(n) FROM etl_csv('$_[0]', path => '$_[1]') AS t(n int)"); }

# -- signatures ------------------------------------------------------------------------------------

store_do('put', key => 'a.csv', body => "n\n1\n2\n");
store_do('put', key => "day=2026-12-01/a b+c(1)~'\x{e9}.csv", body => "n\n3\n");
is(rows('lake', 'a.csv'), 3, 'an object');
is(rows('lake', "day=2026-12-01/a b+c(1)~''\xc3\xa9.csv"), 3, 'a key with characters that are escaped in a signature');

my ($request) = grep { $_->{target} =~ /a\.csv/ } store_requests();
like($request->{headers}{authorization}, qr/^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, /,
	'what is signed');

# As Google has it, which has no regions in signatures.
store_server($node, 'google', 's3://lake', options => "auth 'aws', region 'auto'");
is(rows('google', 'a.csv'), 3, 'the region "auto"');
like((store_requests())[-1]{headers}{authorization}, qr/\/auto\/s3\/aws4_request/, 'is signed');

store_server($node, 'payer', 's3://lake', options => "auth 'aws', request_payer 'true'");
is(rows('payer', 'a.csv'), 3, 'the one who asks pays');
is((store_requests())[-1]{headers}{'x-amz-request-payer'}, 'requester', 'and says so');

store_server($node, 'dotted', 's3://dotted.bucket');
store_do('put', bucket => 'dotted.bucket', key => 'a.csv', body => "n\n4\n");
is(rows('dotted', 'a.csv'), 4, 'a bucket with a dot in its name');

store_server($node, 'open', 's3://open', options => "auth 'none'", keys => '');
store_do('put', bucket => 'open', key => 'a.csv', body => "n\n5\n");
is(rows('open', 'a.csv'), 5, 'a public bucket');
ok(!exists +(store_requests())[-1]{headers}{authorization}, 'without a signature');

# -- refusals ------------------------------------------------------------------------------------

my $wrong = 'wrong-secret-that-nobody-may-see';
store_server($node, 'wrong', 's3://lake', keys => "access_key_id 'AKIAWRONGWRONGWRONG1', secret_access_key '$wrong', session_token 'token-of-$wrong'");
my $message = query_fails($node, "SELECT * FROM etl_csv('wrong', path => 'a.csv') AS t(n int)", '42501', qr/HTTP status 403/, 'wrong keys');
unlike($message, qr/wrong-secret|AKIAWRONG/, 'are not shown');
like($message, qr/HINT:  Check the options of server "wrong"/, 'and are what the hint is about');
like((store_requests())[-1]{headers}{'x-amz-security-token'}, qr/^token-of/, 'the token goes along');

query_fails($node, "SELECT * FROM etl_csv('lake', path => 'none.csv') AS t(n int)", '58P01', qr/HTTP status 404/, 'no such object');

$node->safe_psql('postgres', "CREATE SERVER keyless FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', auth 'aws')");
query_fails($node, "SELECT * FROM etl_csv('keyless', path => 'a.csv') AS t(n int)", 'HV00J', qr/lacks option "access_key_id"/, 'no keys');

# -- the region, and the time -----------------------------------------------------------------------

store_do('reset');
store_do('fault', kind => 'region', name => 'eu-west-1');
is(query($node, q{
	SELECT sum(n) FROM etl_csv('lake', path => 'a.csv') AS t(n int);
	SELECT sum(n) FROM etl_csv('lake', path => 'a.csv') AS t(n int)}), "3\n3", 'another region than we thought');
is(join(' ', map { $_->{status} } store_requests()), '400 200 200', 'is asked once, and remembered in the session');

store_do('reset');
store_do('fault', kind => 'skew', seconds => 7200);
is(query($node, q{
	SELECT sum(n) FROM etl_csv('lake', path => 'a.csv') AS t(n int);
	SELECT sum(n) FROM etl_csv('lake', path => 'a.csv') AS t(n int)}), "3\n3", 'a clock that is two hours ahead');
is(join(' ', map { $_->{status} } store_requests()), '403 200 200', 'is taken from the answer once');

store_do('fault', kind => 'region', name => 'eu-west-1');
is(rows('lake', 'a.csv'), 3, 'both at once');

store_do('reset');
store_do('fault', kind => 'skew', seconds => 90000);
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'a.csv') AS t(n int)", '42501', qr/RequestTimeTooSkewed/, 'a clock that is none');
is(scalar(store_requests()), 1, 'is not believed');

store_do('reset');
store_do('fault', kind => 'status', status => 503, count => 1);
is(rows('lake', 'a.csv'), 3, 'SlowDown');
is(join(' ', map { $_->{status} } store_requests()), '503 200', 'is waited for, and asked again');

# -- keys in a file ----------------------------------------------------------------------------------

# With keys of both that are valid, and whatever comes before them.
sub profile
{
	my ($number, $before) = @_;
	return ($before // '') . sprintf "[loader]\naws_access_key_id = %s\naws_secret_access_key = %s\n", store_key($number);
}

sub write_profile
{
	open(my $file, '>', $_[0]) or die $!;
	print $file $_[1];
	close $file;
}

my $file = PostgreSQL::Test::Utils::tempdir . '/credentials';
store_do('reset');
write_profile($file, profile(0, "[default]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = none\n"));
store_server($node, 'profile', 's3://lake', options => "auth 'aws', concurrency '1'", keys => "credentials_file '$file', profile 'loader'");
is(rows('profile', 'a.csv'), 3, 'the keys of a profile');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER profile OPTIONS (SET profile 'none')");
query_fails($node, "SELECT * FROM etl_csv('profile', path => 'a.csv') AS t(n int)", 'HV024', qr/could not find the keys of profile "none"/, 'no such profile');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER profile OPTIONS (SET profile 'loader')");

# They expire within a statement, and somebody has written others by then.
store_do('put', key => "parts/$_.csv", body => "n\n$_\n") for 1 .. 3;
store_do('reset');
store_do('fault', kind => 'expire', match => '/parts/2.csv', count => 1, key_id => (store_key(0))[0], path => $file, text => profile(1));
is(rows('profile', 'parts/*.csv'), 6, 'keys that expire within a scan');
is(join(' ', map { $_->{status} } store_requests()), '200 200 400 200 200', 'are read anew');
store_do('fault', kind => 'expire', match => 'a.csv', count => 1, key_id => (store_key(1))[0], path => $file, text => profile(1));
query_fails($node, "SELECT * FROM etl_csv('profile', path => 'a.csv') AS t(n int)", '58030', qr/ExpiredToken/, 'keys that nobody writes anew');
store_do('reset');

query_fails($node, "CREATE USER MAPPING FOR CURRENT_USER SERVER lake OPTIONS (credentials_file 'relative')", 'HV024', qr/absolute path/, 'a relative path');
query_fails($node, "ALTER USER MAPPING FOR PUBLIC SERVER profile OPTIONS (ADD access_key_id 'x', ADD secret_access_key 'y');
	SELECT * FROM etl_csv('profile', path => 'a.csv') AS t(n int)", 'HV024', qr/has keys and a file of keys/, 'both');
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; GRANT USAGE ON FOREIGN DATA WRAPPER etl TO owner');
query_fails($node, "CREATE SERVER his FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', auth 'aws');
	CREATE USER MAPPING FOR owner SERVER his OPTIONS (credentials_file '$file')", '42501', qr/permission denied to set option "credentials_file"/, 'a file for one who may read none',
	extra_params => [ '-U', 'owner' ]);

# -- options ---------------------------------------------------------------------------------------

store_do('reset');
for my $bad (
	[ "url 's3://a'", qr/name of a bucket/ ],
	[ "url 's3://a..b/c'", qr/name of a bucket/ ],
	[ "url 's3://lake', region 'Frankfurt!'", qr/name of a region/ ],
	[ "url 's3://lake', addressing 'host'", qr/virtual or path/ ],
	[ "url 's3://lake', endpoint 'localhost:9000'", qr/http/ ],
	[ "url 's3://lake', endpoint 'https://host/?x'", qr/neither a user nor a query/ ])
{
	query_fails($node, "CREATE SERVER bad FOREIGN DATA WRAPPER etl OPTIONS ($bad->[0])", 'HV024', $bad->[1], "OPTIONS ($bad->[0])");
}
$node->safe_psql('postgres', "CREATE SERVER web FOREIGN DATA WRAPPER etl OPTIONS (url 'https://host.example', endpoint 'https://other.example')");
query_fails($node, "SELECT * FROM etl_csv('web', path => 'a.csv') AS t(n int)", 'HV024', qr/option "endpoint" of server "web" is for buckets/, 'an endpoint of no bucket');

for my $case ([ 's3a', qr/s3:\/\/BUCKET\/KEY/ ], [ 'gs', qr/is read as S3/ ], [ 'az', qr{endpoint must say whose} ], [ 'abfss', qr{az://CONTAINER} ])
{
	query_fails($node, "SELECT * FROM etl_csv('$case->[0]://lake/a.csv') AS t(n int)", '22023', $case->[1], "what to write for $case->[0]://");
}

# -- rights ----------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO reader;
	GRANT USAGE ON FOREIGN SERVER lake TO reader});
is(query($node, "SELECT sum(n) FROM etl_csv('lake', path => 'a.csv') AS t(n int)", extra_params => [ '-U', 'reader' ]), 3, 'USAGE on the server is enough');
for my $url ('s3://lake/a.csv', 'S3://lake/a.csv')
{
	query_fails($node, "SELECT * FROM etl_csv('$url') AS t(n int)", '42501', qr/host is not one that "etl.allowed_hosts" admits/, "$url for a role",
		extra_params => [ '-U', 'reader' ]);
}
is(scalar(grep { $_->{target} =~ /a\.csv/ } store_requests()), 1, 'which nothing was sent for');

done_testing();

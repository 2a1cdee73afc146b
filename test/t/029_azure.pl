# Containers of Azure Blob Storage, by shared access signatures; azurite verifies them.

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256_base64);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use HTTP::Tiny;
use HttpFixture qw(query query_fails);
use MIME::Base64;
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'azurite is not installed' if !has_program('AZURITE');
my $port = start_program('AZURITE', 'azurite/dist/src/blob/main.js', '--inMemoryPersistence', '--blobHost', '127.0.0.1', '--blobPort', '0',
	'--disableTelemetry', '--silent');
start_store($port);

# The account that azurite knows, and its key, which is public.
my $account = 'devstoreaccount1';
my $key = decode_base64('Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==');
my $version = '2021-12-02';
my $end = '2099-01-01T00:00:00Z';
my $endpoint = store_url() . "/$account";

sub signed
{
	my ($text, %param) = @_;
	my $sig = hmac_sha256_base64($text, $key);
	$sig .= '=' while length($sig) % 4;
	return HTTP::Tiny->new->www_form_urlencode({ %param, sv => $version, se => $end, sig => $sig });
}

# A signature for the container "lake", https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas; and one for all.
sub sas { return signed("$_[0]\n\n$end\n/blob/$account/lake\n\n\n\n$version\nc" . "\n" x 7, sp => $_[0], sr => 'c'); }
my $all = signed("$account\nrwdlac\nb\nsco\n\n$end\n\n\n$version\n\n", sp => 'rwdlac', ss => 'b', srt => 'sco');

sub put
{
	my ($path, $content, $query) = @_;
	my $answer = HTTP::Tiny->new->put("http://127.0.0.1:$port/$account/lake$path?$all" . ($query // ''),
		{ content => $content, headers => { 'x-ms-blob-type' => 'BlockBlob', 'x-ms-version' => $version } });
	$answer->{success} or BAIL_OUT("azurite does not take $path: $answer->{status} $answer->{content}");
}

put('', '', '&restype=container');
my %blobs = ('logs/2026-01/a.csv' => 1, 'logs/2026-01/b.csv' => 2, 'logs/2026-02/a.csv' => 4, 'other/a.csv' => 8, 'odd/a%20b+%26%C3%A9.csv' => 16);
put("/$_", "n\n$blobs{$_}\n") for keys %blobs;

my $node = PostgreSQL::Test::Cluster->new('azure');
$node->init;
$node->append_conf('postgresql.conf', 'log_min_messages = notice');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
my $sas = sas('rl');

sub server
{
	my ($name, $url, $token) = @_;
	$node->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER etl OPTIONS (url '$url', endpoint '$endpoint', auth 'sas', allow_private 'true');
		CREATE USER MAPPING FOR PUBLIC SERVER $name OPTIONS (sas_token '$token')");
}

sub sum { return query($node, "SELECT sum(n) FROM etl_csv('$_[0]', path => '$_[1]') AS t(n int)"); }

server('lake', 'az://lake', $sas);
server('logs', 'az://lake/logs', "?$sas");

# -- blobs, patterns, lists -------------------------------------------------------------------------

is(sum('lake', 'other/a.csv'), 8, 'a blob');
is(sum('lake', 'logs/**'), 7, 'a pattern');
is(sum('logs', '2026-*/a.csv'), 5, 'below the prefix of a server');
is(sum('lake', "odd/a b+&\xc3\xa9.csv"), 16, 'a key with characters that a URL escapes');
is(sum('lake', 'odd/*'), 16, 'which is listed, too');
is(query($node, "SELECT _etl_source FROM etl_csv('lake', path => 'other/*') AS t(n int, _etl_source text)"), 'az://lake/other/a.csv', 'what a part is called');
is(query($node, "SELECT key, size, etag ~ '^\"0x[0-9A-F]+\"\$', now() - modified < '1 h' FROM etl_list('logs', '*-01/*')"),
	"2026-01/a.csv|4|t|t\n2026-01/b.csv|4|t|t", 'etl_list');
query_fails($node, "SELECT * FROM etl_csv('logs', path => '../other/a.csv') AS t(n int)", '22023', qr/could not read "az:\/\/lake\/logs\/\.\.\/other\/a\.csv"/, 'out of the prefix');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'none.csv') AS t(n int)", '58P01', qr/HTTP status 404/, 'no such blob');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'none*') AS t(n int)", '58P01', qr/no object matches "az:\/\/lake\/none\*"/, 'no match');

# Pages: azurite has 5000 blobs in one.
store_do('reset');
put("/many/$_.csv", '') for 1 .. 3;
store_do('fault', kind => 'page', size => 2);
is(query($node, "SELECT string_agg(key, ' ') FROM etl_list('lake', 'many/')"), 'many/1.csv many/2.csv many/3.csv', 'pages');
is(join(' ', map { $_->{target} =~ /marker=/ ? 'next' : 'first' } store_requests()), 'first next', 'each of which is asked for once');
store_do('reset');

# -- pipelines --------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE TABLE loaded (n int);
	SELECT etl_create_pipeline('lake', $$etl_csv('lake', path => 'in/**') AS t(n int)$$, target => 'loaded')});
sub run { return query($node, "CALL etl_run('lake')"); }
sub loaded { return query($node, "SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM loaded"); }

put('/in/b.csv', "n\n1\n");
run();
put('/in/a.csv', "n\n2\n");
store_do('reset');
run();
is(loaded(), '1 2', 'each blob once, wherever its name stands');
is(join(' ', map { $_->{target} =~ m{/lake/(\S+?)\?} ? $1 : () } store_requests()), 'in/a.csv', 'and nothing that was read');
put('/in/b.csv', "n\n3\n");
run();
is(loaded(), '1 2 3', 'each version once');
is(query($node, "SELECT part, state, rows FROM etl_parts ORDER BY part"), "az://lake/in/a.csv|done|1\naz://lake/in/b.csv|done|1", 'etl_parts');

# A run that ends within a blob goes on there.
my $rows = 300_000;
put('/in/big.csv', "n\n" . join('', map { "$_\n" } 1 .. $rows));
$node->safe_psql('postgres', 'TRUNCATE loaded');
store_do('reset');
store_do('fault', kind => 'cut', bytes => 1_000_000, match => 'big.csv', count => 1);
store_do('fault', kind => 'status', status => 403, code => 'AuthorizationPermissionMismatch', match => 'big.csv', after => 1);
like(run(), qr/HTTP status 403/, 'a run that fails within a blob');
store_do('reset');
run();
is(query($node, 'SELECT count(*) = count(DISTINCT n), count(*) FROM loaded'), "t|$rows", 'goes on there');
my ($resumed) = grep { $_->{target} =~ /big/ } store_requests();
like($resumed->{headers}{range}, qr/^bytes=[1-9]/, 'by a range');
like($resumed->{headers}{'if-match'}, qr/^"0x/, 'of the version that it had');
query_fails($node, q{SELECT etl_create_pipeline('done', $$etl_csv('lake', path => 'in/**') AS t(n int)$$, target => 'loaded', when_done => 'delete')}, '0A000', qr/objects of "az:\/\/lake\/" can only be read/, 'when_done');

store_do('reset');
store_do('fault', kind => 'status', status => 409, code => 'BlobArchived', match => 'other/a.csv');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'other/a.csv') AS t(n int)", '55000', qr/the object is in an archive/, 'a blob in an archive');
store_do('reset');

# -- rights and secrets -----------------------------------------------------------------------------

server('reads', 'az://lake', sas('r'));
server('lists', 'az://lake', sas('l'));
is(sum('reads', 'other/a.csv'), 8, 'a signature to read');
my ($sig) = $sas =~ /sig=([^&]+)/;
my $decoded = $sig =~ s/%(..)/chr hex $1/egr;
my @said = (
	query_fails($node, "SELECT * FROM etl_list('reads', '*')", '42501', qr/permission to list/, 'does not list'),
	query_fails($node, "SELECT * FROM etl_csv('lists', path => 'other/a.csv') AS t(n int)", '42501', qr/permission to read/, 'one to list does not read'));
store_do('fault', kind => 'echo', status => 400, match => 'other');
push @said, query_fails($node, "SELECT * FROM etl_csv('lake', path => 'other/a.csv') AS t(n int)", '22023', qr/HTTP status 400/, 'a server that repeats what it was sent');
store_do('reset');
query_fails($node, "CREATE USER MAPPING FOR CURRENT_USER SERVER lake OPTIONS (sas_token 'sv=2021-12-02')", 'HV024', qr/shared access signature/, 'no signature');
server('wrong', 'az://lake', $sas =~ s/sig=../sig=xx/r);
push @said, query_fails($node, "SELECT * FROM etl_list('wrong', '*')", '42501', qr/HTTP status 403/, 'a wrong signature');
push @said, grep { !/ statement: CREATE USER MAPPING/ } split /\n/, slurp_file($node->logfile);
unlike("@said", qr/\Q$sig\E|\Q$decoded\E/, 'no signature is shown, nor in the log');

# -- options ----------------------------------------------------------------------------------------

for my $bad (
	[ "url 'az://lake', auth 'sas'", 'HV024', qr/endpoint must say whose container/ ],
	[ "url 'az://lake', endpoint '$endpoint', auth 'aws'", 'HV024', qr/Set it to sas/ ],
	[ "url 's3://lake', auth 'sas'", 'HV024', qr/containers of Azure only/ ],
	[ "url 'az://lake', endpoint '$endpoint', auth 'sas', region 'eu-1'", 'HV024', qr/option "region" of server "bad" is for S3/ ],
	[ "url 'az://lake', endpoint '$endpoint', auth 'sas'", 'HV00J', qr/lacks option "sas_token"/ ],
	[ "url 'az://la'", 'HV024', qr/name of a container/ ])
{
	query_fails($node, "CREATE SERVER bad FOREIGN DATA WRAPPER etl OPTIONS ($bad->[0]); SELECT * FROM etl_list('bad', '*')", @$bad[ 1, 2 ], "OPTIONS ($bad->[0])");
	$node->safe_psql('postgres', 'DROP SERVER IF EXISTS bad');
}

done_testing();

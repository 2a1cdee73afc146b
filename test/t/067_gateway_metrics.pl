# GET /metrics: etl_metrics() of a database as a role sees it, for whoever has the token; whoever asks within seconds has the same page.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use IO::Socket::INET;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prometheus;
use SchedulerNode;
use Test::More;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = scheduler_node('gateway_metrics', conf => <<"CONF");
etl.databases = 'postgres'
etl.listen = '127.0.0.1:$port'
CONF
plan skip_all => 'etl_gateway was not built: libmicrohttpd is missing' unless -x $node->config_data('--pkglibdir') . '/etl_gateway';
my $token = 'a_token';

# Sends a request; returns what comes until the other end closes.
sub get
{
	my ($path, $with) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => $PostgreSQL::Test::Utils::timeout_default) // die "no connection: $@";
	my $text = '';
	local $SIG{ALRM} = sub { die "no answer, but: $text" };
	$socket->syswrite("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" . (defined $with ? "Authorization: Bearer $with\r\n" : '') . "\r\n");
	alarm $PostgreSQL::Test::Utils::timeout_default;
	while ($socket->sysread($text, 65536, length $text)) { }
	alarm 0;
	return $text =~ s/\r//gr;
}

# Asks until the answer is as it should be: settings hold when the worker has read them.
sub becomes_like
{
	my ($path, $with, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $text;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if ($text = get($path, $with)) =~ $expected;
		select(undef, undef, undef, 0.1);
	}
	like($text, $expected, $name);
	return $text;
}

value(q{CREATE EXTENSION etl; CREATE TABLE t (a int); CREATE ROLE scraper LOGIN IN ROLE pg_monitor; CREATE ROLE nobody;
	SELECT etl_create_pipeline('a"b', $$ etl_csv('none.csv') AS t(a int) $$, target => 't')});

# It is off until it has a role and a token.
becomes_like('/metrics', $token, qr/^HTTP\/1\.1 404 .*etl\.metrics_role/s, 'without a role there are none');
like(($node->psql('postgres', "ALTER SYSTEM SET etl.metrics_token = 'secret'"))[2], qr/invalid value for parameter "etl.metrics_token"/, 'the setting is no token, but its SHA-256');
setting('etl.metrics_token', sha256_hex($token));
setting('etl.metrics_role', 'scraper');
my $first = becomes_like('/metrics', $token, qr/^HTTP\/1\.1 200 /, 'with both there are');
like($first, qr/^Content-Type: text\/plain; version=0\.0\.4; charset=utf-8$/m, 'as Prometheus has them');
my ($samples, $types) = parse_metrics($first =~ s/\A.*?\n\n//sr);
is($samples->{'etl_runs_total{database="postgres",pipeline="a\"b",result="failed"}'}, 0, 'of pipelines');
ok($samples->{etl_gateway_connections} >= 1, 'of the connections of the gateway');
ok($samples->{'etl_gateway_answers_total{status="404"}'} >= 1, 'and of its answers'); # it was asked until the settings held
ok(exists $types->{etl_ingest_buffer_used_ratio}, 'and of its buffers');

# Who may
like(get('/metrics'), qr/^HTTP\/1\.1 401 .*^WWW-Authenticate: Bearer$/ms, 'nobody without a token');
like(get('/metrics', 'other'), qr/^HTTP\/1\.1 401 /, 'nor with another');
like(get('/metrics', sha256_hex($token)), qr/^HTTP\/1\.1 401 /, 'nor with what the setting says');
like(get('/metrics/postgres', $token), qr/^HTTP\/1\.1 200 /, 'a database can be named');
like(get('/metrics/nowhere', $token), qr/^HTTP\/1\.1 503 /, 'which is there');
like(get('/metrics/template1', $token), qr/^HTTP\/1\.1 503 /, 'and has the extension');
like(get('/metrics/' . 'x' x 64, $token), qr/^HTTP\/1\.1 404 /, 'no database has such a name');
like(slurp_file($node->logfile), qr/ERROR:  extension "etl" is not in database "template1"/, 'the log says why');

# A large page, for many at once: one worker makes it.
value(q{SELECT etl_create_pipeline(repeat('x', 50) || i, $$ etl_csv('none.csv') AS t(a int) $$, target => 't') FROM generate_series(1, 100) i});
becomes_like('/metrics', $token, qr/x100"/, 'pages are kept for some seconds only');
my @sockets = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // die "no connection: $@" } 1 .. 20;
$_->syswrite("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer $token\r\n\r\n") for @sockets;
my $whole = 0;
foreach my $socket (@sockets)
{
	my $text = '';
	while ($socket->sysread($text, 65536, length $text)) { }
	my ($read) = parse_metrics($text =~ s/\r//gr =~ s/\A.*?\n\n//sr);
	$whole++ if length $text > 200_000 && exists $read->{etl_gateway_connections};
}
is($whole, 20, 'many who ask have all of it');

# A role that may not log in makes none; the gateway goes on.
setting('etl.metrics_role', 'nobody');
becomes_like('/metrics', $token, qr/^HTTP\/1\.1 503 .*log says why/s, 'a role that cannot log in makes none');
like(get('/live'), qr/^HTTP\/1\.1 200 /, 'the gateway goes on');
setting('etl.metrics_role', 'scraper');
becomes_like('/metrics', $token, qr/^HTTP\/1\.1 200 /, 'with one that can there are some again');
unlike(slurp_file($node->logfile), qr/because of crash/, 'nothing has crashed');
$node->stop('fast');
done_testing();

# The gateway: a program beside the server, which answers by HTTP and whose end is nobody's but its own.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'processes are looked for in /proc' unless -d '/proc/self';
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = scheduler_node('gateway', conf => "etl.gateway_hosts = 'etl.example.com, Other'\nmax_connections = 20\n");
plan skip_all => 'etl_gateway was not built: libmicrohttpd is missing' unless -x $node->config_data('--pkglibdir') . '/etl_gateway';
my $pid_file = $node->data_dir . '/postmaster.pid';

# A connection to the gateway.
sub connection
{
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => $PostgreSQL::Test::Utils::timeout_default) // die "no connection: $@";
}

# What comes until the other end closes, or until it matches.
sub answer
{
	my ($socket, $until) = @_;
	my $text = '';
	local $SIG{ALRM} = sub { die "no answer, but: $text" };
	alarm $PostgreSQL::Test::Utils::timeout_default;
	while ((!defined $until || $text !~ $until) && $socket->sysread($text, 65536, length $text)) { }
	alarm 0;
	return $text;
}

sub request
{
	my ($first, @headers) = @_;
	my $socket = connection();
	$socket->syswrite(join("\r\n", "$first HTTP/1.1", (grep { /^Host:/ } @headers) ? () : "Host: 127.0.0.1:$port", 'Connection: close', @headers, '', ''));
	return answer($socket);
}

sub status_is
{
	my ($first, $status, $name, @headers) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like(request($first, @headers), qr/^HTTP\/1\.1 $status /, $name);
	return;
}

# The program, by its parent's children.
sub programs
{
	my ($supervisor) = grep { (eval { slurp_file("/proc/$_/cmdline") } // '') =~ /etl gateway/ } children(slurp_file($pid_file) =~ /^(\d+)/);
	return (undef) unless $supervisor;
	return ($supervisor, children($supervisor));
}

sub children
{
	my ($parent) = @_;
	my @children;
	foreach my $file (glob '/proc/[0-9]*/status')
	{
		my $text = eval { slurp_file($file) } // next;
		push @children, $file =~ /(\d+)/ if $text =~ /^PPid:\t$parent$/m;
	}
	return @children;
}

sub comes
{
	my ($name, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	my $result;
	until (($result = $test->()) || time > $until) { select(undef, undef, undef, 0.05); }
	ok($result, $name);
	return $result;
}


# It is off by default.
is((programs())[0], undef, 'without etl.listen there is none');
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port), 'and nobody listens');
foreach my $bad ('127.0.0.1', ':8432', 'localhost:8432', '127.0.0.1:http', '[::1:8432')
{
	my ($code, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET etl.listen = '$bad'");
	like($err, qr/invalid value for parameter "etl.listen"/, "$bad is no address");
}
value("ALTER SYSTEM SET etl.listen = '127.0.0.1:$port'");
$node->restart;
comes('with it a worker starts the program', sub { (programs())[1] });
my $session = $node->background_psql('postgres');
my $backend = $session->query_safe('SELECT pg_backend_pid()');

# What it answers
like(request('GET /live'), qr/^HTTP\/1\.1 200 .*\r\n\r\n\{"status": "live"\}\n$/s, '/live is the program');
like(request('GET /ready'), qr/^HTTP\/1\.1 200 .*\r\n\r\n\{"status": "ready"\}\n$/s, '/ready is the server behind it');
like(request('HEAD /ready'), qr/^HTTP\/1\.1 200 .*\r\n\r\n$/s, 'HEAD has no body');
status_is('GET /', 404, 'there is nothing else');
status_is('GET /live/../ready', 404, 'nor by another name');
like(request('POST /live', 'Content-Length: 0'), qr/^HTTP\/1\.1 405 .*\r\nAllow: GET\r\n/s, 'which is read only');
status_is('GET /live', 421, 'a page of another server in a browser has its name', 'Host: evil.example.com');
status_is('GET /live', 421, 'even if that begins like ours', "Host: 127.0.0.1.evil.example.com:$port");
status_is('GET /live', 200, 'we have this one', "Host: localhost:$port");
status_is('GET /live', 200, 'and those that are listed', 'Host: ETL.example.com');
status_is('GET /live', 200, 'with any port', 'Host: other:99');
status_is('POST /live', 400, 'two ways to say where a body ends are refused', 'Content-Length: 5', 'Transfer-Encoding: chunked');
status_is('GET /live', '(431|413|414)', 'headers have a limit', 'X: ' . 'x' x 100_000);
my $body = connection();
$body->syswrite("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
like(answer($body, qr/\r\n\r\n/), qr/^HTTP\/1\.1 404 /, 'what is wrong is said before a body is read');
my $kept = connection();
for my $i (1 .. 3)
{
	$kept->syswrite("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
	like(answer($kept, qr/"ready"\}\n/), qr/^HTTP\/1\.1 200 /, "request $i of a connection");
}
$kept->syswrite("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" x 50);
my $many = answer($kept, qr/(?>.*?"ready"\}\n){50}/s); # in which no try of fewer is made in many ways
is(() = $many =~ /^HTTP\/1\.1 200 /mg, 50, 'requests may come one behind the other');

# Clients that are no use: others are served meanwhile.
my @idle = map { connection() } 1 .. 300;
my @slow = map { my $s = connection(); $s->syswrite("GET /live HTTP/1.1\r\nHo"); $s } 1 .. 100;
my @half = map { my $s = connection(); $s->syswrite("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"); $s->shutdown(1); $s } 1 .. 100;
my @rude = map { my $s = connection(); $s->syswrite("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"); close $s } 1 .. 100;
status_is('GET /ready', 200, 'in between idle, slow, half-closed and rude clients one is served');
is((answer($slow[0]) =~ /^HTTP\/1\.1 200/) ? 1 : 0, 0, 'one that sends its headers too slowly is not');

# It is killed: a session of the server does not notice, a client that comes meanwhile is served, another program is there.
for my $i (1 .. 5)
{
	my ($supervisor, $program) = programs();
	kill 'KILL', $program;
	my $other = comes("kill $i: another program", sub { my $p = (programs())[1]; $p && $p != $program && $p });
	status_is('GET /ready', 200, 'answers');
	is((programs())[0], $supervisor, 'the worker that starts it is the same');
}
is($session->query_safe('SELECT pg_backend_pid()'), $backend, 'a session lives on');
like(slurp_file($node->logfile), qr/the gateway \(PID \d+\) was terminated by signal 9/, 'the log tells of it');
unlike(slurp_file($node->logfile), qr/terminating any other active server processes|because of crash/, 'and of nothing else');

# The worker is stopped: the program says that the server does not answer.
my ($supervisor, $program) = programs();
kill 'STOP', $supervisor;
like(request('GET /ready'), qr/^HTTP\/1\.1 503 .*"the server does not answer"/s, 'a server that does not answer is not ready');
status_is('GET /live', 200, 'but the program is live');
kill 'CONT', $supervisor;
comes('until it answers again', sub { request('GET /ready') =~ /^HTTP\/1\.1 200/ });

# It does not outlive the worker, or the server.
kill 'TERM', $supervisor;
comes('the program ends with its worker', sub { !kill 0, $program });
comes('and comes back with it', sub { my $p = (programs())[1]; $p && $p != $program });
$session->quit;
foreach my $mode ('immediate', 'fast')
{
	comes("before a stop", sub { (programs())[1] });
	$program = (programs())[1];
	$node->stop($mode);
	comes("a server that is stopped ($mode) leaves none behind", sub { !kill 0, $program });
	$node->start;
}
comes('it is there again', sub { (programs())[1] });
status_is('GET /ready', 200, 'and answers');

# What others may reach is said.
$node->stop;
$node->append_conf('postgresql.conf', "etl.listen = '0.0.0.0:$port'");
unlink $node->data_dir . '/postgresql.auto.conf';
append_to_file($node->data_dir . '/postgresql.auto.conf', '');
my $from = -s $node->logfile;
$node->start;
ok($node->wait_for_log(qr/WARNING:  the gateway listens on "0\.0\.0\.0:$port", which others than this machine may reach/, $from), 'an address that others may reach');
$node->stop('fast');
done_testing();

# Records that are pushed by HTTP while whatever is in their way is killed: all that was answered with 200 is there, once, and no
# request is divided.  A sender sends a request again, with its Idempotency-Key, until it is answered with 200.
#
# INGEST_ROUNDS is how many kills there are (8).

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
my $rounds = $ENV{INGEST_ROUNDS} || 8;
my $senders = 4;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = scheduler_node('ingest_kills', conf => <<"CONF");
etl.databases = 'postgres'
etl.listen = '127.0.0.1:$port'
etl.ingest_buffer = '256kB'
etl.ingest_max_body = '64kB'
max_worker_processes = 16
restart_after_crash = on
CONF
plan skip_all => 'etl_gateway was not built: libmicrohttpd is missing' unless -x $node->config_data('--pkglibdir') . '/etl_gateway';
my $dir = PostgreSQL::Test::Utils::tempdir();

# Of each request, how many records there are, and how many are faulty: in themselves, or for the target.
sub size_of { my ($request) = @_; return 1 + $request * 7 % 60; }

sub is_good { my ($item) = @_; return $item % 10 != 7 && $item % 13 != 5; }

sub body_of
{
	my ($sender, $request) = @_;
	return join '', map { sprintf qq({"sender": %d, "request": %d, "item": %s}\n), $sender, $request, $_ % 13 == 5 ? '"x"' : $_ } 1 .. size_of($request);
}

# The answer to a request; undef: there is none.
sub answer_to
{
	my ($sender, $request, $token) = @_;
	my $body = body_of($sender, $request);
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) // return undef;
	my $text = '';
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{ALRM} = sub { close $socket };
	alarm 70;
	$socket->syswrite(join("\r\n", 'POST /ingest/postgres/events HTTP/1.1', 'Host: localhost', 'Connection: close', "Authorization: Bearer $token",
			"Idempotency-Key: $sender-$request", 'Content-Length: ' . length $body, '', $body));
	while ($socket->sysread($text, 65536, length $text)) { }
	alarm 0;
	return $text =~ /^HTTP\/1\.1 (\d+) .*\r\n\r\n(.*)\n\z/s ? "$1 $2" : undef;
}

# A process that sends requests until there is a file that says it is enough; writes which were answered with 200, and how.
sub send_all
{
	my ($sender, $token) = @_;
	for (my $request = 1; !-e "$dir/enough"; $request++)
	{
		my $answer = '';
		until ($answer =~ /^200 /)
		{
			$answer = answer_to($sender, $request, $token) // '';
			select(undef, undef, undef, 0.02) unless $answer =~ /^200 /;
			append_to_file("$dir/refused", "$answer\n") unless $answer =~ /^(200 |503 |429 |409 |$)/;
			return if -e "$dir/hopeless";
		}
		append_to_file("$dir/sender$sender", "$request $answer\n");
	}
	return;
}

sub children
{
	my ($parent, $title) = @_;
	return grep { (eval { slurp_file("/proc/$_/status") } // '') =~ /^PPid:\t$parent$/m && (eval { slurp_file("/proc/$_/cmdline") } // '') =~ $title }
	  map { /(\d+)/ } glob '/proc/[0-9]*';
}

sub postmaster { return (eval { slurp_file($node->data_dir . '/postmaster.pid') } // '') =~ /^(\d+)/ ? $1 : 0; }

# Kills something; it may be gone already.
sub kill_one
{
	my ($round) = @_;
	my ($supervisor) = children(postmaster(), qr/etl gateway/);
	my ($program) = $supervisor ? children($supervisor, qr/^etl_gateway/) : ();
	my ($run) = children(postmaster(), qr/etl continuous/);
	my $what = $round % 6;

	if ($what == 0 && $program) { kill 'KILL', $program; return 'the program'; }
	if ($what == 1 && $run) { kill 'TERM', $run; return 'the run'; }
	if ($what == 2 && $supervisor) { kill 'TERM', $supervisor; return 'the supervisor'; }
	if ($what == 3 && $run) { kill 'KILL', $run; return 'the run, with the server'; }
	if ($what == 4 && $supervisor) { kill 'KILL', $supervisor; return 'the supervisor, with the server'; }
	$node->stop('immediate');
	$node->start;
	return 'the server';
}

value(<<'SQL');
CREATE EXTENSION etl;
CREATE TABLE events (sender int, request int, item int, xact xid8 DEFAULT pg_current_xact_id(), CHECK (item % 10 <> 7));
CREATE INDEX ON events (sender, request);
SELECT etl_create_pipeline('events', $$ etl_ingest() AS t(sender int, request int, item int) $$, target => 'events', continuous => true, flush_interval => '20 ms',
	max_failures => 0, enabled => false);
SQL
# A run that has begun before would take the token within seconds only.
my $token = value("SELECT etl_create_ingest_token('events')");
value("SELECT etl_resume('events')");
my @pids;
for my $sender (1 .. $senders)
{
	my $pid = fork // die $!;
	if (!$pid) { send_all($sender, $token); require POSIX; POSIX::_exit(0); }
	push @pids, $pid;
}

# How many requests were answered with 200.
sub answered { my $n = 0; $n += () = (eval { slurp_file("$dir/sender$_") } // '') =~ /\n/g for 1 .. $senders; return $n; }

# Until so many more are.
sub goes_on
{
	my ($n, $name) = @_;
	my $before = answered();
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	select(undef, undef, undef, 0.05) until answered() >= $before + $n || time > $until;
	return ok(answered() >= $before + $n, $name);
}

my $alive = goes_on(20, 'requests are loaded');
for (my $round = 0; $alive && $round < $rounds; $round++)
{
	my $killed = kill_one($round);
	$node->poll_query_until('postgres', 'SELECT true');
	shift_clock(300);
	$alive = goes_on(20, "kill $round, of $killed: they go on");
}
append_to_file("$dir/enough", '');
append_to_file("$dir/hopeless", '') unless $alive;
waitpid $_, 0 for @pids;

is(eval { slurp_file("$dir/refused") } // '', '', 'no request was refused');
my (@wrong, @records);
for my $sender (1 .. $senders)
{
	for my $line (split /\n/, slurp_file("$dir/sender$sender"))
	{
		my ($request, $answer) = $line =~ /^(\d+) 200 (.*)$/;
		my $good = grep { is_good($_) } 1 .. size_of($request);
		my $expected = sprintf '{"loaded": %d, "set_aside": %d}', $good, size_of($request) - $good;
		push @wrong, "$sender-$request: $answer" if $answer ne $expected;
		push @records, "($sender, $request, $good)";
	}
}
is("@wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]", '', 'each answer says what its request holds');
value('CREATE TABLE answered (sender int, request int, good int); INSERT INTO answered VALUES ' . join ', ', @records);
is(value('SELECT count(*) FROM answered a LEFT JOIN (SELECT sender, request, count(*) AS n, count(DISTINCT item) AS items, count(DISTINCT xact) AS xacts FROM events GROUP BY 1, 2) e
	USING (sender, request) WHERE (coalesce(n, 0), coalesce(items, 0)) IS DISTINCT FROM (good::bigint, good::bigint)'), 0, 'of ' . @records . ' requests each record is there once');
is(value('SELECT count(*) FROM (SELECT FROM events GROUP BY sender, request HAVING count(DISTINCT xact) > 1) d'), 0, 'no request is divided');
is(value('SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT FROM answered a WHERE a.sender = e.sender AND a.request = e.request)'), 0, 'and there is none besides');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing has crashed by itself');
$node->stop('fast');
done_testing();

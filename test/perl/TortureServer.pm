# The server that 049_torture.pl torments, and clients that survive it.  Nothing waits for ever: whatever does not end within
# PostgreSQL's own patience in tests is a fault.
package TortureServer;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use HttpFixture;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_server start_server stop_server start_if_gone server database use_database ask must launch clients_end set_disk
  setting shift_clock log_faults story tell);

my ($node, $database, $limit, @clients, @story, $began);
my ($shift, $log_at) = (0, 0);

sub server { return $node; }
sub database { return $database; }
sub use_database { $database = $_[0]; return; }

# What has been done so far, and when.
sub story { return join "\n", @story; }

sub tell
{
	push @story, sprintf '%8.3f  %s', time - $began, $_[0];
	note($story[-1]);
	return;
}

sub new_server
{
	my ($name) = @_;
	my $mock = fixture_dir() . '/diskmock.so';

	($began, $shift, $log_at, @story) = (time, 0, 0);
	-e $mock || system_or_bail($ENV{CC} // 'cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', $mock,
		abs_path(dirname(__FILE__)) . '/../fixtures/diskmock.c', '-ldl');
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$limit = $node->basedir . '/limit';
	$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'etl'
restart_after_crash = on
max_worker_processes = 24
log_line_prefix = '%m [%p] %b %e '
log_statement = none
work_mem = '64kB'
etl.databases = 'postgres'
etl.settle_time = '1h'
etl.drain_timeout = '2s'
etl.breaker_pause = '100ms'
etl.http_retry_budget = '1s'
CONF
	start_server();
	mkdir $node->basedir . '/small_disk' or die $!;
	$node->safe_psql('postgres', 'CREATE TABLESPACE small LOCATION ' . sql_quote($node->basedir . '/small_disk'));
	return $node;
}

# After a crash the server cannot start before the last process of the old one has gone.
sub start_server
{
	my $mock = fixture_dir() . '/diskmock.so';
	my $fixture = fixture_dir();

	set_disk();
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $mock;
	local $ENV{DISKMOCK_PATH} = '/small_disk/:/pgsql_tmp/';
	local $ENV{DISKMOCK_LIMIT} = $limit;
	wait_for(sub { $node->start(fail_ok => 1) }, 'the server to start') or die "the server does not start\n";
	return;
}

sub stop_server
{
	my ($how) = @_;
	if ($how ne 'kill -9') { $node->stop($how, fail_ok => 1) or die "the server does not stop ($how)\n"; }
	my $pid = $node->{_pid} or return;
	$node->kill9;
	wait_for(sub { !kill 0, $pid }, 'the postmaster to be gone') or die "the postmaster does not end\n";
	return;
}

# A server that recovers from a crash while its disk is full gives up, and whoever runs it starts it again.
sub start_if_gone
{
	my $pid = $node->{_pid};
	wait_for(sub { !kill(0, $pid) || defined ask('SELECT 1', 'postgres') }, 'the server to answer or to be gone');
	return if kill 0, $pid;
	$node->_update_pid(0);
	start_server();
	return;
}

# Bytes that a file of the small disk, or a temporary one, can have; without: as many as it wants.
sub set_disk
{
	my ($bytes) = @_;
	unlink $limit;
	append_to_file($limit, "$bytes\n") if defined $bytes;
	return;
}

# The answer to a query, or undef if the server gives none just now.
sub ask
{
	my ($query, $where) = @_;
	my ($out, $err);
	my $ok = eval {
		IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr($where // $database), '-c', $query ],
			'<', '/dev/null', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	};
	die "no end of: $query\n" if $@;
	chomp $out if defined $out;
	return $ok ? $out : undef;
}

# The same, as soon as the server gives one.
sub must
{
	my ($query, $where) = @_;
	my $answer;
	wait_for(sub { defined($answer = ask($query, $where)) }, $query) or die "no answer to: $query\n";
	return $answer;
}

# Statements, each by itself, while the test goes on.
sub launch
{
	my ($what, @statements) = @_;
	my %client = (what => $what, err => '');
	$client{run} = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr($database), map { ('-c', $_) } @statements ],
		'<', '/dev/null', '>', '/dev/null', '2>', \$client{err});
	push @clients, \%client;
	return;
}

# Waits for those that were launched.
sub clients_end
{
	for my $client (@clients)
	{
		wait_for(sub { !$client->{run}->pumpable || !$client->{run}->pump_nb }, $client->{what}) or die "no end of: $client->{what}\n";
		$client->{run}->finish;
		note("$client->{what}: $client->{err}") if $client->{err} ne '';
	}
	@clients = ();
	return;
}

sub setting
{
	my ($name, $value) = @_;
	must("ALTER SYSTEM SET $name = " . sql_quote($value), 'postgres');
	must('SELECT pg_reload_conf()', 'postgres');
	return;
}

# Puts the scheduler's clock forward.
sub shift_clock
{
	$shift += $_[0];
	setting('etl.clock_shift', $shift);
	return;
}

# What the log has had since the last time that must never be in it.
sub log_faults
{
	my $log = slurp_file($node->logfile, $log_at);
	$log_at += length $log;
	return grep { / (ERROR|FATAL|PANIC): / ? / XX\d{3} / : /TRAP:|terminated by signal (?!9|15)\d|AddressSanitizer|runtime error:/ } split /\n/, $log;
}

1;

# What the tests of http share: the fixture server, certificates for it, and a server of PostgreSQL whose
# names and addresses can be made up.
package HttpFixture;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(start_fixture fixture_url fixture_port fixture_requests fixture_reset fixture_dir
  fixture_do net_node start_psql finish_psql query query_fails wait_for sql_quote api_options);

my $tests = abs_path(dirname(__FILE__) . '/..');
my $dir = abs_path(PostgreSQL::Test::Utils::tempdir);
my ($run, $stdin, $stdout, $stderr) = (undef, '', '', '');
my $ports;
my %messages;

sub fixture_dir { return $dir; }

sub openssl { system_or_bail('openssl', @_); }

# A certificate signed by our own authority: ca.crt, server.crt and client.crt, with their keys.
sub make_certificates
{
	append_to_file("$dir/ext.cnf", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:public.test\n");
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', '/CN=test authority',
		'-keyout', "$dir/ca.key", '-out', "$dir/ca.crt", '-batch');
	for my $name ('server', 'client')
	{
		openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', "/CN=$name", '-batch',
			'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
		openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key",
			'-CAcreateserial', '-days', '30', '-extfile', "$dir/ext.cnf", '-out', "$dir/$name.crt");
	}
}

# With further arguments of http_server.py.
sub start_fixture
{
	my @arguments = @_;

	make_certificates();
	$run = IPC::Run::start(
		[
			'python3', "$tests/fixtures/http_server.py", '--cert', "$dir/server.crt", '--key',
			"$dir/server.key", '--ca', "$dir/ca.crt", @arguments
		],
		'<', \$stdin, '>', \$stdout, '2>', \$stderr);
	$run->pump until $stdout =~ /^(\d+)\n/ || !$run->pumpable;
	$stdout =~ /^(\d+)\n/ or BAIL_OUT("the fixture server did not start: $stderr");
	$ports = { http => $1 };
	$ports = ask('/_ports');
}

sub ask
{
	my $answer = HTTP::Tiny->new->get("http://127.0.0.1:$ports->{http}$_[0]");
	$answer->{success} or BAIL_OUT("the fixture server does not answer: $answer->{content}");
	return $answer->{content} eq '' ? undef : decode_json($answer->{content});
}

sub fixture_port { return $ports->{ $_[0] // 'http' }; }

# fixture_url('/rows/3'), fixture_url('/rows/3', 'https', 'localhost')
sub fixture_url
{
	my ($path, $port, $host) = @_;
	$port //= 'http';
	$host //= '127.0.0.1';
	my $scheme = $port =~ /^(https|mutual|silent_tls)$/ ? 'https' : 'http';
	$port = 'silent' if $port eq 'silent_tls';
	return "$scheme://$host:$ports->{$port}$path";
}

sub fixture_requests { return @{ ask('/_requests') }; }
sub fixture_reset { return ask('/_reset'); }
sub fixture_do { return ask($_[0]); }

END
{
	my $status = $?;
	if ($run) { $run->kill_kill; }
	$? = $status;
}

# A server of PostgreSQL with the extension; with preload => 1 in shared_preload_libraries too.
sub net_node
{
	my ($name, %param) = @_;
	my $mock = "$dir/netmock.so";
	-e $mock || system_or_bail($ENV{CC} // 'cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', $mock,
		"$tests/fixtures/netmock.c", '-ldl', '-lpthread');

	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => $param{streaming});
	# A busy machine is no server that has fallen silent.
	$node->append_conf('postgresql.conf', "etl.http_read_timeout = '10min'\netl.http_connect_timeout = '5min'");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'etl'") if $param{preload};
	$node->append_conf('postgresql.conf', $param{conf}) if $param{conf};
	{
		# Behind what the caller wants, a sanitizer say.
		local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $mock;
		# Neither must mean anything to us.
		local $ENV{http_proxy} = "http://127.0.0.1:$ports->{silent}";
		local $ENV{https_proxy} = "http://127.0.0.1:$ports->{silent}";
		local $ENV{ALL_PROXY} = "http://127.0.0.1:$ports->{silent}";
		$node->start;
	}
	$node->safe_psql('postgres', 'CREATE EXTENSION etl');
	return $node;
}

sub sql_quote
{
	my $text = shift;
	$text =~ s/'/''/g;
	return "'$text'";
}

# The argument "options" of etl_api.
sub api_options
{
	my (%options) = @_;
	my $escape = sub { return '"' . $_[0] =~ s/(["\\])/\\$1/gr . '"' };

	return 'options => ' . sql_quote('{' . join(', ', map { $escape->($_) . ': ' . $escape->($options{$_}) } sort keys %options) . '}');
}

# The result of a statement, or its messages if it fails.
sub query
{
	my ($node, $sql, %param) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $sql, %param);
	return $code == 0 ? $out : $err;
}

# A session that runs these statements while the test goes on.
sub start_psql
{
	my ($node, @statements) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), map { ('-c', $_) } @statements ],
		'<', \$in, '>', \$out, '2>', \$err);
	$messages{$session} = \$err;
	return $session;
}

# Waits for such a session, and gives its messages; undef if it does not end (and then makes it).
sub finish_psql
{
	my ($session) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	while ($session->pumpable && $session->pump_nb && time() < $deadline) { usleep(10_000); }
	if ($session->pumpable)
	{
		$session->kill_kill;
		return;
	}
	$session->finish;
	return ${ $messages{$session} };
}

# The statement fails with this SQLSTATE and message; returns the message.
sub query_fails
{
	my ($node, $sql, $sqlstate, $pattern, $name, %param) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", %param);
	if ($code == 0 || $err !~ /ERROR:  $sqlstate: / || $err !~ $pattern)
	{
		fail($name);
		diag("expected: $sqlstate $pattern\ngot: $out$err");
	}
	else { pass($name); }
	return $err;
}

# Until $check says so, for as long as PostgreSQL's tests wait for anything.
sub wait_for
{
	my ($check, $what) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	until ($check->())
	{
		if (time() > $deadline) { diag("timed out waiting for $what"); return 0; }
		usleep(20_000);
	}
	return 1;
}

1;

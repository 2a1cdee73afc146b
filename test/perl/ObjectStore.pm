# What the tests of object stores share: an S3 that verifies signatures, and misbehaves on request (s3_server.py).
package ObjectStore;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(has_store start_store has_program start_program store_is_moto store_do store_requests store_server store_url store_key store_keys);

my $tests = abs_path(dirname(__FILE__) . '/..');
my ($run, $stdin, $stdout, $stderr) = (undef, '', '', '');
my $info;

# The harness keeps moto there; where Python has it by itself, so much the better.
sub python_path { return join ':', grep { $_ } $ENV{ETL_MOTO}, $ENV{PYTHONPATH}; }

sub has_store
{
	local $ENV{PYTHONPATH} = python_path();
	my @import = ('python3', '-c', 'import boto3, moto.server');
	return IPC::Run::run(\@import, '>', \my $out, '2>', \my $err);
}

# Which one stands behind: moto, or s3rver (https://github.com/jamhall/s3rver), which verifies signatures, too, but ignores If-Match
# and does not escape keys in lists.
my $judge = $ENV{ETL_STORE} // 'moto';

sub store_is_moto { return $judge eq 'moto'; }

# Servers of npm, which the harness keeps in folders of their own.
my @programs;

sub has_program { return defined $ENV{"ETL_$_[0]"} && -d $ENV{"ETL_$_[0]"}; }

# Starts one, and waits until it says at which port it listens.
sub start_program
{
	my ($name, $script, @options) = @_;
	my $program = { stdin => '', out => '' };
	my $port = qr/listen\w* (?:at|on) \S*:(\d+)/i;

	$program->{run} = IPC::Run::start([ 'node', $ENV{"ETL_$name"} . "/node_modules/$script", @options ],
		'<', \$program->{stdin}, '>&', \$program->{out});
	push @programs, $program;
	$program->{run}->pump until $program->{out} =~ $port || !$program->{run}->pumpable;
	return $program->{out} =~ $port ? $1 : BAIL_OUT("$name did not start: $program->{out}");
}

# What stands before a server: before moto or s3rver, or before the port of something else.
sub start_store
{
	my @before = @_ ? ('--before', $_[0]) : ();

	local $ENV{PYTHONPATH} = python_path();
	@before = ('--before', start_program('S3RVER', 's3rver/bin/s3rver.js', '-d', PostgreSQL::Test::Utils::tempdir . '/s3rver',
			'-a', '127.0.0.1', '-p', '0', '--no-vhost-buckets'), '--keys', 'S3RVER', 'S3RVER')
		if !@before && $judge eq 's3rver';
	$run = IPC::Run::start([ 'python3', "$tests/fixtures/s3_server.py", @before ], '<', \$stdin, '>', \$stdout, '2>', \$stderr);
	$run->pump until $stdout =~ /\n/ || !$run->pumpable;
	$stdout =~ /\n/ or BAIL_OUT("the object store did not start: $stderr");
	$info = decode_json($stdout);
}

# store_do('put', key => 'a.csv', body => "n\n1\n")
sub store_do
{
	my ($what, %param) = @_;
	my $http = HTTP::Tiny->new(timeout => $PostgreSQL::Test::Utils::timeout_default);
	my $answer = $http->get(store_url() . "/_$what?" . $http->www_form_urlencode(\%param));
	$answer->{success} or BAIL_OUT("the object store does not $what: $answer->{content}");
	return decode_json($answer->{content}) if $what =~ /^(requests|keys|tags)$/;
}

sub store_requests { return @{ store_do('requests') }; }
sub store_url { return "http://127.0.0.1:$info->{port}"; }

# The keys, of which there are two: the ID, and the secret.
sub store_key { return @{ $info->{keys}[ $_[0] ] }{qw(access_key_id secret_access_key)}; }

# The options of a user mapping.
sub store_keys { return sprintf "access_key_id '%s', secret_access_key '%s'", store_key(0); }

# Creates a server for a bucket or a part of it, with a mapping for everybody.
sub store_server
{
	my ($node, $name, $url, %param) = @_;
	my $options = join ', ', "url '$url'", "endpoint '" . store_url() . "'", "allow_private 'true'", $param{options} // "auth 'aws'";
	my $keys = $param{keys} // store_keys();
	$node->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER etl OPTIONS ($options)");
	$node->safe_psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER $name OPTIONS ($keys)") if $keys;
}

END
{
	my $status = $?;
	if ($run) { $run->kill_kill; }
	$_->{run}->kill_kill for @programs;
	$? = $status;
}

1;

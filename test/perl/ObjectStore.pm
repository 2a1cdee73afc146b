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

our @EXPORT = qw(has_store start_store store_do store_requests store_server store_url store_key store_keys);

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

sub start_store
{
	local $ENV{PYTHONPATH} = python_path();
	$run = IPC::Run::start([ 'python3', "$tests/fixtures/s3_server.py" ], '<', \$stdin, '>', \$stdout, '2>', \$stderr);
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
	$? = $status;
}

1;

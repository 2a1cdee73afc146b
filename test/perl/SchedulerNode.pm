# A server whose scheduler runs pipelines, and what tests ask of it.
package SchedulerNode;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(scheduler_node value becomes succeeds setting shift_clock clock_shift);

my ($node, $database);
my $shift = 0;

# Starts it.  database: where queries go, unless they say another; conf: more lines; init: arguments of init.
sub scheduler_node
{
	my ($name, %param) = @_;
	$database = $param{database} // 'postgres';
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%{ $param{init} // {} });
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'etl'\n$param{conf}");
	$node->start;
	return $node;
}

sub value
{
	my ($query, $where) = @_;
	return $node->safe_psql($where // $database, $query);
}

# A test: sooner or later the query gives what is expected.
sub becomes
{
	my ($query, $expected, $name, $where) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->poll_query_until($where // $database, $query, $expected), $name)
	  or diag(($node->psql($where // $database, 'TABLE etl_catalog.schedules; TABLE etl_catalog.runs'))[1]);
	return;
}

# A test: the statement ends, and well.  Where it must not wait for others, they stay until it has ended.
sub succeeds
{
	my ($statement, $name, $where) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = $node->psql($where // $database, $statement);
	is($code, 0, $name) or diag($err);
	return;
}

sub setting
{
	my ($name, $value) = @_;
	value("ALTER SYSTEM SET $name = '$value'", 'postgres');
	$node->reload;
	return;
}

# Puts the scheduler's clock forward or back.
sub shift_clock
{
	my ($seconds) = @_;
	$shift += $seconds;
	setting('etl.clock_shift', $shift);
	return;
}

# By how many seconds it goes wrong now.
sub clock_shift { return $shift; }

1;

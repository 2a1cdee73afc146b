# Clients that survive what is done to the server.
package Survivors;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use IPC::Run;

our @EXPORT = qw(start_run ask worker_pids);

# Runs a pipeline, in the background; ->finish waits for the end of it, whatever that is.
sub start_run
{
	my ($node, $pipeline) = @_;
	return IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "CALL etl_run('$pipeline')" ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
}

# The answer to a query, or undef if the server gives none just now.
sub ask
{
	my ($node, $query) = @_;
	my $out;
	return IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $query ],
		'<', '/dev/null', '>', \$out, '2>', '/dev/null') ? $out : undef;
}

# The workers that run pipelines, as soon as there are any; none if there are none for a while.
sub worker_pids
{
	my ($node) = @_;
	for (1 .. 50)
	{
		my $out = ask($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl pipeline'") // '';
		return split(/\n/, $out) if $out ne '';
	}
	return;
}

1;

# Pipelines of all kinds under random faults.  A world is a server with some pipelines whose sources are known record by
# record.  In each of its episodes sources grow, runs are started and faults happen, at random moments; then nothing
# happens any more, and when all has been loaded, targets, dead letters and counters must be what they are without any
# fault, and nothing be left over.  Whatever stays stuck meanwhile is a fault of ours.
#
# TORTURE is how many minutes it takes (2), SEED makes the same choices as the world of that number did; times differ.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use TortureFaults;
use TortureServer;
use TortureWorld;

my $minutes = $ENV{TORTURE} || 2;
my $seed = $ENV{SEED} || time % 1_000_000_000;
my $until = time + 60 * $minutes;
my $episodes = 8;
my $folder = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/torture';    # of the sources of worlds; kept after a failure

remove_tree($folder);
mkdir $folder or die $!;

start_fixture('--root', $folder);
for (; time < $until; $seed++)
{
	last if !live_through($seed);
}
done_testing();

# A world.
sub live_through
{
	my ($seed) = @_;
	my $node = new_server("torture_$seed");
	my $sources = "$folder/$seed";

	mkdir $sources or die $!;
	throw_dice($seed);
	use_database('torture');
	must($_, 'postgres') for 'CREATE DATABASE torture', 'CREATE ROLE loader LOGIN IN ROLE pg_read_server_files', 'GRANT CREATE ON TABLESPACE small TO loader';
	must($_) for make_sql();
	setting('etl.databases', 'torture');
	my @world = make_world($sources, 6 + draw(5));
	define($_) for @world;
	for my $episode (1 .. $episodes)
	{
		my $faults = eval { prepare(@world) if $episode > 1; live(@world); what_is_wrong(@world) } // $@;
		if (!is($faults, '', "seed $seed, episode $episode"))
		{
			diag("SEED=$seed\n" . story() . "\n" . state());
			return 0;
		}
		last if time > $until;
	}
	$node->stop;
	$node->clean_node;
	remove_tree($sources);
	return 1;
}

sub define
{
	my ($p) = @_;
	tell("$p->{name}, " . join ', ', map { "$_ $p->{$_}" } qw(drive after owner batch_size on_shutdown on_bad_part slow));
	tell("$p->{name}: " . grow($p));
	must($_) for create_sql($p);
	return;
}

# Between two episodes, when all has been loaded.
sub prepare
{
	my (@world) = @_;

	for my $p (@world)
	{
		my $dice = draw(12);
		if ($p->{place} eq 'url' && $p->{mode} eq 'append') { redefine($p); }
		elsif ($dice < 2) { tell("$p->{name}, rotated: " . (rotate($p) // 'nothing')); }
		elsif ($dice == 2 && defined(my $repair = repair_sql($p))) { tell($repair); must($repair); }
	}
	return;
}

# What a URL holds for an append does not change, so there is a new pipeline in each episode.
sub redefine
{
	my ($p) = @_;
	must("SELECT etl_drop_pipeline('$p->{name}')");
	must("DROP TABLE $p->{name}");
	forget($p);
	define($p);
	return;
}

# An episode.
sub live
{
	my (@world) = @_;

	setting('etl.enabled', 'on');
	run($_) for grep { $_->{drive} eq 'hand' } @world;
	for (1 .. 8 + draw(16))
	{
		usleep(draw(200_000));
		my ($what, $p) = (draw(10), pick(@world));
		if ($what < 3) { tell("$p->{name}: " . grow($p)); }
		elsif ($what < 4) { run($p); }
		else { fault(@world); }
	}
	tell('end of faults');
	flush_files();
	must('SELECT 1');
	clients_end();
	heal();
	tell('runs until now: ' . must(q{SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM etl_runs GROUP BY 1) AS r}));
	return;
}

sub run
{
	my ($p) = @_;
	my $call = is_repaired($p) && draw(2) ? 'etl_retry_dead_letters' : 'etl_run';
	tell("$call $p->{name}");
	launch("$call $p->{name}", "CALL $call('$p->{name}')");
	return;
}

# Waits until everything has been loaded, without anybody's help but for the times that the scheduler's clock may be put
# forward; then stops the scheduler, and looks at it all.
sub what_is_wrong
{
	my (@world) = @_;
	my ($before, $deadline, $turn) = ('', 0, 0);
	my %done;

	while ((my $rest = what_is_left(\%done, @world)) ne '')
	{
		$deadline = time + $PostgreSQL::Test::Utils::timeout_default if $rest ne $before;
		return "nothing changes any more: $rest" if time > $deadline;
		$before = $rest;
		shift_clock(3601) if $turn++ % 10 == 0;
		usleep(20_000);
	}
	setting('etl.enabled', 'off');
	return join "\n", idle(), (map { told_by($_) } @world), left_over(), log_faults();
}

# What is still to be done, or wrong, with the first pipeline of which that can be said; '': nothing.
sub what_is_left
{
	my ($done, @world) = @_;

	# Where one loads what its twin has loaded, and was stopped in its midst, the rows are those of both only when it is done.
	for my $p (grep { $_->{drive} eq 'hand' } @world)
	{
		return "$p->{name}: no run succeeds" if !defined($done->{ $p->{name} } //= ask("CALL etl_run('$p->{name}')"));
	}
	for my $p (@world)
	{
		my $rest = join "\n", told_by($p);
		next if $rest eq '';
		ask("CALL etl_retry_dead_letters('$p->{name}')") if is_repaired($p);
		return $rest;
	}
	return must(q{SELECT string_agg(concat_ws(' ', pipeline, failures, 'failures', reason), ', ') FROM etl_status WHERE failures > 0});
}

sub idle
{
	return wait_for(sub { must("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'") eq '0' }, 'the last run') ? () : 'runs do not end';
}

# What a pipeline's rows, counters and dead letters say.
sub told_by
{
	my ($p) = @_;
	my ($name, $carried) = @$p{ 'name', 'carried' };
	my @wrong = grep { $_ ne '' } faults_of($p, \&must);
	my ($required, $allowed) = letters_of($p);
	my %letters = %{ $carried->{letters} };

	if (my $counted = counted_of($p))
	{
		my @counters = sort keys %$counted;
		my %sums;
		@sums{@counters} = split /\|/, must('SELECT ' . join(', ', map { "coalesce(sum($_), 0)" } @counters) . " FROM etl_runs WHERE pipeline = '$name' AND kind = 'load'");
		$sums{$_} += $carried->{counted}{$_} // 0 for @counters;
		push @wrong, map { "$_ is $sums{$_} instead of $counted->{$_}" } grep { $sums{$_} != $counted->{$_} } @counters;
	}
	push @wrong, 'counters do not add up'
	  if must("SELECT count(*) FROM etl_runs WHERE pipeline = '$name' AND (read <> malformed + convert_failed + converted
		OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated)") ne '0';
	for (split /\n/, must("SELECT replace(raw, chr(10), '\\n'), count(*), count(*) FILTER (WHERE NOT resolved), max(attempts)
		FROM etl_dead_letters WHERE pipeline = '$name' GROUP BY source, raw"))
	{
		my ($raw, $all, $open, $attempts) = /^(.*)\|(\d+)\|(\d+)\|(\d+)$/;
		$letters{$raw} += $all;
		push @wrong, "a dead letter of a record that is good: $raw" if !$allowed->{$raw};
		push @wrong, "$open open dead letters of $raw" if $open > (is_repaired($p) && $allowed->{$raw} eq 'load' ? 0 : 1);
		push @wrong, "tried $attempts times: $raw" if $p->{mode} eq 'append' && !is_repaired($p) && ($attempts > 1 || $letters{$raw} > 1);
	}
	push @wrong, map { "no dead letter of $_" } grep { !$letters{$_} } sort keys %$required;
	return map { "$name: $_" } @wrong > 8 ? (@wrong[ 0 .. 7 ], '...') : @wrong;
}

# What no run may leave behind.
sub left_over
{
	my %none = (
		'runs that seem to run' => "SELECT count(*) FROM etl_runs WHERE state = 'running'",
		'temporary files' => "SELECT count(*) FROM pg_tablespace AS t, pg_ls_tmpdir(t.oid) WHERE spcname <> 'pg_global'",
		'workers' => "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'etl %' AND backend_type NOT IN ('etl launcher', 'etl watcher')",
		'places of workers' => "SELECT value FROM etl_metric_samples WHERE metric = 'etl_workers_running'",
		'breakers' => "SELECT count(*) FROM etl_breakers WHERE state <> 'closed'",
		'locks' => "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND (locktype = 'advisory' OR NOT granted)",
	);
	return map { wait_for(sub { must($none{$_}) eq '0' }, "no $_") ? () : "$_ are left" } sort keys %none;
}

# For whoever looks for the reason.
sub state
{
	return join "\n", map { eval { ask($_) } // "no answer to $_" } 'SELECT pid, backend_type, state, wait_event, left(query, 60) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
	  'TABLE etl_catalog.schedules', 'TABLE etl_status', 'SELECT run, pipeline, state, read, loaded, sqlstate, message FROM etl_runs ORDER BY run DESC LIMIT 30',
	  'SELECT pid, locktype, relation::regclass, mode FROM pg_locks WHERE NOT granted';
}

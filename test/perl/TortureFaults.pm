# What can happen to the server of TortureServer.pm and the pipelines of TortureWorld.pm at any moment, as a table of
# [ name, how often, what is done ].  What is done returns what it was, for the story.
#
# All dice are thrown before anything is asked of the server, so that the choices are the same whatever it answers.
package TortureFaults;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use HttpFixture;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);
use TortureServer;
use TortureWorld;

our @EXPORT = qw(fault heal);

my @tables = map { "etl_catalog.$_" } qw(pipelines runs checkpoints schedules dead_letters totals watermarks);
my @storms = qw(refuse fail cut slow);

my @faults = (
	[ signal => 10, \&send_signal ],
	[ restart => 2, \&restart ],
	[ lock => 3, \&lock ],
	[ disk => 2, \&fill_disk ],
	[ alter => 2, \&alter_target ],
	[ rewrite => 3, \&rewrite ],
	[ storm => 4, \&storm ],
	[ setting => 2, \&change_setting ],
	[ control => 3, \&control ],
	[ restore => 1, \&restore ],
);

# Whatever the dice say.
sub fault
{
	my (@world) = @_;
	my @wheel = map { ($_) x $_->[1] } @faults;
	my ($name, undef, $do) = @{ pick(@wheel) };
	tell("$name: " . $do->(@world));
	return;
}

# Everything is as it should be again, but for what it has done.
sub heal
{
	fixture_do('/_storm');
	set_disk();
	setting($_->[0], $_->[1]) for [ 'etl.max_workers', 8 ], [ 'etl.enabled', 'on' ], [ 'etl.drain_timeout', '2s' ];
	must("SELECT etl_resume(name) FROM etl_pipelines WHERE NOT enabled");
	return;
}

# Processes, as pg_stat_activity tells them apart.
my %processes = (
	run => "backend_type = 'etl pipeline'",
	scheduler => "backend_type IN ('etl scheduler', 'etl launcher', 'etl watcher')",
	client => "backend_type = 'client backend' AND query ~ '^(CALL|SELECT) etl_'",
);

sub send_signal
{
	my ($signal, $whom, $which, $time) = (pick(qw(KILL KILL KILL TERM TERM INT INT STOP)), pick(qw(run run run run scheduler client)), draw(1000), draw(300_000));
	my @pids;

	# There may be one in a moment.
	for (1 .. 20)
	{
		@pids = split /\n/, ask("SELECT pid FROM pg_stat_activity WHERE $processes{$whom} ORDER BY pid", 'postgres') // '';
		last if @pids;
	}
	return "$signal for a $whom, of which there is none" unless @pids;
	my $pid = $pids[ $which % @pids ];

	# A client that is killed would be a crash of the server, too; that is the run's part.
	my $sent = kill $signal, $pid;
	if ($signal eq 'STOP') { usleep($time); kill 'CONT', $pid; }
	return "$signal for a $whom ($pid)" . ($sent ? '' : ', which has gone');
}

sub restart
{
	my ($how) = pick('fast', 'fast', 'immediate', 'kill -9');
	stop_server($how);
	start_server();
	return $how;
}

sub lock
{
	my (@world) = @_;
	my $p = pick(@world);
	my ($table, $time) = (pick(@tables, ($p->{target}) x 4), draw(1500) / 1000);
	my $how = pick("LOCK TABLE $table IN ACCESS EXCLUSIVE MODE", "LOCK TABLE $table IN SHARE MODE", "SELECT count(*) FROM (SELECT FROM $table FOR UPDATE) AS l");

	launch("lock on $table", "BEGIN; $how; SELECT pg_sleep($time); COMMIT");
	return "$how for $time s";
}

sub fill_disk
{
	my ($bytes, $time) = (8192 * draw(40), draw(800_000));
	set_disk($bytes);
	usleep($time);
	set_disk();
	start_if_gone();
	return "no file of targets or temporary ones grew beyond $bytes bytes, for $time us";
}

sub alter_target
{
	my (@world) = @_;
	my ($p, $time) = (pick(@world), draw(500) / 1000);
	my @how = @{ pick(
		[ 'ADD COLUMN further int', 'DROP COLUMN further' ],
		[ 'ADD COLUMN further int DEFAULT 7 NOT NULL', 'DROP COLUMN further' ],
		[ 'ALTER COLUMN n TYPE bigint', 'ALTER COLUMN n TYPE int' ],
		[ 'SET TABLESPACE pg_default', 'SET TABLESPACE small' ]) };

	launch("ALTER TABLE $p->{target}", "ALTER TABLE $p->{target} $how[0]", "SELECT pg_sleep($time)", "ALTER TABLE $p->{target} $how[1]");
	return "$p->{target} $how[0], $how[1] $time s later";
}

sub rewrite
{
	my (@world) = @_;
	my $p = pick(@world);
	my ($table, $how) = (pick(@tables, $p->{target}), pick('VACUUM FULL', 'VACUUM FREEZE ANALYZE', 'REINDEX TABLE'));

	launch("$how $table", "$how $table");
	return "$how $table";
}

# It lasts until the next one, or for a while.
sub storm
{
	my ($kind, $time) = (pick(@storms), draw(3) ? draw(1_000_000) : 0);
	fixture_do("/_storm?kind=$kind");
	return "$kind" if !$time;
	usleep($time);
	fixture_do('/_storm');
	return "$kind for $time us";
}

sub change_setting
{
	my ($name, $value) = @{ pick([ 'etl.max_workers', 0 ], [ 'etl.max_workers', 1 ], [ 'etl.max_workers', 8 ], [ 'etl.enabled', 'off' ], [ 'etl.enabled', 'on' ],
		[ 'etl.drain_timeout', '1ms' ]) };
	setting($name, $value);
	return "$name = $value";
}

sub control
{
	my (@world) = @_;
	my $p = pick(@world);
	my $what = pick("SELECT etl_cancel('$p->{name}')", "SELECT etl_pause('$p->{name}')", "SELECT etl_resume('$p->{name}')",
		"SELECT etl_start('$p->{name}')", "SELECT etl_retry_parts('$p->{name}')", "SELECT etl_alter_pipeline('$p->{name}', batch_size => " . pick(20, 300, 2000) . ')',
		'SELECT count(*) FROM etl_status, etl_progress', 'SELECT length(etl_metrics())');

	launch($what, $what);
	return $what;
}

# The database is dumped and restored, and the copy takes over.  Runs and dead letters stay behind: what they were at that
# moment is carried on here.
my $copies = 0;

sub restore
{
	my (@world) = @_;
	return 'dead letters would be lost that are to be tried again' if grep { is_repaired($_) } @world;
	my ($old, $new, $file) = (database(), 'torture_' . ++$copies, server()->basedir . '/dump.sql');

	must('SELECT 1');
	my $session = server()->background_psql($old);
	my $snapshot = $session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot()');
	for my $p (@world)
	{
		my $counted = $session->query_safe("SELECT coalesce(sum(read), 0), coalesce(sum(malformed), 0), coalesce(sum(convert_failed), 0),
			coalesce(sum(load_failed), 0), coalesce(sum(loaded), 0) FROM etl_runs WHERE pipeline = '$p->{name}' AND kind = 'load'");
		my $letters = $session->query_safe("SELECT replace(raw, chr(10), '\\n') FROM etl_dead_letters WHERE pipeline = '$p->{name}'");
		my @counted = split /\|/, $counted;
		$p->{carried}{counted}{$_} += shift @counted for qw(read malformed convert_failed load_failed loaded);
		$p->{carried}{letters}{$_}++ for split /\n/, $letters;
	}
	command_quietly('pg_dump', '--snapshot', $snapshot, '-f', $file, server()->connstr($old));
	$session->quit;
	must("CREATE DATABASE $new", 'postgres');
	command_quietly('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', server()->connstr($new), '-f', $file);
	setting('etl.databases', $new);
	must('SELECT etl_adopt()', $new);
	must("DROP DATABASE $old WITH (FORCE)", 'postgres');
	use_database($new);
	return "$old as $new";
}

sub command_quietly
{
	my (@command) = @_;
	my ($out, $err);
	IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$err) or die "@command: $err\n";
	return;
}

1;

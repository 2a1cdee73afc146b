# Pipelines that watch their files run when a file arrives: however it arrives, and wherever its directories come from; once for many files; and not at all where nobody may or can watch.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'files are watched by inotify, which is of Linux' unless $^O eq 'linux';

my $node = scheduler_node('watch', conf => <<'CONF');
etl.databases = 'postgres'
max_worker_processes = 16
restart_after_crash = on
etl.settle_time = '1h'
etl.follow_links = on
CONF

my $dir = PostgreSQL::Test::Utils::tempdir();
my $ids = 0;
my $written;    # when the last file was
my @took;

# A file of one row, whose number it returns.
sub write_file
{
	my ($path, $end) = @_;
	my $id = ++$ids;
	$written = time;
	append_to_file($path, "id\n$id" . ($end // "\n"));
	return $id;
}

# The row of a file that has just arrived is loaded.  How long that took is noted in the end, from the file's being
# written to the beginning of the run.
sub loads
{
	my ($id, $name) = @_;
	becomes("SELECT count(*) FROM rows WHERE id = $id", 1, $name);
	push @took, value("SELECT extract(epoch FROM min(started_at)) - $written FROM etl_runs WHERE loaded > 0 AND started_at >= to_timestamp($written)");
	return;
}

sub create
{
	my ($name, $path, $more) = @_;
	value("SELECT etl_create_pipeline('$name', \$\$ etl_csv($path) AS t(id int) \$\$, target => 'rows', key => '{id}', watch => true"
		  . ($more // '') . ')');
	return;
}

# A pipeline that runs cannot be dropped, and one that is paused does not begin to.
sub drop
{
	my ($condition) = @_;
	value("SELECT etl_pause(name) FROM etl_pipelines WHERE $condition");
	becomes("SELECT count(*) FROM etl_status JOIN etl_pipelines ON name = pipeline WHERE state = 'running' AND $condition", 0, 'nothing of it runs');
	value("SELECT etl_drop_pipeline(name) FROM etl_pipelines WHERE $condition");
	return;
}

sub runs
{
	my ($name) = @_;
	return value("SELECT count(*) FROM etl_runs WHERE pipeline = '$name'");
}

# Everything has been taken note of: a pipeline of our own that is woken after it has run.
sub settle
{
	write_file("$dir/settle/" . ++$ids . '.csv');
	becomes("SELECT count(*) FROM rows WHERE id = $ids", 1, 'all that came before is done');
	becomes("SELECT count(*) FROM etl_status WHERE state IN ('waiting', 'running')", 0, 'and nothing runs');
	return;
}

value('CREATE EXTENSION etl; CREATE TABLE rows (id int PRIMARY KEY)');
make_path("$dir/settle");

# One path, without a schedule; the file comes later.
create('settle', "'$dir/settle/*.csv'");
create('one', "'$dir/one.csv'");
becomes("SELECT count(*) FROM etl_runs WHERE state = 'succeeded'", 2, 'a pipeline that watches runs at once');
is(value("SELECT watch, schedule IS NULL, failures, state FROM etl_status WHERE pipeline = 'one'"), 't|t|0|idle',
	'that there is no file is no failure');
loads(write_file("$dir/one.csv"), 'a file that is written is loaded');
$ids++;
append_to_file("$dir/new", "id\n$ids\n");
rename("$dir/new", "$dir/one.csv") or die;
loads($ids, 'and one that replaces it');
settle();
my $runs = runs('one');
append_to_file("$dir/other.csv", 'x');
rename("$dir/other.csv", "$dir/another.csv") or die;
settle();
is(runs('one'), $runs, 'other files are none of its business');

# A pattern, of files and of directories that come, go and are renamed.
create('many', "'$dir/in/*/day?/*.csv'");
settle();
is(runs('many'), 0, 'nothing of its path is there yet');
make_path("$dir/in/a/day1");
loads(write_file("$dir/in/a/day1/x.csv"), 'directories and a file come at once');
loads(write_file("$dir/in/a/day1/y.csv"), 'a file comes');
make_path("$dir/in/b/day1");
loads(write_file("$dir/in/b/day1/x.csv"), 'another directory comes');
remove_tree("$dir/in/a");
make_path("$dir/in/a/day1");
loads(write_file("$dir/in/a/day1/x.csv"), 'one is removed, and made again');
make_path("$dir/away/day1");
my $id = write_file("$dir/away/day1/x.csv");
rename("$dir/away", "$dir/in/c") or die;
loads($id, 'one is moved here, with a file');
rename("$dir/in/c/day1", "$dir/in/c/day2") or die;
loads(write_file("$dir/in/c/day2/z.csv"), 'one is renamed');
rename("$dir/in", "$dir/out") or die;
make_path("$dir/in/a/day1");
loads(write_file("$dir/in/a/day1/n.csv"), 'all of them are renamed, and made again');
make_path("$dir/elsewhere/v1/day1", "$dir/elsewhere/v2/day1");
symlink("$dir/elsewhere/v1", "$dir/in/link") or die;
loads(write_file("$dir/elsewhere/v1/day1/x.csv"), 'behind a link');
$id = write_file("$dir/elsewhere/v2/day1/y.csv");
symlink("$dir/elsewhere/v2", "$dir/in/.new") or die;
rename("$dir/in/.new", "$dir/in/link") or die;
loads($id, 'a link leads elsewhere');
$id = write_file("$dir/elsewhere/linked.csv");
link("$dir/elsewhere/linked.csv", "$dir/in/a/day1/hard.csv") or die;
loads($id, 'a file is linked');
settle();
$runs = runs('many');
write_file("$dir/in/a/day1/.hidden.csv");
write_file("$dir/in/a/day1/x.txt");
make_path("$dir/in/a/night");
settle();
is(runs('many'), $runs, 'what does not match is no reason to run');

# A thousand files
$runs = runs('many');
my $burst = time;
write_file("$dir/in/a/day1/burst$_.csv") for 1 .. 1000;
$burst = time - $burst;
becomes("SELECT count(*) FROM rows WHERE id > $ids - 1000", 1000, sprintf('a thousand files, written in %.2f s, are loaded', $burst));
settle();
cmp_ok(runs('many') - $runs, '<=', 3 + 10 * $burst, 'in very few runs');

# While a run is under way
value(<<"SQL");
CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM pg_advisory_lock(42);
	PERFORM pg_advisory_unlock(42);
	RETURN true;
END \$\$;
SQL
make_path("$dir/gate");
create('gated', "'$dir/gate/*.csv'", ", query => 'SELECT id FROM batch WHERE gate(id)'");
becomes("SELECT last_result, state FROM etl_status WHERE pipeline = 'gated'", 'succeeded|idle', 'a pipeline with a gate');
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(42)');
write_file("$dir/gate/1.csv");
becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1, 'its run waits');
write_file("$dir/gate/$_.csv") for 2 .. 4;
becomes("SELECT files_at IS NOT NULL FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'gated'", 't',
	'files that arrive meanwhile are remembered');
$gate->query_safe('SELECT pg_advisory_unlock(42)');
loads($ids, 'and loaded when it is over');
settle();
cmp_ok(runs('gated'), '<=', 4, 'by one more run, or two');
$gate->quit;

# A last record without a line end waits until the file is still; nothing else happens meanwhile.
my $held = write_file("$dir/one.csv.part", '');
rename("$dir/one.csv.part", "$dir/one.csv") or die;
becomes("SELECT max(files_at) > now() FROM etl_catalog.schedules", 't', 'a file without a last line end: there is more to come');
is(value("SELECT count(*) FROM rows WHERE id = $held"), 0, 'its last record waits');
setting('etl.settle_time', '0');
shift_clock(3601);
becomes("SELECT count(*) FROM rows WHERE id = $held", 1, 'and is loaded when the file has been still for a while');
settle();
is(value("SELECT count(*) FROM etl_catalog.schedules WHERE files_at IS NOT NULL"), 0, 'that was all');

# A path that is relative, and one that is computed: what it was when it was evaluated last counts.
create('relative', "'relative/*.csv'");
make_path($node->data_dir . '/relative');
loads(write_file($node->data_dir . '/relative/x.csv'), 'a relative path counts from the data directory');
value("CREATE TABLE today (day text); INSERT INTO today VALUES ('monday')");
value("CREATE FUNCTION today() RETURNS text STABLE LANGUAGE sql AS 'SELECT day FROM today'");
make_path("$dir/monday", "$dir/tuesday");
create('computed', "'$dir/' || today() || '/*.csv'");
loads(write_file("$dir/monday/x.csv"), 'a path that is computed');
value("UPDATE today SET day = 'tuesday'");
write_file("$dir/monday/y.csv");
becomes("SELECT watched FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'computed'", "$dir/tuesday/*.csv",
	'each run computes it again');
loads(write_file("$dir/tuesday/x.csv"), 'and what it is then is watched');

# Another source, other files; none any more
value("SELECT etl_alter_pipeline('one', source => \$\$ etl_csv('$dir/two.csv') AS t(id int) \$\$)");
becomes("SELECT count(*) FROM etl_status WHERE state <> 'idle'", 0, 'a changed pipeline');
loads(write_file("$dir/two.csv"), 'watches its new files');
value("SELECT etl_alter_pipeline('one', watch => false)");
is(value("SELECT count(*) FROM etl_catalog.schedules s JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'one'"), 0, 'watch => false ends it');
settle();
$runs = runs('one');
write_file("$dir/two.csv");
settle();
is(runs('one'), $runs, 'then nothing happens');

# Files arrive while somebody changes the pipeline: the scheduler leaves its row alone, and remembers.
make_path("$dir/busy");
create('busy', "'$dir/busy/*.csv'");
loads(write_file("$dir/busy/1.csv"), 'one more pipeline');
settle();
my $change = $node->background_psql('postgres');
$change->query_safe("BEGIN; SELECT etl_alter_pipeline('busy', max_failures => 8)");
$id = write_file("$dir/busy/2.csv");
settle();
is(value("SELECT count(*) FROM rows WHERE id = $id"), 0, 'a file comes while it is changed');
$change->query_safe('COMMIT');
loads($id, 'and is loaded afterwards');
$change->quit;

# A pause; what came meanwhile is loaded at its end.
value("SELECT etl_pause('relative')");
becomes("SELECT state FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'relative'", 'paused', 'a pause');
$runs = runs('relative');
$id = write_file($node->data_dir . '/relative/y.csv');
settle();
is(runs('relative'), $runs, 'files that arrive are left alone');
value("SELECT etl_resume('relative')");
loads($id, 'until it is over');

# Failures are tried again, later and later, without another file; the schedule holds in any case.
append_to_file("$dir/bad.csv", "no_id\n1\n");
create('bad', "'$dir/bad.csv'");
becomes("SELECT failures, state, not_before > now() FROM etl_status WHERE pipeline = 'bad'", '1|idle|t', 'a failure is one');
shift_clock(300);
becomes("SELECT failures FROM etl_status WHERE pipeline = 'bad'", '2', 'and is tried again');
drop("name = 'bad'");
create('timed', "'$dir/timed.csv'", ", schedule => '1 hour'");
becomes("SELECT next_run IS NOT NULL AND last_result = 'succeeded' FROM etl_status WHERE pipeline = 'timed'", 't', 'a schedule beside it');
loads(write_file("$dir/timed.csv"), 'files that arrive do not wait for it');
settle();
$runs = runs('timed');
shift_clock(3700);
becomes("SELECT count(*) FROM etl_runs WHERE pipeline = 'timed'", $runs + 1, 'it comes in any case');

# The watcher dies; the launcher is told to go.  Both come back, and what arrived meanwhile is found.
sub watcher
{
	foreach my $file (glob '/proc/[0-9]*/cmdline')
	{
		my $title = eval { slurp_file($file) } // next;
		my ($pid) = $file =~ /(\d+)/;
		next if $title !~ /etl watcher/;
		return $pid if slurp_file("/proc/$pid/status") =~ /^PPid:\t@{[ $node->{_pid} ]}$/m;
	}
	return 0;
}

sub comes
{
	my ($what, $test) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pid;
	until (($pid = $test->()) || time > $until) { select(undef, undef, undef, 0.1); }
	ok($pid, $what);
	return $pid;
}

my $watcher = comes('there is a watcher', \&watcher);
kill 'TERM', $watcher;
comes('one that is terminated comes back', sub { my $pid = watcher(); return $pid != $watcher && $pid });
loads(write_file("$dir/timed.csv"), 'and watches');
kill 'STOP', ($watcher = watcher());
succeeds('CREATE DATABASE other', 'one that hangs is in the way of nobody who makes a database');
succeeds('DROP DATABASE other', 'or drops it');
$id = write_file("$dir/timed.csv");
kill 'CONT', $watcher;
loads($id, 'and knows what has happened when it wakes up');
kill 'KILL', $watcher;
comes('one that is killed comes back with all the others', sub { my $pid = watcher(); return $pid != $watcher && $pid });
loads(write_file("$dir/timed.csv"), 'and watches');
value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl launcher'");
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl launcher'", 1, 'a launcher that is terminated comes back');
loads(write_file("$dir/timed.csv"), 'and goes on');
$node->stop('fast');
$id = write_file("$dir/timed.csv");
$node->start;
loads($id, 'what arrived while the server was down is loaded when it starts');

# Limits
my $from = -s $node->logfile;
make_path(map { "$dir/wide/$_" } 1 .. 4100);
create('wide', "'$dir/wide/*/x.csv'", ", schedule => '1 hour'");
ok($node->wait_for_log(qr/could not watch directory "$dir\/wide.*Up to 4096 directories/s, $from), 'too many directories are too many');
shift_clock(4000);
is(() = slurp_file($node->logfile, $from) =~ /Up to 4096 directories/g, 1, 'that is said once');
loads(write_file("$dir/timed.csv"), 'others are watched as before');
drop("name = 'wide'");

$from = -s $node->logfile;
value("SELECT etl_create_pipeline('long' || i, format(\$\$ etl_csv(%L) AS t(id int) \$\$, '/' || repeat('x', 3900) || i), target => 'rows', watch => true) FROM generate_series(1, 40) i");
ok($node->wait_for_log(qr/too many pipelines watch files/, $from), 'too many paths are too many');
make_path("$dir/more");
create('more', "'$dir/more/*.csv'");
loads(write_file("$dir/more/x.csv"), 'a short one still fits');
is(() = slurp_file($node->logfile, $from) =~ /too many pipelines watch files/g, 1, 'that is said once, too');
drop("(name LIKE 'long%' OR name = 'more')");

# Rights
value("CREATE ROLE reader LOGIN; GRANT pg_read_server_files TO reader; GRANT ALL ON rows TO reader; GRANT ALL ON SCHEMA public TO reader");
value("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO reader");
make_path("$dir/reader");
value("SET ROLE reader; SELECT etl_create_pipeline('reader', \$\$ etl_csv('$dir/reader/*.csv') AS t(id int) \$\$, target => 'rows', key => '{id}', watch => true)");
loads(write_file("$dir/reader/1.csv"), 'a role that may read files');
becomes("SELECT state FROM etl_status WHERE pipeline = 'reader'", 'idle', 'watches them');
value("REVOKE pg_read_server_files FROM reader");
value("SELECT etl_alter_pipeline('timed', max_failures => 9)");
settle();
$runs = runs('reader');
write_file("$dir/reader/2.csv");
settle();
is(runs('reader'), $runs, 'one that may not any more learns nothing of them');
my ($ret, $out, $err) = $node->psql('postgres', "SET ROLE reader; SELECT etl_create_pipeline('spy', \$\$ etl_csv('$dir/reader/*.csv') AS t(id int) \$\$, target => 'rows', watch => true)");
like($err, qr/permission denied to read server file/, 'and cannot begin to');

# How long it took from the arrival of a file to the start of its run
@took = sort { $a <=> $b } @took;
note(sprintf('%d arrivals: median %.2f s, longest %.2f s', scalar(@took), $took[@took / 2], $took[-1]));

# Nothing to watch any more: the watcher goes.
drop('true');
comes('with nothing to watch there is no watcher', sub { return !watcher() });
create('settle', "'$dir/settle/*.csv'");
loads(write_file("$dir/settle/last.csv"), 'there is one again when it is needed');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing has crashed');

$node->stop('fast');
done_testing();

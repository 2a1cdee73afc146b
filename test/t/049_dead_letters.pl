# Retries of dead letters beside others who load rows of their keys: a run of the same pipeline, and a session.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('retry');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub waits_for
{
	my ($locktype) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
		 WHERE locktype = '$locktype' AND NOT granted AND backend_type = 'etl pipeline'");
}

sub start_call
{
	my ($call) = @_;
	return IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $call ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
}

# A session that stays.
sub session
{
	my $session = { in => '', out => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out});
	return $session;
}

sub say_to
{
	my ($session, $statement) = @_;
	$session->{in} .= "$statement;\n\\echo done\n";
	$session->{run}->pump until $session->{out} =~ s/.*done\n//s;
	return;
}

sql(q{
	CREATE EXTENSION etl;
	CREATE TABLE target (id int PRIMARY KEY, n int);
	CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF id = 4 THEN PERFORM pg_advisory_xact_lock_shared(42); END IF;
		RETURN true;
	END $$;
});
sql('SET etl.settle_time = 0; ALTER SYSTEM SET etl.settle_time = 0');
$node->reload;

my $strict = "source => \$\$etl_csv('$dir/*.csv') AS t(id int, n int)\$\$, query => 'SELECT id, n FROM batch WHERE gate(id)'";
my $lenient = "source => \$\$etl_csv('$dir/*.csv') AS t(id text, n text)\$\$,
	query => \$\$SELECT b.i AS id, CASE WHEN b.n ~ '^[0-9]+\$' THEN b.n::int ELSE -1 END AS n
		FROM (SELECT CASE WHEN id ~ '^[0-9]+\$' THEN id::int ELSE 5 END AS i, n FROM batch) AS b WHERE gate(b.i)\$\$";

# Two dead letters: one with key 4, and one whose key cannot be read, and will be 5.
sub begin_anew
{
	sql("SELECT etl_drop_pipeline(name) FROM etl_pipelines");
	sql("TRUNCATE target");
	unlink(glob("$dir/*.csv"));
	append_to_file("$dir/1.csv", "id,n\n4,x\ny,5\n");
	sql("SELECT etl_create_pipeline('p', $strict, target => 'target', key => '{id}')");
	sql("CALL etl_run('p')");
	sql("SELECT etl_alter_pipeline('p', $lenient)");
	return;
}

my $letters = 'SELECT raw, key, state, sqlstate FROM etl_dead_letters ORDER BY id';
begin_anew();
is(sql($letters), "4,x|{4}|open|22P02\ny,5||open|22P02", 'two letters, one of a key that is known');

# A run has the key in hand: no retry then, and nothing to retry once it is loaded.
my $gate = session();
sql("SELECT etl_alter_pipeline('p', $strict)");
append_to_file("$dir/2.csv", "id,n\n4,44\n");
say_to($gate, 'SELECT pg_advisory_lock(42)');
my $run = start_run($node, 'p');
waits_for('advisory');
my ($status, undef, $error) = $node->psql('postgres', "CALL etl_retry_dead_letters('p')");
like($error, qr/is running already/, 'no retry while a run has the key in hand');
say_to($gate, 'SELECT pg_advisory_unlock(42)');
$run->finish;
is(sql($letters), "4,x|{4}|superseded|22P02\ny,5||open|22P02", 'the run supersedes the letter');
sql("SELECT etl_alter_pipeline('p', $lenient)");
is((split /\|/, sql("CALL etl_retry_dead_letters('p')"))[2], 1, 'the retry reads the other one');
is(sql('TABLE target ORDER BY id'), "4|44\n5|5", 'and overwrites nothing');

# The other way round: no run while a retry is under way, and what comes later wins.
begin_anew();
append_to_file("$dir/2.csv", "id,n\n4,44\n");
say_to($gate, 'SELECT pg_advisory_lock(42)');
my $retry = start_call("CALL etl_retry_dead_letters('p')");
waits_for('advisory');
(undef, undef, $error) = $node->psql('postgres', "CALL etl_run('p')");
like($error, qr/is running already/, 'no run while a retry is under way');
say_to($gate, 'SELECT pg_advisory_unlock(42)');
$retry->finish;
is(sql('TABLE target ORDER BY id'), "4|-1\n5|5", 'the retry loads both');
sql("CALL etl_run('p')");
is(sql('TABLE target ORDER BY id'), "4|44\n5|5", 'the run loads what came later');
is(sql("SELECT DISTINCT state FROM etl_dead_letters"), 'loaded', 'letters that a retry has loaded stay so');

# A retry that is killed has done nothing.
begin_anew();
say_to($gate, 'SELECT pg_advisory_lock(42)');
$retry = start_call("CALL etl_retry_dead_letters('p')");
waits_for('advisory');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
$retry->finish;
say_to($gate, 'SELECT pg_advisory_unlock(42)');
is(sql($letters), "4,x|{4}|open|22P02\ny,5||open|22P02", 'a retry that was stopped leaves the letters open');

# What another session inserts meanwhile under a key that was not known is not overwritten, if it is committed.
my $user = session();
for my $end ('COMMIT', 'ROLLBACK')
{
	begin_anew();
	say_to($user, 'BEGIN; INSERT INTO target VALUES (5, 0)');
	$retry = start_call("CALL etl_retry_dead_letters('p')");
	waits_for('transactionid');
	say_to($user, $end);
	$retry->finish;
	is(sql('TABLE target ORDER BY id'), $end eq 'COMMIT' ? "4|-1\n5|0" : "4|-1\n5|5", "$end: what is in the target");
	is(sql($letters), "4,x|{4}|loaded|22P02\n" . ($end eq 'COMMIT' ? 'y,5||open|23505' : 'y,5||loaded|22P02'),
		"$end: what becomes of the letter");
}
begin_anew();
sql('INSERT INTO target VALUES (5, 0)');
sql("CALL etl_retry_dead_letters('p', overwrite => true)");
is(sql('TABLE target ORDER BY id'), "4|-1\n5|5", 'overwrite');

$_->{in} .= "\\q\n", $_->{run}->finish for $gate, $user;
$node->stop;
done_testing();

# Parts of a source that cannot be read, set aside: files that may not be opened or are cut off, URLs, the pages of an API;
# what is tried again and when, and what fails the run all the same; runs that are killed between parts.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use IO::Compress::Gzip qw(gzip);
use PostgreSQL::Test::Utils;
use Survivors;
use Test::More;
use Time::HiRes qw(usleep);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $web = fixture_dir();
start_fixture('--root', $web);
my $node = net_node('bad_parts', conf => <<'CONF');
max_worker_processes = 16
restart_after_crash = on
etl.http_max_attempts = 1
etl.max_field_size = '100kB'
etl.max_item_size = '100kB'
etl.breaker_failures = 1000
CONF
my $base = fixture_url('');

sub sql { return query($node, $_[0]); }

sub put
{
	my ($path, $text) = @_;
	open(my $out, '>', $path) or die "$path: $!";
	print $out $text;
	close($out);
	utime(time - 3600, time - 3600, $path);
}

sub rows_of { return "id,v\n" . join('', map { "$_,v$_\n" } @_); }

sub create
{
	my ($name, $source, $more, $column) = @_;
	$column //= 'v';
	return sql("CREATE TABLE $name (id int, $column text);
		SELECT etl_create_pipeline('$name', source => \$\$$source AS t(id int, $column text)\$\$, target => '$name',
			on_bad_part => 'set_aside'" . ($more // '') . ')');
}

# How the next run ends: its state, rows loaded, and parts set aside.
sub run_of
{
	my ($name) = @_;
	sql("CALL etl_run('$name')");
	return sql("SELECT state, loaded, parts_set_aside FROM etl_runs WHERE pipeline = '$name' ORDER BY run DESC LIMIT 1");
}

sub part_of
{
	return sql("SELECT state, rows, version IS NOT NULL, attempts, sqlstate FROM etl_parts WHERE pipeline = '$_[0]' AND state = 'set_aside'");
}

# The conditions of the requests since the last call.
sub asked
{
	my @conditions = map { $_->{headers}{'if-none-match'} // '-' } grep { $_->{path} !~ /^\/_/ } fixture_requests();
	fixture_reset();
	return join(' ', @conditions);
}

# What may be wrong with a file, between two that are sound.  What comes before it is loaded, and stays so.
sub json_of { return '[' . join(', ', map { qq({"id": $_, "v": "v$_"}) } @_); }
my @wrong = (
	[ csv => 'a name that is no text', "id,v,\xff\n2,v2,x\n", '22021', 0 ],
	[ csv => 'a name that is there twice', "id,v,V\n2,v2,x\n", '', 1 ],
	[ csv => 'a column that may be two', "id,V,\"v \"\n2,v2,x\n", '42702', 0 ],
	[ csv => 'a field that is too large', rows_of(2) . '3,' . ('x' x 200_000) . "\n4,v4\n", '54000', 1 ],
	[ csv => 'something else', "PK\x03\x04" . 'zip', '0A000', 0 ],
	[ csv => 'what is no gzip', "\x1f\x8b\x08" . ('x' x 100), '22P04', 0 ],
	[ json => 'an array that is cut off', json_of(2, 3) . ', {"id"', '22032', 2 ],
	[ json => 'an array that is broken', json_of(2, 3) . ', }]', '22032', 2 ],
	[ json => 'an item that is too large', json_of(2) . ', {"id": 3, "v": "' . ('x' x 200_000) . '"}]', '54000', 1 ],
	[ json => 'depth', json_of(2) . ', ' . ('[' x 200_000) . ']', '54000', 1 ],
);
for my $i (0 .. $#wrong)
{
	my ($kind, $what, $text, $sqlstate, $rows) = @{ $wrong[$i] };
	my $name = "wrong_$i";
	put("$dir/$name-1", $kind eq 'csv' ? rows_of(1) : json_of(1) . ']');
	put("$dir/$name-2", $text);
	put("$dir/$name-3", $kind eq 'csv' ? rows_of(10) : json_of(10) . ']');
	create($name, "etl_$kind('$dir/$name-*')");
	is(run_of($name), join('|', 'succeeded', 2 + $rows, $sqlstate ne '' ? 1 : 0), "$what: the others load");
	is(part_of($name), $sqlstate ne '' ? "set_aside|$rows|t|1|$sqlstate" : '', 'it is set aside');
	sql("SELECT etl_retry_parts('$name')");
	is(run_of($name), join('|', 'succeeded', 0, $sqlstate ne '' ? 1 : 0), 'and gives nothing new');
	is(run_of($name), 'succeeded|0|0', 'nor is it read again');
}

# A file that may not be opened is tried in each run, until it may.
put("$dir/denied-1.csv", rows_of(1));
put("$dir/denied-2.csv", rows_of(2));
put("$dir/denied-3.csv", rows_of(3));
chmod(0, "$dir/denied-2.csv");
create('denied', "etl_csv('$dir/denied-*.csv')");
is(run_of('denied'), 'succeeded|2|1', 'the others load');
is(part_of('denied'), 'set_aside|0|f|1|42501', 'one may not be opened');
is(run_of('denied'), 'succeeded|0|1', 'it still may not');
is(part_of('denied'), 'set_aside|0|f|2|42501', 'and was tried');
chmod(0600, "$dir/denied-2.csv");
is(run_of('denied'), 'succeeded|1|0', 'now it may');
is(sql('SELECT array_agg(id ORDER BY id) FROM denied'), '{1,2,3}', 'and is loaded');

# A compressed file that is cut off: what is before the end is loaded, and once, whatever comes of it.
my ($all, $gz) = (rows_of(1 .. 50000));
gzip(\$all, \$gz);
for my $n (1 .. 3) { put("$dir/cut-$n.csv.gz", $n == 2 ? substr($gz, 0, length($gz) / 2) : $gz); }
create('cut', "etl_csv('$dir/cut-*.csv.gz')", ', batch_size => 700');
like(run_of('cut'), qr/^succeeded\|1\d{5}\|1$/, 'the others load, and a part of it');
my $loaded = sql('SELECT count(*) FROM cut');
is(sql("SELECT rows + 100000 FROM etl_parts WHERE state = 'set_aside' AND pipeline = 'cut'"), $loaded, 'so many rows');
is(run_of('cut'), 'succeeded|0|0', 'it is not read again');
sql("SELECT etl_retry_parts('cut', '$dir/cut-2.csv.gz')");
is(run_of('cut'), 'succeeded|0|1', 'but when that is asked for, and then gives nothing new');
put("$dir/cut-2.csv.gz", substr($gz, 0, length($gz) * 3 / 4));
like(run_of('cut'), qr/^succeeded\|\d{4,5}\|1$/, 'more of it has come');
put("$dir/cut-2.csv.gz", $gz);
utime(1, 1, "$dir/cut-2.csv.gz");
like(run_of('cut'), qr/^succeeded\|\d{4,5}\|0$/, 'all of it has come');
is(sql('SELECT count(*), count(DISTINCT id), min(n), max(n) FROM (SELECT id, count(*) AS n FROM cut GROUP BY id) c'), '50000|50000|3|3',
	'each row of each file is loaded once');

# What a URL holds has a validator, or none.
mkdir("$web/web");
put("$web/web/bad.csv", "id,w\n1,x\n");
create('url', "etl_csv('$base/files/web/bad.csv?etag=content')");
asked();
is(run_of('url'), 'succeeded|0|1', 'a header that lacks a column');
is(part_of('url'), 'set_aside|0|t|1|42703', 'is noted');
is(run_of('url'), 'succeeded|0|0', 'it has not changed');
like(asked(), qr/^- "[0-9a-f]+"$/, 'which the server was asked');
put("$web/web/bad.csv", rows_of(1, 2));
is(run_of('url'), 'succeeded|2|0', 'and now it has');
put("$web/web/bad.csv", "id,w\n1,y\n");
is(run_of('url'), 'succeeded|0|1', 'the same again');
sql("SELECT etl_alter_pipeline('url', source => \$\$etl_csv('$base/files/web/bad.csv?etag=content') AS t(id int, w text)\$\$, query => 'SELECT id, w AS v FROM batch')");
is(run_of('url'), 'succeeded|1|0', 'with another source it is read, though it has not changed');
is(part_of('url'), '', 'and is not set aside any more');
create('none', "etl_csv('$base/files/web/none.csv?validator=none')");
is(run_of('none'), 'succeeded|0|1', 'there is no such thing');
is(run_of('none'), 'succeeded|0|1', 'nor now');
is(part_of('none'), 'set_aside|0|f|2|58P01', 'so each run tries');
put("$web/web/none.csv", rows_of(1 .. 3));
is(run_of('none'), 'succeeded|3|0', 'and finds it');
for my $status (400, 403, 404, 410, 422)
{
	create("refused_$status", "etl_csv('$base/status/$status')");
	is(run_of("refused_$status"), 'succeeded|0|1', "what is answered with $status is of the part");
}
for my $fault ('status/500', 'status/429', 'rows/5000?drop=500&validator=none')
{
	my $name = 'f' . ($fault =~ s/\W/_/gr);
	create($name, "etl_csv('$base/$fault')", '', 'name');
	is((run_of($name) =~ /^(\w+)/)[0], 'failed', "$fault may pass, and fails the run");
	is(part_of($name), '', 'nothing is set aside');
}
is(sql("SELECT DISTINCT sqlstate FROM etl_runs WHERE state = 'failed' ORDER BY 1"), "08006\n53400\n58030", 'for these reasons');

# The pages of an API are one part, which is gone on with at its place; until then nobody knows how far the data goes.
fixture_do('/_stream?n=25&expired=2');
create('api', "etl_api('$base/api/stream/by=cursor/size=10/refusal=403', items => 'items', pagination => 'cursor', next => 'next', next_param => 'cursor')",
	", watermark => 'id'", 'name');
is(run_of('api'), 'succeeded|10|1', 'a page is refused');
is(part_of('api'), 'set_aside|10|f|1|42501', 'the pages are set aside');
is(run_of('api'), 'succeeded|0|1', 'it is refused again');
is(part_of('api'), 'set_aside|10|f|2|42501', 'and the pages before stay');
is(sql("SELECT etl_watermark('api') IS NULL"), 't', 'nothing is said of how far the data goes');
asked();
is(run_of('api'), 'succeeded|15|0', 'the rest');
is(scalar(split / /, asked()), 2, 'is asked for, and no more');
is(sql("SELECT etl_watermark('api'), count(*), count(DISTINCT id) FROM api"), '25|25|25', 'each item once');

# The alert has numbers only; a run that is cancelled sets nothing aside.
my $id = sql("SELECT id FROM etl_pipelines WHERE name = 'refused_403'");
my ($code, $out, $err) = $node->psql('postgres', "LISTEN etl_alert;\nCALL etl_run('refused_403');\nSELECT 1;");
like($out, qr/"etl_alert" with payload "\{"event":"set_aside","pipeline":$id,"run":\d+\}"/, 'an alert');
like($err, qr/NOTICE:  1 part of the source of pipeline "refused_403" cannot be read and is set aside/, 'a notice');
put("$dir/wide.csv", "id,v,more\n1,v1,x\n");
create('wide', "etl_csv('$dir/wide.csv')");
($code, $out, $err) = $node->psql('postgres', "LISTEN etl_alert;\nCALL etl_run('wide');\nSELECT 1;");
like($out, qr/"etl_alert" with payload "\{"event":"new_columns","pipeline":\d+,"run":\d+\}"/, 'an alert of a column that is not declared');
create('slow', "etl_csv('$base/rows/10?silent=5')", '', 'name');
my $run = sql("SELECT etl_start('slow')");
wait_for(sub { grep { $_->{path} =~ /silent=5/ } fixture_requests() }, 'the request');
sql("SELECT etl_cancel('slow')");
wait_for(sub { sql("SELECT state FROM etl_runs WHERE run = $run") eq 'cancelled' }, 'the end of the run');
is(sql("SELECT count(*) FROM etl_parts WHERE pipeline = 'slow'"), 0, 'a cancelled run sets nothing aside');

# A run is held at the first record behind the gate; what it was about to open goes, or it is killed.
sub gated
{
	my ($name, $files, $while) = @_;
	create($name, "etl_csv('$dir/$files')", ", batch_size => 1, query => 'SELECT * FROM batch WHERE pg_advisory_xact_lock_shared(7) IS NOT NULL'");
	my $gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(7)');
	my $run = sql("SELECT etl_start('$name')");
	wait_for(sub { sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted") > 0 }, 'the gate') or die;
	$while->($run);
	$gate->quit;
	wait_for(sub { sql("SELECT state FROM etl_runs WHERE run = $run") ne 'running' }, 'the end of the run') or die;
	return sql("SELECT state, loaded, parts_set_aside FROM etl_runs WHERE run = $run");
}
put("$dir/goes-$_.csv", rows_of($_)) for 1 .. 3;
is(gated('goes', 'goes-*.csv', sub { unlink("$dir/goes-2.csv") }), 'succeeded|2|1', 'a file that is gone is passed over');
is(part_of('goes'), 'set_aside|0|f|1|58P01', 'and noted');
is(run_of('goes'), 'succeeded|0|0', 'then it is no part any more');
is(sql("SELECT missing_since IS NOT NULL FROM etl_parts WHERE pipeline = 'goes' AND state = 'set_aside'"), 't', 'which is noted as well');
is(sql("SELECT parts_set_aside FROM etl_status WHERE pipeline = 'goes'"), 0, 'and not counted');

put("$dir/dies-1.csv", "id,w\n1,x\n");
put("$dir/dies-2.csv", rows_of(2, 3));
my $died = gated('dies', 'dies-*.csv', sub {
	is(part_of('dies'), 'set_aside|0|t|1|42703', 'a part is set aside before the next one is loaded');
	kill('KILL', sql("SELECT pid FROM etl_runs WHERE run = $_[0]"));
	wait_for(sub { defined ask($node, 'SELECT 1') }, 'recovery') or die;
});
is($died, 'crashed|0|1', 'and stays so');
is(run_of('dies'), 'succeeded|2|0', 'the run after a crash goes on behind it');
is(part_of('dies'), 'set_aside|0|t|1|42703', 'and does not try it again');

# Runs that are killed at random moments: what comes before a fault is loaded once, and so is what comes behind it.
my $files = 300;
for my $n (1 .. $files)
{
	my $text = rows_of($n * 1000 + 1 .. $n * 1000 + 500);
	gzip(\$text, \my $packed);
	put(sprintf("$dir/kill-%03d.csv", $n),
		  $n % 7 == 0 ? substr($packed, 0, length($packed) / 2)
		: $n % 5 == 0 ? "id,w\n1,x\n"
		: $text);
}
create('killed', "etl_csv('$dir/kill-*.csv')", ', batch_size => 90');
srand($ENV{ETL_TEST_SEED} // 42);
my $killed = 0;
for (1 .. 30)
{
	my $client = start_run($node, 'killed');
	my @pids = worker_pids($node);
	usleep(int(rand(60_000)));
	$killed += kill('KILL', @pids) if @pids;
	$client->finish;
	wait_for(sub { defined ask($node, 'SELECT 1') }, 'recovery') or die;
	last if sql("SELECT count(*) FROM etl_parts WHERE pipeline = 'killed' AND state <> 'reading'") == $files;
}
cmp_ok($killed, '>', 0, "runs were killed ($killed times)");
is((run_of('killed') =~ /^(\w+)/)[0], 'succeeded', 'a last run');
my $cut = sql("SELECT sum(rows) FROM etl_parts WHERE pipeline = 'killed' AND state = 'set_aside'");
my ($gzs, $headers) = (int($files / 7), int($files / 5) - int($files / 35));
is(sql("SELECT count(*), sum(attempts) FROM etl_parts WHERE pipeline = 'killed' AND state = 'set_aside'"),
	($gzs + $headers) . '|' . ($gzs + $headers), 'each part is set aside once');
is(sql('SELECT count(*), count(DISTINCT id) FROM killed'), join('|', (($files - $gzs - $headers) * 500 + $cut) x 2),
	'what can be read is loaded once');
is(sql("SELECT sum(parts_set_aside) FROM etl_runs WHERE pipeline = 'killed'"), $gzs + $headers, 'and the counters say so');

done_testing();

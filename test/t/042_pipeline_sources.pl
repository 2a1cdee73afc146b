# Pipelines over the network: APIs and files behind URLs.  Where a run goes on, what is asked for again and what is not,
# what becomes of a page that is not there any more; waits that end in time; secrets.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

start_fixture();
my $node = net_node('sources', conf => "max_worker_processes = 16\netl.http_retry_budget = '1s'\n");

sub sql { return query($node, $_[0]); }

# The paths that were asked for since the last call, and what a condition was.
sub asked
{
	my @paths = map { $_->{path} =~ s/.*\?//r } grep { $_->{path} !~ /^\/_/ } fixture_requests();
	fixture_reset();
	return @paths;
}

sub run_of
{
	my ($name) = @_;
	sql("CALL etl_run('$name')");
	return sql("SELECT state, read, loaded FROM etl_runs WHERE pipeline = '$name' ORDER BY run DESC LIMIT 1");
}

sub start_run { return sql("SELECT etl_start('$_[0]')"); }

sub state_of
{
	my ($run) = @_;
	wait_for(sub { sql("SELECT state FROM etl_runs WHERE run = $run") ne 'running' }, "the end of run $run");
	return sql("SELECT state || ' ' || coalesce(sqlstate, '') FROM etl_runs WHERE run = $run");
}

sub message_of { return sql("SELECT message FROM etl_runs WHERE pipeline = '$_[0]' ORDER BY run DESC LIMIT 1"); }

my $base = fixture_url('');
my $columns = 't(id int, name text, _etl_page int, _etl_index int)';
my $query = 'SELECT id, name, _etl_page AS page, _etl_index AS index FROM batch';

sub create
{
	my ($name, $source, %more) = @_;
	my $key = $more{key} ? "key => '{id}', " : '';
	my $unique = $more{key} ? 'PRIMARY KEY' : '';
	my $options = join '', map { ", $_ => '$more{$_}'" } grep { !/^(key|columns|query)$/ } sort keys %more;
	my $as = $more{columns} // $columns;
	my $select = $more{query} // $query;
	return sql("CREATE TABLE $name (id int $unique, name text, page int, index int, line bigint);
		SELECT etl_create_pipeline('$name', source => \$\$$source AS $as\$\$, query => '$select', ${key}target => '$name'$options)");
}

sub api
{
	my ($knobs, $more) = @_;
	return "etl_api('$base/api/stream/$knobs', items => 'items'" . ($more // '') . ')';
}

my %by = (
	cursor => ", pagination => 'cursor', next => 'next', next_param => 'cursor'",
	page => ", pagination => 'page', page_param => 'page', stop => 'total=total'",
	offset => ", pagination => 'offset', stop => 'total=total'",
	url => ", pagination => 'next_url', next => 'next'",
);

# A list that changes while its pages are counted: where rows may come twice, it is read again.
sub moving { return "etl_api('$base/api/moving/n=9/size=3/$_[0]')"; }
create('moved', moving('by=-1'), key => 1, columns => 't(id int)', query => 'SELECT id FROM batch');
is(run_of('moved'), 'succeeded|16|9', 'a list that becomes shorter is read again, where there is a key');
is(sql('SELECT array_agg(id ORDER BY id) FROM moved'), '{0,1,2,3,4,5,6,7,8}', 'so that nothing is missing');
create('moved_on', moving('by=1'), columns => 't(id int)', query => 'SELECT id FROM batch');
is((run_of('moved_on') =~ /^(\w+)/)[0], 'failed', 'without a key it cannot be');
like(message_of('moved_on'), qr/the list has changed while it was read page by page: it had 9 items, and then 10/, 'and the run says so');
asked();
# Pages are asked for ahead, and answered in any order: two of them may be alike by that.
create('moving', moving('by=1/each=1') =~ s/\)$/, options => '{"guard": "off"}')/r, key => 1, columns => 't(id int)', query => 'SELECT id FROM batch');
is((run_of('moving') =~ /^(\w+)/)[0], 'failed', 'one that changes each time is not read for ever');
is(scalar(() = grep { /^offset=0$/ } asked()), 2, 'but twice more');

# All pages, in one run; the next one begins anew.
for my $by (sort keys %by)
{
	fixture_do('/_stream?n=20&shift=0&expired=0');
	is(create("all_$by", api("by=$by/size=6", $by{$by}), key => 1), '', "a pipeline over pages by $by");
	is(run_of("all_$by"), 'succeeded|20|20', 'reads all');
	is(sql("SELECT count(*), max(page), bool_and(id = (page - 1) * 6 + index) FROM all_$by"), '20|4|t', 'with its places');
	is(run_of("all_$by"), 'succeeded|20|0', 'and all again');
}

# A watermark in the parameters.
fixture_do('/_stream?n=20');
my $since = ", pagination => 'cursor', next => 'next', next_param => 'cursor', params => jsonb_build_object('since', etl_watermark('log'))";
create('log', 'etl_api(' . sql_quote("$base/api/stream/size=6") . ", items => 'items'$since)", watermark => 'id');
asked();
is(run_of('log'), 'succeeded|20|20', 'all that is there');
is(join(' ', asked()), '/api/stream/size=6 cursor=6 cursor=12 cursor=18', 'without a watermark at first');
is(run_of('log'), 'succeeded|0|0', 'nothing new');
is(join(' ', asked()), 'since=20', 'asks for what is behind the watermark');
fixture_do('/_stream?n=33');
is(run_of('log'), 'succeeded|13|13', 'what is new');
is(join(' ', asked()), 'since=20 since=20&cursor=6 since=20&cursor=12', 'behind it, too');
is(sql('SELECT count(*), count(DISTINCT id), max(id) FROM log'), '33|33|33', 'appended once');

# A last item that cannot be loaded is asked for again by each run, and is one dead letter.
fixture_do('/_stream?n=20');
create('stuck', 'etl_api(' . sql_quote("$base/api/stream/size=6") . ", items => 'items'" . ($since =~ s/'log'/'stuck'/r) . ')', watermark => 'id',
	rules => '{"good": "id <> 20"}');
is(run_of('stuck'), 'succeeded|20|19', 'all but the last');
is(run_of('stuck'), 'succeeded|1|0', 'the last one again') for 1 .. 3;
is(sql("SELECT count(*), max(attempts) FROM etl_dead_letters WHERE pipeline = 'stuck'"), '1|4', 'has one dead letter');
sql("SELECT etl_alter_pipeline('stuck', rules => '{}'); CALL etl_retry_dead_letters('stuck')");
is(sql("SELECT count(*), count(DISTINCT id) FROM stuck"), '20|20', 'which loads it once');

# Without a watermark, too: it stands elsewhere when others have gone, and is the same item.
sql("CREATE FUNCTION gone() RETURNS int LANGUAGE sql STABLE RETURN coalesce((SELECT max(page) FROM log WHERE id < 0), 0)");
create('moves', 'etl_api(' . sql_quote("$base/api/stream/size=6") . ", items => 'items'" . ($since =~ s/etl_watermark\('log'\)/gone()/r) . ')',
	rules => '{"good": "id <> 20"}');
for my $gone (0, 1, 8)
{
	sql("INSERT INTO log VALUES (-1, '', $gone)");
	run_of('moves');
}
is(sql("SELECT count(*), max(page), max(index), max(attempts) FROM etl_dead_letters WHERE pipeline = 'moves'"), '1|2|6|3',
	'an item that moves has one dead letter, of the place where it was last');
sql("DELETE FROM log WHERE id < 0");

# In the midst of a scan the watermark stays: the call is the same for the run that goes on with it.
fixture_do('/_stream?n=70');
sql("SELECT etl_alter_pipeline('log', on_error => 'fail', batch_size => 5); ALTER TABLE log ADD CONSTRAINT stop CHECK (id <= 50)");
like(run_of('log'), qr/^failed/, 'a scan that is not finished');
is(sql("SELECT etl_watermark('log'), max(id) FROM log"), '33|48', 'does not move the watermark');
sql('ALTER TABLE log DROP CONSTRAINT stop');
asked();
is(run_of('log'), 'succeeded|22|22', 'the next run finishes it');
is((asked())[0], 'since=33&cursor=12', 'by the same call, at the page where it stopped');
is(sql("SELECT etl_watermark('log'), count(*), count(DISTINCT id) FROM log"), '70|70|70', 'and moves the watermark');

# A run that fails in the midst goes on there: the source, or the target.
sub fail_after
{
	my ($name, $id) = @_;
	return sql("ALTER TABLE $name ADD CONSTRAINT stop CHECK (id <= $id)");
}

for my $by (sort keys %by)
{
	fixture_do('/_stream?n=40&shift=0&expired=0');
	create("part_$by", api("by=$by/size=10", $by{$by}), on_error => 'fail', batch_size => 4);
	fail_after("part_$by", 26);
	like(run_of("part_$by"), qr/^failed/, "by $by: a run fails");
	is(sql("SELECT count(*) FROM part_$by"), '24', 'behind the batches that were committed');
	sql("ALTER TABLE part_$by DROP CONSTRAINT stop");
	asked();
	is(run_of("part_$by"), 'succeeded|16|16', 'the next one does the rest');
	my @asked = asked();
	is(scalar(@asked), 2, 'and asks for the page in hand and the one behind') or diag(join ' ', @asked);
	is(sql("SELECT count(*), count(DISTINCT id), bool_and(id = (page - 1) * 10 + index) FROM part_$by"), '40|40|t',
		'each item is there once, from its place');
}

# A run that ends while it asks for what is behind the last page, which is longer when the next run comes: all of it is loaded.
for my $way (qw(cancel immediate))
{
	my $name = "tail_$way";
	fixture_do('/_stream?n=16&shift=0&expired=0');
	create($name, api('by=page/size=10/hold=1', ", pagination => 'page', stop => 'empty', page_size => 10"), batch_size => 100, flush_interval => '100 ms');
	asked();
	my $run = start_run($name);
	for my $page (1 .. 2)
	{
		wait_for(sub { grep({ $_->{path} =~ /\bpage=$page\b/ } fixture_requests()) }, "page $page to be asked for");
		fixture_do('/_release');
	}
	wait_for(sub { grep({ $_->{path} =~ /\bpage=3\b/ } fixture_requests()) && sql("SELECT count(*) FROM $name") eq '16' }, 'all to be loaded');
	$way eq 'cancel' ? sql("SELECT etl_cancel('$name')") : $node->stop('immediate');
	$node->start if $way ne 'cancel';
	state_of($run);
	fixture_do('/_release'); # page 3, for nobody
	fixture_do('/_stream?n=33');
	asked();
	$run = start_run($name);
	my $released = 0;
	wait_for(
		sub {
			my @held = grep { $_->{path} =~ /\bpage=/ } fixture_requests();
			$released++, fixture_do('/_release') if @held > $released;
			sql("SELECT state FROM etl_runs WHERE run = $run") ne 'running';
		},
		'the next run');
	is(join(' ', map { /\bpage=(\d+)/ } asked()), '2 3 4 5', "$way: the next run goes on in the last page");
	is(sql("SELECT state, loaded FROM etl_runs WHERE run = $run"), 'succeeded|17', 'and loads the rest');
	is(sql("SELECT count(*), count(DISTINCT id), max(id) FROM $name"), '33|33|33', 'of all, once');
}

# What the source gave before it failed is loaded.
fixture_do('/_stream?n=40&shift=0&expired=1');
create('broke', api('size=10/refusal=403', $by{cursor}));
like(run_of('broke'), qr/^failed/, 'a page is refused');
is(sql('SELECT count(*) FROM broke'), '10', 'the one before is loaded');
is(run_of('broke'), 'succeeded|30|30', 'and the next run goes on behind it');

# The page is not there any more.
for my $lost ('expired=1', 'shift=1')
{
	my $name = $lost =~ s/=.*//r;
	for my $key (0, 1)
	{
		fixture_do('/_stream?n=40&shift=0&expired=0');
		create("${name}_$key", api('size=10', $by{cursor}), on_error => 'fail', batch_size => 4, key => $key);
		fail_after("${name}_$key", 26);
		run_of("${name}_$key");
		sql("ALTER TABLE ${name}_$key DROP CONSTRAINT stop");
		fixture_do("/_stream?$lost");
		asked();
		if ($key)
		{
			like(run_of("${name}_$key"), qr/succeeded\|40\|/, "$lost: an upsert begins anew");
			is(sql("SELECT count(*) FROM ${name}_$key"), '40', 'and has all');
			next;
		}
		like(run_of("${name}_$key"), qr/^failed\|0\|0/, "$lost: where rows would be doubled, the run fails");
		like(message_of("${name}_$key"), qr/cannot be gone on with.*load them a second time.*etl_reset/s, 'and says what to do');
		is(sql("SELECT count(*), count(DISTINCT id) FROM ${name}_$key"), '24|24', 'nothing is doubled');
		sql("TRUNCATE ${name}_$key; SELECT etl_reset('${name}_$key')");
		fixture_do('/_stream?expired=0');
		is(run_of("${name}_$key"), 'succeeded|40|40', 'which helps');
	}
}

# Another call is another scan.
fixture_do('/_stream?n=40&shift=0&expired=0');
create('other', api('size=10', $by{cursor}), on_error => 'fail', batch_size => 4, key => 1);
fail_after('other', 26);
run_of('other');
sql("ALTER TABLE other DROP CONSTRAINT stop; SELECT etl_alter_pipeline('other', source => \$\$" . api('size=20', $by{cursor}) . " AS $columns\$\$)");
asked();
like(run_of('other'), qr/succeeded\|40\|/, 'another call begins anew');
is(join(' ', asked()), '/api/stream/size=20 cursor=20', 'with its first page');

# Detection is remembered.
create('found', "etl_api('$base/api/github/n=30')", on_error => 'fail', batch_size => 4);
fail_after('found', 26);
like(run_of('found'), qr/^failed/, 'a dialect that was detected');
sql('ALTER TABLE found DROP CONSTRAINT stop');
asked();
is(run_of('found'), 'succeeded|6|6', 'is known to the next run');
is(join(' ', asked()), 'page=3', 'which asks for the last page alone');
is(sql('SELECT count(*), count(DISTINCT id) FROM found'), '30|30', 'and has all');

# Slices of time, and searches behind a key that items share: the search in hand is known to the next run.
my $slices = ", pagination => 'cursor', next => 'next_cursor', next_param => 'page', params => '{\"from\": \"{from}\", \"to\": \"{to}\"}', "
  . api_options(slice => '1 day', slice_from => '2024-01-01Z', slice_to => '2024-01-04Z');
my $behind = ", pagination => 'cursor', next => 'next_cursor', next_param => 'cursor', params => '{\"since\": \"{key}\"}', "
  . api_options(cap => 20, rekey => 'last:at', key => 0);
my %searches = (
	slices => [ "etl_api('$base/api/sliced/n=72/size=5', items => 'items', missing_columns => 'null'$slices)", 72 ],
	keys => [ "etl_api('$base/api/capped/n=65/cap=20/each=3/size=5', items => 'items', missing_columns => 'null'$behind)", 65 ],
);
for my $kind (sort keys %searches)
{
	my ($source, $n) = @{ $searches{$kind} };
	for my $stop (18, 21, 33, 42, 58)
	{
		my $name = "search_${kind}_$stop";
		is(create($name, $source, on_error => 'fail', batch_size => 3), '', "$kind, with a run that fails behind $stop");
		fail_after($name, $stop);
		like(run_of($name), qr/^failed/, 'fails');
		sql("ALTER TABLE $name DROP CONSTRAINT stop");
		like(run_of($name), qr/^succeeded/, 'is gone on with');
		is(sql("SELECT count(*), count(DISTINCT id) FROM $name"), "$n|$n", 'and has all, once');
		is(sql("SELECT sum(loaded) FROM etl_runs WHERE pipeline = '$name'"), $n, 'from two runs');
	}
}

# Pages of CSV.
fixture_do('/_stream?n=40');
create('csv_pages', "etl_api('$base/api/stream/csv=1', format => 'csv', pagination => 'cursor', next => 'header:X-Next', next_param => 'cursor')",
	batch_size => 7, on_error => 'fail');
fail_after('csv_pages', 26);
like(run_of('csv_pages'), qr/^failed/, 'pages of CSV');
sql('ALTER TABLE csv_pages DROP CONSTRAINT stop');
is(run_of('csv_pages'), 'succeeded|19|19', 'are gone on with, too');
is(sql('SELECT count(*), count(DISTINCT id) FROM csv_pages'), '40|40', 'item by item');

# Pages of lines, some of which are broken: gone on with behind each item of a line, and none is lost.
for my $stop (12, 15, 16, 21)
{
	my $name = "lines_$stop";
	create($name, "etl_api('$base/api/lines/n=25/size=10/pairs=1/bad=1:2,2:3', format => 'ndjson', items => 'd')", batch_size => 3);
	sql("CREATE FUNCTION $name() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = $stop THEN RAISE ''stop'' USING ERRCODE = ''58000''; END IF; RETURN NEW; END';
		CREATE TRIGGER stop BEFORE INSERT ON $name FOR EACH ROW EXECUTE FUNCTION $name()");
	if ($stop != 15 && $stop != 16)    # which are on the broken line
	{
		like(run_of($name), qr/^failed/, "lines: a run that fails at item $stop");
		sql("DROP TRIGGER stop ON $name");
	}
	like(run_of($name), qr/^succeeded/, 'lines: the next one goes on');
	is(sql("SELECT count(*), count(DISTINCT id) FROM $name"), '21|21', 'lines: and all items are there, once');
	is(sql("SELECT string_agg(concat_ws(' ', page, line, index, stage, sqlstate, replayable), ', ' ORDER BY page) FROM etl_dead_letters WHERE pipeline = '$name'"),
		'1 2 3 parse 22032 f, 2 3 5 parse 22032 f', 'lines: but for those of two lines');
}
create('lines_alone', "etl_api('$base/api/lines/n=12/size=10/bad=1:2', format => 'ndjson')");
is(run_of('lines_alone'), 'succeeded|12|11', 'lines that are items');
is(run_of('lines_alone'), 'succeeded|12|11', 'lines that are items, once more');
is(sql("SELECT page, line, raw, attempts, replayable FROM etl_dead_letters WHERE pipeline = 'lines_alone'"),
	'1|2|{"id": 2, "name": "item 2|2|t', 'are one letter');
sql(q(UPDATE etl_catalog.dead_letters SET raw = '{"id": 2, "name": "mended"}' WHERE raw LIKE '{"id": 2,%'; CALL etl_retry_dead_letters('lines_alone')));
is(sql("SELECT name FROM lines_alone WHERE id = 2"), 'mended', 'which can be mended');

# Dead letters of an API have their place, and are tried again without it.
fixture_do('/_stream?n=12');
create('letters', api('size=5', $by{cursor}));
sql('ALTER TABLE letters ADD CHECK (id <> 7)');
is(run_of('letters'), 'succeeded|12|11', 'one item is refused');
is(sql("SELECT page, index, line, raw, source FROM etl_dead_letters WHERE pipeline = 'letters'"),
	qq(2|2||{"id": 7, "name": "item 7"}|$base/api/stream/size=5), 'and is a dead letter with page and index');
sql('ALTER TABLE letters DROP CONSTRAINT letters_id_check');
asked();
sql("CALL etl_retry_dead_letters('letters')");
is(sql('SELECT id, page, index FROM letters WHERE id = 7'), '7|2|2', 'it is loaded in a second chance');
is(scalar(asked()), 0, 'for which nothing is asked');

# Secrets: a key that we put into the query comes back in the next URL.
sql("CREATE SERVER shop FOREIGN DATA WRAPPER etl OPTIONS (url '$base', auth 'query', auth_name 'api_key');
	CREATE USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (key 'the-secret-key')");
fixture_do('/_stream?n=40');
create('secrets', "etl_api('shop', '/api/stream/by=url/size=10', items => 'items'$by{url})", on_error => 'fail', batch_size => 4);
fail_after('secrets', 26);
like(run_of('secrets'), qr/^failed/, 'a run with a key in the query');
sql('ALTER TABLE secrets DROP CONSTRAINT stop');
is(sql("SELECT count(*) FROM etl_catalog.checkpoints c WHERE c::text LIKE '%the-secret-key%'"), '0', 'which is not in the checkpoint');
is(sql("SELECT count(*) FROM etl_catalog.checkpoints c WHERE c::text LIKE '%at%3D20%'"), '1', 'though the URL is');
fixture_reset();
is(run_of('secrets'), 'succeeded|16|16', 'the next run goes on all the same');
my ($resumed) = fixture_requests();
my @keys = $resumed->{path} =~ /api_key=the-secret-key/g;
is(scalar(@keys), 1, 'with the key, once');

# Files behind URLs: positions.
my %files = (
	csv => ["etl_csv('URL')", 't(id int, name text, _etl_line bigint)', 'SELECT id, name, _etl_line AS line FROM batch', 'rows'],
	ndjson => ["etl_json('URL')", 't(id int, name text, _etl_index int)', 'SELECT id, name, _etl_index AS index FROM batch', 'ndjson'],
	json => ["etl_json('URL')", 't(id int, name text, _etl_index int)', 'SELECT id, name, _etl_index AS index FROM batch', 'json'],
	server => ["etl_csv('shop', path => 'PATH')", 't(id int, name text, _etl_line bigint)', 'SELECT id, name, _etl_line AS line FROM batch', 'rows'],
);
my %how = (
	plain => '?a=1', date => '?validator=date', weak => '?validator=weak', none => '?validator=none',
	ignored => '?range=ignore', gzip => '?gzip=1', coded => '?encoding=gzip', chunked => '?chunked=1',
);
for my $kind (sort keys %files)
{
	for my $how (sort keys %how)
	{
		my ($call, $as, $select, $handler) = @{ $files{$kind} };
		my $path = "/$handler/3000$how{$how}";
		my $name = "file_${kind}_$how";
		$call =~ s/URL/$base$path/;
		$call =~ s/PATH/$path/;
		is(create($name, $call, columns => $as, query => $select, on_error => 'fail', batch_size => 500), '', "$kind, $how");
		fail_after($name, 2100);
		like(run_of($name), qr/^failed/, 'a run fails');
		is(sql("SELECT count(*) FROM $name"), '2000', 'behind four batches');
		sql("ALTER TABLE $name DROP CONSTRAINT stop");
		fixture_reset();
		is(run_of($name), 'succeeded|1000|1000', 'the next one does the rest');
		my @ranges = map { $_->{headers}{range} // '' } fixture_requests();
		if ($kind ne 'json' && $how =~ /^(plain|date|chunked|ignored)$/) { like($ranges[0], qr/^bytes=\d{5}/, 'and asks for no more') }
		else { is($ranges[0], '', 'and reads up to there') }
		is(sql("SELECT count(*), count(DISTINCT id), bool_and(name = 'name ' || id AND coalesce(line - 1, index) = id) FROM $name"),
			'3000|3000|t', 'each record is there once, from its place');
		fixture_reset();
		is(run_of($name), 'succeeded|0|0', 'what was read is not read again');
		my ($last) = fixture_requests();
		ok($last->{headers}{'if-none-match'} || $last->{headers}{'if-modified-since'} || $how eq 'none', 'which the server is asked');
	}
}
sql("SELECT etl_alter_pipeline('file_csv_plain', source => \$\$etl_csv('$base/rows/10?etag=two') AS $files{csv}[1]\$\$)");
is(run_of('file_csv_plain'), 'succeeded|10|10', 'another URL is read whole');
# What a URL holds changes: between runs, and while a run was left unfinished.
fixture_do('/_stream?n=10');
create('changes', "etl_csv('$base/rows/n')", columns => 't(id int, name text)', query => 'SELECT * FROM batch', key => 1, on_error => 'fail', batch_size => 4);
is(run_of('changes'), 'succeeded|10|10', 'what a URL holds');
is(run_of('changes'), 'succeeded|0|0', 'is not read again');
fixture_do('/_stream?n=15');
is(run_of('changes'), 'succeeded|15|5', 'unless it has changed');
fail_after('changes', 26);
fixture_do('/_stream?n=30');
like(run_of('changes'), qr/^failed/, 'a run fails');
sql('ALTER TABLE changes DROP CONSTRAINT stop');
fixture_do('/_stream?n=40');
is(run_of('changes'), 'succeeded|16|16', 'what has changed since is gone on with behind the same records');
is(sql('SELECT count(*), count(DISTINCT id) FROM changes'), '40|40', 'and is all there');
create('etag', "etl_csv('$base/status/404') ", columns => 't(id int, name text)', query => 'SELECT * FROM batch', key => 1);
like(run_of('etag'), qr/^failed\|0\|0/, 'what is not there fails the run');
like(message_of('etag'), qr/HTTP status 404/, 'as the server says');

# A hanging request: cancelled, stopped, drained.
create('hang', "etl_csv('$base/rows/1000?silent=5000')", columns => 't(id int, name text)', query => 'SELECT * FROM batch', flush_interval => '1h');
sub wait_for_hang
{
	my $pid;
	wait_for(
		sub {
			$pid = sql("SELECT pid FROM pg_stat_activity JOIN etl_progress USING (pid) WHERE wait_event_type = 'Extension' AND records > 100");
			return $pid =~ /^\d+$/;
		},
		'a run that waits');
	return $pid;
}
for my $case ([ 'pg_cancel_backend', 'drain', 'cancelled 57014', 0 ], [ 'pg_terminate_backend', 'drop', 'stopped 57014', 0 ],
	[ 'pg_terminate_backend', 'drain', 'stopped 57014', 1 ])
{
	my ($end, $on_shutdown, $state, $loads) = @$case;
	sql("SELECT etl_alter_pipeline('hang', on_shutdown => '$on_shutdown')");
	my $run = start_run('hang');
	wait_for(sub { (grep { $_->{path} =~ /silent/ } fixture_requests()) > 0 }, 'the request');
	wait_for(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline' AND wait_event_type = 'Extension'") eq '1' }, 'the wait');
	is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline' AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"),
		'0', 'no transaction is open while a run waits');
	sql("SELECT $end(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
	is(state_of($run), $state, "$end with $on_shutdown ends a run that waits");
	is(sql('SELECT count(*) > 300 FROM hang'), $loads ? 't' : 'f', $loads ? 'and loads what is in hand' : 'and drops what is in hand');
	fixture_reset();
}
my $loaded = sql('SELECT count(*) FROM hang');
$node->reload;
my $run = start_run('hang');
wait_for(sub { (grep { ($_->{headers}{range} // '') =~ /^bytes=\d+-/ } fixture_requests()) > 0 }, 'a request for the rest');
sql("SELECT etl_cancel('hang')");
is(state_of($run), 'cancelled 57014', 'the next run asks for the rest');

# A source that comes in pieces: each is loaded in time, while the next is waited for.
create('pieces', "etl_csv('$base/rows/40?hold=100,200,300')", columns => 't(id int, name text)', query => 'SELECT * FROM batch', flush_interval => '200ms');
$run = start_run('pieces');
for my $rows (10, 19, 28)
{
	ok(wait_for(sub { sql('SELECT count(*) FROM pieces') eq $rows }, 'rows'), 'rows are loaded');
	is(sql("SELECT state FROM etl_runs WHERE run = $run"), 'running', 'while others are waited for');
	is(sql("SELECT bytes > 10 FROM etl_progress WHERE run = $run"), 't', 'and etl_progress shows bytes');
	fixture_do('/_release');
}
is(state_of($run), 'succeeded ', 'to the end');
is(sql("SELECT count(*), count(DISTINCT id) FROM pieces"), '40|40', 'each once');
# The same between pages, where the next one is late.
fixture_do('/_stream?n=9');
create('late', api('size=3/hold=1', $by{cursor}), flush_interval => '100ms');
$run = start_run('late');
for my $page (1 .. 3)
{
	fixture_do('/_release');
	ok(wait_for(sub { sql('SELECT count(*) FROM late') eq 3 * $page }, 'a page'), "page $page is loaded while the next one is on its way");
}
fixture_do('/_release');
is(state_of($run), 'succeeded ', 'to the end');
is(sql("SELECT count(*), count(DISTINCT id) FROM late"), '9|9', 'each once');

is(sql("SELECT count(*) FROM etl_runs WHERE read <> malformed + convert_failed + converted
	OR emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated"), '0', 'counters add up');
unlike(slurp_file($node->logfile), qr/the-secret-key.*(LOG|ERROR)|(?<!page \d, )item 7/, 'the log has no record');
$node->stop;
done_testing();

# What a pipeline does with objects that it has loaded: deletes, tags or moves them, and only the version that it loaded.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(query query_fails);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $node = PostgreSQL::Test::Cluster->new('done');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'etl'\netl.databases = 'postgres'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl; CREATE TABLE loaded (n int, source text)');
store_server($node, 'lake', 's3://lake', options => "auth 'aws', writable 'true'");
store_server($node, 'below', 's3://lake/below/', options => "auth 'aws', writable 'true'");
store_server($node, 'shut', 's3://lake');

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub run_pipeline { return query($node, "CALL etl_run('$_[0]')"); }
sub loaded { return sql("SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM loaded"); }
sub keys_of { return join ' ', grep { /\Q$_[0]\E/ } @{ store_do('keys') }; }
sub pending { return sql("SELECT count(*) FROM etl_parts WHERE pipeline = '$_[0]' AND pending"); }

sub pipeline
{
	my ($name, $path, $when_done, $server) = @_;
	$server //= 'lake';
	sql("SELECT etl_create_pipeline('$name', \$\$etl_csv('$server', path => '$path') AS t(n int, _etl_source text)\$\$, "
		  . "target => 'loaded', query => 'SELECT n, _etl_source AS source FROM batch', when_done => '$when_done')");
	sql('TRUNCATE loaded');
}

# The methods of the requests for a key since the last reset, without those of GET.
sub changes { return join ' ', map { $_->{method} } grep { $_->{target} =~ /\Q$_[0]\E/ && $_->{method} ne 'GET' } store_requests(); }

# -- each of them ----------------------------------------------------------------------------------

pipeline('delete', 'delete/*.csv', 'delete');
store_do('put', key => "delete/$_.csv", body => "n\n$_\n") for 1 .. 40;
store_do('put', key => 'delete/other.txt', body => 'x');
run_pipeline('delete');
is(sql('SELECT count(*), count(DISTINCT n) FROM loaded'), '40|40', 'all objects are loaded');
is(keys_of('delete/'), 'delete/other.txt', 'and deleted, and no other');
is(pending('delete'), 0, 'nothing is left to be done');
run_pipeline('delete');
is(sql('SELECT count(*) FROM loaded'), '40', 'the next run finds nothing');

pipeline('tag', 'tag/*.csv', 'tag:etl=all done');
store_do('put', key => 'tag/a b+c.csv', body => "n\n1\n");
store_do('put', key => 'tag/b.csv', body => "n\n2\n");
store_do('tags', key => 'tag/b.csv', name => 'team', value => 'a=b:c');
run_pipeline('tag');
is(loaded(), '1 2', 'objects are loaded');
is_deeply(store_do('tags', key => 'tag/a b+c.csv'), { etl => 'all done' }, 'and tagged');
is_deeply(store_do('tags', key => 'tag/b.csv'), { etl => 'all done', team => 'a=b:c' }, 'beside the tags that they had');
sql(q{UPDATE etl_catalog.checkpoints SET pending = true WHERE part LIKE '%/tag/%'});
run_pipeline('tag');
is_deeply(store_do('tags', key => 'tag/b.csv'), { etl => 'all done', team => 'a=b:c' }, 'twice is as once');
sql(q{SELECT etl_alter_pipeline('tag', when_done => 'tag:etl=2'); UPDATE etl_catalog.checkpoints SET pending = true WHERE part LIKE '%/tag/b%'});
run_pipeline('tag');
is_deeply(store_do('tags', key => 'tag/b.csv'), { etl => '2', team => 'a=b:c' }, 'a tag gets another value');

pipeline('move', 'in/**/*.csv', 'move:archive/', 'below');
store_do('put', key => "below/in/$_", body => "n\n1\n") for 'a.csv', "x/day=1/b c%+\x{e9}?.csv";
run_pipeline('move');
is(loaded(), '1 1', 'objects are loaded');
is(keys_of('below/'), "below/archive/in/a.csv below/archive/in/x/day=1/b c%+\x{e9}?.csv", 'and moved below the URL of the server');

# A continuous run does it as it goes, and what was left to be done although no other object comes.
pipeline('steady', 'steady/*.csv', 'tag:etl=done');
store_do('put', key => 'steady/a.csv', body => "n\n1\n");
sql(q{SELECT etl_alter_pipeline('steady', continuous => true, flush_interval => '100 ms')});
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM etl_parts WHERE pipeline = 'steady' AND state = 'done' AND NOT pending}, 1), 'a continuous run');
is_deeply(store_do('tags', key => 'steady/a.csv'), { etl => 'done' }, 'tags what it has loaded');
sql(q{UPDATE etl_catalog.checkpoints SET pending = true WHERE part LIKE '%/steady/%'});
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM etl_parts WHERE pipeline = 'steady' AND pending}, 0), 'and what was left to be tagged');
sql(q{SELECT etl_pause('steady')});

# -- only the version that was loaded --------------------------------------------------------------

# Another object comes to the key between the load and what is done, or in the midst of that.
for my $what (['delete', 'DELETE'], ['tag:a=b', 'PUT'], ['move:gone/', 'PUT'])
{
	my ($when_done, $method) = @$what;
	my $name = $when_done =~ s/:.*//r;

	pipeline("before_$name", "before_$name/*.csv", $when_done);
	store_do('reset');
	store_do('put', key => "before_$name/a.csv", body => "n\n1\n");
	store_do('fault', kind => 'change', method => 'GET', match => "before_$name/a.csv", key => "before_$name/a.csv", body => "n\n2\n", count => 1);
	run_pipeline("before_$name");
	is(loaded(), '1', "$name: what was there was loaded");
	is(keys_of("before_$name/"), "before_$name/a.csv", 'what has come since is left alone');
	is_deeply(store_do('tags', key => "before_$name/a.csv"), {}, 'in each way');
	store_do('reset');
	run_pipeline("before_$name");
	is(loaded(), '1 2', 'and loaded by the next run');
	like(changes("before_$name/a.csv"), qr/^HEAD $method/, 'which does it then');
}

# In the window between HEAD and DELETE: S3 itself compares.
pipeline('window', 'window/*.csv', 'delete');
store_do('reset');
store_do('put', key => 'window/a.csv', body => "n\n1\n");
store_do('fault', kind => 'change', method => 'HEAD', match => 'window/a.csv', key => 'window/a.csv', body => "n\n2\n", count => 1);
run_pipeline('window');
is(changes('window/a.csv'), 'HEAD DELETE', 'an object that is overwritten right before it is deleted');
is(keys_of('window/'), 'window/a.csv', 'stays');
run_pipeline('window');
is(loaded(), '1 2', 'and is loaded');
is(keys_of('window/'), '', 'before it goes');

pipeline('window_move', 'window_move/*.csv', 'move:moved/');
store_do('reset');
store_do('put', key => 'window_move/a.csv', body => "n\n1\n");
store_do('fault', kind => 'change', method => 'HEAD', match => 'window_move/a.csv', key => 'window_move/a.csv', body => "n\n2\n", count => 1);
run_pipeline('window_move');
is(keys_of('moved/'), '', 'nor is it moved');
store_do('reset');
store_do('fault', kind => 'change', method => 'PUT', match => 'moved/window_move/a.csv', key => 'window_move/a.csv', body => "n\n3\n", count => 1);
run_pipeline('window_move');
is(keys_of('window_move/'), 'moved/window_move/a.csv window_move/a.csv', 'what comes behind the copy stays as well');
run_pipeline('window_move');
is(loaded(), '1 2 3', 'each version was loaded once');
is(keys_of('window_move/'), 'moved/window_move/a.csv', 'and all are moved in the end');

# A store that ignores the condition, or refuses requests that have one: what doc/stores.md says of the window.
pipeline('careless', 'careless/*.csv', 'delete');
store_do('reset');
store_do('put', key => 'careless/a.csv', body => "n\n1\n");
store_do('fault', kind => 'careless');
store_do('fault', kind => 'change', method => 'HEAD', match => 'careless/a.csv', key => 'careless/a.csv', body => "n\n2\n", count => 1);
run_pipeline('careless');
is(keys_of('careless/'), '', 'a store without conditions deletes what came in the window');

store_do('reset');
store_do('put', key => 'careless/b.csv', body => "n\n3\n");
store_do('fault', kind => 'status', status => 501, code => 'NotImplemented', method => 'DELETE', count => 1);
run_pipeline('careless');
is(changes('careless/b.csv'), 'HEAD DELETE DELETE', 'a store that refuses a condition is asked without');
is(keys_of('careless/'), '', 'and deletes');

# -- repeated until done ---------------------------------------------------------------------------

pipeline('again', 'again/*.csv', 'delete');
store_do('reset');
store_do('put', key => "again/$_.csv", body => "n\n$_\n") for 1 .. 3;
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', method => 'DELETE', match => 'again/2.csv');
like(run_pipeline('again'), qr/could not delete "[^"]+\/again\/2\.csv": HTTP status 403/, 'what cannot be deleted fails the run');
is(loaded(), '1 2 3', 'which has loaded all');
is(keys_of('again/'), 'again/2.csv', 'and done it with the others');
is(pending('again'), 1, 'it is remembered');
store_do('put', key => 'again/4.csv', body => "n\n4\n");
like(run_pipeline('again'), qr/HTTP status 403/, 'as long as it fails, runs do');
is(loaded(), '1 2 3 4', 'and load');
is(keys_of('again/'), 'again/2.csv', 'and do it with what is new');
store_do('reset');
run_pipeline('again');
is(keys_of('again/'), '', 'until it is done');
is(loaded() . pending('again'), '1 2 3 40', 'nothing is loaded twice');

# Between the commit and the deed the worker dies.
pipeline('crash', 'crash/*.csv', 'delete');
store_do('reset');
store_do('put', key => "crash/$_.csv", body => "n\n$_\n") for 1 .. 3;
store_do('fault', kind => 'hold', method => 'HEAD');
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_until(qr/going/, "\\echo going\nCALL etl_run('crash');\n");
$node->poll_query_until('postgres', "SELECT count(*) = 3 FROM loaded") or die 'not loaded';
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'});
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM etl_progress}) or die 'still running';
is(keys_of('crash/'), 'crash/1.csv crash/2.csv crash/3.csv', 'a run that ends between the commit and the deed');
is(pending('crash'), 3, 'leaves it to be done');
store_do('reset');
$session->quit;
run_pipeline('crash');
is(keys_of('crash/'), '', 'by the next one');
is(loaded(), '1 2 3', 'which loads nothing twice');

# Between the deed and the commit that notes it.
sql(q{UPDATE etl_catalog.checkpoints SET pending = true WHERE part LIKE '%/crash/%'});
unlike(run_pipeline('crash'), qr/ERROR/, 'what was done already is done');
is(pending('crash'), 0, 'and noted');

# -- versions --------------------------------------------------------------------------------------

store_do('versions');
pipeline('versions', 'versions/*.csv', 'delete');
store_do('reset');
store_do('put', key => 'versions/a.csv', body => "n\n$_\n") for 1, 2;
run_pipeline('versions');
run_pipeline('versions');
is(loaded(), '2', 'a bucket that keeps versions: what was overwritten does not come to light');
is(keys_of('versions/'), '', 'when what was loaded is deleted');
pipeline('versions_tag', 'versions_tag/*.csv', 'tag:a=b');
store_do('put', key => 'versions_tag/a.csv', body => "n\n1\n");
store_do('fault', kind => 'change', method => 'HEAD', match => 'versions_tag/a.csv', key => 'versions_tag/a.csv', body => "n\n2\n", count => 1);
run_pipeline('versions_tag');
is_deeply(store_do('tags', key => 'versions_tag/a.csv'), {}, 'there a tag is for the version that was loaded');

# -- who may ---------------------------------------------------------------------------------------

my $source = q{$$etl_csv('%s', path => 'x/*.csv') AS t(n int, source text)$$};
sub refused
{
	my ($server, $when_done, $state, $message, $name, $more) = @_;
	return query_fails($node, sprintf("SELECT etl_create_pipeline('bad', $source, target => 'loaded', when_done => '%s'%s)", $server, $when_done, $more // ''), $state, $message, $name);
}
refused('shut', 'delete', '42501', qr/permission denied to change objects of server "shut"/, 'a server that is not writable');
refused('lake', $_, '22023', qr/invalid when_done/, "when_done => '$_'") for 'remove', 'tag:', 'tag:x', 'tag:a<b=1', 'move:', 'move:/', 'move:x';
refused('lake', 'delete', '22023', qr/cannot have when_done/, 'with whole', ", whole => true, key => 'n'");
query_fails($node, q{SELECT etl_create_pipeline('bad', $$etl_csv('s3://lake/x.csv') AS t(n int, source text)$$, target => 'loaded', when_done => 'delete')},
	'42501', qr/permission denied to change objects of bucket "lake"/, 'a bucket without a server');
query_fails($node, q{SELECT etl_create_pipeline('bad', $$etl_csv('PG_VERSION') AS t(n int, source text)$$, target => 'loaded', when_done => 'delete')},
	'0A000', qr/when_done is for objects of buckets/, 'a file');
query_fails($node, q{BEGIN; SELECT etl_create_pipeline('bad', $$etl_csv('PG_VERSION') AS t(n int, source text)$$, target => 'loaded');
	SELECT etl_alter_pipeline('bad', when_done => 'delete')}, '0A000', qr/when_done is for objects of buckets/, 'a file, by ALTER');
pipeline('keep', 'keep/*.csv', 'keep', 'shut');
store_do('put', key => 'keep/a.csv', body => "n\n1\n");
run_pipeline('keep');
is(keys_of('keep/') . pending('keep'), 'keep/a.csv0', 'keep does nothing, and needs nothing');

pipeline('circle', 'circle/**/*.csv', 'move:circle/done/');
store_do('put', key => 'circle/a.csv', body => "n\n1\n");
like(run_pipeline('circle'), qr/DETAIL:  could not move "s3:\/\/lake\/circle\/a\.csv"\nIt would be "s3:\/\/lake\/circle\/done\/circle\/a\.csv"/, 'nothing is moved to where it would be read again');
is(keys_of('circle/'), 'circle/a.csv', 'it stays');

sql('CREATE ROLE someone LOGIN; GRANT CREATE ON SCHEMA public TO someone; GRANT USAGE ON FOREIGN DATA WRAPPER etl TO someone');
query_fails($node, q{SET ROLE someone; CREATE SERVER mine FOREIGN DATA WRAPPER etl OPTIONS (url 's3://lake', writable 'true')},
	'42501', qr/permission denied to set option "writable"/, 'only superusers make a server writable');
sql(q{ALTER SERVER lake OPTIONS (SET writable 'false')});
store_do('put', key => 'again/5.csv', body => "n\n5\n");
like(run_pipeline('again'), qr/permission denied to change objects of server "lake"/, 'a server that is not writable any more');
is(keys_of('again/'), 'again/5.csv', 'nothing of it is touched');

done_testing();

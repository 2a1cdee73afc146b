# Topics of Apache Kafka itself: as rows, and as the source of pipelines that load each message once.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(query query_fails);
use KafkaBroker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $why_not = why_no_broker();
plan skip_all => $why_not if $why_not;
start_broker();
my $node = PostgreSQL::Test::Cluster->new('kafka');
$node->init;
$node->append_conf('postgresql.conf', 'log_min_messages = notice');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl; CREATE EXTENSION etl_kafka');
kafka_server($node, 'k');

# -- what is in a topic --------------------------------------------------------------------------

kafka('create', topic => 'orders', partitions => 2);
kafka('produce', topic => 'orders', messages => messages(
		{ key => 'a', value => '{"id": 1, "name": "one"}', headers => [ [ 'trace', 'x' ], [ 'trace', 'y' ] ], timestamp => 1700000000123 },
		{ key => 'b', value => '[{"id": 2}, {"id": 3}]', partition => 1 },
		{ key64 => '/wA=', value => '{"id": 4, "name": "four"}', partition => 1, headers => [ [ 'raw', undef ] ] }));

is(query($node, "SELECT * FROM etl_topics('k') WHERE NOT internal"), 'orders|2|1|f', 'the topics of a cluster');
is(query($node, q{SELECT id, name, _etl_source, _etl_index FROM etl_kafka('k', 'orders') AS t(id int, name text, _etl_source text, _etl_index int) ORDER BY id}),
	"1|one|orders[0]|1\n2||orders[1]|1\n3||orders[1]|2\n4|four|orders[1]|1", 'a message is one row or more');
is(query($node, q{SET timezone = 'UTC'; SELECT _etl_key, _etl_headers, _etl_timestamp, _etl_partition, _etl_offset, _etl_tombstone
	FROM etl_kafka('k', 'orders', partition => 0) AS t(id int, _etl_key text, _etl_headers jsonb, _etl_timestamp timestamptz, _etl_partition int, _etl_offset bigint, _etl_tombstone boolean)}),
	'a|[["trace", "x"], ["trace", "y"]]|2023-11-14 22:13:20.123+00|0|0|f', 'what came with it');
is(query($node, q{SELECT _etl_key, _etl_headers FROM etl_kafka('k', 'orders', partition => 1, start_at => '1') AS t(_etl_key bytea, _etl_headers jsonb)}),
	'\xff00|[["raw", null]]', 'a key of bytes');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'orders', partition => 1) AS t(id int, _etl_key text)}, '22021', qr/key of the message is not text.*_etl_key bytea.*"orders\[1\]", offset 1/s, 'which is no text');
is(query($node, q{SELECT v FROM etl_kafka('k', 'orders', format => 'bytes', partition => 0) AS t(v bytea)}), '\x' . unpack('H*', '{"id": 1, "name": "one"}'), 'bytes');
is(query($node, q{SELECT (etl_kafka(NULL::r, 'k', 'orders', partition => 0)).* FROM (SELECT) x} =~ s/NULL::r/NULL::pg_temp.r/r =~ s/^/CREATE TEMP TABLE r (id int, name text); /r), '1|one', 'a row type, in a SELECT list');
is(query($node, q{SELECT count(*) FROM generate_series(1, 3) g LEFT JOIN etl_kafka('k', 'orders') AS t(id int) ON t.id > g}), '6', 'read again, within a join');
is(query($node, q{SELECT source, "offset", key, value FROM etl_kafka_peek('k', 'orders', rows => 1)}), 'orders[0]|0|a|{"id": 1, "name": "one"}', 'a look at a topic');

kafka('create', topic => 'lines');
kafka('produce', topic => 'lines', messages => messages('1,"a, b"', "2,b\n3,c", '4', 'x,y,z', { key => 'gone' }, { value64 => 'gA==' }));
is(query($node, q{SELECT id, name, _etl_offset, _etl_error FROM etl_kafka('k', 'lines', format => 'csv', on_error => 'return', tombstones => 'ignore') AS t(id int, name text, _etl_offset bigint, _etl_error text)}),
	"1|a, b|0|\n2|b|1|\n3|c|1|\n||2|the message has too few fields\n||3|the message has too many fields\n||5|the message is not encoded in UTF-8", 'records of CSV');
is(query($node, q{SELECT v, _etl_tombstone, _etl_error FROM etl_kafka('k', 'lines', format => 'text', start_at => '4', on_error => 'return') AS t(v text, _etl_tombstone boolean, _etl_error text)}),
	"|t|\n|f|the message is not text in UTF-8", 'text, and a tombstone');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'lines', format => 'text', start_at => '4') AS t(v text)}, '22004', qr/the message has no value.*tombstones => 'ignore'/s, 'a tombstone that nobody has asked for');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'lines') AS t(id int)}, '2203C', qr/the item is a number, not an object.*"lines\[0\]", offset 0/s, 'no object');

# -- from where to where -------------------------------------------------------------------------

kafka('create', topic => 'numbers', partitions => 1);
kafka('produce', topic => 'numbers', messages => messages(map { { value => "{\"id\": $_}", timestamp => 1700000000000 + 1000 * $_ } } 0 .. 9));
sub numbers { return query($node, "SELECT string_agg(id::text, ' ') FROM etl_kafka('k', 'numbers', $_[0]) AS t(id int)"); }
is(numbers("start_at => '7'"), '7 8 9', 'from an offset');
is(numbers("start_at => '2', stop_at => '4'"), '2 3', 'to another one');
is(numbers("start_at => '2023-11-14 22:13:28+00'"), '8 9', 'from a time');
is(numbers("stop_at => '2023-11-14 22:13:22+00'"), '0 1', 'to a time');
is(numbers("start_at => 'latest'"), '', 'from the end on');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'orders', start_at => '1') AS t(id int)}, '22023', qr/an offset is one of a partition, and topic "orders" has 2/, 'an offset of which partition?');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'orders', partition => 2) AS t(id int)}, '42704', qr/topic "orders" has no partition 2/, 'a partition that is not there');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'nothing') AS t(id int)}, '42704', qr/topic "nothing"/, 'a topic that is not there');
is(query($node, q{SELECT id FROM etl_kafka('k', 'numbers') AS t(id int) LIMIT 1}), '0', 'no more than is wanted');

# -- transactions, compaction --------------------------------------------------------------------

kafka('create', topic => 'paid', partitions => 2);
kafka('produce', topic => 'paid', messages => messages('{"id": 1}', { value => '{"id": 2}', partition => 1 }), transaction => 'a', end => 'commit');
kafka('produce', topic => 'paid', messages => messages('{"id": 3}'), transaction => 'a', end => 'abort');
kafka('produce', topic => 'paid', messages => messages('{"id": 4}'), transaction => 'a', end => 'commit');
kafka('produce', topic => 'paid', messages => messages('{"id": 5}'), transaction => 'b', end => 'abort');
is(query($node, q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM etl_kafka('k', 'paid') AS t(id int)}), '1 2 4', 'what was not committed is not read');
kafka('produce', topic => 'paid', messages => messages('{"id": 6}'), transaction => 'a');
kafka('produce', topic => 'paid', messages => messages('{"id": 7}'));
$node->safe_psql('postgres', q{CREATE TABLE paid (id int);
	SELECT etl_create_pipeline('paid', source => $$ etl_kafka('k', 'paid', publish_group => 'etl') AS t(id int) $$, query => 'SELECT id FROM batch', target => 'paid')});
sub run { $node->safe_psql('postgres', "CALL etl_run('$_[0]')"); return query($node, $_[1]) if $_[1]; }
my $paid = q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM paid};
is(run('paid', $paid), '1 2 4', 'nor what stands behind a transaction that is open');
is(run('paid', $paid), '1 2 4', 'once');
kafka('produce', topic => 'paid', messages => [], transaction => 'a', end => 'commit');
is(run('paid', $paid), '1 2 4 6 7', 'which is read when it is committed');
is(query($node, q{SELECT part, state, rows FROM etl_parts ORDER BY part}), "paid[0]|done|4\npaid[1]|done|1", 'partitions are parts');
is_deeply(kafka('committed', group => 'etl', topic => 'paid')->{1}, 2, 'and a group tells how far they are');

kafka('create', topic => 'state', config => { 'cleanup.policy' => 'compact', 'min.cleanable.dirty.ratio' => '0.01', 'segment.ms' => '100', 'min.compaction.lag.ms' => '0', 'delete.retention.ms' => '100000' });
kafka('produce', topic => 'state', messages => messages(map { { key => '' . $_ % 3, value => "{\"k\": " . ($_ % 3) . ", \"v\": $_}" } } 1 .. 30));
$node->safe_psql('postgres', q{CREATE TABLE state (k int PRIMARY KEY, v int);
	SELECT etl_create_pipeline('state', source => $$ etl_kafka('k', 'state', tombstones => 'row') AS t(k int, v int, _etl_key text, _etl_tombstone boolean) $$,
		query => 'SELECT _etl_key::int AS k, v FROM batch', target => 'state', key => '{k}')});
my $state = q{SELECT string_agg(k || '=' || coalesce(v::text, 'gone'), ' ' ORDER BY k) FROM state};
is(run('state', $state), '0=30 1=28 2=29', 'the last value of each key');
kafka('produce', topic => 'state', messages => messages({ key => '1' }, { key => '2', value => '{"k": 2, "v": 32}' }));
is(run('state', $state), '0=30 1=gone 2=32', 'a tombstone as a row');
# the cleaner needs a segment that is not the last
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	kafka('produce', topic => 'state', messages => messages({ key => '0', value => "{\"k\": 0, \"v\": $_}" }));
	last if query($node, q{SELECT count(*) FROM etl_kafka('k', 'state', tombstones => 'row') AS t(_etl_offset bigint) WHERE _etl_offset < 30}) < 30;
}
is(query($node, q{SELECT v FROM etl_kafka('k', 'state', tombstones => 'ignore') AS t(k int, v int, _etl_offset bigint) WHERE k = 2 ORDER BY _etl_offset DESC LIMIT 1}), '32', 'offsets with holes');
is(run('state', $state) =~ s/0=\d+/0=n/r, '0=n 1=gone 2=32', 'do not stop a pipeline');

# -- pipelines -----------------------------------------------------------------------------------

kafka('create', topic => 'many', partitions => 16);
kafka('fill', topic => 'many', first => 1, last => 3000, partitions => 16);
$node->safe_psql('postgres', q{CREATE TABLE many (id int, p int, o bigint);
	SELECT etl_create_pipeline('many', source => $$ etl_kafka('k', 'many') AS t(id int, _etl_partition int, _etl_offset bigint) $$,
		query => 'SELECT id, _etl_partition AS p, _etl_offset AS o FROM batch', target => 'many', batch_size => 70)});
my $many = 'SELECT count(*), count(DISTINCT id), min(id), max(id) FROM many';
is(run('many', $many), '3000|3000|1|3000', '16 partitions');
kafka('fill', topic => 'many', first => 3001, last => 3100, partitions => 16);
is(run('many', $many), '3100|3100|1|3100', 'go on where they were');
is(query($node, q{SELECT count(*), sum(rows), min(state) FROM etl_parts WHERE pipeline = 'many'}), '16|3100|done', 'each by itself');
kafka('grow', topic => 'many', partitions => 17);
kafka('produce', topic => 'many', messages => messages({ value => '{"id": 3101}', partition => 16 }));
is(run('many', $many), '3101|3101|1|3101', 'a new partition is read from its start');

kafka('create', topic => 'poison');
kafka('produce', topic => 'poison', messages => messages('{"id": 1}', { key => 'k', value => '{"id": oops', headers => [ [ 'h', 'v' ] ] }, '{"id": "x"}', { key => 'gone' }, { value64 => 'eyJpZCI6Iv8ifQ==' }, '[{"id": 2}, {"id": "y"}, {"id": 3}]'));
$node->safe_psql('postgres', q{CREATE TABLE poison (id int, h jsonb);
	SELECT etl_create_pipeline('poison', source => $$ etl_kafka('k', 'poison') AS t(id int, _etl_headers jsonb) $$, query => 'SELECT id, _etl_headers AS h FROM batch', target => 'poison')});
is(run('poison', q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM poison}), '1 2 3', 'what is around a poisoned message is loaded');
is(query($node, q{SELECT source, byte_offset, index, stage, sqlstate, raw FROM etl_dead_letters ORDER BY id}), <<'LETTERS' =~ s/\n\z//r, 'and it is a dead letter, with its place');
poison[0]|1|1|parse|22032|{"id": oops
poison[0]|2|1|convert|22P02|{"id": "x"}
poison[0]|3|1|parse|22004|
poison[0]|4|1|parse|22021|{"id":"\xff"}
poison[0]|5|2|convert|22P02|{"id": "y"}
LETTERS
$node->safe_psql('postgres', q{ALTER TABLE poison ALTER id TYPE text; SELECT etl_alter_pipeline('poison', source => $$ etl_kafka('k', 'poison') AS t(id text, _etl_headers jsonb) $$); CALL etl_retry_dead_letters('poison')});
is(query($node, q{SELECT string_agg(id, ' ' ORDER BY id) FROM poison}), '1 2 3 x y', 'tried again');

# -- another topic, another cluster --------------------------------------------------------------

kafka('create', topic => 'old');
kafka('fill', topic => 'old', first => 1, last => 9);
$node->safe_psql('postgres', q{CREATE TABLE old (id int);
	SELECT etl_create_pipeline('old', source => $$ etl_kafka('k', 'old') AS t(id int) $$, query => 'SELECT * FROM batch', target => 'old')});
my $old = q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM old};
is(run('old', $old), '1 2 3 4 5 6 7 8 9', 'a topic');
kafka('fill', topic => 'old', first => 10, last => 19);
kafka('retain', topic => 'old', partition => 0, offset => 12);
query_fails($node, q{CALL etl_run('old')}, '55000', qr/messages of topic "old" are gone that were not read.*Offset 9 of partition 0 comes next, and the partition begins at 12/s, 'retention that has passed a pipeline');
query_fails($node, q{SELECT * FROM etl_kafka('k', 'old', start_at => '3') AS t(id int)}, '55000', qr/are gone/, 'and a query');
$node->safe_psql('postgres', q{SELECT etl_alter_pipeline('old', source => $$ etl_kafka('k', 'old', on_gap => 'continue') AS t(id int) $$)});
is(run('old', $old), '1 2 3 4 5 6 7 8 9 13 14 15 16 17 18 19', 'on_gap => continue');
is(query($node, q{SELECT byte_offset, sqlstate, message, replayable FROM etl_dead_letters WHERE pipeline = 'old'}), '11|P0002|messages are gone that were not read: offsets 9 to 11|f', 'a dead letter says what is missing');
kafka('delete', topic => 'old');
# the name is free when the broker has forgotten it
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if !grep { $_ eq 'old' } split /\n/, query($node, q{SELECT topic FROM etl_topics('k')});
}
kafka('create', topic => 'old');
kafka('fill', topic => 'old', first => 1, last => 2);
query_fails($node, q{CALL etl_run('old')}, '55000', qr/topic "old" is not the one that earlier runs have read.*etl_reset/s, 'a topic made anew');
$node->safe_psql('postgres', q{SELECT etl_reset('old')});
is(run('old', q{SELECT count(*) FROM old}), '18', 'after a reset');
$node->safe_psql('postgres', q{UPDATE etl_catalog.checkpoints SET position = replace(position, ' of=', ' of=other-') WHERE part = 'old[0]'});
query_fails($node, q{CALL etl_run('old')}, '55000', qr/not the one that earlier runs have read.*of "other-MkU3/s, 'another cluster');

# -- who may, and how ----------------------------------------------------------------------------

$node->safe_psql('postgres', q{CREATE ROLE alice; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO alice});
query_fails($node, q{SET ROLE alice; SELECT * FROM etl_kafka('k', 'orders') AS t(id int)}, '42501', qr/permission denied for foreign server k/, 'a server without USAGE');
query_fails($node, q{SET ROLE alice; SELECT * FROM etl_topics('k')}, '42501', qr/permission denied for foreign server k/, 'nor its topics');
$node->safe_psql('postgres', q{CREATE SERVER public_only FOREIGN DATA WRAPPER etl_kafka OPTIONS (brokers '} . broker() . q{')});
query_fails($node, q{SELECT * FROM etl_kafka('public_only', 'orders') AS t(id int)}, '42501', qr/a broker of server "public_only" is at a private address.*loopback/s, 'a private address');
query_fails($node, q{SET ROLE alice; ALTER SERVER k OPTIONS (SET allow_private 'true')}, '42501', qr/must be owner/, 'which not everybody can allow');
query_fails($node, q{CREATE SERVER x FOREIGN DATA WRAPPER etl_kafka OPTIONS ("plugin.library.paths" '/tmp/x.so')}, 'HV00D', qr/invalid option "plugin\.library\.paths"/, 'no library');
query_fails($node, q{CREATE SERVER x FOREIGN DATA WRAPPER etl_kafka OPTIONS (broker 'a:1')}, 'HV00D', qr/Perhaps you meant the option "brokers"/, 'a word that is almost right');
query_fails($node, q{CREATE SERVER x FOREIGN DATA WRAPPER etl_kafka OPTIONS (security 'tls')}, 'HV024', qr/invalid value for option "security"/, 'a value that is not');
query_fails($node, q{GRANT USAGE ON FOREIGN DATA WRAPPER etl_kafka TO alice; SET ROLE alice; CREATE SERVER x FOREIGN DATA WRAPPER etl_kafka OPTIONS (brokers 'a:1', allow_private 'true')}, '42501', qr/permission denied to set option "allow_private"/, 'private addresses are for superusers to allow');
query_fails($node, q{SET ROLE alice; CREATE SERVER x FOREIGN DATA WRAPPER etl_kafka OPTIONS (brokers 'a:1', ca_file '/etc/passwd')}, '42501', qr/permission denied to set option "ca_file"/, 'nor files');

my ($sasl, $ca) = broker_sasl();
kafka_server($node, 'tls', "brokers '$sasl', security 'sasl_ssl', mechanism 'PLAIN', ca_file '$ca'");
query_fails($node, q{SELECT * FROM etl_kafka('tls', 'numbers') AS t(id int)}, 'HV00J', qr/server "tls" lacks option "user"/, 'no mapping');
$node->safe_psql('postgres', q{CREATE USER MAPPING FOR PUBLIC SERVER tls OPTIONS (user 'alice', password 'secret')});
is(query($node, q{SELECT count(*) FROM etl_kafka('tls', 'numbers') AS t(id int)}), '10', 'TLS and a password');
# What brokers of Kafka 4 do not understand of librdkafka before 2.6.1 has a hint.
$node->safe_psql('postgres', q{ALTER SERVER tls OPTIONS (SET mechanism 'SCRAM-SHA-256')});
like(query($node, q{SELECT count(*) FROM etl_kafka('tls', 'numbers') AS t(id int)}), qr/^10$|HINT:  Brokers of Kafka 4 do not understand SCRAM of librdkafka before 2\.6\.1, and this is 2/, 'SCRAM');
$node->safe_psql('postgres', q{ALTER SERVER tls OPTIONS (SET mechanism 'PLAIN'); ALTER USER MAPPING FOR PUBLIC SERVER tls OPTIONS (SET password 'wrong-secret')});
query_fails($node, q{SELECT * FROM etl_kafka('tls', 'numbers') AS t(id int)}, '28000', qr/^(?!.*wrong-secret)/s, 'a password that is wrong');
append_to_file("$ca.password", "secret\n");
$node->safe_psql('postgres', qq{ALTER USER MAPPING FOR PUBLIC SERVER tls OPTIONS (DROP password, ADD password_file '$ca.password')});
is(query($node, q{SELECT count(*) FROM etl_kafka('tls', 'numbers') AS t(id int)}), '10', 'one in a file');
$node->safe_psql('postgres', q{ALTER SERVER tls OWNER TO alice});
query_fails($node, q{SELECT * FROM etl_kafka('tls', 'numbers') AS t(id int)}, '42501', qr/permission denied to send a secret of a file to server "tls"/, 'which its owner could have sent anywhere');
$node->safe_psql('postgres', q{ALTER SERVER tls OWNER TO postgres; ALTER SERVER tls OPTIONS (DROP ca_file, SET timeout '2')} =~ s/TO postgres/TO CURRENT_USER/r);
query_fails($node, q{SELECT * FROM etl_kafka('tls', 'numbers') AS t(id int)}, '08006', qr/certificate|SSL/i, 'a certificate that nobody vouches for');

# Somebody's function of the same name is not taken for ours.
$node->safe_psql('postgres', q{GRANT CREATE ON SCHEMA public TO alice; SET ROLE alice;
	CREATE FUNCTION etl_kafka(text, text) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1'});
kafka('fill', topic => 'old', first => 3, last => 3);
$node->safe_psql('postgres', q{SELECT etl_reset('old')});
is(run('old', q{SELECT count(*) FROM old}), '21', 'a pipeline reads by the function that it was given');

$node->safe_psql('postgres', 'DROP EXTENSION etl_kafka CASCADE');
is(query($node, q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'etl_kafka%' AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'sql')}), '0', 'nothing is left of it');

$node->stop;
done_testing();

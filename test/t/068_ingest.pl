# Records that are pushed by HTTP: a request is answered when its records are committed, all of them in one transaction.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use IPC::Run;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

plan skip_all => 'requests are sent by curl' if system('curl --version >/dev/null 2>&1') != 0;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = scheduler_node('ingest', conf => <<"CONF");
etl.databases = 'postgres'
etl.listen = '127.0.0.1:$port'
etl.ingest_buffer = '1MB'
etl.ingest_max_body = '512kB'
CONF
plan skip_all => 'etl_gateway was not built: libmicrohttpd is missing' unless -x $node->config_data('--pkglibdir') . '/etl_gateway';
my $dir = PostgreSQL::Test::Utils::tempdir();

my $bodies = 0;

# The command that sends a request.
sub sender
{
	my ($path, $body, $token, @options) = @_;
	my $file = "$dir/body" . $bodies++ % 10;
	unlink $file;
	append_to_file($file, $body);
	push @options, '-H', "Authorization: Bearer $token" if defined $token;
	return [ 'curl', '-s', '-S', '-i', '--max-time', $PostgreSQL::Test::Utils::timeout_default, '-H', 'Expect:', '-H', 'Content-Type:', '--data-binary', "\@$file", @options,
		"http://127.0.0.1:$port/ingest/$path" ];
}

# Sends it; returns status, headers and body of the answer.
sub post
{
	my ($out, $err) = run_command(sender(@_));
	$out =~ s/\r//g;
	$out =~ s/\AHTTP\/1\.1 100.*?\n\n//s;
	my ($head, $text) = split /\n\n/, $out, 2;
	my ($status) = ($head // '') =~ /^HTTP\/1\.1 (\d+)/;
	return ($status // "none: $err", $head, $text // '');
}

sub post_is
{
	my ($path, $body, $token, $expected, $name, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $head, $text) = post($path, $body, $token, @options);
	like("$status $text", $expected, $name);
	return $head;
}

# Sends it until the run that is to take it is there.
sub post_when_ready
{
	my ($path, $body, $token, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @answer;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		@answer = post($path, $body, $token);
		last if $answer[0] ne '503' && $answer[0] ne '401';
		select(undef, undef, undef, 0.1);
	}
	like("$answer[0] $answer[2]", $expected, $name);
	return;
}

value(<<'SQL');
CREATE EXTENSION etl;
CREATE TABLE events (id int, name text);
CREATE TABLE lines (a int, b text);
SELECT etl_create_pipeline('events', $$ etl_ingest() AS t(id int, name text) $$, target => 'events', continuous => true, flush_interval => '50 ms', batch_size => 1500);
SELECT etl_create_pipeline('lines', $$ etl_ingest(format => 'csv') AS t(a int, b text) $$, target => 'lines', continuous => true, flush_interval => '50 ms');
SQL
my $token = value("SELECT etl_create_ingest_token('events')");
my $other = value("SELECT etl_create_ingest_token('lines', 'sender')");
like($token, qr/^etl_[0-9a-f]{64}$/, 'a token');

# What it answers
post_when_ready('postgres/events', '{"id": 1, "name": "a"}', $token, qr/^200 \{"loaded": 1, "set_aside": 0\}$/, 'a record');
is(value('SELECT * FROM events'), '1|a', 'it is there');
post_is('postgres/events', qq({"id": 2}\n{"id": 3, "name": "c"}\n), $token, qr/^200 \{"loaded": 2, "set_aside": 0\}$/, 'one behind the other');
post_is('postgres/events', '[{"id": 4}, {"id": "x"}, {"id": 5}]', $token, qr/^200 \{"loaded": 2, "set_aside": 1\}$/, 'a list, of which one record is no such');
post_is('postgres/events', '[]', $token, qr/^200 \{"loaded": 0, "set_aside": 0\}$/, 'an empty list');
post_is('postgres/events', '', $token, qr/^200 \{"loaded": 0, "set_aside": 1\}$/, 'nothing, which is no JSON');
post_is('postgres/events', '{"id": 6} {"id": 7, "na', $token, qr/^200 \{"loaded": 1, "set_aside": 1\}$/, 'half of a body');
post_is('postgres/events', "\x00\xff", $token, qr/^200 \{"loaded": 0, "set_aside": 1\}$/, 'no JSON at all');
post_when_ready('postgres/lines', "1,x\n2,\"y, z\"\n", $other, qr/^200 \{"loaded": 2, "set_aside": 0\}$/, 'CSV');
is(value('SELECT string_agg(a || b, $$;$$ ORDER BY a) FROM lines'), '1x;2y, z', 'its fields are the columns');
is(value('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM events'), '1 2 3 4 5 6', 'all of them once');
is(value("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'events'"), 4, 'the others are dead letters');

# Who may
my $head = post_is('postgres/events', '{"id": 100}', undef, qr/^401 /, 'nobody without a token');
like($head, qr/^WWW-Authenticate: Bearer$/m, 'which says how');
post_is('postgres/events', '{"id": 100}', 'etl_' . '0' x 64, qr/^401 /, 'nor with a wrong one');
post_is('postgres/events', '{"id": 100}', $other, qr/^401 /, 'nor with that of another pipeline');
post_is('postgres/events', '{"id": 100}', substr($token, 0, -1), qr/^401 /, 'nor with a part of it');
post_is('postgres/events', '{"id": 100}', "$token ", qr/^200 /, 'blanks are no part of it');
value("DELETE FROM events WHERE id = 100; SELECT etl_drop_ingest_token('events')");
my ($status) = 0;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	($status) = post('postgres/events', '[]', $token);
	last if $status ne '200';
	select(undef, undef, undef, 0.1);
}
is($status, 401, 'nor with one that was dropped');
$token = value("SELECT etl_create_ingest_token('events')");
post_when_ready('postgres/events', '[]', $token, qr/^200 /, 'a new one is known soon');
is(value('SELECT pipeline, name FROM etl_ingest_tokens ORDER BY 1'), "events|default\nlines|sender", 'a view has their names');
like(($node->psql('postgres', "SELECT etl_create_ingest_token('events')"))[2], qr/pipeline "events" has a token "default" already/, 'names are unique');
like(($node->psql('postgres', "SELECT etl_drop_ingest_token('events', 'x')"))[2], qr/pipeline "events" has no token "x"/, 'and there is none of another name');

# What cannot be
post_is('postgres/nothing', '{}', $token, qr/^503 /, 'a pipeline that does not run');
post_is('other/events', '{}', $token, qr/^503 /, 'nor in another database');
post_is('postgres', '{}', $token, qr/^404 /, 'a path without a pipeline');
post_is('postgres/', '{}', $token, qr/^404 /, 'or an empty one');
$head = post_is('postgres/events', '{}', $token, qr/^405 /, 'another method', '-X', 'PUT');
like($head, qr/^Allow: POST$/m, 'which says what there is');
post_is('postgres/events', '{}', $token, qr/^421 /, 'another host', '-H', 'Host: example.com');
post_is('postgres/events', '{}', $token, qr/^415 /, 'a body that is encoded', '-H', 'Content-Encoding: br');
post_is('postgres/events', 'x' x 600_000, $token, qr/^413 /, 'a body that is too large');
post_is('postgres/events', 'x' x 600_000, $token, qr/^413 /, 'of a size that is not said', '-H', 'Transfer-Encoding: chunked');
post_is('postgres/events', '[{"id": 200}, {"id": 201}]', $token, qr/^200 \{"loaded": 2, /, 'one that is sent in pieces', '-H', 'Transfer-Encoding: chunked');
post_is('postgres/events', '{"id": 202}', $token, qr/^200 \{"loaded": 1, /, 'one that is waited with', '-H', 'Expect: 100-continue');
is(value('SELECT count(*) FROM events WHERE id >= 100'), 3, 'all of which are there');

# Compressed
my $zip = '';
foreach my $program ('gzip', 'zstd')
{
	IPC::Run::run([ $program, '-q', '-c' ], '<', \join('', map { qq({"id": $_}\n) } 400 .. 499), '>', \my $zip);
	my @as = ('-H', "Content-Encoding: $program");
	value('DELETE FROM events WHERE id BETWEEN 400 AND 499');
	post_is('postgres/events', $zip, $token, qr/^200 \{"loaded": 100, "set_aside": 0\}$/, "a body that is compressed by $program", @as);
	post_is('postgres/events', $zip . $zip, $token, qr/^200 \{"loaded": 200, /, 'of two pieces', @as);
	post_is('postgres/events', substr($zip, 0, -5), $token, qr/^400 .*is not whole/, 'half of one', @as);
	post_is('postgres/events', '', $token, qr/^400 /, 'nothing of one', @as);
	post_is('postgres/events', "$zip----", $token, qr/^400 /, 'with something behind it', @as);
	post_is('postgres/events', '{"id": 1}', $token, qr/^400 .*Content-Encoding/, 'one that is not', @as);
	IPC::Run::run([ $program, '-q', '-c' ], '<', \join('', map { qq({"id": 400, "name": "$_") . ' ' x 300 . "}\n" } 1 .. 1400), '>', \my $large);
	post_is('postgres/events', $large, $token, qr/^200 \{"loaded": 1400, /, 'one that is read in many pieces', @as);
	IPC::Run::run([ $program, '-q', '-c' ], '<', \(' ' x 5_000_000), '>', \my $bomb);
	post_is('postgres/events', $bomb, $token, qr/^413 /, 'one that is too large when it is read', @as);
	is(value('SELECT count(*) FROM events WHERE id BETWEEN 400 AND 499'), 1700, 'what was whole is there');
}
value('DELETE FROM events WHERE id BETWEEN 400 AND 499');

my $large = join '', map { qq({"id": $_, "name": "@{['x' x 100]}"}\n) } 1000 .. 4999;
post_is('postgres/events', $large, $token, qr/^200 \{"loaded": 4000, "set_aside": 0\}$/, "a body of many records ($_)") for 1 .. 5;
is(value('SELECT count(*), count(DISTINCT xmin::text) FROM events WHERE id >= 1000'), '20000|5', 'each in one transaction, however small batches are');

# One that comes again
my @key = ('-H', 'Idempotency-Key: one');
post_is('postgres/events', '[{"id": 300}, {"id": "x"}]', $token, qr/^200 \{"loaded": 1, "set_aside": 1\}$/, 'a request with a key', @key);
post_is('postgres/events', '[{"id": 300}, {"id": "x"}]', $token, qr/^200 \{"loaded": 1, "set_aside": 1\}$/, 'has the same answer when it comes again', @key);
is(value('SELECT count(*) FROM events WHERE id = 300'), 1, 'and is not loaded again');
post_is('postgres/events', '[{"id": 301}]', $token, qr/^422 /, 'its key is not that of another body', @key);
post_is('postgres/events', '[{"id": 300}]', $token, qr/^200 \{"loaded": 1, "set_aside": 0\}$/, 'without one it is another request');
post_is('postgres/lines', '300,x', $other, qr/^200 \{"loaded": 1, "set_aside": 0\}$/, 'as is one to another pipeline', @key);
post_is('postgres/events', '[{"id": 302}]', $token, qr/^400 /, 'an empty key is none', '-H', 'Idempotency-Key;');
post_is('postgres/events', '[{"id": 302}]', $token, qr/^400 /, 'a long one, neither', '-H', 'Idempotency-Key: ' . 'x' x 256);
my $run = value('SELECT max(run) FROM etl_runs WHERE pipeline = $$events$$');
$node->reload;
becomes("SELECT count(*) FROM etl_progress WHERE pipeline = 'events' AND run > $run", 1, 'another run');
post_when_ready('postgres/events', '[]', $token, qr/^200 /, 'is ready');
post_is('postgres/events', '[{"id": 300}, {"id": "x"}]', $token, qr/^200 \{"loaded": 1, "set_aside": 1\}$/, 'and knows the key', @key);
is(value('SELECT count(*) FROM events WHERE id = 300'), 2, 'as the table shows');

# ... while it is being loaded: a batch waits for its second record.
value(q{CREATE TABLE pairs (id int); SELECT etl_create_pipeline('pairs', $$ etl_ingest(dedupe_window => '0') AS t(id int) $$, target => 'pairs', continuous => true,
	flush_interval => '1 hour', batch_size => 2)});
my $third = value("SELECT etl_create_ingest_token('pairs')");
post_when_ready('postgres/pairs', '[{"id": 1}, {"id": 2}]', $third, qr/^200 /, 'a full batch');
my $out = '';
my $first = IPC::Run::start(sender('postgres/pairs', '[{"id": 3}]', $third, @key), '>', \$out);
my $answer = '200';
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if value("SELECT stage FROM etl_progress WHERE pipeline = 'pairs'") eq 'reading';
	select(undef, undef, undef, 0.1);
}
post_is('postgres/pairs', '[{"id": 3}]', $third, qr/^409 /, 'one that comes again while it waits', @key);
post_is('postgres/pairs', '[{"id": 4}]', $third, qr/^200 /, 'until its batch is full');
$first->finish;
like($out, qr/^HTTP\/1\.1 200 .*"loaded": 1/s, 'then the first is answered');
post_is('postgres/pairs', '[{"id": 3}, {"id": 5}]', $third, qr/^200 \{"loaded": 2, /, 'beyond dedupe_window a key says nothing', @key);
is(value('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM pairs'), '1 2 3 3 4 5', 'all of which are there');

# A group of records that cannot be committed is set aside as a whole, and no other.
value(q{CREATE TABLE grouped (id int); CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); CREATE TABLE shadow (id int REFERENCES parent DEFERRABLE);
	CREATE FUNCTION write_shadow() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN SET CONSTRAINTS shadow_id_fkey DEFERRED; INSERT INTO shadow VALUES (CASE new.id WHEN 13 THEN 2 ELSE 1 END); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON grouped DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write_shadow();
	SELECT etl_create_pipeline('grouped', $$ etl_ingest() AS t(id int) $$, target => 'grouped', continuous => true, flush_interval => '1 hour', batch_size => 6)});
my $fourth = value("SELECT etl_create_ingest_token('grouped')");
post_when_ready('postgres/grouped', '[]', $fourth, qr/^200 /, 'a run');
my @out = ('', '');
my @behind = map { IPC::Run::start(sender('postgres/grouped', ('[{"id": 1}, {"id": 2}]', '[{"id": 12}, {"id": 13}]')[$_], $fourth), '>', \$out[$_]) } 0, 1;
# Where its last record is the last of the batch, that is tried alone, and fails alone.
ok($node->poll_query_until('postgres', q{SELECT bytes >= 46 FROM etl_progress WHERE pipeline = 'grouped'}), 'both have come');
post_is('postgres/grouped', '[{"id": 3}, {"id": 4}]', $fourth, qr/^200 \{"loaded": 2, "set_aside": 0\}$/, 'a request beside one that fails when it is committed');
$_->finish for @behind;
like($out[0], qr/\{"loaded": 2, "set_aside": 0\}/, 'another one');
like($out[1], qr/\{"loaded": 0, "set_aside": 2\}/, 'that one');
is(value('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM grouped'), '1 2 3 4', 'which is not there in part');

# More than there is room for
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE events');
@out = ('') x 4;
@behind = map { IPC::Run::start(sender('postgres/events', '{"id": 500, "name": "' . 'x' x 300_000 . '"}', $token), '>', \$out[$_]) } 0 .. 3;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	$_->pump_nb for @behind;
	last if grep { /\n\r?\n/ } @out;
	select(undef, undef, undef, 0.1);
}
my ($refused) = grep { /\S/ } @out;
like($refused, qr/^HTTP\/1\.1 429 .*^Retry-After: [1-9]\d*\r?$/ms, 'when there is no room, one is told when to come again');
my @ready = ('curl', '-s', '-i', "http://127.0.0.1:$port/ready");
like((run_command(\@ready))[0], qr/^HTTP\/1\.1 503 .*more than 80 % of a pipeline's buffer/s, 'a server that loads more slowly than it is sent to is not ready');
$session->query_safe('COMMIT');
$session->quit;
$_->finish for @behind;
like((run_command(\@ready))[0], qr/^HTTP\/1\.1 200 /, 'until it has loaded them');
is((grep { /^HTTP\/1\.1 200 / } @out), 3, 'those before it are loaded');
is(value('SELECT count(*) FROM events WHERE id = 500'), 3, 'and are there');

# Senders that bring half of what they have said
my @half = map { my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // die $!; $s } 0 .. 1;
$_->syswrite("POST /ingest/postgres/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Length: 500000\r\n\r\n[{") for @half;
my $body = '{"id": 501, "name": "' . 'x' x 400_000 . '"}';
my @answer_of;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	@answer_of = post('postgres/events', $body, $token);
	last if $answer_of[0] eq '429';
	select(undef, undef, undef, 0.1);
}
is($answer_of[0], 429, 'take room');
$half[0]->shutdown(1);
close $half[1];
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	@answer_of = post('postgres/events', $body, $token);
	last if $answer_of[0] ne '429';
	select(undef, undef, undef, 0.1);
}
is($answer_of[0], 200, 'until they are gone');

# Elsewhere
like(($node->psql('postgres', 'SELECT * FROM etl_ingest() AS t(a int)'))[2], qr/etl_ingest can only be the source of a continuous pipeline/, 'it is no source of a query');
$node->stop('fast');
done_testing();

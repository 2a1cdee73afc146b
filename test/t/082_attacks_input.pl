# Attacks that failed when they were tried, and must keep failing: files, texts and arguments made to cost time or memory,
# to crash the server or to be taken for something else.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Attacks;
use IO::Compress::Gzip qw(gzip);
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('input');
$node->init;
$node->append_conf('postgresql.conf', "etl.http_max_attempts = 1\netl.max_field_size = '32MB'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
make_roles($node);
my $dir = PostgreSQL::Test::Utils::tempdir();

# Writes a file and gives its path.
sub file
{
	my ($name, $content) = @_;
	append_to_file("$dir/$name", $content);
	return "$dir/$name";
}

sub zipped
{
	my ($content) = @_;
	gzip(\$content, \my $packed) or die 'gzip';
	return $packed;
}

sub csv { my ($path, $columns, @options) = @_; return "SELECT count(*) FROM etl_csv(" . join(', ', "'$path'", @options) . ") AS t($columns)"; }
sub json { my ($path, $columns, @options) = @_; return "SELECT count(*) FROM etl_json(" . join(', ', "'$path'", @options) . ") AS t($columns)"; }
my $rows = file('rows.csv', "id,name\n1,a\n2,b\n");

# -- schedules ----------------------------------------------------------------------------------------

sub next_runs { return "SELECT count(*) FROM etl_next_runs(" . join(', ', @_) . ')'; }
attacks($node, 'stranger', [
	[ 'two million times', next_runs("'* * * * *'", 'n => 2000000'), gives('2000000') ],
	[ 'n below 0', next_runs("'* * * * *'", 'n => -1'), gives('0') ],
	(map { [ "times after $_->[0]", next_runs("'* * * * *'", "after => '$_->[0]'"), gives($_->[1]) ] }
		  [ '294276-12-31 23:59:59', '0' ], [ '4713-01-01 BC', '5' ]),
	(map { [ "times after $_", next_runs("'* * * * *'", "after => '$_'"), '22023' ] } '-infinity', 'infinity'),
	(map { [ "the schedule $_", next_runs("'$_'"), '22023' ] }
		  '%s%n%n%n%n', '* * * *', '0-99999999999999999999 * * * *', '*/0 * * * *', '*/99999999999999999999 * * * *', '-1 * * * *',
		  '5-1 * * * *', '1,,2 * * * *', '@', '@@hourly', '999999999999999999 years', '2147483647 days', '-1 day', '1e400 s'),
	[ '100 kB of stars', next_runs("repeat('*', 100000)"), '22023' ],
	[ 'wide letters where a message is cut', next_runs("repeat('\x{e2}\x{82}\x{ac}', 500)"), '22023' ],
	(map { [ "the time zone $_", next_runs("'0 * * * *'", "timezone => $_"), '22023' ] }
		  q('../../etc/passwd'), q('/etc/passwd'), q(''), q(repeat('x', 10000)), q(E'UTC\n')),
	[ 'a time zone beyond a day', next_runs("'0 * * * *'", "timezone => '<+25>-25'"), gives('5') ],
]);

# -- CSV ----------------------------------------------------------------------------------------------

my $wide = file('wide.csv', join(',', map { "c$_" } 1 .. 60_000) . "\n" . join(',', 1 .. 60_000) . "\n");
my $same = file('same.csv', join(',', ('c') x 60_000) . "\n" . join(',', 1 .. 60_000) . "\n");
my $header = file('header.csv', 'x' x 5_000_000 . ",id\n1,2\n");
my $field = file('field.csv', "id,name\n1," . 'x' x 64_000_000 . "\n");
my $unclosed = file('unclosed.csv', qq{id,name\n1,"} . "x\n" x 5_000_000);
my $names = file('names.csv', qq{"a""b","a); DROP TABLE x; --",\x1b[2J,"a\nb",select\n1,2,3,4,5\n});
attacks($node, 'owner', [
	[ '60,000 columns', csv($wide, 'c1 int, c60000 int'), gives('1') ],
	[ '60,000 columns: etl_csv_columns', "SELECT count(*) FROM etl_csv_columns('$wide')", gives('60000') ],
	[ '60,000 columns: etl_peek', "SELECT count(*) FROM etl_peek('$wide')", gives('1') ],
	[ '60,000 columns of one name', csv($same, 'c int'), '42702' ],
	[ '60,000 columns of one name: etl_csv_columns', "SET client_min_messages = warning; SELECT count(*) FROM etl_csv_columns('$same')", gives('60000') ],
	[ '60,000 columns of one name: etl_peek', "SELECT count(*) FROM etl_peek('$same')", gives('1') ],
	[ '60,000 columns: etl_import', "SELECT etl_import('owner.wide', '$wide')", '54011' ],
	[ 'a header of 5 MB', csv($header, 'id int'), gives('1') ],
	[ 'a field of 64 MB', csv($field, 'id int, name text'), '54000' ],
	[ 'a field of 64 MB that is read', csv($field, 'id int, name text') =~ s/count.../max(length(name))/r, '54000' ],
	[ 'a quote that is not closed', csv($unclosed, 'id int'), qr/^ERROR:  (22P04|54000):/ ],
	[ 'a file of NULs', csv(file('nul.csv', "id,name\n1,\0\n"), 'id int, name text') =~ s/count.../max(name)/r, '22021' ],
	[ 'names that are SQL', "SET client_min_messages = warning; SELECT string_agg(declaration, ' ' ORDER BY position) FROM etl_csv_columns('$names')",
		gives('a_b bigint, a_drop_table_x bigint, "2j" bigint, a_b_2 bigint, "select" bigint') ],
	[ 'names that are SQL: etl_import', "SELECT etl_import('owner.names', '$names'); SELECT * FROM owner.names", gives("1\n1|2|3|4|5") ],
	(map { [ "the column $_", "SELECT etl_import('owner.system_column', '" . file("$_.csv", "$_\n1\n") . "')", '42701' ] } qw(ctid tableoid xmin)),
	(map { [ "target $_", "SELECT etl_import(" . "$_, '$rows')", qr/./ ] } q('pg_class'), q('pg_catalog.x'), q(repeat('a.', 50)), q('a.b.c.d'), q('"'), q('')),
	[ 'a target with quotes', qq(SELECT etl_import('owner."a""; DROP TABLE x; --"', '$rows')), gives('2') ],
	(map { [ "$_->[0] => $_->[1]", csv($rows, 'id int', "$_->[0] => $_->[1]"), $_->[2] // '22023' ] }
		  [ skip_lines => -1 ], [ reject_limit => -1 ], [ skip_lines => 2147483648, '42883' ], [ delimiter => q('') ], [ delimiter => q('123456789') ],
		  [ delimiter => q(E'\n') ], [ quote => q('""') ], [ escape => q('ab') ], [ comment => q(E'\n') ], [ encoding => q('nope') ],
		  [ encoding => q('%s%n') ], [ null_string => q(E'\n') ], [ ragged => q('x') ], [ on_error => q('x') ], [ match => q('x') ]),
	[ 'etl_peek: rows => -1', "SELECT count(*) FROM etl_peek('$rows', rows => -1)", '22023' ],
	[ 'etl_csv_columns: sample_rows => -1', "SELECT count(*) FROM etl_csv_columns('$rows', sample_rows => -1)", '22023' ],
]);

# -- JSON ---------------------------------------------------------------------------------------------

my $deep = file('deep.json', '[' . '[' x 980 . ']' x 980 . ']');
attacks($node, 'owner', [
	[ '2 million brackets', json(file('arrays.json', '[' x 2_000_000), 'a int'), '54000' ],
	[ '900,000 braces', json(file('objects.json', '{"a":' x 900_000), 'a int'), '54000' ],
	[ 'a depth that is allowed', "SELECT length(_etl_item::text) FROM etl_json('" . file('nested.json', '[{"a":' . '[' x 970 . ']' x 970 . '}]') . "') AS t(_etl_item jsonb)", gives('1947') ],
	(map { [ "the number $_->[0]", "SELECT max(a) FROM etl_json('" . file("$_->[0].json", qq([{"a": $_->[1]}])) . "') AS t(a numeric)", '22003' ] }
		  [ 'exponent', '1e131073' ], [ 'huge_exponent', '1E999999999999' ], [ 'digits', '1' x 200_000 ]),
	[ '200,000 keys', "SELECT max(k7) FROM etl_json('" . file('keys.json', '[{' . join(',', map { qq("k$_":$_) } 1 .. 200_000) . '}]') . "') AS t(k7 int)", gives('7') ],
	[ '200,000 same keys', json(file('same_keys.json', '[{' . join(',', ('"k":1') x 200_000) . '}]'), 'k int'), gives('1') ],
	[ 'a key of 3 MB', json(file('key.json', '[{"' . 'k' x 3_000_000 . '": 1, "a": 2}]'), 'a int'), gives('1') ],
	(map { [ "a surrogate $_->[0]", "SELECT max(a) FROM etl_json('" . file("$_->[0]_surrogate.json", qq([{"a": "$_->[1]"}])) . "') AS t(a text)", qr/^ERROR:  (22P05|22P02|22032|22021)/ ] }
		  [ 'alone', '\ud800' ], [ 'twice', '\ud800\ud800' ], [ 'reversed', '\udc00\ud800' ], [ 'cut', '\ud8' ]),
	[ 'a path of 300,000 steps', json($deep, 'a int', "items => repeat('a.', 300000) || 'a'"), qr/./ ],
	[ 'a path of 300,000 brackets', json($deep, 'a int', "items => 'a' || repeat('[]', 300000)"), qr/./ ],
]);

# -- compressed ---------------------------------------------------------------------------------------

# A member of 1 MB of these bytes, many times.
sub bomb { my ($name, $before, $byte, $mb, $after) = @_; return file($name, zipped($before) . zipped($byte x 1_048_576) x $mb . zipped($after)); }
my $zstd = "\x28\xb5\x2f\xfd";
attacks($node, 'owner', [
	[ '200 MB of NULs', csv(bomb('nul.csv.gz', "id,name\n1,", "\0", 200, "\n2,b\n"), 'id int'), '54000' ],
	[ '400 MB in a quote', csv(bomb('quote.csv.gz', qq{id,name\n1,"}, "x", 400, "\n"), 'id int'), '54000' ],
	[ '200,000 empty members', csv(file('empty.csv.gz', zipped("id,name\n1,a\n") . zipped('') x 200_000), 'id int'), gives('1') ],
	[ 'a member that is cut', csv(file('cut.csv.gz', substr(zipped("id,name\n" . join '', map { "$_,x\n" } 1 .. 1000), 0, 500)), 'id int'), qr/^ERROR:/ ],
	[ 'zstd: a window of 2^41', csv(file('window.csv.zst', "$zstd\x00\xf8" . "\x01\x00\x00"), 'id int'), '54000' ],
	[ 'zstd: a million frames to be skipped', csv(file('skippable.csv.zst', "\x50\x2a\x4d\x18\x00\x00\x00\x00" x 1_000_000 . $zstd . "\x20\x0c\x61\x00\x00id,name\n1,a\n"), 'id int'), gives('1') ],
	[ 'zstd: cut', csv(file('cut.csv.zst', "$zstd\x20\x0c\x61\x00\x00id,na"), 'id int'), qr/^ERROR:/ ],
]);

# What never ends can be cancelled.
mkdir("$dir/folder$_") or die $! for 1 .. 50;
attacks($node, 'owner', [
	[ 'a pattern of many folders', "SET statement_timeout = '100ms'; " . csv("$dir/" . 'folder*/../' x 7 . 'x*', 'id int'), '57014' ],
]);

# -- files that are none --------------------------------------------------------------------------------

mkfifo("$dir/fifo.csv", 0600) or die $!;
symlink('loop.csv', "$dir/loop.csv") or die $!;
attacks($node, 'owner', [
	(map { [ "the file $_", csv($_, 'id int'), '42809' ] } "$dir/fifo.csv", '/dev/zero', '/dev/null', $dir),
	(map { [ "the file $_->[0]", csv($_->[1], 'id int'), qr/could not (open|read) file/ ] }
		  [ 'of a terminal', '/dev/tty' ], [ 'of the memory', '/proc/self/mem' ], [ 'of the kernel', '/proc/kmsg' ], [ 'that links to itself', "$dir/loop.csv" ],
		  [ 'with a long name', 'x' x 10_000 ], [ 'with a deep path', 'x/' x 5_000 ]),
	[ 'the file without a name', csv('', 'id int'), qr/./ ],
	(map { [ "the pattern $_->[0]", csv($_->[1], 'id int'), qr/^ERROR:/ ] }
		  [ '*/ 2,000 times', $dir . '/*' x 2000 ], [ '200 stars', "$dir/" . '*' x 200 . 'y' ], [ '100 times *a', "$dir/" . '*a' x 100 ],
		  [ 'an open bracket', "$dir/[" ], [ 'a class of 10,000', "$dir/[" . 'a-z' x 3000 . '].nope' ]),
]);

# -- random calls ----------------------------------------------------------------------------------------

my $seed = $ENV{ETL_TEST_SEED} // time;
srand $seed;
note("ETL_TEST_SEED=$seed");
my @words = ('NULL', "''", "'x'", "'*'", "'a.b[].c'", "'\$'", "'-1'", "'%s%n'", "repeat('x', 5000)", "repeat('a[', 500)", "E'\\n'", "E'\\x01'", "'{next}'",
	"'header:X'", "'last:id'", "'error'", "'skip'", "'return'", "'auto'", "'ndjson'", "'csv'", "'position'", "'UTF-16'", "'GB18030'", "'1 day'", "'2020-01-01'",
	"'200 ok=false fail|* wait'", "'content'", "'continue:3'", "'UTF8'", "','", "'\"'", "'\x{e2}\x{82}\x{ac}'");
my @numbers = qw(NULL 0 1 -1 2 100 2147483647 -2147483648 9223372036854775807);
my @objects = ('NULL', "'{}'", "'[]'", "'1'", "'null'", q('{"a": 1}'), q('{"a": {"b": [1]}}'), q('{"Host": "x"}'), q('{"a": "{key}"}'));
my %arguments = (
	text => \@words, int => \@numbers, bigint => \@numbers, jsonb => \@objects, boolean => [ 'NULL', 'true', 'false' ],
	interval => [ 'NULL', "'1 day'", "'0'", "'-1 day'", "'178000000 years'" ],
	'timestamp with time zone' => [ 'NULL', "'2020-01-01'", "'infinity'", "'-infinity'", "'294276-01-01'" ],
);
sub one_of { return $_[0][ rand @{ $_[0] } ]; }
mkdir("$dir/random") or die $!;
my @sources = map { "'$_'" } $rows, $names, $deep, file('random/a.csv', "id,a.b\n1,2\n"), file('random/b.csv', "a.b;id\n1;x\n"), "$dir/random/*.csv",
	file('random/a.json', '[{"id": 1, "a": {"b": [1]}}, {"id": "x"}, 2]'), "$dir/cut.csv.gz", "$dir/nothing", 'http://127.0.0.1:1/', 'shop';
my %list = (etl_csv => 1, etl_json => 1, etl_api => 1);
my %called = map { my ($name, @rest) = split /\|/; ($name => \@rest) } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT p.proname, string_agg(a.name || '=' || format_type(a.type, NULL), '|' ORDER BY a.n) FROM pg_proc p,
	unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a(name, type, n)
WHERE p.proname IN ('etl_csv', 'etl_json', 'etl_api', 'etl_api_explain', 'etl_peek', 'etl_csv_columns', 'etl_json_columns', 'etl_next_runs')
	AND a.type IS NOT NULL AND p.proargnames[1] <> 'row_type' AND a.n > 1 GROUP BY p.oid, p.proname
SQL
sub random_call
{
	my $name = one_of([ sort keys %called ]);
	# So many runs as are asked for are computed, as by generate_series.
	local $arguments{int} = [ grep { !/^2147/ } @numbers ] if $name eq 'etl_next_runs';
	my @given = map { my ($argument, $type) = split /=/; rand() < 0.2 ? "$argument => " . one_of($arguments{ $type =~ s/integer/int/r }) : () } @{ $called{$name} };
	my $source = $name eq 'etl_next_runs' ? one_of(\@words) : one_of(\@sources);
	return "SELECT * FROM $name(" . join(', ', $source, @given) . ')' . ($list{$name} ? ' AS t(id int, "a.b" text, _etl_error text)' : '');
}
is(scalar keys %called, 8, 'functions to be called');
survives($node, 'owner', '1,500 random calls', map { random_call() } 1 .. 1500);

$node->stop;
done_testing();

# A world for 049_torture.pl: pipelines whose sources are known in full, record by record, and so what their targets, dead
# letters and counters must be when all of that has been loaded, whatever happened meanwhile.
#
# A pipeline reads a place (file, url, api) in a format, and loads it as append, upsert, watermark (an upsert by version) or
# whole.  A twin loads the same source as another one into the same target.  A record is [ id, version, fault ]; its text is made from these, so that the target can be checked by them.  A
# source grows only in ways that leave no doubt what is right: of a file that is replaced the last content counts, so
# it has all keys of the one before.
#
# The dice are our own: the choices of a seed are the same whatever else of Perl's is drawn.
package TortureWorld;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use HttpFixture;
use IO::Compress::Gzip qw(gzip $GzipError);

our @EXPORT = qw(make_sql throw_dice draw pick make_world grow forget rotate repair_sql is_repaired flush_files create_sql faults_of counted_of letters_of);

my ($dice, $dir, @world);
my $streamed = 0;    # items of the API
my $archives = 0;

sub throw_dice
{
	$dice = $_[0] % 2**31;
	draw(2) for 1 .. 8;
	return;
}

# A whole number from 0, below this one.
sub draw
{
	$dice = ($dice * 1103515245 + 12345) % 2**31;
	return int($dice / 2**31 * $_[0]);
}

sub pick { return $_[ draw(scalar @_) ]; }

my $json = sub {
	my ($id, $v, $n) = @_;
	return qq({"id":$id,"name":"name\\n$id/$v","n":) . ($n eq 'x' ? '"x"' : $n) . qq(,"v":$v});
};
my %csv = (
	head => "id,name,n,v\n",
	text => sub { my ($id, $v, $n) = @_; return qq($id,"name\n$id/$v",$n,$v) },
	broken => sub { "$_[0],broken $_[1]" },
	call => sub { "etl_csv('$_[0]')" },
);
my %formats = (
	csv => \%csv,
	gzip => { %csv, packed => 1 },
	ndjson => { text => $json, broken => sub { qq({"id":$_[0],"v" $_[1]}) }, call => sub { "etl_json('$_[0]', format => 'ndjson')" } },
	array => { text => $json, separator => ",\n", head => "[\n", foot => "\n]\n", call => sub { "etl_json('$_[0]')" } },
	lines => {
		text => sub { my ($id, $v, $n) = @_; return "$id name $id/$v;$n;$v" },
		broken => sub { "$_[0] broken $_[1]" },
		call => sub { "etl_lines('$_[0]', pattern => '(?<id>\\d+) (?<name>name .*?);(?<n>.*?);(?<v>\\d+)')" },
	},
);

# Place, format, mode.
my @kinds = (
	[ 'file', 'csv', 'append' ], [ 'file', 'csv', 'upsert' ], [ 'file', 'csv', 'watermark' ], [ 'file', 'csv', 'whole' ],
	[ 'file', 'ndjson', 'append' ], [ 'file', 'ndjson', 'upsert' ], [ 'file', 'ndjson', 'watermark' ], [ 'file', 'array', 'upsert' ],
	[ 'file', 'lines', 'append' ], [ 'file', 'gzip', 'append' ], [ 'file', 'gzip', 'upsert' ],
	[ 'url', 'csv', 'append' ], [ 'url', 'ndjson', 'append' ], [ 'url', 'array', 'append' ], [ 'url', 'gzip', 'append' ], [ 'url', 'csv', 'upsert' ],
	[ 'url', 'array', 'upsert' ], [ 'url', 'ndjson', 'whole' ],
	[ 'api', 'cursor', 'append' ], [ 'api', 'url', 'append' ], [ 'api', 'page', 'upsert' ], [ 'api', 'cursor', 'upsert' ],
);

my %paging = (
	cursor => "pagination => 'cursor', next => 'next', next_param => 'cursor'",
	url => "pagination => 'next_url', next => 'next'",
	page => "pagination => 'page', page_param => 'page', stop => 'empty'",
);

# So many pipelines, whose files are in a folder.
sub make_world
{
	my ($folder, $count) = @_;
	my @left = @kinds;

	$dir = $folder;
	@world = ();
	$streamed = 0;
	fixture_do('/_storm');
	fixture_do('/_stream?n=0&shift=0&expired=0');
	for my $number (1 .. $count)
	{
		my ($place, $format, $mode) = @{ splice @left, draw(scalar @left), 1 };
		my $name = "p${number}_${place}_${format}_$mode";
		my $owner = pick('postgres', 'loader');
		$owner = 'postgres' if $place ne 'file';    # others get to no address
		my %what = (target => $name, place => $place, format => $format, mode => $mode, owner => $owner);
		my $p = { %what, name => $name, options(%what) };

		forget($p);
		push @world, $p;
		push @world, { %$p, name => "${name}_twin", of => $p, options(%what), carried => { letters => {}, counted => {} } }
		  if $place eq 'file' && $mode =~ /upsert|watermark/ && draw(3) == 0;
	}
	return @world;
}

# How it is run, whatever it loads.
sub options
{
	my (%what) = @_;
	my ($drive, $after) = (pick(qw(hand schedule schedule watch after)), pick('', map { $_->{name} } grep { $_->{drive} eq 'schedule' } @world));
	my $on_bad_part = pick('fail', 'set_aside');

	# Files alone are watched; loader does not see what it could come after.
	$drive = 'schedule' if ($drive eq 'watch' && $what{place} ne 'file') || ($drive eq 'after' && ($after eq '' || $what{owner} ne 'postgres'));
	return (drive => $drive, after => $after, batch_size => pick(20, 50, 200, 1000, 10000), on_shutdown => pick('drain', 'drop'),
		slow => draw(3), on_bad_part => $what{mode} eq 'whole' || $what{place} ne 'file' ? 'fail' : $on_bad_part);
}

# ---- sources

# A source without any content, and nothing counted of it.
sub forget
{
	my ($p) = @_;
	%$p = (%$p, files => [], archived => [], pending => {}, written => {}, keys => {}, ids => 0, versions => 0, repaired => 0, carried => { letters => {}, counted => {} });
	return;
}

sub path_of
{
	my ($p, $number) = @_;
	return sprintf '%s/%s_%03d.%s%s', $dir, $p->{target}, $number, $p->{format}, $formats{ $p->{format} }{packed} ? '.gz' : '';
}

sub source_of
{
	my ($p) = @_;
	my $base = fixture_url('');

	return "etl_api('$base/api/stream/by=$p->{format}/size=150', items => 'items', $paging{$p->{format}},"
	  . " params => jsonb_build_object('since', etl_watermark('$p->{name}'))) AS t(id int, name text)"
	  if $p->{place} eq 'api';
	my $from = $p->{place} eq 'file' ? "$dir/$p->{target}_*" : "$base/files" . path_of($p, 0) =~ s/.*(?=\/.*\/)//r . '?etag=content';
	return $formats{ $p->{format} }{call}->($from) . ' AS t(id int, name text, n int, v int)';
}

# What all pipelines of a database need.  A slow query gives faults their time.
sub make_sql
{
	return 'CREATE EXTENSION etl', 'GRANT CREATE ON SCHEMA public TO loader',
	  'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO loader', 'GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO loader',
	  q{CREATE FUNCTION pause(id int) RETURNS boolean LANGUAGE plpgsql AS
		'BEGIN IF id % 50 = 0 THEN PERFORM pg_sleep(0.002); END IF; RETURN true; END'};
}

# The statements that define the pipeline and its target.
sub create_sql
{
	my ($p) = @_;
	my $mode = $p->{mode};
	my $query =
	    $mode eq 'whole' ? 'SELECT n, count(*) AS rows, sum(id) AS total FROM batch GROUP BY n'
	  : $p->{place} eq 'api' ? q{SELECT id, 'name ' || id || '/0' AS name, CASE WHEN id % 97 = 0 THEN -1 ELSE id % 50 END AS n, 0 AS v FROM batch}
	  : 'SELECT * FROM batch';
	my %starts = (schedule => [ schedule => '1 second' ], watch => [ watch => 'true' ], after => [ after => "{$p->{after}}" ]);

	$query .= ' WHERE pause(id)' if $p->{slow} && $mode ne 'whole';
	my %options = (
		source => source_of($p), query => $query, map({ $_ => $p->{$_} } qw(target batch_size on_shutdown on_bad_part)),
		$mode eq 'append' ? () : (key => $mode eq 'whole' ? '{n}' : '{id}'),
		$mode eq 'whole' ? (whole => 'true') : (),
		$mode eq 'watermark' ? (watermark => 'v') : $p->{place} eq 'api' ? (watermark => 'id') : (),
		$p->{drive} eq 'hand' ? () : (@{ $starts{ $p->{drive} } }, max_failures => 0),
	);
	my $columns = $mode eq 'whole' ? 'n int PRIMARY KEY, rows bigint, total numeric'
	  : 'id int' . ($mode eq 'append' ? '' : ' PRIMARY KEY') . ', name text, n int CHECK (n >= 0), v int';
	return map { "SET ROLE $p->{owner}; $_" } $p->{of} ? () : "CREATE TABLE $p->{target} ($columns) TABLESPACE small",
	  "SELECT etl_create_pipeline('$p->{name}', " . join(', ', map { "$_ => " . sql_quote($options{$_}) } sort keys %options) . ')';
}

sub text_of
{
	my ($format, $record) = @_;
	my ($id, $v, $fault) = @$record;
	return $formats{$format}{broken}->($id, $v) if $fault eq 'parse';
	return $formats{$format}{text}->($id, $v, $fault eq 'convert' ? 'x' : $fault eq 'load' ? -1 : $id % 50);
}

# New records of a file, which has keys of its own; with a watermark the later one of a key can be in any file, and stand
# before an earlier one.  A record that the target refuses has a key that comes once: a later one would hide it.
sub new_records
{
	my ($p, $file, $count) = @_;
	my $keys = $p->{keys}{ $p->{mode} eq 'watermark' ? 0 : $file } //= [];
	my @records;

	for (1 .. $count)
	{
		my $again = $p->{mode} ne 'append' && @$keys && draw(3) == 0;
		my $id = $again ? $keys->[ draw(scalar @$keys) ] : ++$p->{ids};
		my $fault = $id % 101 == 0 && $p->{mode} ne 'whole' ? 'load' : draw(80) == 0 ? 'convert' : draw(150) == 0 && $formats{ $p->{format} }{broken} ? 'parse' : '';
		push @$keys, $id if !$again && $fault ne 'load';
		push @records, [ $id, ++$p->{versions}, $fault ];
	}
	@records = reverse @records if $p->{mode} eq 'watermark' && draw(2);
	$p->{written}{ raw_of($p, $_) } = $_->[2] for grep { $_->[2] } @records;
	return @records;
}

sub body_of
{
	my ($p, @records) = @_;
	return join $formats{ $p->{format} }{separator} // "\n", map { text_of($p->{format}, $_) } @records;
}

# The whole of a file, moved to its place at once; or what is bad about it: with another header, or only this part of it.
sub write_file
{
	my ($p, $file, $part) = @_;
	my $format = $formats{ $p->{format} };
	my $text = ($format->{head} // '') . body_of($p, @{ $p->{files}[$file] }) . ($format->{foot} // "\n");

	if ($format->{packed})
	{
		my $packed;
		gzip(\$text => \$packed) or die "gzip: $GzipError";
		$text = substr $packed, 0, 20 + (length($packed) - 20) * ($part // 1);
	}
	elsif (defined $part) { $text =~ s/^id,/other,/; }
	put("$dir/new", '>', $text);
	rename "$dir/new", path_of($p, $file) or die $!;
	return;
}

sub put
{
	my ($path, $how, $text) = @_;
	open my $out, $how, $path or die "$path: $!";
	print $out $text;
	close $out or die "$path: $!";
	return;
}

# Growth of a source; returns what it was, for the log.
sub grow
{
	my ($p) = @_;

	return "as its twin: " . grow($p->{of}) if $p->{of};
	flush_file($p);
	if ($p->{place} eq 'api')
	{
		# The last item is a good one: what is behind the watermark is asked for again.
		$streamed += 500 + draw(4000);
		$streamed++ if $streamed % 97 == 0;
		fixture_do("/_stream?n=$streamed");
		return "the API has $streamed items";
	}
	my $files = @{ $p->{files} };
	my $how = $files == 0 ? 'add' : $p->{place} eq 'url' ? ($p->{mode} eq 'append' ? 'nothing' : 'replace')
	  : $p->{format} eq 'array' ? 'replace' : pick('add', $formats{ $p->{format} }{packed} ? 'spoil' : ('append', 'append'), $p->{format} eq 'csv' ? 'spoil' : (), $p->{mode} eq 'append' ? () : 'replace');
	my $file = $how =~ /add|spoil/ ? $files : draw($files);
	return 'nothing' if $how eq 'nothing';

	my @records = new_records($p, $file, $p->{mode} eq 'append' ? 500 + draw(8000) : 100 + draw(2000));
	push @{ $p->{files}[$file] }, @records;
	if ($how eq 'append')
	{
		my $text = body_of($p, @records) . "\n";
		my $cut = draw(length $text);
		put(path_of($p, $file), '>>', substr($text, 0, $cut));
		$p->{pending} = { $file => substr($text, $cut) };
		return "file $file: " . @records . " records, and the last " . (length($text) - $cut) . ' bytes of them later';
	}
	if ($how eq 'spoil')
	{
		write_file($p, $file, draw(1000) / 1000);
		$p->{pending} = { $file => undef };
		return "file $file: " . @records . ' records, but it is spoilt, and right later';
	}
	$p->{files}[$file] = [ compacted(@{ $p->{files}[$file] }) ] if $how eq 'replace' && $p->{mode} eq 'upsert';
	write_file($p, $file);
	return "$how file $file: " . @records . ' records more';
}

# The files of an append are put away, and others will have their names: only when all of them have been loaded.
sub rotate
{
	my ($p) = @_;
	return if $p->{place} ne 'file' || $p->{mode} ne 'append';
	for my $file (0 .. $#{ $p->{files} })
	{
		rename path_of($p, $file), "$dir/old_" . ++$archives or die $!;
	}
	push @{ $p->{archived} }, map { @$_ } @{ $p->{files} };
	$p->{files} = [];
	return grow($p);
}

# The target takes from now on what it has refused so far, if dead letters of all of that are there; what an append has left
# behind with another database is lost, and known to be.
sub repair_sql
{
	my ($p) = @_;
	return if $p->{mode} eq 'whole' || ($p->{mode} ne 'append' && %{ $p->{carried}{letters} }) || $p->{of} || $p->{repaired}++;
	return "ALTER TABLE $p->{target} DROP CONSTRAINT $p->{target}_n_check";
}

# Without some of those records that a later good one of their key supersedes.
sub compacted
{
	my (%seen, @kept);
	for my $record (reverse @_)
	{
		push @kept, $record unless $seen{ $record->[0] } && draw(2);
		$seen{ $record->[0] } = 1 if !$record->[2];
	}
	return reverse @kept;
}

# The rest of what was appended last, or the right content of what was spoilt.
sub flush_file
{
	my ($p) = @_;
	for my $file (keys %{ $p->{pending} })
	{
		if (defined $p->{pending}{$file}) { put(path_of($p, $file), '>>', $p->{pending}{$file}); }
		else { write_file($p, $file); }
	}
	$p->{pending} = {};
	return;
}

sub flush_files { flush_file($_) for @world; return; }

# ---- what must be

# All records in the order in which they count, as [ id, version, fault ].
sub records_of
{
	my ($p) = @_;
	return map { [ $_, 0, $_ % 97 == 0 ? 'load' : '' ] } 1 .. $streamed if $p->{place} eq 'api';
	my @records = (@{ $p->{archived} }, map { @$_ } @{ $p->{files} });
	return $p->{mode} eq 'watermark' ? sort { $a->[1] <=> $b->[1] } @records : @records;
}

# A record as a dead letter shows it, with line feeds as \n.
sub raw_of
{
	my ($p, $record) = @_;
	return qq({"id": $record->[0], "name": "item $record->[0]"}) if $p->{place} eq 'api';
	return text_of($p->{format}, $record) =~ s/\n/\\n/gr;
}

sub is_repaired { return ($_[0]{of} // $_[0])->{repaired}; }

sub is_good
{
	my ($p, $record) = @_;
	return $record->[2] eq '' || ($record->[2] eq 'load' && is_repaired($p) && ($p->{mode} ne 'append' || !$p->{carried}{letters}{ raw_of($p, $record) }));
}

# What is wrong with the rows of the target: '' if nothing is.
sub faults_of
{
	my ($p, $ask) = @_;
	my @good = grep { is_good($p, $_) } records_of($p);

	if ($p->{mode} eq 'whole')
	{
		my $letters = $ask->("SELECT replace(raw, chr(10), '\\n') FROM etl_dead_letters WHERE pipeline = '$p->{name}' AND NOT resolved");
		return differences($ask->("SELECT n, rows, total FROM $p->{target}"), sums_of(@good)) . differences($letters, map { raw_of($p, $_) } grep { $_->[2] } records_of($p));
	}
	my %last = map { $_->[0] => $_ } @good;
	@good = values %last if $p->{mode} ne 'append';
	my $faults = differences($ask->("SELECT id, v, n FROM $p->{target}"), map { join '|', @$_[ 0, 1 ], $_->[2] ? -1 : $_->[0] % 50 } @good);
	my $changed = $ask->("SELECT count(*) FROM $p->{target} WHERE name !~ ('^name\\s' || id || '/' || v || '\$')") // '?';
	$faults .= " $changed rows with another name" if $changed ne '0';
	return $faults;
}

sub sums_of
{
	my (%rows, %total);
	for (@_) { $rows{ $_->[0] % 50 }++; $total{ $_->[0] % 50 } += $_->[0]; }
	return map { "$_|$rows{$_}|$total{$_}" } keys %rows;
}

# Between the lines of an answer and those that are expected, in any order.
sub differences
{
	my ($answer, @expected) = @_;
	return 'no answer' unless defined $answer;
	my %count;
	$count{$_}++ for split /\n/, $answer;
	$count{$_}-- for @expected;
	my @more = sort grep { $count{$_} > 0 } keys %count;
	my @less = sort grep { $count{$_} < 0 } keys %count;
	return join ' ', map { my ($what, @lines) = @$_; @lines ? @lines . " $what (" . join(', ', @lines[ 0 .. ($#lines > 4 ? 4 : $#lines) ]) . ')' : () }
	  [ 'rows too many', @more ], [ 'rows missing', @less ];
}

# Where each record is read once: what all loads together have counted.
sub counted_of
{
	my ($p) = @_;
	return if $p->{mode} ne 'append';
	my %faults = (parse => 0, convert => 0, load => 0, '' => 0);
	$faults{ $_->[2] }++ for records_of($p);
	my $all = 0;
	$all += $_ for values %faults;
	return { read => $all, malformed => $faults{parse}, convert_failed => $faults{convert},
		is_repaired($p) ? () : (load_failed => $faults{load}, loaded => $faults{''}) };
}

# The records of dead letters and their faults: those that there must be, and those that there may be because what a file
# held once may or may not have been read.
sub letters_of
{
	my ($p) = @_;
	my @faulty = grep { $_->[2] } records_of($p);
	my %required = map { raw_of($p, $_) => $_->[2] } grep { !is_good($p, $_) } @faulty;
	return (\%required, { %{ $p->{written} }, map { raw_of($p, $_) => $_->[2] } @faulty });
}

1;

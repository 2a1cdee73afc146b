# The documentation, run as it stands: each ```sql block of README.md and doc/*.md, in its order, in a
# database of its own for each of them.
#
#	<!-- file: /data/x.csv -->	above a block of another language: the block is that file
#	<!-- error: 22023 -->		above a block of SQL: it fails with this SQLSTATE
#	<!-- output -->				above a block: it is what the SQL before it prints
#	<!-- role: loader -->		above a block of SQL: it is run by this role, which the SQL before it has created
#	<!-- log -->				above a block: lines of the server's log, whose counters are those of a run before it
#	<!-- not run: reason -->	above a block of another language
#
# Of other blocks "conf" is held against the server, what "sh" says of make against the Makefile, and the rest of "sh" is run
# by bash.  Any other block has one of these marks.
#
# Files below /data and /etc, and servers, are those of the test; so are the bucket "lake" and the topics of server "events", whose
# documents are passed over where no object store or no broker can be started.  A URL that has no answer here is a failure: nothing
# may reach for a network.  What a table says of arguments, defaults, settings and presets is held against the server.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use File::Basename qw(basename);
use HttpFixture;
use IPC::Run;
use KafkaBroker;
use ObjectStore;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my @docs = grep { -e } ("$top/README.md", sort glob("$top/doc/*.md"));

start_fixture('--root', fixture_dir());
$ENV{PGTZ} = 'UTC';
my $node = net_node('docs', preload => 1, conf => <<'CONF');
max_worker_processes = 16
timezone = 'UTC'
etl.databases = 'docs_readme'
etl.breaker_failures = 1000
CONF

my $has_store = has_store();
if ($has_store)
{
	start_store();
	store_do('put', key => 'orders.csv.gz', body => "customer,amount\nc1,2\n");
	store_do('put', key => 'logs/2026-12/part-1.json.gz', body => '{"at": "2026-12-01T00:00:00Z", "message": "hello"}');
}

my $no_broker = why_no_broker();
if (!$no_broker)
{
	my $envelope = '{"payload": {"op": "c", "before": null, "after": {"id": 1, "name": "Ann"}}}';
	start_broker();
	kafka('create', topic => $_) for 'orders', 'customers', 'shop.public.customers';
	kafka('produce', topic => 'orders', messages => messages('{"id": 1, "total": 9.50}', '{"id": 2, "total": 7}'));
	kafka('produce', topic => 'customers', messages => messages({ key => '1', value => '{"name": "Ann"}' }, { key => '2' }));
	kafka('produce', topic => 'shop.public.customers', messages => messages($envelope));
}

my $root;    # of the files that the document at work names

# -- where what the documentation names is found ------------------------------------------------------------------

my $knobs = 'n=25/size=10';
my %api = (
	'/v1/orders' => "/api/next_url/$knobs",
	'/v1/events' => "/api/bare/$knobs",
	'/v1/changes' => "/api/hubspot/$knobs",
	'/v1/report' => "/api/csv/$knobs",
	'/v1/readings' => '/api/sliced/n=90/size=10',
	'/v1/seconds' => '/api/sliced/n=90/size=10/unit=1',
	'/api/v2/tickets' => '/api/capped/n=65/cap=20',
	'/v1/feed' => '/api/feed/n=60/size=10',
	'/v1/lines' => "/api/offsets/$knobs",
	'/repos/postgres/postgres/issues' => "/api/github/$knobs",
	'/v1/charges' => "/api/stripe/$knobs",
	'/api/users.list' => "/api/slack/$knobs",
	'/graphql' => "/api/graphql/$knobs",
	'/crm/v3/objects/contacts/search' => '/api/hubspot_search/n=65/cap=10000',
	'/log/_search' => "/api/elasticsearch/$knobs",
	'/orders.csv.zst' => '/files/web/orders.csv?encoding=zstd',
	'/export.csv' => '/files/web/export.csv',
	'/v1/company' => '/files/web/company.json',
	'/v1/companies' => '/files/web/companies.json',
);
my $paths = join('|', map { quotemeta } sort { length $b <=> length $a } keys %api);

sub here
{
	my ($text) = @_;
	my $http = fixture_url('');

	$text =~ s{($paths)(?=['?])}{$api{$1}}g;
	$text =~ s{https://[a-z0-9.]+\.(?:example|com|net)\b}{$http}g;
	$text =~ s{'/(data|etc)/}{'$root/$1/}g;
	$text =~ s{(OPTIONS \(url '\Q$http\E[^']*')}{$1, allow_private 'true'}g;
	if ($has_store)
	{
		$text =~ s{url 's3://lake', auth 'aws'}{sprintf "url 's3://lake', auth 'aws', endpoint '%s', allow_private 'true'", store_url()}ge;
		$text =~ s{access_key_id '.*', secret_access_key '[^']*'}{store_keys()}ge;
	}
	if (!$no_broker)
	{
		$text =~ s{brokers '[^']*',\s+security '[^']*', mechanism '[^']*'}{sprintf "brokers '%s', allow_private 'true'", broker()}ge;
	}
	return $text;
}

sub write_file
{
	my ($path, $text) = @_;

	system_or_bail('mkdir', '-p', $root . ($path =~ s{/[^/]*$}{}r));
	append_to_file("$root$path", $text);
}

# -- running ------------------------------------------------------------------------------------------------------

# The blocks of a document: language, text, line, and the marks above it.
sub blocks_of
{
	my ($path) = @_;
	my (@blocks, %marks, $block);
	my $number = 0;

	for my $line (split /^/, slurp_file($path))
	{
		$number++;
		if (defined $block)
		{
			if ($line =~ /^```/) { push @blocks, $block; undef $block; }
			else { $block->{text} .= $line; }
		}
		elsif ($line =~ /^```(\w*)/) { $block = { %marks, language => $1, line => $number, text => '' }; %marks = (); }
		elsif ($line =~ /^<!-- (file|error|output|role|log|not run)(?:: (.+?))? -->/) { $marks{$1} = $2 // 1; }
		elsif ($line =~ /\S/) { %marks = (); }
	}
	return @blocks;
}

sub run_sql
{
	my ($database, $text, $verbosity, $role) = @_;
	my $connection = $node->connstr($database) . (defined $role ? " user=$role" : '');
	my ($in, $out, $err) = ($text, '', '');

	IPC::Run::run(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-v', "VERBOSITY=$verbosity", '-d', $connection ],
		'<', \$in, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

# Without the padding and the footer, which are psql's, and blank lines; and without what only says that etl.databases does
# not list the database, so that no run comes between the blocks.
sub plain
{
	my ($text) = @_;

	$text =~ s/^WARNING:.*does not run by itself\n(?:(?:DETAIL|HINT):.*\n)*//mg;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/\Q$root\E//g;
	$text =~ s/-{2,}/-/g;
	$text =~ s/^\(\d+ rows?\)$//mg;
	$text =~ s/^ | $//mg;
	$text =~ s/\n+/\n/g;
	return $text;
}

# What the documents take for granted, and do not show.
sub write_common_files
{
	my $orders = join('', "customer,amount,ordered\n", map { "c" . ($_ % 3) . ",$_.50,2024-0$_-15\n" } 1 .. 9);

	write_file("/data/$_", $orders) for ('orders-2024-1.csv', 'orders-2024-2.csv', 'orders.csv');
	system_or_bail('gzip', "$root/data/orders.csv");
	write_file('/etc/etl/shop.token', "secret\n");
	my %web = (
		'orders.csv' => $orders,
		'export.csv' => "id,email\n1,ann\@shop.example\n",
		'company.json' => '{"domain": "ann.example", "employees": 12}',
		'companies.json' => '{"items": [{"domain": "ann.example", "employees": 12}, {"domain": "bob.example", "employees": 3}]}');
	write_file("/../web/$_", $web{$_}) for grep { !-e "$root/../web/$_" } keys %web;
}

# Each line sets something that there is, to a value that it takes.
sub check_conf
{
	my ($block, $where) = @_;

	for my $line (grep { !/^\s*(#|$)/ } split /\n/, $block->{text})
	{
		my ($name, $value) = $line =~ /^([\w.]+) = ('[^']*'|[\w.]+)(?:\s+#.*)?$/;
		my ($code, undef, $err) = defined $name
		  ? run_sql('postgres', "LOAD 'etl'; ALTER SYSTEM SET $name = $value; ALTER SYSTEM RESET $name", 'default')
		  : (1, undef, 'It is no line of postgresql.conf.');
		is($code, 0, "$where: $line") or diag($err);
	}
}

# What of make can be called: its targets, and for T kinds of tests and their names.
my %targets = map { $_ => 1 } qw(install), slurp_file("$top/Makefile") =~ /^SCRIPTS_OF_HARNESS = (.*)$/m ? split(/ /, $1) : ();
my %tests = map { $_ => 1 } qw(regress isolation tap unit modules style psql),
  map { s{.*/}{}r =~ s{\.(sql|pl|spec|c)$}{}r } glob("$top/test/{sql/*.sql,t/*.pl,isolation/specs/*.spec,unit/*.c,modules/*}");

# The other lines are run, in the database of the document, with the files of the test.
sub check_shell
{
	my ($block, $where, $database) = @_;
	my @lines = grep { !/^\s*(#|$)/ } split /\n/, $block->{text};

	for my $line (grep { /^(?:sudo )?make\b/ } @lines)
	{
		my ($target, $names) = $line =~ /\bmake(?: +([a-z]\S*))?(?: +T="?([^"#]*)"?)?/;
		ok(!defined $target || $targets{$target}, "$where: $line");
		ok($tests{$_}, "$where: test $_") for split / +/, $names // '';
	}
	my $script = here(join '', map { "$_\n" } grep { !/^(?:sudo )?make\b/ } @lines);
	return if $script eq '' || $block->{'not run'};
	$script =~ s{-d shop\b}{-d $database}g;
	$script =~ s{(?<=[ >])/var/}{$root/var/}g;
	system_or_bail('mkdir', '-p', $_) for $script =~ m{(\Q$root\E/var/\S*)/}g;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	is(system('bash', '-ec', $script), 0, "$where: runs");
}

# The counters of the lines that a run writes, without their values.
sub counters_of
{
	my ($text) = @_;
	return map { s/\d+/0/gr =~ s/,? \.\.\.$//r } $text =~ /^.*run \d+ of pipeline .* after [\d.]+ s: .*?(\d+ batches.*)$/mg;
}

sub check_log
{
	my ($block, $where) = @_;
	my @logged = counters_of(slurp_file($node->logfile));

	for my $line (counters_of($block->{text}))
	{
		ok((grep { index($_, $line) == 0 } @logged), "$where: the log has such a line") or diag($line);
	}
}

sub run_document
{
	my ($path) = @_;
	my $name = basename($path);
	my $database = 'docs_' . lc($name =~ s/\W.*//r);
	my ($code, $out, $err);

	$root = fixture_dir() . "/$database";
	mkdir $root or die $!;
	write_common_files();
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	# files of snapshots were just written; in logs.md that is what is told
	$node->safe_psql('postgres', "ALTER DATABASE $database SET etl.settle_time = 0") if $name eq 'pipelines.md';
	$node->safe_psql($database, "CREATE EXTENSION etl") unless $name =~ m,README|pipelines|kafka,;
	for my $block (blocks_of($path))
	{
		my $where = "$name, line $block->{line}";

		if ($block->{file}) { write_file($block->{file}, $block->{text}); }
		elsif ($block->{output}) { is(plain($block->{text}), plain($err . $out), "$where: the output"); }
		elsif ($block->{language} eq 'sql')
		{
			my $sql = here($block->{text});
			my @strange = grep { $_ ne fixture_url('') && !($has_store && $_ eq store_url()) } $sql =~ m{'(https?://[^/']*)}g;

			is("@strange", '', "$where: no URL leads elsewhere");
			next if @strange;
			($code, $out, $err) = run_sql($database, $sql, $block->{error} ? 'verbose' : 'default', $block->{role});
			if ($block->{error}) { like($err, qr/ERROR:  $block->{error}: /, "$where: the error"); }
			else { is($code, 0, "$where: runs") or diag($err); }
		}
		elsif ($block->{language} eq 'conf') { check_conf($block, $where); }
		elsif ($block->{language} eq 'sh') { check_shell($block, $where, $database); }
		elsif ($block->{log}) { check_log($block, $where); }
		else { ok($block->{'not run'}, "$where: a block that is not run says why"); }
	}
}

# Of doc/files.md, as its first block shows them; their paths are relative.
mkdir $node->data_dir . '/shop' or die $!;
my %shop = (
	'orders-2024-01.csv' => qq{Order ID,orderDate,amount,zip,note\n1,2024-01-01,10.50,00501,\n2,2024-01-01,7,00501,"two, thirds"\n},
	'orders-2024-02.csv' => qq{Order ID,orderDate,amount,zip,coupon\n3,2024-02-01,12.25,N/A,X7\n},
	'visits.ndjson' => qq({"visitId": 1, "at": "2024-01-01T09:30:00Z", "cart": {"ids": [1, 2]}}\n{"visitId": 2, "at": "2024-01-01T10:00:00Z", "zip": "00501"}\n),
	'stock.csv' => qq{id,qty\n1,5\n2,6\n3,n/a\n},
	'bad.csv' => qq{a,b\n1,2\n3\n});
append_to_file($node->data_dir . "/shop/$_", $shop{$_}) for keys %shop;
system_or_bail('gzip', '-k', $node->data_dir . '/shop/orders-2024-01.csv');
my ($shown) = slurp_file("$top/doc/files.md") =~ /^```text\n(shop.*?)^```$/ms;
for my $file (($shown // '') =~ m{shop/(\S+)}g)
{
	ok(index($shown, $_) >= 0, "files.md shows $file: $_") for split /\n/, $shop{$file};
}

for my $path (@docs)
{
  SKIP:
	{
		skip 'moto is not installed', 1 if $path =~ /stores/ && !$has_store;
		skip $no_broker, 1 if $path =~ /kafka/ && $no_broker;
		run_document($path);
	}
}

# -- what sentences say --------------------------------------------------------------------------------------------

my $all = join '', map { slurp_file($_) } @docs;
my $plan = $node->safe_psql('docs_readme', q(CREATE TABLE plans (a text);
	EXPLAIN INSERT INTO plans SELECT a FROM etl_csv('x.csv') AS t(a text)));
my %nodes = map { $_ => 1 } $plan =~ /Custom Scan \((\w+)\)/g;
is(join(' ', sort keys %nodes), 'EtlBulkInsert EtlScan', 'EXPLAIN has these nodes');
ok($nodes{$_}, "EXPLAIN has what the documents call Custom Scan ($_)") for $all =~ /Custom Scan \(([^)]*)\)/g;
cmp_ok(scalar(() = $all =~ /Custom Scan \(/g), '>', 2, 'and they speak of it');

# A worker at work, held by a lock.
my $gate = $node->background_psql('docs_readme');
$gate->query('SELECT pg_advisory_lock(1)');
append_to_file($node->data_dir . '/gate.csv', "a\n1\n");
$node->safe_psql('docs_readme', q(SELECT etl_create_pipeline('gate', source => $$etl_csv('gate.csv') AS t(a text)$$, target => 'plans',
	query => 'SELECT a FROM batch, pg_advisory_lock_shared(1)')));
$node->safe_psql('docs_readme', q(SELECT etl_start('gate')));
my ($prefix) = $all =~ /`(\w+)` with the name of the pipeline as `application_name`/;
ok($node->poll_query_until('docs_readme', q(SELECT application_name FROM pg_stat_activity WHERE backend_type = 'etl pipeline' AND wait_event = 'advisory'),
		($prefix // '') . ' gate'), 'monitoring.md: the application name of a worker');
$gate->query('SELECT pg_advisory_unlock(1)');
$gate->quit;

# -- what tables say ----------------------------------------------------------------------------------------------

# The rows of all tables of a document, by each name in backquotes in the first column: the row.
sub rows_of
{
	my ($path) = @_;
	my %rows;

	return () if !-e $path;
	for my $line (split /\n/, slurp_file($path))
	{
		my @cells = split /\s*\|\s*/, $line;
		next if @cells < 3 || $cells[0] ne '' || $cells[1] !~ /`/;
		$rows{$1} = [ @cells[ 1 .. $#cells ] ] while $cells[1] =~ /`([^`]*)`/g;
	}
	return %rows;
}

# The arguments of a function, each with its default as it is written, '' if that is NULL or there is none.
sub arguments_of
{
	my ($function) = @_;
	return map { [ split /\|/, $_, 2 ] } split /\n/, $node->safe_psql('postgres', qq{
		SELECT DISTINCT proargnames[i], regexp_replace(regexp_replace(coalesce(pg_get_function_arg_default(oid, i), ''),
			'::[a-z ]+([[]])?\$', ''), '^NULL\$', '')
		FROM pg_proc, generate_series(1, pronargs) AS i
		WHERE proname = '$function' AND proargnames[i] <> 'row_type' ORDER BY 1});
}

for my $case (
	[ 'README.md', 'etl_csv' ], [ 'doc/pipelines.md', 'etl_create_pipeline' ],
	[ 'doc/api.md', 'etl_json' ], [ 'doc/api.md', 'etl_api' ])
{
	my ($doc, $function) = @$case;
	my %rows = rows_of("$top/$doc");

	for my $argument (arguments_of($function))
	{
		my ($name, $default) = @$argument;
		my $row = $rows{$name};

		ok(defined $row || "$function $name" eq 'etl_csv path', "$doc: argument $name of $function") or next;
		next if $default eq '';
		$default =~ s/^'(.+)'$/$1/;
		like($row->[1], qr/(^|[`', ])\Q$default\E([`', ]|$)/, "$doc: the default of $name");
	}
}

# The options of etl_api, which an error lists.
my (undef, undef, $no_option) = $node->psql('postgres', q(SELECT etl_set_dialect('x', '{"no such option": 1}')));
my %api_rows = rows_of("$top/doc/api.md");
my @options = ($no_option =~ /The options are (.*)\.$/m)[0] =~ /(\w+)/g;
cmp_ok(scalar @options, '>', 30, 'etl_api has options');
ok(defined $api_rows{$_}, "doc/api.md: option $_") for @options;

# "256 MB" and "262144kB" are the same: in bytes, or milliseconds.
sub amount
{
	my ($text) = @_;
	my %units = (B => 1, kB => 1024, MB => 1024**2, GB => 1024**3, ms => 1, s => 1000, min => 60_000, d => 86_400_000);

	return $text =~ /^([0-9]+) ?([a-zA-Z]+)$/ && $units{$2} ? $1 * $units{$2} : $text;
}

my %settings = rows_of("$top/README.md");
for (split /\n/, $node->safe_psql('postgres',
	"LOAD 'etl'; SELECT name, boot_val || coalesce(unit, '') FROM pg_settings WHERE name LIKE 'etl.%' ORDER BY name"))
{
	my ($name, $value) = split /\|/, $_, 2;
	my $row = $settings{$name};

	ok(defined $row, "README.md has $name") or next;
	my @names = $row->[0] =~ /`([^`]*)`/g;
	my ($place) = grep { $names[$_] eq $name } 0 .. $#names;
	my $stated = (split /, */, $row->[1])[$place] // '';
	is(amount($stated), amount($value), "README.md: the default of $name");
}

my %definition = rows_of("$top/doc/pipelines.md");
for my $name (qw(query batch_size flush_interval on_conflict on_error on_shutdown enabled))
{
	my ($stated) = $definition{$name}->[1] =~ /^`([^`]*)`$/;
	is( $node->safe_psql('docs_pipelines',
			"SELECT $name = " . sql_quote($stated) . " FROM etl_pipelines WHERE name = 'shop orders'"),
		't', "pipelines.md: the default of $name");
}

my %rows = rows_of("$top/doc/api.md");
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT name, coalesce(options->>'pagination', ''), coalesce(options->>'items', ''), remarks FROM etl_dialects}))
{
	my ($name, @cells) = split /\|/, $_, 4;
	is_deeply([ map { tr/`//dr } @{ $rows{$name} // [] }[ 1 .. 3 ] ], \@cells, "api.md: dialect $name");
}

$node->stop;
done_testing();

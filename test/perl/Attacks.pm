# Attacks that must keep failing, as tables of [ name, statement, what is seen ] for a role.
#
# What is seen is an SQLSTATE ('42501'), the text of an error (qr/.../), both (fails('42501', qr/.../)), or a result
# (gives('1|2'), gives(qr/.../)); where there is a result, there is no message, not even a notice.
#
# The statements of a table run in one session, which the role has opened itself, one after another; each begins with
# the settings that the session began with.  One that never ends is cancelled by statement_timeout after
# PostgreSQL's own patience in tests: times are not measured.
package Attacks;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(attacks survives fails gives make_roles);

sub fails { return { sqlstate => $_[0], error => $_[1] // qr/./ }; }
sub gives { return { result => $_[0] }; }

# The roles: stranger has no rights; reader may call everything, but read no file; owner may read files, too; creator
# may create in the schema public; monitor sees what pg_monitor sees; member could become owner, but has not.
sub make_roles
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'SQL');
CREATE ROLE stranger LOGIN;
CREATE ROLE reader LOGIN;
CREATE ROLE owner LOGIN;
CREATE ROLE creator LOGIN;
CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE member LOGIN NOINHERIT IN ROLE owner;
GRANT pg_read_server_files TO owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO reader, owner, creator;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO reader, owner, creator;
GRANT CREATE ON SCHEMA public TO creator;
CREATE SCHEMA owner AUTHORIZATION owner;
CREATE SCHEMA reader AUTHORIZATION reader;
SQL
	return;
}

# The output and the messages of a session of the role.  param: database
sub session
{
	my ($node, $role, $script, %param) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGOPTIONS} = "-c statement_timeout=${PostgreSQL::Test::Utils::timeout_default}s";
	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr($param{database} // 'postgres') . " user=$role" ],
		'<', \"\\set VERBOSITY verbose\n\\set SHOW_CONTEXT always\n$script", '>', \$out, '2>', \$err);
	return ($out, $err);
}

# A test for each line of the table.
sub attacks
{
	my ($node, $role, $table, %param) = @_;
	my $script = join '', map { "\\echo <$_>\n\\warn <$_>\n$table->[$_][1];\n\\echo </$_>\n\\warn </$_>\nRESET ALL;\n" } 0 .. $#$table;
	my @output = session($node, $role, $script, %param);

	for my $at (0 .. $#$table)
	{
		my ($name, $statement, $expected) = @{ $table->[$at] };
		my @seen = map { /^<$at>\n(.*?)^<\/$at>$/ms ? $1 : undef } @output;
		check_attack("$role: $name", $expected, @seen) or diag($statement =~ s/^(.{500}).*/$1.../sr);
	}
	return;
}

# Whatever these statements give, none of them takes the server down, meets an internal error or never ends.
sub survives
{
	my ($node, $role, $name, @statements) = @_;
	my ($out, $err) = session($node, $role, join('', map { "$_;\n" } @statements) . "\\echo the end\n");
	ok($out =~ /^the end$/m && !is_internal($err) && $err !~ /ERROR:  57014:/, $name) or diag(is_internal($err) // substr($err, -2000));
	return;
}

sub check_attack
{
	my ($name, $expected, $result, $messages) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 2;

	return fail("$name: the session was lost") if !defined $result || !defined $messages;
	$expected = ref $expected eq 'Regexp' ? fails(undef, $expected) : fails($expected) if ref $expected ne 'HASH';
	return ok($messages eq '' && matches($result, $expected->{result}), $name) || diag("$result$messages")
	  if exists $expected->{result};
	my ($sqlstate) = $messages =~ /ERROR:  ([0-9A-Z]{5}):/;
	return 1
	  if ok(defined $sqlstate && $sqlstate eq ($expected->{sqlstate} // $sqlstate) && !is_internal($messages) && $messages =~ $expected->{error}, $name);
	diag("$result$messages");
	return 0;
}

# An error of ours that is no fault of the user's; for some faults of the file system PostgreSQL has no better SQLSTATE.
sub is_internal { return $_[0] =~ /^.*ERROR:  XX00\d: (?!could not open file).*$/m ? $& : undef; }

sub matches
{
	my ($result, $expected) = @_;
	$result =~ s/\n\z//;
	return ref $expected ? $result =~ $expected : $result eq $expected;
}

1;

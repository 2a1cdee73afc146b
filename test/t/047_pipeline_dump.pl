# Whose pipelines are after a dump is restored on another server: those of the roles of the same names, and never of
# the roles that happen to have the same OIDs there.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/rows.csv", join('', "id\n", map { "$_\n" } 1 .. 10));

sub query
{
	my ($node, $query) = @_;
	return $node->safe_psql('postgres', $query);
}

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init;
$old->start;
query($old, 'CREATE EXTENSION etl; CREATE SCHEMA evil; CREATE TABLE evil.ran (who name)');
query($old, 'CREATE FUNCTION evil.code() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN RAISE WARNING \'evil code runs as %\', current_user; RETURN true; END $$');
for my $role ('gone', 'stays', 'old name', 'absent')
{
	query($old, qq{CREATE ROLE "$role" LOGIN; GRANT pg_read_server_files TO "$role"; GRANT USAGE ON SCHEMA evil TO "$role";
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO "$role"; GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO "$role";
		CREATE TABLE "of $role" (id int PRIMARY KEY); GRANT ALL ON "of $role" TO "$role";
		CREATE TABLE "more of $role" (id int PRIMARY KEY); GRANT ALL ON "more of $role" TO "$role";
		SET client_min_messages = error;
		SET ROLE "$role";
		SELECT etl_create_pipeline('of $role', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$, query => 'SELECT id FROM batch WHERE evil.code()',
			target => '"of $role"', key => '{id}', watermark => 'id', schedule => '1 day');
		SELECT etl_add_target('of $role', '"more of $role"', key => 'id');
		CALL etl_run('of $role')});
}
my $gone = query($old, q{SELECT oid FROM pg_roles WHERE rolname = 'gone'});
query($old, 'DROP OWNED BY gone; DROP ROLE gone; ALTER ROLE "old name" RENAME TO "new name"');
my $owners = q{SELECT name || ': ' || coalesce(owner::text, 'nobody') FROM etl_pipelines ORDER BY name};
my $restored = qq{of absent: nobody\nof gone: nobody\nof old name: "new name"\nof stays: stays};
is(query($old, $owners), qq{of absent: absent\nof gone: nobody\nof old name: "new name"\nof stays: stays}, 'owners, before');
$old->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $old->connstr('postgres') ], 'pg_dump');
unlike(slurp_file("$dir/dump.sql"), qr/\t$gone\t/, 'the OID of a dropped role is not dumped');

# There the OID is that of another role.
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
command_ok([ 'pg_resetwal', '-o', $gone, $new->data_dir ], 'the next role gets that OID');
$new->start;
query($new, 'CREATE ROLE dba LOGIN; CREATE ROLE stays LOGIN; CREATE ROLE "old name" LOGIN; CREATE ROLE "new name" LOGIN;
	GRANT pg_read_server_files TO dba, stays, "old name", "new name"');
is(query($new, q{SELECT oid FROM pg_roles WHERE rolname = 'dba'}), $gone, 'as it does');
my ($ret, $out, $err) = $new->psql('postgres', "\\i $dir/dump.sql");
like($err, qr/WARNING:  role "absent" does not exist\nDETAIL:  What belonged to it belongs to nobody/, 'a role that is not there is told');
query($new, 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO dba, stays, "old name", "new name";
	GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO dba, stays, "old name", "new name"');

sub check_owners
{
	my ($when) = @_;
	my $as_dba = 'SET SESSION AUTHORIZATION dba; ';

	is(query($new, $owners), $restored, "$when: owners");
	is(query($new, $as_dba . 'SELECT count(*) FROM etl_pipelines'), '0', "$when: dba sees none");
	is(query($new, $as_dba . 'SELECT count(*) FROM etl_status'), '0', "$when: nor its state");
	for my $call ("SELECT etl_alter_pipeline('of gone', batch_size => 1)", "SELECT etl_resume('of gone')", "SELECT etl_start('of gone')",
		"SELECT etl_drop_pipeline('of gone')")
	{
		($ret, $out, $err) = $new->psql('postgres', $as_dba . $call);
		like($err, qr/pipeline "of gone" does not exist/, "$when: dba cannot $call");
	}
}
check_owners('restored');
($ret, $out, $err) = $new->psql('postgres', 'SELECT etl_adopt()');
is($out, '4', 'all are adopted');
like($err, qr/NOTICE:  2 pipelines belong to nobody/, 'and it is told that some are nobody\'s');
check_owners('adopted');

# Nobody's do not run, whatever the role of that OID may do.
query($new, 'ALTER ROLE dba SUPERUSER');
for my $name ('of gone', 'of absent')
{
	($ret, $out, $err) = $new->psql('postgres', "CALL etl_run('$name')");
	like($err, qr/the owner of pipeline "$name" does not exist any more/, "$name does not run");
	unlike($err, qr/evil/, 'nor is it planned');
	($ret, $out, $err) = $new->psql('postgres', "SELECT etl_alter_pipeline('$name', owner => 'dba')", extra_params => [ '-U', 'dba' ]);
	is($ret, 0, 'it can be taken over');
	unlike($err, qr/evil/, 'without being planned');
}
unlike(slurp_file($new->logfile), qr/evil code runs as dba/, 'nothing ran as dba');
is(query($new, q{SELECT count(*) FROM etl_catalog.checkpoints c JOIN etl_catalog.pipelines p ON p.id = c.pipeline
	JOIN etl_catalog.schedules s ON s.pipeline = p.id JOIN etl_catalog.watermarks w ON w.pipeline = p.id WHERE value = '10'}), '4',
	'schedules, checkpoints and watermarks are kept');

# Those of roles that are there go on at their checkpoints.
query($new, 'GRANT USAGE ON SCHEMA evil TO stays, "new name"');
for my $name ('of stays', 'of old name')
{
	query($new, qq{GRANT ALL ON "$name", "more $name" TO stays, "new name"; DELETE FROM "more $name"});
	like(query($new, "CALL etl_run('$name')"), qr/succeeded\|0\|/, "$name goes on");
	query($new, "SELECT etl_reset('$name')");
	query($new, "CALL etl_run('$name')");
	is(query($new, qq{SELECT count(*) FROM "more $name"}), 10, 'with its further target');
}
$old->stop;
$new->stop;

done_testing();

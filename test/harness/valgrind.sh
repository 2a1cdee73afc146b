#!/bin/bash
# make valgrind: the regression tests on a server under valgrind.  Slow, and so no part of CI.
#
# PostgreSQL as packaged does not tell valgrind of its memory contexts, so this finds reads of memory that
# was never written and accesses beyond whole blocks; the sanitizers of "make check" see the rest.  What
# valgrind says of PostgreSQL and its libraries themselves is in valgrind.supp.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"
. "$(dirname "$0")/tests.sh"

need_packages valgrind
make_scratch

copy_project "$scratch/etl"
build "$scratch/etl" COPT="$asserting" all
copy_postgresql "$scratch/install"
build "$scratch/etl" COPT="$asserting" DESTDIR="$scratch/install" install

as_worker tee "$scratch/postgres" >/dev/null <<EOF
#!/bin/sh
exec valgrind --quiet --leak-check=no --num-callers=30 --gen-suppressions=all \\
	--suppressions='$scratch/etl/test/harness/valgrind.supp' \\
	'$("$private_pg_config" --bindir)/postgres' "\$@"
EOF
as_worker chmod 755 "$scratch/postgres"

export postmaster=$scratch/postgres
start_server "$scratch/pg" "$private_pg_config"
run_regress "$scratch/etl"
stop_server
count_findings "$scratch/pg/log" '^==[0-9]+== [A-Z]'
say_result

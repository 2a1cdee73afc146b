#!/bin/bash
# make torture: pipelines under random faults (test/t/049_torture.pl) for TORTURE minutes, an hour by default.  SEED makes the
# same choices again, as a failure names it.
#
# After a failure the folder that is named at the end has the servers' data and logs (etl/tmp_check) and the sources
# (etl/tmp_check/torture).

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"
. "$(dirname "$0")/tests.sh"

export TORTURE=${TORTURE:-60}

need_packages check
make_scratch

say "Build for $("$PG_CONFIG" --version), $PG_CONFIG"
copy_project "$scratch/etl"
build "$scratch/etl" COPT="$asserting" all
copy_postgresql "$scratch/install"
build "$scratch/etl" COPT="$asserting" DESTDIR="$scratch/install" install
say "What happens is told in $scratch/etl/tmp_check/log/regress_log_049_torture"
run_tap "$scratch/etl" PROVE_TESTS=test/t/049_torture.pl
say_result

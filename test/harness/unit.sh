#!/bin/bash
# make unit: the test programs of the files that need no server.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/tests.sh"

need_packages build
make_scratch
copy_project "$scratch/etl"
run_units "$scratch/etl" -Werror
say_result

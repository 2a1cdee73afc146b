#!/bin/bash
# make check: builds etl, installs it into a private copy of PostgreSQL and runs every test there; then
# the same with AddressSanitizer and UndefinedBehaviorSanitizer.  The machine's PostgreSQL is only read.
#
# The last line adds up what ran; check-style counts as one test.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"
. "$(dirname "$0")/tests.sh"

need_packages check
make_scratch
use_promtool

say "Style"
copy_project "$scratch/etl"
run_style "$scratch/etl"

say "Build for $("$PG_CONFIG" --version), $PG_CONFIG"
build "$scratch/etl" COPT="$asserting" all
copy_postgresql "$scratch/install"
build "$scratch/etl" COPT="$asserting" DESTDIR="$scratch/install" install

run_units "$scratch/etl" -Werror
start_server "$scratch/pg" "$private_pg_config"
run_regress "$scratch/etl"
run_isolation "$scratch/etl"
run_modules "$scratch/etl" COPT="$asserting"
run_tap "$scratch/etl"
stop_server

say "Build with AddressSanitizer and UndefinedBehaviorSanitizer"
sanitizers=(-O1 -DUSE_ASSERT_CHECKING '-fsanitize=address,undefined' -fno-sanitize-recover=all)
copy_project "$scratch/sanitized"
build "$scratch/sanitized" CC=gcc COPT="${sanitizers[*]}" all
build "$scratch/sanitized" CC=gcc COPT="${sanitizers[*]}" DESTDIR="$scratch/install" install

export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
run_units "$scratch/sanitized" "${sanitizers[*]}"
start_server "$scratch/pg_sanitized" "$private_pg_config" LD_PRELOAD="$(preload_asan)"
run_regress "$scratch/sanitized"
run_isolation "$scratch/sanitized"
run_modules "$scratch/sanitized" CC=gcc COPT="${sanitizers[*]}"
stop_server
count_findings "$scratch/pg_sanitized/log" 'ERROR: AddressSanitizer|runtime error:'

say_result

#!/bin/bash
# make fuzz: each test/fuzz/NAME.c under libFuzzer for FUZZ_SECONDS, from test/fuzz/corpus/NAME.
#
# An input that breaks something is kept in the folder that is named at the end.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/tests.sh"

seconds=${FUZZ_SECONDS:-60}

run_fuzzer() { # SOURCE
	local name program findings
	name=$(basename "$1" .c)
	program=$scratch/$name
	findings=$scratch/findings/$name
	as_worker mkdir -p "$findings" "$scratch/found/$name" "$scratch/etl/test/fuzz/corpus/$name"
	compile_frontend clang "$scratch/etl" "$program" "$1" -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all
	say "$name for $seconds seconds"
	if as_worker "$program" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="$findings/" "$scratch/found/$name" \
		"$scratch/etl/test/fuzz/corpus/$name" 2>"$program.log"; then
		grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)' "$program.log"
		count 1 0
	else
		tail -n 60 "$program.log"
		count 0 1
		say "The input is in $findings"
	fi
}

need_packages fuzz
make_scratch
copy_project "$scratch/etl"
for source in "$scratch"/etl/test/fuzz/*.c; do
	[ -e "$source" ] || break
	run_fuzzer "$source"
done
say_result

#!/bin/bash
# make fuzz: each test/fuzz/NAME.c under libFuzzer for FUZZ_SECONDS, from test/fuzz/corpus/NAME; as many at
# once as there are processors.
#
# An input that breaks something is kept in the folder that is named at the end.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/tests.sh"

seconds=${FUZZ_SECONDS:-60}

# Runs the fuzzer of its name in a folder of its own, and leaves its exit status there.
# shellcheck disable=SC2016
fuzz_one='
	cd "$1/$3" && "$1/programs/fuzz/$3" -max_total_time="$2" -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=findings/ found "$1/etl/test/fuzz/corpus/$3" >log 2>&1
	echo $? >"$1/$3/status"'

report() { # NAME
	say "$1"
	if [ "$(cat "$scratch/$1/status")" = 0 ]; then
		grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)' "$scratch/$1/log"
		count 1 0
	else
		tail -n 60 "$scratch/$1/log"
		say "The input is in $scratch/$1/findings"
		count 0 1
	fi
}

need_packages fuzz
make_scratch
copy_project "$scratch/etl"

mapfile -t names < <(names_in "$scratch/etl/test/fuzz" .c)
say "Build"
build_programs "$scratch/etl" "$scratch/programs" "${names[@]/#/fuzz/}" CC=clang LDOPT=-fsanitize=fuzzer \
	COPT='-Werror -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
for name in "${names[@]}"; do
	as_worker mkdir -p "$scratch/$name/findings" "$scratch/$name/found" "$scratch/etl/test/fuzz/corpus/$name"
done

say "Fuzzing ${#names[@]} programs for $seconds seconds each"
printf '%s\n' "${names[@]}" |
	as_worker xargs -P "$(nproc)" -I '{}' sh -c "$fuzz_one" sh "$scratch" "$seconds" '{}'
for name in "${names[@]}"; do
	report "$name"
done
say_result

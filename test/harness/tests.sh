# shellcheck shell=bash
# Sourced: each kind of test, and the count of what passed and failed.
# shellcheck disable=SC2154  # worker, scratch, private_pg_config: set by the scripts sourced before
#
# A kind of which there are no tests yet is passed over.  A failure is counted and shown, and the run
# goes on: one run tells all that is wrong.

passed=0
failed=0

# How every build of the harness is compiled: warnings stop it, and asserts are on.
# shellcheck disable=SC2034  # used by the scripts that source this
asserting='-Werror -DUSE_ASSERT_CHECKING'

count() { # PASSED FAILED
	passed=$((passed + $1))
	failed=$((failed + $2))
}

# The last line, and the script's own result.
say_result() {
	say "Result"
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
}

run_style() { # FOLDER
	if as_worker python3 "$1/test/harness/check-style.py" "$1"; then
		count 1 0
	else
		count 0 1
	fi
}

# Each test/unit/*_test.c is a program that needs no server; it exits with 0 if all is well, and counts as
# one test, however many checks it makes.  All of them, or those that are named.
run_units() { # FOLDER OPTIONS [NAME…]
	local names=("${@:3}") name
	[ ${#names[@]} -gt 0 ] || mapfile -t names < <(names_in "$1/test/unit" _test.c)
	say "Unit tests"
	build_programs "$1" "$1/programs" "${names[@]/#/unit/}" CC=gcc COPT="$2" || true
	for name in "${names[@]}"; do
		if (cd "$1" && as_worker "programs/unit/$name"); then
			count 1 0
		else
			count 0 1
		fi
	done
}

# The files of a folder that end so, without the ending ".c".
names_in() { # FOLDER SUFFIX
	local path
	for path in "$1"/*"$2"; do
		[ ! -e "$path" ] || basename "$path" .c
	done
}

# Builds programs of test/unit and test/fuzz into a folder (see programs.mk), with what they share compiled once.
build_programs() { # FOLDER OUT PROGRAM…, variables of make
	local programs=() variables=() word
	for word in "${@:3}"; do
		case $word in
			*=*) variables+=("$word") ;;
			*) programs+=("$word") ;;
		esac
	done
	as_worker make -s -k -C "$1" -f test/harness/programs.mk -j"$(nproc)" PG_CONFIG="$PG_CONFIG" OUT="$2" \
		PROGRAMS="${programs[*]}" "${variables[@]}"
}

run_regress() { # FOLDER [arguments of make]
	say "Regression tests"
	installcheck "$1" regress ISOLATION= TAP_TESTS= "${@:2}" || show_diffs "$1/regression.diffs"
	count_regress "$1.regress.log"
}

run_isolation() { # FOLDER [arguments of make]
	[ -e "$1/test/isolation/specs" ] || return 0
	say "Isolation tests"
	installcheck "$1" isolation REGRESS= TAP_TESTS= "${@:2}" || show_diffs "$1/output_iso/regression.diffs"
	count_regress "$1.isolation.log"
}

# Each test/modules/NAME is an extension or library of its own, with the usual Makefile and tests.
run_modules() { # FOLDER, further arguments of make for the build
	local makefile
	for makefile in "$1"/test/modules/*/Makefile; do
		[ ! -e "$makefile" ] ||
			run_module "$1" "$(basename "$(dirname "$makefile")")" "$scratch/install" "${@:2}"
	done
}

run_module() { # FOLDER NAME DESTDIR, further arguments of make for the build
	local name=test/modules/$2
	say "Module $2"
	build "$1/$name" "${@:4}" all
	build "$1/$name" "${@:4}" DESTDIR="$3" install
	installcheck "$1" "$2" -C "$name" || show_diffs "$1/$name/regression.diffs"
	count_regress "$1.$2.log"
}

# As many programs at once as there are processors: ports, sockets and folders are each one's own.  What is skipped is
# shown.
run_tap() { # FOLDER [arguments of make]
	[ -e "$1/test/t" ] || return 0
	use_moto
	use_npm
	use_kafka
	say "TAP tests"
	installcheck "$1" tap REGRESS= ISOLATION= PROVE_FLAGS="-j$(nproc) --timer --directives" "${@:2}" || show_tap_logs "$1"
	count_tap "$1.tap.log"
}

installcheck() { # FOLDER KIND [arguments of make]
	as_worker make -s -C "$1" PG_CONFIG="$private_pg_config" "${@:3}" installcheck 2>&1 |
		as_worker tee "$1.$2.log"
}

show_diffs() { # FILE
	[ ! -e "$1" ] || cat "$1"
}

# What a failed program of test/t said and ran last.
show_tap_logs() { # FOLDER
	local name
	while read -r name; do
		say "$name"
		tail -n 40 "$1/tmp_check/log/regress_log_$name" || true # there is none of one that does not compile
	done < <(sed -nE 's,^test/t/(.*)\.pl +\(Wstat: .*,\1,p' "$1.tap.log")
}

# "All 12 tests passed." or "2 of 12 tests failed."; without either pg_regress itself has failed.
count_regress() { # LOG
	local all bad
	if all=$(grep -oE 'All [0-9]+ tests passed' "$1"); then
		count "$(tr -dc 0-9 <<<"$all")" 0
	elif bad=$(grep -oE '[0-9]+ of [0-9]+ tests failed' "$1"); then
		read -r bad _ all _ <<<"$bad"
		count $((all - bad)) "$bad"
	else
		count 0 1
	fi
}

# "Files=2, Tests=34", and above it, for each program with failures, "(Wstat: 256 Tests: 9 Failed: 2)"; one
# that died between its tests has "Failed: 0" and is a failure too.  In CI a test that is skipped has failed.
count_tap() { # LOG
	local tests=0 bad=0 died=0
	tests=$(sed -n 's/^Files=[0-9]*, Tests=\([0-9]*\),.*/\1/p' "$1")
	if ! grep -q -E '^Result: (PASS|NOTESTS)' "$1" || grep -q '^FAILED--Further testing stopped' "$1"; then
		bad=$(sed -nE 's/.*\(Wstat: .*Tests: [0-9]+ Failed: ([0-9]+)\)$/\1/p' "$1" | paste -sd +)
		died=$(grep -cE '\(Wstat: .*Tests: [0-9]+ Failed: 0\)$' "$1") || true
		[ $((bad + died)) != 0 ] || died=1
	fi
	[ "${CI:-}" != true ] || bad=$((bad + $(grep -ciE '(^ok .*# skip|\.\. skipped: )' "$1" || true)))
	count $((tests - bad)) $((bad + died))
}

# The libraries that bring AddressSanitizer into a server that was built without it.  The second makes it
# start before any other library: libgpg-error's constructor allocates while it holds the lock of
# gettext, and AddressSanitizer would start at that moment and want the same lock.
preload_asan() {
	local first=$scratch/start_asan.so
	as_worker gcc -shared -fPIC -O0 -fno-builtin -Wl,-z,initfirst -o "$first" -x c - <<-C
		#include <stdlib.h>
		static __attribute__((constructor)) void start_asan(void) { free(malloc(1)); }
	C
	echo "$(gcc -print-file-name=libasan.so) $first"
}

# The sanitizers and valgrind write to the server's log; every finding is a failure.
count_findings() { # LOG PATTERN
	local findings
	if findings=$(grep -cE "$2" "$1"); then
		grep -E -A 40 "$2" "$1"
		count 0 "$findings"
	fi
}

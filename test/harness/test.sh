#!/bin/bash
# make test: some tests, quickly.  T names them, or all of a kind: make test T="csv_faults 021_http_retry regress".
#
#	a name of test/sql, test/isolation/specs, test/t, test/unit, test/modules (without its ending)
#	regress, isolation, tap, unit, modules, style		all of that kind; without T: regress
#	psql				a server in which etl is preloaded and created, and psql on it, for whoever wants to try something
#
# Unlike "make check" it works in a folder that it keeps, KEPT, and so compiles only what has changed; there are no
# sanitizers.  The folder can be removed at any time.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"
. "$(dirname "$0")/tests.sh"

regress=() isolation=() tap=() units=() modules=() style= psql=

# Puts a name into the list of its kind.
sort_name() { # NAME
	local found=
	case $1 in
		regress) regress=(all) && return ;;
		isolation) isolation=(all) && return ;;
		tap) tap=(all) && return ;;
		unit) mapfile -t units < <(names_in "$project/test/unit" _test.c) && return ;;
		modules) modules=("$project"/test/modules/*/Makefile) && return ;;
		style) style=yes && return ;;
		psql) psql=yes && return ;;
	esac
	[ ! -e "$project/test/sql/$1.sql" ] || { regress+=("$1") && found=yes; }
	[ ! -e "$project/test/isolation/specs/$1.spec" ] || { isolation+=("$1") && found=yes; }
	[ ! -e "$project/test/t/$1.pl" ] || { tap+=("test/t/$1.pl") && found=yes; }
	[ ! -e "$project/test/unit/$1.c" ] || { units+=("$1") && found=yes; }
	[ ! -e "$project/test/modules/$1/Makefile" ] || { modules+=("$project/test/modules/$1/Makefile") && found=yes; }
	[ -n "$found" ] || die "no test is named $1"
}

# The project as it is now, over what the last build left.
refresh_copy() { # FOLDER
	as_worker mkdir -p "$1"
	as_worker find "$1" -type f ! -name '*.o' ! -name '*.d' ! -name '*.so' -delete
	tar -C "$project" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.bc' --exclude='*.so' \
		--exclude=./results --exclude=./output_iso --exclude='./tmp_check*' \
		-cf - . | as_worker tar -C "$1" --no-same-owner -xf -
}

read -ra names <<<"${T:-regress}"
for name in "${names[@]}"; do
	sort_name "$name"
done

need_packages check
kept=${KEPT:-/tmp/etl-test.$(id -u).$(cksum <<<"$project" | cut -d' ' -f1)}
make_scratch
as_worker mkdir -p "$kept"
use_promtool

say "Build in $kept"
copy=$kept/etl
refresh_copy "$copy"
[ -z "$style" ] || run_style "$copy"
build "$copy" COPT="$asserting" all
private_pg_config=$kept/install$("$PG_CONFIG" --bindir)/pg_config
[ -e "$private_pg_config" ] || copy_postgresql "$kept/install"
build "$copy" COPT="$asserting" DESTDIR="$kept/install" install

[ ${#units[@]} = 0 ] || run_units "$copy" -Werror "${units[@]}"
if [ ${#regress[@]} -gt 0 ] || [ ${#isolation[@]} -gt 0 ] || [ ${#modules[@]} -gt 0 ]; then
	start_server "$scratch/pg" "$private_pg_config"
fi
case " ${regress[*]} " in
	'  ') ;;
	*' all '*) run_regress "$copy" ;;
	*) run_regress "$copy" REGRESS="setup ${regress[*]} cleanup" ;;
esac
case " ${isolation[*]} " in
	'  ') ;;
	*' all '*) run_isolation "$copy" ;;
	*) run_isolation "$copy" ISOLATION="${isolation[*]}" ;;
esac
for makefile in "${modules[@]}"; do
	run_module "$copy" "$(basename "$(dirname "$makefile")")" "$kept/install" COPT="$asserting"
done
case " ${tap[*]} " in
	'  ') ;;
	*' all '*) run_tap "$copy" ;;
	*) run_tap "$copy" PROVE_TESTS="${tap[*]}" ;;
esac
stop_server
if [ -n "$psql" ]; then
	# shellcheck disable=SC2034  # start_server's
	settings="shared_preload_libraries = 'etl'
	etl.databases = 'postgres'"
	start_server "$scratch/try" "$private_pg_config"
	say "The server's log is $scratch/try/log"
	as_worker "$server_bin/psql" -Xq -d postgres -c 'CREATE EXTENSION etl'
	as_worker "$server_bin/psql" -X -d postgres || true
	stop_server
fi
say_result

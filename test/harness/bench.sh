#!/bin/bash
# make bench: measures what the README quotes, on a server of its own.  BENCH names one script of
# test/bench; its further words are the script's arguments.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"

if command -v apt-cache >/dev/null && apt-cache show zsv >/dev/null 2>&1; then
	need_command zsv zsv
fi
case ${BENCH:-csv} in
	api* | objects*)
		need_command nginx nginx-light
		need_command curl curl
		;;
	csv*) need_pip ;;
	gateway*) need_command wrk wrk ;;
	kafka*)
		need_command kcat kcat
		need_command java default-jre-headless
		need_command mvn maven
		need_pip
		;;
esac
need_command python3 python3
need_packages build
[[ ${BENCH:-} != objects* ]] || fetch_moto
# The peer of paging; not every release of Debian has it, and the script does without it too.
if [[ ${BENCH:-} == api* && ! -e $("$PG_CONFIG" --sharedir)/extension/http.control ]] && command -v apt-get >/dev/null; then
	refresh_lists
	as_root apt-get install -y -q --no-install-recommends "postgresql-$(debian_major)-http" </dev/null || true
fi
# The peer of count(*); not every release of Debian has it.
command -v zsv >/dev/null || as_root apt-get install -y -q zsv >/dev/null 2>&1 || true
[[ ${BENCH:-} != kafka* ]] || fetch_kafka
make_scratch
use_kafka
# The peer of two processes; the script does without it too.
if [[ ${BENCH:-csv} == csv* ]]; then
	python=$(as_worker python3 -c 'import sys; print(sys.executable)')
	"$python" -m pip -q install --no-warn-conflicts --target "$scratch/python" duckdb >/dev/null 2>&1 || true
	[ ! -d "$scratch/python" ] || chmod -R a+rX "$scratch/python"
fi

say "Build for $("$PG_CONFIG" --version), $PG_CONFIG"
copy_project "$scratch/etl"
build "$scratch/etl" all
copy_postgresql "$scratch/install"
build "$scratch/etl" DESTDIR="$scratch/install" install
start_server "$scratch/pg" "$private_pg_config"
"$server_bin/psql" -Xq -d postgres -c "ALTER SYSTEM SET shared_buffers = '1GB'" \
	-c "ALTER SYSTEM SET max_wal_size = '16GB'" -c "ALTER SYSTEM SET checkpoint_timeout = '1h'"
as_worker "$server_bin/pg_ctl" restart -s -w -D "$server/data" -l "$server/log"

say "$(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) processors, $("$server_bin/postgres" --version)"
as_worker mkdir "$scratch/files"
use_moto
read -ra bench <<<"${BENCH:-csv}"
as_worker env PATH="$server_bin:$PATH" ETL_KAFKA="${ETL_KAFKA:-}" ${python:+PYTHONPATH="$scratch/python"} python3 "$scratch/etl/test/bench/${bench[0]}.py" "$scratch/files" "${bench[@]:1}"

#!/bin/bash
# make demo: installs the extension and shows its main job on real data, on a server of its own.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/server.sh"

need_packages build
make_scratch

say "Building and installing etl for $("$PG_CONFIG" --version), $PG_CONFIG"
copy_project "$scratch/etl"
build "$scratch/etl" all
as_root make -s -C "$scratch/etl" PG_CONFIG="$PG_CONFIG" with_llvm=no install

say "Starting a server in $scratch, and a web server on loopback"
# shellcheck disable=SC2034  # start_server's
settings="shared_preload_libraries = 'etl'
etl.databases = 'postgres'"
start_server "$scratch/pg" "$PG_CONFIG"
files=$scratch/pg/data/demo
as_worker cp -R "$scratch/etl/test/fixtures/real" "$files"
as_worker bash -c "cd '$files' && gzip -k airports.csv &&
	awk -F, 'NR == 1 {header = \$0; next}
		{file = \"weather-\" substr(\$1, 1, 4) \".csv\"; if (!seen[file]++) print header >file; print >file}' seattle-weather.csv"
coproc web { as_worker python3 "$scratch/etl/test/fixtures/http_server.py" --root "$files" 2>/dev/null; }
read -r port <&"${web[0]}"

for script in "$scratch"/etl/test/demo/*.sql; do
	as_worker env DEMO_FILES="$files" DEMO_URL="http://127.0.0.1:$port" \
		"$server_bin/psql" -X -q -e -v ON_ERROR_STOP=1 -d postgres -f "$script"
done

say "Done: the servers are stopped and removed; etl stays installed (CREATE EXTENSION etl)"

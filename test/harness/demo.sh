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

say "Starting a server in $scratch"
start_server "$scratch/pg" "$PG_CONFIG"
as_worker cp -R "$scratch/etl/test/fixtures/real" "$scratch/pg/data/demo"

for script in "$scratch"/etl/test/demo/*.sql; do
	as_worker env DEMO_FILES="$scratch/pg/data/demo" "$server_bin/psql" -X -e -v ON_ERROR_STOP=1 -d postgres -f "$script"
done

say "Done: the server is stopped and removed; etl stays installed (CREATE EXTENSION etl)"

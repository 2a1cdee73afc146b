#!/usr/bin/env python3
"""Memory of a run: RssAnon of its worker, the highest of samples, over a small and a large file.

Once in batches, each of which is committed, and once with whole => true, where the source is spooled to a file for an
aggregate.  Both must need no more for the large file than for the small one.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed, and a folder
that the server may write to.  usage: pipeline_memory.py FOLDER [SMALL, 100] [LARGE, 5000], in MB
"""
import os
import sys
import time

from session import Session

COLUMNS = "id bigint, a int, b text, d numeric, f timestamptz, g text"
# of one width, so that a batch is as large in the one file as in the other
ROW = ("g, g % 1000, 'User' || g || '@Example.com', 100 + (g % 10000) / 100.0, "
       "timestamptz '2026-01-01 00:00:00+00' + g % 1000000 * interval '1 second', repeat('trailing text ' || g, 18)")
FIRST_ROW = 100000001
BYTES_OF_ROW = 473

PIPELINES = {
    "batches": ("SELECT id, a, lower(b) AS b, length(g) AS g FROM batch", "rows", "NULL", "false"),
    "whole": ("SELECT a, count(*) AS n, sum(d) AS d FROM batch GROUP BY a", "sums", "'{a}'", "true"),
}


def write_file(session, path, megabytes):
    session.run(f"COPY (SELECT {ROW} FROM generate_series({FIRST_ROW}, "
                f"{FIRST_ROW + megabytes * 1000000 // BYTES_OF_ROW}) AS g) TO PROGRAM "
                f"'(echo id,a,b,d,f,g; cat) > {path}' (FORMAT csv)")
    return os.path.getsize(path) / 1e6


def rss_anon(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("RssAnon")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def highest(session, name, path):
    """MB of the worker's own memory at its highest, and seconds of the run."""
    query, target, key, whole = PIPELINES[name]
    session.run(f"TRUNCATE {target}")
    session.run(f"SELECT etl_create_pipeline('{name}', source => $$etl_csv('{path}') AS t({COLUMNS})$$, query => '{query}', "
                f"target => '{target}', key => {key}, whole => {whole})")
    start = time.monotonic()
    run = session.run(f"SELECT etl_start('{name}')")
    pid = session.run(f"SELECT pid FROM etl_runs WHERE run = {run}")
    most = 0
    while os.path.exists(f"/proc/{pid}"):
        most = max(most, rss_anon(pid))
        time.sleep(0.002)
    seconds = time.monotonic() - start
    state = session.run(f"SELECT state || ' ' || coalesce(message, '') FROM etl_runs WHERE run = {run}")
    if state.strip() != "succeeded":
        raise SystemExit(f"{name}: {state}")
    session.run(f"SELECT etl_drop_pipeline('{name}')")
    return most / 1024, seconds


def main():
    folder, small, large = sys.argv[1], int((sys.argv[2:] or [100])[0]), int((sys.argv[3:] or [5000])[0])
    session = Session(["SET client_min_messages = error", "CREATE EXTENSION IF NOT EXISTS etl"])
    session.run("CREATE UNLOGGED TABLE rows (id bigint, a int, b text, g int) WITH (autovacuum_enabled = off)")
    session.run("CREATE TABLE sums (a int PRIMARY KEY, n bigint, d numeric)")
    print("| file | batches, RssAnon MB | s | whole, RssAnon MB | s |\n|---" + "|---:" * 4 + "|")
    path = os.path.join(folder, "memory.csv")
    for megabytes in (small, large):
        size = write_file(session, path, megabytes)
        cells = []
        for name in PIPELINES:
            memory, seconds = highest(session, name, path)
            cells.append(f"{memory:.1f} | {seconds:.1f}")
        print(f"| {size:.0f} MB | {' | '.join(cells)} |", flush=True)
        os.remove(path)
    session.close()


main()

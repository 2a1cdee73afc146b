#!/usr/bin/env python3
"""A pipeline with two targets against one: both read the same file, and load it in batches of 10,000.

The second target has a query and a table of the same shape as the first, so twice the rows are loaded from one reading.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed, and a folder
that the server may write to.  usage: targets.py FOLDER [ROWS, 500000] [RUNS, 5]
"""
import os
import sys

from pipeline import COLUMNS, Server, write_file
from session import median

QUERY = "SELECT id, a, lower(b) AS b, c, d, e, f, g FROM batch"
MODES = {"upsert": "key => 'id'", "append": "mode => 'append'"}


def set_up(server, folder, rows):
    run = server.session.run
    run("SET client_min_messages = error")
    run("CREATE EXTENSION IF NOT EXISTS etl")
    path = os.path.join(folder, "targets.csv")
    write_file(server.session, path, rows)
    for table in ("target", "further"):
        run(f"CREATE TABLE {table} ({COLUMNS}, PRIMARY KEY (id), CHECK (e >= 0)) WITH (autovacuum_enabled = off)")
    for mode, options in MODES.items():
        for name in ("one", "two"):
            run(f"SELECT etl_create_pipeline('{name} {mode}', source => $$etl_csv('{path}') AS t({COLUMNS.replace('(12,2)', '')})$$, "
                f"query => '{QUERY}', target => 'target', {options})")
        run(f"SELECT etl_add_target('two {mode}', 'further', '{QUERY}', {options})")


def measure(server, name, before):
    server.session.run("TRUNCATE further")
    server.prepare(before)
    if before:
        server.session.run("INSERT INTO further SELECT * FROM target")
        server.session.run("VACUUM (FREEZE, ANALYZE) further")
    return server.pipeline(name)


def main():
    folder, rows, runs = sys.argv[1], int((sys.argv[2:] or [500000])[0]), int((sys.argv[3:] or [5])[0])
    server = Server()
    set_up(server, folder, rows)
    server.session.run("CREATE UNLOGGED TABLE staged AS SELECT * FROM target")
    measure(server, "one append", None)
    server.session.run("INSERT INTO staged SELECT * FROM target")
    print(f"{rows} rows of 8 columns; medians of {runs} pairs\n\n| | one: wall s | two | ratio | CPU s | two | ratio |\n|---" + "|---:" * 6 + "|")
    for what, mode, before in (("append", "append", None), ("upsert, all rows new", "upsert", None),
                               ("upsert, nothing changed", "upsert", "SELECT * FROM staged")):
        pairs = [(measure(server, f"one {mode}", before), measure(server, f"two {mode}", before)) for _ in range(runs)]
        cells = []
        for i in range(2):
            cells += [f"{median([p[side][i] for p in pairs]):.2f}" for side in range(2)]
            cells.append(f"{median([p[1][i] / p[0][i] for p in pairs]):.2f}")
        print(f"| {what} | " + " | ".join(cells) + " |", flush=True)
    server.session.close()


if __name__ == "__main__":
    main()

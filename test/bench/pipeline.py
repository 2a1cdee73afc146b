#!/usr/bin/env python3
"""A pipeline against COPY into an unlogged staging table and INSERT ... ON CONFLICT, in one transaction.

The pipeline commits, with its checkpoint and counters, every 10,000 rows; both apply the same transform.  CPU of the
pipeline is its worker's, as the postmaster has it from all its children that have ended (so no table is vacuumed by itself);
WAL is the server's.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed, and a folder
that the server may write to.  usage: pipeline.py FOLDER [ROWS, 1000000] [RUNS, 3]
"""
import os
import sys
import time

from session import Session, Workers, median

COLUMNS = "id bigint, a int, b text, c text, d numeric(12,2), e int, f timestamptz, g text"
NAMES = "id, a, b, c, d, e, f, g"
ROW = ("g, g % 1000, 'User' || g || '@Example.com', 'some text number ' || g, (g % 10000) / 100.0, {e}, "
       "timestamptz '2026-01-01 00:00:00+00' + g * interval '1 second', 'trailing text ' || (g * 7)")

# what is in the target before: nothing, half of the rows with other values, all of them so, all as in the file
CASES = [
    ("all rows new", None),
    ("50 % updates", "SELECT id, a + 1, lower(b), c, d, e, f, g FROM staged WHERE id % 2 = 0"),
    ("100 % updates", "SELECT id, a + 1, lower(b), c, d, e, f, g FROM staged"),
    ("nothing changed", "SELECT id, a, lower(b), c, d, e, f, g FROM staged"),
]


class Server:
    def __init__(self):
        self.session = Session()
        self.workers = Workers(self.session)

    def wal(self):
        return int(self.session.run("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))

    def prepare(self, before):
        self.session.run("TRUNCATE target")
        if before:
            self.session.run(f"INSERT INTO target {before}")
        self.session.run("VACUUM (FREEZE, ANALYZE) target")
        self.session.run("CHECKPOINT")

    def measured(self, work, cpu):
        wal, used, wall = self.wal(), cpu(), time.monotonic()
        work()
        wall = time.monotonic() - wall
        return wall, cpu() - used, (self.wal() - wal) / 1e6

    def pipeline(self, name="bench"):
        self.session.run(f"SELECT etl_reset('{name}')")

        def work():
            self.session.run(f"CALL etl_run('{name}')")
        return self.measured(work, self.workers.cpu)

    def staging(self, path):
        def work():
            self.session.run("BEGIN")
            self.session.run("TRUNCATE staging")
            self.session.run(f"COPY staging FROM '{path}' (FORMAT csv, HEADER)")
            self.session.run(
                f"INSERT INTO target SELECT id, a, lower(b), c, d, e, f, g FROM staging ON CONFLICT (id) DO UPDATE SET "
                + ", ".join(f"{n} = excluded.{n}" for n in NAMES.split(", ")[1:]))
            self.session.run("COMMIT")
        return self.measured(work, self.session.cpu)


def write_file(session, path, rows, every_bad=0):
    e = "g % 50" if not every_bad else f"CASE WHEN g % {every_bad} = 17 THEN -1 ELSE g % 50 END"
    session.run(f"COPY (SELECT {ROW.format(e=e)} FROM generate_series(1, {rows}) AS g) TO PROGRAM "
                f"'(echo {NAMES.replace(' ', '')}; cat) > {path}' (FORMAT csv)")


def set_up(server, folder, rows):
    run = server.session.run
    run("SET client_min_messages = error")
    run("CREATE EXTENSION IF NOT EXISTS etl")
    run(f"CREATE TABLE target ({COLUMNS}, PRIMARY KEY (id), CHECK (e >= 0)) WITH (autovacuum_enabled = off)")
    run(f"CREATE UNLOGGED TABLE staging ({COLUMNS}) WITH (autovacuum_enabled = off)")
    run(f"CREATE UNLOGGED TABLE staged ({COLUMNS}) WITH (autovacuum_enabled = off)")
    for name, bad in (("bench", 0), ("damaged", 1000)):
        path = os.path.join(folder, f"{name}.csv")
        write_file(server.session, path, rows, bad)
        run(f"SELECT etl_create_pipeline('{name}', source => $$etl_csv('{path}') AS t({COLUMNS.replace('(12,2)', '')})$$, "
            f"query => 'SELECT id, a, lower(b) AS b, c, d, e, f, g FROM batch', target => 'target', key => '{{id}}')")
    path = os.path.join(folder, "bench.csv")
    run(f"COPY staged FROM '{path}' (FORMAT csv, HEADER)")
    return path


def line(what, ours, theirs):
    cells = [f"{median([x[i] for x in side]):.2f}" for i in range(3) for side in (ours, theirs)]
    ratios = [f"{median([x[i] / max(y[i], 0.001) for x, y in zip(ours, theirs)]):.2f}" for i in range(3)]
    print(f"| {what} | {cells[0]} | {cells[1]} | {ratios[0]} | {cells[2]} | {cells[3]} | {ratios[1]} "
          f"| {cells[4]} | {cells[5]} | {ratios[2]} |", flush=True)


def main():
    folder, rows, runs = sys.argv[1], int((sys.argv[2:] or [1000000])[0]), int((sys.argv[3:] or [3])[0])
    server = Server()
    path = set_up(server, folder, rows)
    print(f"{rows} rows of 8 columns, {os.path.getsize(path) / 1e6:.0f} MB; medians of {runs} pairs\n")
    print("| | wall s | peer | ratio | CPU s | peer | ratio | WAL MB | peer | ratio |\n|---" + "|---:" * 9 + "|")
    for what, before in CASES:
        ours, theirs = [], []
        for _ in range(runs):
            server.prepare(before)
            ours.append(server.pipeline())
            server.prepare(before)
            theirs.append(server.staging(path))
        line(what, ours, theirs)
    clean, damaged = [], []
    for _ in range(runs):
        server.prepare(None)
        damaged.append(server.pipeline("damaged"))
        server.prepare(None)
        clean.append(server.pipeline())
    line("10 bad rows in each batch, against none", damaged, clean)
    server.session.close()


if __name__ == "__main__":
    main()

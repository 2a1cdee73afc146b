#!/usr/bin/env python3
"""Loading a file against COPY: the table of doc/speed.md.

Each way loads into the same empty tables: INSERT ... SELECT, etl_import, and a pipeline that appends, with a commit for each
10,000 rows, from the same rows in 16 files, by one process and by two.  CPU of a pipeline is its workers'.  Tables are not vacuumed by themselves.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl and file_fdw are installed,
and a folder that the server may write to.  usage: load.py FOLDER [MILLIONS OF ROWS, 6] [RUNS, 5]
"""
import glob
import os
import sys

from csv import DECLARED, SESSION, generate, prepare
from session import Session, Workers, pairs, row

# what it is, how it is made, and what it has beside its columns
TABLES = [
    ("an unlogged table", "UNLOGGED", ""),
    ("a table with a primary key", "", ", PRIMARY KEY (id)"),
    ("one with a serial, a CHECK and a foreign key", "",
     ", number bigserial, CHECK (amount >= 0), FOREIGN KEY (state) REFERENCES bench_states"),
]


def split(path, parts):
    """The same rows as several files, each with the header; their pattern."""
    with open(path) as whole:
        header, *lines = whole.readlines()
    for part in range(parts):
        with open(f"{path}-{part}.csv", "w") as out:
            out.writelines([header] + lines[part * len(lines) // parts:(part + 1) * len(lines) // parts])
    return f"{path}-*.csv"


def make_table(session, kind, more):
    session.run(f"DROP TABLE IF EXISTS bench_target; "
                f"CREATE {kind} TABLE bench_target ({DECLARED}{more}) WITH (autovacuum_enabled = off)")


def compare(session, workers, path, what, runs):
    names = ", ".join(column.split()[0] for column in DECLARED.split(", "))

    def load(measured):
        session.run("TRUNCATE bench_target; CHECKPOINT")
        return measured()

    def pipeline(processes):
        session.run(f"SELECT etl_reset('bench'), etl_alter_pipeline('bench', parallel => {processes})")
        return workers.measure(lambda: session.run("CALL etl_run('bench')"))

    def copy():
        return session.measure(f"COPY bench_target ({names}) FROM '{path}' (FORMAT csv, HEADER)")

    for way, measured in (
            ("INSERT … SELECT", lambda: session.measure(f"INSERT INTO bench_target ({names}) SELECT * FROM bench_etl")),
            ("`etl_import`", lambda: session.measure(f"SELECT etl_import('bench_target', '{path}')")),
            ("a pipeline", lambda: pipeline(1)), ("a pipeline, two processes", lambda: pipeline(2))):
        row(f"{what}, {way}", *pairs(lambda: load(measured), lambda: load(copy), runs))


def main():
    folder = sys.argv[1]
    millions = float(sys.argv[2]) if len(sys.argv) > 2 else 6
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    path = os.path.join(folder, "bench.csv")

    generate(path, int(millions * 1e6))
    prepare(path)
    session = Session(SESSION + ("SET client_min_messages = error",))
    workers = Workers(session)
    session.run("CREATE TABLE bench_states (state text PRIMARY KEY); "
                "INSERT INTO bench_states VALUES ('new'), ('paid'), ('sent'), ('back')")
    make_table(session, "", "")
    session.run(f"SELECT etl_create_pipeline('bench', target => 'bench_target', source => $$etl_csv('{split(path, 16)}') "
                f"AS t({DECLARED.replace('(12,2)', '')})$$)")
    print(f"{millions:g}M rows, {os.path.getsize(path) / 1e6:.0f} MB, medians of {runs} interleaved pairs.\n")
    print("| into what, how | etl wall s | CPU s | COPY wall s | CPU s | wall × | CPU × |")
    print("|---|---|---|---|---|---|---|")
    for what, kind, more in TABLES:
        make_table(session, kind, more)
        compare(session, workers, path, what, runs)
    session.close()
    for name in glob.glob(f"{path}*"):
        os.remove(name)


main()

#!/usr/bin/env python3
"""etl_csv against file_fdw, zsv and DuckDB: the table of the README's section on speed.

Needs a server (PGHOST and kin) on this machine, reached as a superuser, in which etl and file_fdw are installed, and a
folder that the server may write to.  usage: csv.py FOLDER [MILLIONS OF ROWS, 6] [RUNS, 5]
"""
import os
import shutil
import sys
import time

from session import Session, measure_command, median, pairs, row

# name, type, and how row i has it
COLUMNS = [
    ("id", "bigint", "i"),
    ("customer", "int", "i % 100000"),
    ("qty", "int", "i % 97"),
    ("account", "bigint", "i::bigint * 7919"),
    ("amount", "numeric(12,2)", "((i % 1000000)::numeric / 100)::numeric(12,2)"),
    ("tax", "numeric(12,2)", "((i % 9973)::numeric / 100)::numeric(12,2)"),
    ("ordered", "date", "date '2015-01-01' + i % 3650"),
    ("shipped", "date", "date '2015-01-03' + i % 3600"),
    ("name", "text", "'name ' || i % 5000"),
    ("city", "text", "'city-' || i % 300"),
    ("note", "text", "CASE WHEN i % 10 = 0 THEN 'left at the door, \"again\"' ELSE 'plain' END"),
    ("state", "text", "(ARRAY['new', 'paid', 'sent', 'back'])[1 + i % 4]"),
    ("lines", "int", "1 + i % 9"),
    ("weight", "int", "i % 30000"),
    ("code", "text", "'C' || lpad((i % 100000)::text, 6, '0')"),
    ("comment", "text", "'of ' || md5((i % 1000)::text)"),
]
DECLARED = ", ".join(f"{name} {type_}" for name, type_, _ in COLUMNS)
SESSION = ("SET jit = off", "SET max_parallel_workers_per_gather = 0")


def generate(path, nrows):
    values = ", ".join(f"{sql} AS {name}" for name, _, sql in COLUMNS)
    session = Session()
    session.run(f"COPY (SELECT {values} FROM generate_series(1, {nrows}) i) TO '{path}' (FORMAT csv, HEADER)")
    session.close()


def prepare(path):
    session = Session()
    session.run(f"""
        CREATE EXTENSION IF NOT EXISTS etl;
        CREATE EXTENSION IF NOT EXISTS file_fdw;
        CREATE SERVER bench FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE bench_fdw ({DECLARED}) SERVER bench
            OPTIONS (filename '{path}', format 'csv', header 'true');
        CREATE VIEW bench_etl AS SELECT * FROM etl_csv('{path}') AS t({DECLARED})""")
    if session.run("SELECT count(*) FROM ((TABLE bench_fdw LIMIT 100000) EXCEPT ALL (TABLE bench_etl LIMIT 100000)) t") != "0":
        raise SystemExit("etl_csv and file_fdw do not agree")
    session.close()


def compare_reading(runs):
    session = Session(SESSION)
    for what, aggregate in (("count(id)", "count(id)"), ("sum(qty)", "sum(qty)"),
                            ("count of each of 16 columns", ", ".join(f"count({c[0]})" for c in COLUMNS))):
        row(what + ", file_fdw",
            *pairs(lambda: session.measure(f"SELECT {aggregate} FROM bench_etl"),
                   lambda: session.measure(f"SELECT {aggregate} FROM bench_fdw"), runs))
    session.close()


def compare_counting(path, runs):
    if shutil.which("zsv") is None:
        print("\nzsv is not installed here: count(\\*) was not compared.")
        return
    session = Session(SESSION)
    row("count(\\*), zsv count",
        *pairs(lambda: session.measure("SELECT count(*) FROM bench_etl"),
               lambda: measure_command(["zsv", "count", path]), runs))
    session.close()


def duckdb_query(path, aggregate):
    """A function that runs the same query in DuckDB with two threads; None if that is not installed here."""
    try:
        import duckdb
    except ImportError:
        return None
    names = {"text": "VARCHAR", "int": "INTEGER", "numeric(12,2)": "DECIMAL(12,2)"}
    types = ", ".join(f"'{name}': '{names.get(type_, type_.upper())}'" for name, type_, _ in COLUMNS)
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    return lambda: connection.execute(
        f"SELECT {aggregate} FROM read_csv('{path}', header = true, auto_detect = false, quote = '\"', escape = '\"', "
        f"delim = ',', columns = {{{types}}})").fetchall()


def wall(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def compare_processes(path, runs):
    """One file read by two processes, a leader and a worker, against one; wall time only."""
    one = Session(SESSION)
    two = Session((SESSION[0], "SET max_parallel_workers_per_gather = 1"))
    print("\n| two processes | one s | two s | two / one | DuckDB, 2 threads s | DuckDB / two |")
    print("|---|---|---|---|---|---|")
    for what, aggregate in (("count(\\*)", "count(*)"), ("sum(qty)", "sum(qty)"),
                            ("count of each of 16 columns", ", ".join(f"count({c[0]})" for c in COLUMNS))):
        query = f"SELECT {aggregate} FROM bench_etl"
        peer = duckdb_query(path, aggregate)
        rounds = [(wall(lambda: one.run(query)), wall(lambda: two.run(query)), wall(peer) if peer else 0)
                  for _ in range(runs + 1)][1:]
        ratio = median([r[1] / r[0] for r in rounds])
        duck = f"{median([r[2] for r in rounds]):.2f} | {median([r[2] / r[1] for r in rounds]):.1f}" if peer else "- | -"
        print(f"| {what} | {median([r[0] for r in rounds]):.2f} | {median([r[1] for r in rounds]):.2f} | {ratio:.2f} | {duck} |",
              flush=True)
    one.close()
    two.close()


def first_rows(runs):
    """LIMIT 10 as the first query of a session, in milliseconds."""
    walls = []
    for _ in range(runs * 4):
        session = Session()
        walls.append(session.measure("SELECT * FROM bench_etl LIMIT 10")[0] * 1000)
        session.close()
    print(f"\nLIMIT 10 in the first query of a session: median {median(walls):.1f} ms, slowest {max(walls):.1f} ms.")


def memory(path, small):
    def after(file):
        session = Session(SESSION)
        session.run(f"SELECT count(id), count(note) FROM etl_csv('{file}') AS t(id bigint, note text)")
        kilobytes = session.rss_anon()
        session.close()
        return kilobytes

    print(f"RssAnon of the backend after a scan: {after(small) / 1024:.1f} MB for {os.path.getsize(small) / 1e6:.0f} MB, "
          f"{after(path) / 1024:.1f} MB for {os.path.getsize(path) / 1e6:.0f} MB.")


def cancelling(runs):
    """From pg_cancel_backend to the end of the query, in milliseconds."""
    walls = []
    killer = Session()
    for _ in range(runs * 10):
        session = Session(SESSION, stop_at_error=False)
        session.psql.stdin.write("SELECT count(id) FROM bench_etl;\n\\echo ----\n")
        session.psql.stdin.flush()
        while killer.run(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {session.pid} AND state = 'active'") == "0":
            pass
        time.sleep(0.02)
        start = time.monotonic()
        killer.run(f"SELECT pg_cancel_backend({session.pid})")
        session.psql.stdout.readline()
        walls.append((time.monotonic() - start) * 1000)
        session.close()
    killer.close()
    walls.sort()
    print(f"Cancel: 95 % within {walls[int(len(walls) * 0.95)]:.0f} ms.")


def main():
    folder = sys.argv[1]
    millions = float(sys.argv[2]) if len(sys.argv) > 2 else 6
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    path, small = os.path.join(folder, "bench.csv"), os.path.join(folder, "small.csv")

    generate(path, int(millions * 1e6))
    generate(small, 80000)
    prepare(path)
    print(f"{millions:g}M rows, {len(COLUMNS)} columns, {os.path.getsize(path) / 1e6:.0f} MB, "
          f"medians of {runs} interleaved pairs.\n")
    print("| what, against what | etl wall s | CPU s | peer wall s | CPU s | wall × | CPU × |")
    print("|---|---|---|---|---|---|---|")
    compare_reading(runs)
    compare_counting(path, runs)
    compare_processes(path, runs)
    first_rows(runs)
    memory(path, small)
    cancelling(runs)
    os.remove(path)
    os.remove(small)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""etl_api against pgsql-http with jsonb_to_recordset, and against curl: the README's numbers on APIs.

Needs a server (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed; nginx and curl; and a
folder that nginx may read.  Without the extension http the peer is left out.
usage: api.py FOLDER [ITEMS, 1000000] [RUNS, 5]
"""
import json
import os
import subprocess
import sys
import threading
import time

from session import Session, measure_command, median, pairs, row

PORT = 18480
URL = f"http://127.0.0.1:{PORT}"
COLUMNS = "id bigint, email text, amount numeric, updated_at timestamptz"
PAGING = "pagination => 'next_url', items => 'items', next => 'next'"
SESSION = ("SET jit = off", "SET max_parallel_workers_per_gather = 0")
PEER = """
    WITH RECURSIVE page AS (
        SELECT content::jsonb AS body FROM http_get('{url}/1.json')
        UNION ALL
        SELECT (SELECT content::jsonb FROM http_get('{root}' || (page.body ->> 'next')))
        FROM page WHERE page.body ->> 'next' IS NOT NULL)
    SELECT count(*), sum(amount) FROM page, jsonb_to_recordset(body -> 'items') AS t({columns})"""


def item(i):
    return json.dumps(
        {
            "id": i,
            "email": "user%07d@example.com" % i,
            "amount": "%d.%02d" % (i % 1000, i % 100),
            "updated_at": "2024-01-%02dT%02d:%02d:%02dZ" % (i % 28 + 1, i % 24, i % 60, i % 60),
            "status": "shipped",
            "customer": {"name": "Customer %d" % i, "city": "Rome"},
            "note": "x" * 20,
        },
        separators=(",", ":"),
    )


def generate(folder, nitems):
    """In 1,000 pages, and the same in one; and a page of ten."""
    size = nitems // 1000
    os.makedirs(os.path.join(folder, "p"), exist_ok=True)
    with open(os.path.join(folder, "one.json"), "w", encoding="ascii") as one:
        one.write('{"items":[')
        for page in range(1, 1001):
            items = ",".join(item(i) for i in range((page - 1) * size, page * size))
            following = f'"/p/{page + 1}.json"' if page < 1000 else "null"
            with open(os.path.join(folder, "p", f"{page}.json"), "w", encoding="ascii") as file:
                file.write('{"next":%s,"items":[%s]}' % (following, items))
            one.write(("," if page > 1 else "") + items)
        one.write('],"next":null}')
    with open(os.path.join(folder, "ten.json"), "w", encoding="ascii") as file:
        file.write('{"items":[%s],"next":null}' % ",".join(item(i) for i in range(10)))


def start_nginx(folder):
    config = os.path.join(folder, "nginx.conf")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(config, "w", encoding="ascii") as file:
        file.write(f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
            events {{ worker_connections 64; }}
            http {{ access_log off; sendfile on; keepalive_requests 1000000; {temporary}
                server {{ listen 127.0.0.1:{PORT}; root {folder}; default_type application/json; }} }}""")
    nginx = subprocess.Popen(["nginx", "-e", f"{folder}/nginx.log", "-c", config])
    while subprocess.run(["curl", "-sf", "-o", "/dev/null", URL + "/ten.json"], check=False).returncode != 0:
        if nginx.poll() is not None:
            raise SystemExit("nginx did not start")
        time.sleep(0.05)
    return nginx


def api(path, options=PAGING):
    return f"SELECT count(*), sum(amount) FROM etl_api('{URL}{path}', {options}) AS t({COLUMNS})"


def compare_peer(runs):
    session = Session(SESSION)
    if session.run("SELECT count(*) FROM pg_available_extensions WHERE name = 'http'") == "0":
        walls = sorted(session.measure(api("/p/1.json"))[0] for _ in range(runs))
        print(f"The extension http is not there to compare with; etl_api takes {median(walls):.2f} s for 1,000 pages.")
        session.close()
        return
    session.run("CREATE EXTENSION IF NOT EXISTS http; SELECT http_set_curlopt('CURLOPT_TIMEOUT', '60')")
    peer = PEER.format(url=URL + "/p", root=URL, columns=COLUMNS)
    if session.run(peer) != session.run(api("/p/1.json")):
        raise SystemExit("etl_api and pgsql-http do not agree")
    print("| what, against what | etl wall s | CPU s | peer wall s | CPU s | wall × | CPU × |")
    print("|---|---|---|---|---|---|---|")
    row("1,000 pages, pgsql-http and jsonb_to_recordset",
        *pairs(lambda: session.measure(api("/p/1.json")), lambda: session.measure(peer), runs))
    session.close()


def compare_curl(runs):
    """The same pages by one curl, which makes nothing of them."""
    session = Session(SESSION)
    ours, theirs = pairs(lambda: session.measure(api("/p/1.json")),
                         lambda: measure_command(["curl", "-s", f"{URL}/p/[1-1000].json"]), runs)
    session.close()
    print(f"\nThe bytes of these pages cost curl {median([c for _, c in theirs]):.2f} s of CPU, and us "
          f"{median([c for _, c in ours]):.2f} s: {median([x[1] / y[1] for x, y in zip(ours, theirs)]):.1f} ×.")


def largest_rss(path):
    """The most of the backend's own memory in a scan, in kilobytes."""
    session = Session(SESSION)
    scan = threading.Thread(target=session.run, args=(api(path),))
    scan.start()
    largest = 0
    while scan.is_alive():
        largest = max(largest, session.rss_anon())
        time.sleep(0.005)
    largest = max(largest, session.rss_anon())
    session.close()
    return largest


def memory():
    one, ten = largest_rss("/one.json"), largest_rss("/ten.json")
    print(f"\nRssAnon: {one / 1024:.1f} MB for a page of all items, {ten / 1024:.1f} MB for one of ten.")


def overhead(runs, requests=1000):
    """A scan of one page of ten items on a connection that is reused, beside what curl takes for it."""
    session = Session(SESSION)
    loop = f"""DO $$ BEGIN FOR i IN 1 .. {requests} LOOP
        PERFORM count(*) FROM etl_api('{URL}/ten.json', {PAGING}) AS t({COLUMNS}); END LOOP; END $$"""

    def curl():
        start = time.monotonic()
        subprocess.run(["curl", "-s", f"{URL}/ten.json?[1-{requests}]"], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - start, 0

    ours, theirs = pairs(lambda: session.measure(loop), curl, runs)
    session.close()
    print(f"One page of ten items: {median([w for w, _ in ours]):.3f} ms a scan, "
          f"{median([w for w, _ in theirs]):.3f} ms a request of curl.")


def concurrency(runs, pages=100, delay=50):
    """Offset pages of a server that takes its time."""
    server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "http_server.py")
    fixture = subprocess.Popen([sys.executable, server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = fixture.stdout.readline().strip()
    session = Session(SESSION)

    def scan(n):
        return session.measure(f"""SELECT count(*) FROM etl_api(
            'http://127.0.0.1:{port}/api/offsets/n={pages * 10}/size=10/delay={delay}', items => 'items',
            pagination => 'offset', stop => 'total=total', concurrency => {n}) AS t(id int)""")

    one, eight = pairs(lambda: scan(1), lambda: scan(8), max(runs // 2, 1))
    session.close()
    fixture.stdin.close()
    fixture.wait()
    walls = median([w for w, _ in one]), median([w for w, _ in eight])
    print(f"{pages} offset pages, {delay} ms each: {walls[0]:.2f} s with concurrency 1, {walls[1]:.2f} s with 8 "
          f"({walls[0] / walls[1]:.1f} ×).")


def main():
    folder = os.path.abspath(sys.argv[1])
    nitems = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5

    generate(folder, nitems)
    nginx = start_nginx(folder)
    try:
        session = Session()
        session.run("CREATE EXTENSION IF NOT EXISTS etl")
        session.close()
        size = os.path.getsize(os.path.join(folder, "one.json")) / 1e6
        print(f"{nitems} items, {size:.0f} MB, medians of {runs} interleaved pairs.\n")
        compare_peer(runs)
        compare_curl(runs)
        memory()
        overhead(runs)
        concurrency(runs)
    finally:
        nginx.terminate()
        nginx.wait()


if __name__ == "__main__":
    main()

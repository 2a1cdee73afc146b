#!/usr/bin/env python3
"""Objects of a bucket against curl: how fast many are read, how fast many are listed, and in what memory.

Needs a server (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed; nginx and curl; and a
folder that nginx may read.  nginx holds objects as files and the pages of their list; moto (ETL_MOTO, or Python's own) holds the same objects,
and is left out where it is not to be had.
usage: objects.py FOLDER [OBJECTS of 1 MB, 1000] [RUNS, 5] [KEYS, 100000]
"""
import http.client
import os
import subprocess
import sys
import threading
import time

from session import Session, measure_command, median, pairs

PORT = 18481
NGINX = f"http://127.0.0.1:{PORT}"
SESSION = ("SET jit = off", "SET max_parallel_workers_per_gather = 0")
COLUMNS = "id bigint, name text, amount numeric, at text"
LINE = "%08d,customer %08d,%d.%02d,2026-01-01 00:00:00\n"


def content(size, start):
    lines, length = ["id,name,amount,at\n"], 0
    while length < size:
        line = LINE % (start, start, start % 1000, start % 100)
        lines.append(line)
        length += len(line)
        start += 1
    return "".join(lines).encode()


def page(keys, size, token):
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else "<IsTruncated>false</IsTruncated>"
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{i:032x}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>" for i, key in enumerate(keys))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult><EncodingType>url</EncodingType>{more}{contents}</ListBucketResult>'


def write_list(folder, bucket, keys, size):
    """The pages of a list, a thousand keys each: 0.xml, 1.xml, ..."""
    os.makedirs(os.path.join(folder, "list", bucket), exist_ok=True)
    for first in range(0, len(keys), 1000):
        number = first // 1000
        token = number + 1 if first + 1000 < len(keys) else None
        with open(os.path.join(folder, "list", bucket, f"{number}.xml"), "w", encoding="ascii") as file:
            file.write(page(keys[first : first + 1000], size, token))


def generate(folder, nobjects, nkeys):
    os.makedirs(os.path.join(folder, "lake", "o"), exist_ok=True)
    for i in range(nobjects):
        with open(os.path.join(folder, "lake", "o", f"{i:06}.csv"), "wb") as file:
            file.write(content(1000000, i * 20000))
    write_list(folder, "lake", [f"o/{i:06}.csv" for i in range(nobjects)], 1000000)
    for bucket, n in (("many", nkeys), ("few", 1000)):
        write_list(folder, bucket, [f"logs/2026-01-01/part-{i:08}.json.gz" for i in range(n)], 1000)


def start_nginx(folder):
    config = os.path.join(folder, "nginx.conf")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(config, "w", encoding="ascii") as file:
        file.write(f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
            events {{ worker_connections 64; }}
            http {{ access_log off; sendfile on; keepalive_requests 1000000; {temporary}
                map $args $page {{ default 0; "~continuation-token=(?<number>[0-9]+)" $number; }}
                server {{ listen 127.0.0.1:{PORT}; root {folder}; default_type text/plain;
                    location ~ ^/(?<bucket>[a-z]+)$ {{ rewrite ^ /list/$bucket/$page.xml last; }} }} }}""")
    nginx = subprocess.Popen(["nginx", "-e", f"{folder}/nginx.log", "-c", config])
    while subprocess.run(["curl", "-sf", "-o", "/dev/null", NGINX + "/lake"], check=False).returncode != 0:
        if nginx.poll() is not None:
            raise SystemExit("nginx did not start")
        time.sleep(0.05)
    return nginx


def start_moto(folder, nobjects):
    """moto with the same objects; (None, None): it is not there."""
    path = ":".join(filter(None, (os.environ.get("ETL_MOTO"), os.environ.get("PYTHONPATH"))))
    environment = dict(os.environ, PYTHONPATH=path)
    if subprocess.run([sys.executable, "-c", "import moto.server"], env=environment, check=False, stderr=subprocess.DEVNULL).returncode != 0:
        return None, None
    start = ("import logging, sys; from moto.server import ThreadedMotoServer; logging.getLogger('werkzeug').disabled = True; "
             "s = ThreadedMotoServer('127.0.0.1', 0, verbose=False); s.start(); print(s.get_host_and_port()[1], flush=True); sys.stdin.read()")
    moto = subprocess.Popen([sys.executable, "-c", start], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(moto.stdout.readline())
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for i in range(-1, nobjects):
        target = "/lake" if i < 0 else f"/lake/o/{i:06}.csv"
        body = b"" if i < 0 else content(1000000, i * 20000)
        connection.request("PUT", target, body, {"Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, x"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"moto answers {answer.status} to PUT {target}")
    return moto, f"http://127.0.0.1:{port}"


def make_servers(session, endpoints):
    session.run("CREATE EXTENSION IF NOT EXISTS etl")
    for name, endpoint, bucket in endpoints:
        session.run(f"""CREATE SERVER {name} FOREIGN DATA WRAPPER etl OPTIONS (url 's3://{bucket}', endpoint '{endpoint}', auth 'aws',
            allow_private 'true'); CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (access_key_id 'k', secret_access_key 's')""")


def largest_rss(sql):
    """The most of the backend's own memory in a statement, in kilobytes."""
    session = Session(SESSION)
    scan = threading.Thread(target=session.run, args=(sql,))
    scan.start()
    largest = 0
    while scan.is_alive():
        largest = max(largest, session.rss_anon())
        time.sleep(0.002)
    largest = max(largest, session.rss_anon())
    session.close()
    return largest


def worker_rss(session):
    """The most of a pipeline's worker's own memory while there is one, in kilobytes."""
    largest, seen = 0, False
    while True:
        pid = session.run("SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'")
        if seen and not pid:
            return largest
        seen = seen or bool(pid)
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                largest = max([largest] + [int(line.split()[1]) for line in status if line.startswith("RssAnon")])
        except FileNotFoundError:
            pass


def run_unchanged(session, bucket, nkeys):
    """A run of a pipeline that has loaded all objects of a list: (seconds, kilobytes of its worker)."""
    session.run(f"""SELECT etl_create_pipeline('{bucket}', $$etl_csv('{bucket}', path => 'logs/**') AS t({COLUMNS})$$, target => 'loaded');
        INSERT INTO etl_catalog.checkpoints (pipeline, part, position, skipped, rows, state, version, attempts, pending)
        SELECT p.id, 's3://{bucket}/logs/2026-01-01/part-' || to_char(i, 'FM00000000') || '.json.gz',
            regexp_replace(c.position, 'validator=[^ ]*', 'validator=%22' || lpad(to_hex(i % 1000), 32, '0') || '%22'), 0, rows, c.state, NULL, 0, false
        FROM etl_catalog.checkpoints c, etl_catalog.pipelines p, generate_series(0, {nkeys - 1}) AS i WHERE c.part = 's3://lake/o/000000.csv' AND p.name = '{bucket}';
        ANALYZE etl_catalog.checkpoints""")
    runner = Session(SESSION)
    before = time.monotonic()
    run = threading.Thread(target=runner.run, args=(f"CALL etl_run('{bucket}')",))
    run.start()
    rss = worker_rss(session)
    run.join()
    seconds = time.monotonic() - before
    runner.close()
    if session.run(f"SELECT state, read FROM etl_runs WHERE pipeline = '{bucket}'") != "succeeded|0":
        raise SystemExit("the run has read objects again")
    return seconds, rss


def run_pipelines(session, nkeys):
    session.run(f"""CREATE TABLE loaded ({COLUMNS});
        SELECT etl_create_pipeline('one', $$etl_csv('nginx', path => 'o/000000.csv') AS t({COLUMNS})$$, target => 'loaded')""")
    session.run("CALL etl_run('one')")
    many, few = run_unchanged(session, "many", nkeys), run_unchanged(session, "few", 1000)
    print(f"A run of a pipeline that finds {nkeys} objects unchanged: {many[0]:.2f} s, RssAnon {many[1] / 1024:.1f} MB; "
          f"1000 objects: {few[0]:.2f} s, {few[1] / 1024:.1f} MB.")


def read_objects(session, name, endpoint, nobjects, runs):
    curl = ["curl", "-sf", "-H", "Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, x",
            f"{endpoint}/lake/o/[000000-{nobjects - 1:06}].csv"]
    for what, sql in (("count(*)", f"SELECT count(*) FROM etl_csv('{name}', path => 'o/*.csv') AS t({COLUMNS})"),
                      ("sum of a column", f"SELECT sum(amount) FROM etl_csv('{name}', path => 'o/*.csv') AS t({COLUMNS})")):
        ours, theirs = pairs(lambda sql=sql: session.measure(sql), lambda: measure_command(curl), runs)
        speed = median([y[0] / x[0] for x, y in zip(ours, theirs)])
        print(f"| {name}, {what} | {median([w for w, _ in ours]):.2f} | {median([c for _, c in ours]):.2f} "
              f"| {median([w for w, _ in theirs]):.2f} | {median([c for _, c in theirs]):.2f} | {speed:.0%} |", flush=True)


def list_keys(session, nkeys, runs):
    pages = (nkeys + 999) // 1000
    curl = ["curl", "-sf", f"{NGINX}/many?list-type=2&encoding-type=url&continuation-token=[0-{pages - 1}]"]
    sql = "SELECT count(*) FROM etl_list('many')"
    if session.run(sql) != str(nkeys):
        raise SystemExit("the list does not have all keys")
    ours, theirs = pairs(lambda: session.measure(sql), lambda: measure_command(curl), runs)
    ratio = median([x[0] / y[0] for x, y in zip(ours, theirs)])
    print(f"\n{nkeys} keys: {median([w for w, _ in ours]):.3f} s to list them, {median([w for w, _ in theirs]):.3f} s for curl to ask for "
          f"their {pages} pages ({ratio:.2f} ×).")
    print(f"RssAnon: {largest_rss(sql) / 1024:.1f} MB, and {largest_rss(sql.replace('many', 'few')) / 1024:.1f} MB for 1000 keys.")


def main():
    folder = os.path.abspath(sys.argv[1])
    nobjects, runs, nkeys = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((2, 1000), (3, 5), (4, 100000)))
    generate(folder, nobjects, nkeys)
    nginx = start_nginx(folder)
    moto, endpoint = start_moto(folder, nobjects)
    try:
        session = Session(SESSION)
        servers = [("nginx", NGINX, "lake"), ("many", NGINX, "many"), ("few", NGINX, "few")]
        make_servers(session, servers + ([("moto", endpoint, "lake")] if moto else []))
        print(f"{nobjects} objects of 1 MB, medians of {runs} interleaved pairs.\n")
        print("| server, what | etl wall s | CPU s | curl wall s | CPU s | of curl's speed |\n|---|---|---|---|---|---|")
        read_objects(session, "nginx", NGINX, nobjects, runs)
        if moto:
            read_objects(session, "moto", endpoint, nobjects, max(runs // 2, 1))
        list_keys(session, nkeys, runs)
        run_pipelines(session, nkeys)
        one = f"SELECT count(*) FROM etl_csv('nginx', path => 'o/*.csv') AS t({COLUMNS})"
        print(f"RssAnon of reading: {largest_rss(one) / 1024:.1f} MB for all objects, "
              f"{largest_rss(one.replace('o/*', 'o/00000?')) / 1024:.1f} MB for ten.")
        session.close()
    finally:
        nginx.terminate()
        nginx.wait()
        if moto:
            moto.stdin.close()
            moto.wait()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Records pushed to the gateway, acknowledged when they are committed, against COPY of the same records in the same run.

Records have 150 bytes, in requests of 100 and of one, from wrk on the same machine; every answer but 200 is counted.
Interleaved: COPY from a file, then requests, and so on.  Requests of one record stand against GET /live, which the program answers
by itself.  The target of both is a logged table without a key.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed; wrk and pg_ctl.
usage: gateway.py FOLDER [SECONDS, 10] [RUNS, 3]
"""
import json
import socket
import subprocess
import sys
import time

from session import Session, median

CONNECTIONS = 400  # an answer waits for a commit, so few connections would only measure that wait
FLUSH_MS = 50
COLUMNS = "id bigint, name text, amount numeric, city text, note text"
COPIED = 1_000_000
SCRIPT = """wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %s"
wrk.body = [[%s]]
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() others = 0 end
function response(status) if status ~= 200 then others = others + 1 end end
function done(summary, latency)
  local n = 0
  for _, thread in ipairs(threads) do n = n + thread:get("others") end
  io.write(string.format('\\nJSON {"requests": %%d, "others": %%d, "us": %%d, "p99": %%d, "broken": %%d}\\n',
    summary.requests, n, summary.duration, latency:percentile(99), summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def record(n):
    text = '{"id": %d, "name": "customer number %d", "amount": %d.%02d, "city": "Springfield", "note": "' % (n, n, n % 1000, n % 100)
    return text + "x" * (147 - len(text)) + '"}\n'


def write_copy(folder):
    """The same records for COPY."""
    path = f"{folder}/records.csv"
    with open(path, "w", encoding="ascii") as file:
        for n in range(COPIED):
            fields = json.loads(record(n % 100))
            file.write(",".join(str(value) for value in fields.values()) + "\n")
    return path


def start(port):
    """A server with a gateway; a pipeline that is ready, and its token."""
    session = Session()
    data = session.run("SHOW data_directory")
    session.run("LOAD 'etl'")  # its settings are known then
    for name, value in [("shared_preload_libraries", "etl"), ("etl.databases", "postgres"), ("etl.listen", f"127.0.0.1:{port}")]:
        session.run(f"ALTER SYSTEM SET {name} = '{value}'")
    session.close()
    subprocess.run(["pg_ctl", "restart", "-s", "-w", "-D", data, "-l", data + "/log"], check=True)
    session = Session()
    session.run("CREATE EXTENSION IF NOT EXISTS etl")
    session.run(f"CREATE TABLE pushed ({COLUMNS}); CREATE TABLE copied ({COLUMNS})")
    session.run(f"""SELECT etl_create_pipeline('bench', $$ etl_ingest() AS t({COLUMNS}) $$, target => 'pushed', continuous => true,
        flush_interval => '{FLUSH_MS} ms')""")
    return session, session.run("SELECT etl_create_ingest_token('bench')")


class Gateway:
    def __init__(self, folder, port, token, seconds):
        self.folder, self.port, self.token, self.seconds = folder, port, token, seconds

    def wrk(self, path, connections, body=None, seconds=None):
        argv = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds or self.seconds}s"]
        with open(f"{self.folder}/post.lua", "w", encoding="ascii") as file:
            script = SCRIPT % (self.token, body or "")
            file.write(script if body else script.replace('"POST"', '"GET"').replace("wrk.body = [[]]", ""))
        out = subprocess.run([*argv, "-s", file.name, f"http://127.0.0.1:{self.port}{path}"], check=True, capture_output=True, text=True).stdout
        return json.loads(next(line for line in out.splitlines() if line.startswith("JSON "))[5:])

    def push(self, records, connections=CONNECTIONS, seconds=None):
        return self.wrk("/ingest/postgres/bench", connections, "".join(record(n) for n in range(records)), seconds)

    def wait(self):
        """Until the run takes requests."""
        while True:
            result = self.push(1, connections=1, seconds=1)
            if result["others"] + result["broken"] == 0 and result["requests"] > 0:
                return
            time.sleep(0.2)


def copy_rate(session, path):
    session.run("TRUNCATE copied, pushed")
    session.run("CHECKPOINT")
    since = time.monotonic()
    session.run(f"COPY copied FROM '{path}' (FORMAT csv)")
    return COPIED / (time.monotonic() - since)


def rate(result):
    return (result["requests"] - result["others"]) / (result["us"] / 1e6)


def show(what, results):
    total = sum(r["requests"] for r in results)
    print(f"{what}: {median([rate(r) for r in results]):.0f} requests/s, p99 {median([r['p99'] for r in results]) / 1000:.0f} ms, "
          f"{sum(r['others'] for r in results)} of {total} not 200, {sum(r['broken'] for r in results)} broken", flush=True)


def main():
    folder = sys.argv[1]
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    port = free_port()
    session, token = start(port)
    gateway = Gateway(folder, port, token, seconds)
    path = write_copy(folder)
    gateway.wait()
    copies, hundreds, singles, lives = [], [], [], []
    for _ in range(runs):
        copies.append(copy_rate(session, path))
        hundreds.append(gateway.push(100))
        singles.append(gateway.push(1))
        lives.append(gateway.wrk("/live", CONNECTIONS))
    print(f"COPY: {median(copies):.0f} records/s")
    show("100 records", hundreds)
    show("1 record", singles)
    show("/live", lives)
    print(f"records against COPY: {median([100 * rate(h) / c for h, c in zip(hundreds, copies)]):.2f}")
    print(f"requests of one record against /live: {median([rate(s) / rate(v) for s, v in zip(singles, lives)]):.2f}")
    session.close()


if __name__ == "__main__":
    main()

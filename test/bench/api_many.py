#!/usr/bin/env python3
"""etl_api_many: many requests to a server that takes its time for each answer.

Needs a server (PGHOST and kin) on this machine, reached as a superuser, in which etl is installed.
usage: api_many.py FOLDER [REQUESTS, 1000] [MS, 50] [CONCURRENCY, 16] [RUNS, 3]
"""
import http.server
import sys
import threading
import time

from session import Session, median

SESSION = ("SET jit = off",)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pause = 0.05

    def log_message(self, *_):
        pass

    def do_GET(self):
        time.sleep(self.pause)
        body = b'{"path": "%s"}' % self.path.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    requests, pause, concurrency, runs = map(int, sys.argv[2:] + ["1000", "50", "16", "3"][len(sys.argv) - 2 :])
    Handler.pause = pause / 1000
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = Session(SESSION)
    for in_order in ("true", "false"):
        sql = (
            f"SELECT count(*) FROM etl_api_many('http://127.0.0.1:{server.server_port}/k', concurrency => {concurrency}, "
            f"in_order => {in_order}, query => 'SELECT jsonb_build_object(''params'', jsonb_build_object(''q'', i)) "
            f"FROM generate_series(1, {requests}) AS i') AS t(path text)"
        )
        took = [session.measure(sql)[0] for _ in range(runs)]
        print(
            f"in_order {in_order:5}  {requests} requests of {pause} ms, {concurrency} at once: {median(took):.2f} s "
            f"({', '.join('%.2f' % t for t in took)}); one after the other: {requests * pause / 1000:.0f} s or more"
        )


main()

#!/usr/bin/env python3
"""A pipeline over a topic of Kafka, into an unlogged table with a key, against kcat, which only reads.

Messages have 150 bytes.  Interleaved: kcat, then the pipeline, and so on, with the same broker in the same run.  CPU of the
pipeline is its worker's, as the postmaster has it from all its children that have ended, and that of librdkafka's threads.

Needs a server of its own (PGHOST and kin) on this machine, reached as a superuser, in which etl and etl_kafka are installed; java,
kcat, and in ETL_KAFKA what test/harness/packages.sh fetches.  usage: kafka.py FOLDER [MESSAGES, 1000000] [RUNS, 3]
"""
import os
import socket
import subprocess
import sys
import time

from pipeline import Server
from session import measure_command, median

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/kafka
offsets.topic.replication.factor=1
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Broker:
    def __init__(self, folder):
        self.port = free_port()
        self.java = ["java", "-Xmx1g", "-cp", os.environ["ETL_KAFKA"] + "/jars/*"]
        properties = f"{folder}/server.properties"
        with open(properties, "w", encoding="ascii") as file:
            file.write(PROPERTIES.format(folder=folder, port=self.port, controller=free_port()))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties],
                       check=True, **quiet)
        self.process = subprocess.Popen([*self.java, "kafka.Kafka", properties], **quiet)
        while subprocess.run(self.kcat("-L", "-m", "1"), check=False, **quiet).returncode != 0:
            if self.process.poll() is not None:
                raise SystemExit("Kafka did not start")
            time.sleep(0.2)

    def kcat(self, *arguments):
        return ["kcat", "-b", f"127.0.0.1:{self.port}", *arguments]

    def fill(self, topic, messages):
        writer = subprocess.Popen(self.kcat("-P", "-t", topic), stdin=subprocess.PIPE, text=True)
        for n in range(messages):
            text = '{"id": %d, "name": "customer number %d", "amount": %d.%02d, "city": "Springfield", "note": "' % (n, n, n % 1000, n % 100)
            writer.stdin.write(text + "x" * (148 - len(text)) + '"}\n')
        writer.stdin.close()
        if writer.wait() != 0:
            raise SystemExit("kcat could not write")


def main():
    folder = sys.argv[1]
    messages = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    broker, server = Broker(folder), Server()
    try:
        measure(broker, server, messages, runs)
    finally:
        broker.process.kill()
        broker.process.wait()


def measure(broker, server, messages, runs):
    broker.fill("bench", messages)
    run = server.session.run
    run("CREATE EXTENSION IF NOT EXISTS etl")
    run("CREATE EXTENSION IF NOT EXISTS etl_kafka")
    run(f"CREATE SERVER bench FOREIGN DATA WRAPPER etl_kafka OPTIONS (brokers '127.0.0.1:{broker.port}', allow_private 'true')")
    run("CREATE UNLOGGED TABLE target (id bigint PRIMARY KEY, name text, amount numeric, city text)")
    run("ALTER TABLE target SET (autovacuum_enabled = false)")
    run("SELECT etl_create_pipeline('bench', source => $$ etl_kafka('bench', 'bench') AS t(id bigint, name text, amount numeric, city text) $$, "
        "query => 'SELECT * FROM batch', target => 'target', key => '{id}')")
    print(f"{messages} messages of 150 bytes, {runs} runs")
    kcat, pipeline = [], []
    for _ in range(runs):
        kcat.append(measure_command(broker.kcat("-C", "-t", "bench", "-o", "beginning", "-e", "-q")))
        run("TRUNCATE target")
        pipeline.append(server.pipeline()[:2])
        if int(run("SELECT count(*) FROM target")) != messages:
            raise SystemExit("not all messages are there")
    for name, measured in (("kcat", kcat), ("pipeline", pipeline)):
        wall = median([m[0] for m in measured])
        print(f"{name:10} {messages / wall:10.0f} messages/s, {wall:6.2f} s, {median([m[1] for m in measured]):6.2f} s CPU")
    print(f"ratio      {median([k[0] / p[0] for k, p in zip(kcat, pipeline)]):10.2f}")


if __name__ == "__main__":
    main()

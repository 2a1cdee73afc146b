"""A psql session of which the server's side is measured: wall time, CPU seconds and memory.

Comparisons are interleaved pairs, A B A B ..., so that a machine whose speed drifts slows both; what is
quoted is the median of each side and the median of the pairs' ratios.
"""
import os
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Session:
    def __init__(self, settings=(), stop_at_error=True):
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-v", f"ON_ERROR_STOP={int(stop_at_error)}", "-d", "postgres"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=None if stop_at_error else subprocess.DEVNULL, text=True, bufsize=1)
        for setting in settings:
            self.run(setting)
        self.pid = int(self.run("SELECT pg_backend_pid()"))

    def run(self, sql):
        """Runs SQL and returns what psql printed."""
        self.psql.stdin.write(sql + ";\n\\echo ----\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == "----\n":
                return "\n".join(lines)
            lines.append(line.rstrip("\n"))
        raise SystemExit("psql ended at: " + sql)

    def cpu(self):
        """CPU seconds that the backend has used so far, its own and the kernel's for it."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_anon(self):
        """Kilobytes of memory that are the backend's own."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

    def measure(self, sql):
        """(wall seconds, CPU seconds) of SQL."""
        cpu, wall = self.cpu(), time.monotonic()
        self.run(sql)
        return time.monotonic() - wall, self.cpu() - cpu

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


class Workers:
    """The server's processes that have ended, as the postmaster has counted them."""

    def __init__(self, session):
        data = session.run("SHOW data_directory")
        with open(os.path.join(data, "postmaster.pid"), encoding="ascii") as file:
            self.postmaster = int(file.readline())

    def cpu(self):
        """CPU seconds that they have used."""
        with open(f"/proc/{self.postmaster}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS

    def measure(self, work):
        """(wall seconds, CPU seconds) of work that a process does and then ends."""
        cpu, wall = self.cpu(), time.monotonic()
        work()
        return time.monotonic() - wall, self.cpu() - cpu


def measure_command(argv):
    """(wall seconds, CPU seconds) of a program."""
    before, wall = os.times(), time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - wall, os.times()
    return wall, (after.children_user - before.children_user
                  + after.children_system - before.children_system)


def pairs(a, b, runs):
    """Runs a and b in turn, after one turn that does not count: ([a's], [b's])."""
    results = [(a(), b()) for _ in range(runs + 1)][1:]
    return [r[0] for r in results], [r[1] for r in results]


def median(values):
    return statistics.median(values)


def row(what, a, b):
    """A line of the table: both sides' medians, and how many times as long b takes."""
    wall = median([y[0] / x[0] for x, y in zip(a, b)])
    cpu = median([y[1] / x[1] for x, y in zip(a, b) if x[1] > 0])
    print(f"| {what} | {median([x[0] for x in a]):.2f} | {median([x[1] for x in a]):.2f} "
          f"| {median([y[0] for y in b]):.2f} | {median([y[1] for y in b]):.2f} "
          f"| {wall:.1f} | {cpu:.1f} |", flush=True)

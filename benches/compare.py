#!/usr/bin/env python3
"""Measures clusters of processes on loopback, beside other systems, and writes docs/performance.md.

Everything is measured in rounds: in each round every configuration runs once, so that what changes
on the machine meanwhile touches all alike; a figure is the median over the rounds. Whatever was
started is killed, by its handle, however this ends.

Needs Python 3 and executables built with `cargo build --release --bins`. With `--peers DIR`, a folder
with a cargo package `peers`, the same load is put on other systems; they are built in a folder of
their own. etcd and NATS take part if they are on PATH, or named by ETCD_BIN and NATS_BIN.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODES = ["durable", "volatile"]
OUTSTANDING = [1, 64, 1024]
# Messages of a client that share a datagram, in the one column in which any do.
PACKED = 12
# Mode, messages outstanding, messages a datagram.
COLUMNS = [("durable", 1, 1), ("durable", 64, 1), ("durable", 1024, 1), ("durable", 1024, PACKED),
           ("volatile", 1, 1), ("volatile", 64, 1), ("volatile", 1024, 1)]
BYTES = 100
PEERS = ["etcd", "nats", "omnipaxos", "raft"]
PACKING_PEERS = ["omnipaxos", "raft"]
OURS, BEFORE = "this project", "this project before"
# Seconds until a process that was started must have done what it does at once.
PROMPTLY = 20


class Cluster:
    """Replicas and clients as processes; all are killed at the end of the `with` block."""

    def __init__(self, args, mode, f=1, programs=None):
        self.programs, self.timeout_ms = programs or args.programs, args.timeout_ms
        self.mode, self.f = mode, f
        self.replicas, self.clients = {}, []

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="paxos-chat-"))
        self.config = self.folder / "cluster.toml"
        try:
            self.run("cluster", "config", "-f", self.f, "-o", self.config, "--user", "load",
                     "--timeout-ms", self.timeout_ms, "--base-port", free_ports(2 * self.f + 1))
            for replica in range(2 * self.f + 1):
                self.start(replica, "--init" if self.mode == "durable" else "--volatile")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in [*self.clients, *self.replicas.values()]:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def run(self, program, *args):
        command = [self.programs / program, *map(str, args)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=PROMPTLY)

    def start(self, replica, *args):
        command = [self.programs / "replica", "--config", self.config, "--id", str(replica),
                   "--log-dir", self.folder, "--stop-at-end-of-input", *args]
        self.replicas[replica] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if "listens on" not in self.replicas[replica].stdout.readline():
            sys.exit(f"replica {replica} did not start; what it printed says why")

    def kill(self, replica):
        process = self.replicas.pop(replica)
        process.kill()
        process.wait()

    def status(self, replica):
        """What the console of a replica says of it, by name."""
        process = self.replicas[replica]
        process.stdin.write("status\n")
        process.stdin.flush()
        return dict(field.split("=", 1) for field in process.stdout.readline().split()[1:])

    def leader(self):
        """The replica that leads; the last to be elected, if another does not yet know of it."""
        def leading():
            statuses = [self.status(replica) for replica in self.replicas]
            return [status for status in statuses if status["role"] == "leading"]
        last = max(eventually(leading, "no replica leads"), key=lambda status: int(status["round"]))
        return int(last["replica"])

    def await_progress(self, messages):
        """Waits until so many more messages are in the log of the replica that leads."""
        leader = self.leader()
        enough = int(self.status(leader)["log_lines"]) + messages
        eventually(lambda: int(self.status(leader)["log_lines"]) >= enough, "nothing is chosen")

    def load(self, outstanding, seconds, warmup, size=BYTES, pack=1):
        """Starts a client; its report is a line of JSON."""
        command = [self.programs / "client", "--config", self.config, "--name", "load", "load",
                   "--outstanding", outstanding, "--seconds", seconds, "--warmup", warmup,
                   "--size", size, "--pack", pack, "--json"]
        return self.begin(command)

    def begin(self, command):
        """Starts a client, which ends with the cluster at the latest."""
        self.clients.append(
            subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True))
        return self.clients[-1]


def eventually(found, otherwise):
    """What `found` gives as soon as that is true."""
    deadline = time.monotonic() + PROMPTLY
    while time.monotonic() < deadline:
        if what := found():
            return what
        time.sleep(0.01)
    sys.exit(f"{otherwise} after {PROMPTLY} s")


def free_ports(count):
    """The first of so many UDP ports in a row that are free now."""
    for _ in range(1000):
        first = random.randrange(20000, 32000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    sys.exit("no free UDP ports from 20000 to 32000")


def report(process):
    """What a client measured. A message that nobody acknowledged spoils the run."""
    output, _ = process.communicate(timeout=600)
    found = json.loads(output)
    if found["errors"]:
        sys.exit(f"{found['errors']} messages were not acknowledged: {found}")
    return found


class Results:
    """What was measured, by configuration, a list with a value for each round."""

    def __init__(self):
        self.rounds = {}

    def add(self, key, found):
        self.rounds.setdefault(key, []).append(found)

    def median(self, key, figure):
        found = [one[figure] for one in self.rounds.get(key, [])]
        return statistics.median(found) if found else None


def measure_ours(args, results):
    builds = [(OURS, args.programs), (BEFORE, args.before)]
    for mode in MODES:
        for name, programs in builds:
            if programs is None:
                continue
            with Cluster(args, mode, programs=programs) as cluster:
                for column in COLUMNS:
                    if column[0] == mode:
                        _, outstanding, pack = column
                        load = cluster.load(outstanding, args.seconds, args.warmup, pack=pack)
                        results.add((name, *column), report(load))


def measure_peers(args, results):
    for system in args.systems:
        for column in COLUMNS:
            mode, outstanding, pack = column
            if pack > 1 and system not in PACKING_PEERS:
                continue
            command = [args.peer, system, f"--{mode}", "--outstanding", outstanding,
                       "--secs", args.seconds, "--warmup", args.warmup]
            if pack > 1:
                command += ["--pack", pack]
            ended = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True,
                                   timeout=600)
            lines = ended.stdout.splitlines()
            found = json.loads(lines[-1]) if lines else {"errors": 1, "ops": 0}
            worked = ended.returncode == 0 and found["ops"] > 0
            if worked:
                results.add((system, *column), found)
            if not worked or found["errors"]:
                # Of the libraries, these are requests that had to be sent again.
                fate = "has errors" if worked else "left out of this round"
                print(f"{system} {column}: {fate}: {found}", file=sys.stderr)


def measure_scaling(args, results):
    for mode in MODES:
        for f in args.faults:
            with Cluster(args, mode, f) as cluster:
                for outstanding in OUTSTANDING:
                    found = report(cluster.load(outstanding, args.seconds, args.warmup))
                    results.add(("f", f, mode, outstanding, 1), found)
        with Cluster(args, mode) as cluster:
            for size in args.sizes:
                for outstanding in OUTSTANDING:
                    found = report(cluster.load(outstanding, args.seconds, args.warmup, size))
                    results.add(("bytes", size, mode, outstanding, 1), found)


def measure_elections(args, results):
    """Kills the primary under load, again and again, and brings it back.

    The load goes on until messages are acknowledged again, however long that takes.
    """
    with Cluster(args, "durable") as cluster:
        timeout = args.timeout_ms / 1000
        for _ in range(args.kills):
            client = cluster.load(64, 3600, 0)
            cluster.await_progress(1000)
            # Anywhere between two heartbeats.
            time.sleep(random.uniform(0, timeout))
            killed = cluster.leader()
            cluster.kill(killed)
            cluster.await_progress(1000)
            client.send_signal(signal.SIGINT)
            results.add("elections", {"silence": report(client)["silence_us_max"] / 1e6 / timeout})
            cluster.start(killed)


def figure(value, unit=""):
    return "" if value is None else f"{value:,.0f}{unit}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def titles(first, columns):
    packed = {1: "", PACKED: ", packed"}
    names = [f"{mode}, K={k}{packed[pack]}" + (", p50" if k == 1 else "")
             for mode, k, pack in columns]
    return [row([first, *names]), row(["---"] + ["---:"] * len(names))]


def cell(results, key, outstanding, ours=None):
    """Latency if one message is outstanding, throughput otherwise; and how much better ours is."""
    name, unit = ("p50_us", " us") if outstanding == 1 else ("ops_per_s", "/s")
    value = results.median(key, name)
    if value is None:
        return ""
    text = figure(value, unit)
    if ours is not None:
        own = results.median(ours, name)
        ratio = value / own if outstanding == 1 else own / value
        text += f" ({ratio:.2f})"
    return text


def table_beside(args, results):
    yield from titles("", COLUMNS)
    ours = [OURS] + ([BEFORE] if args.before else [])
    for system in [*ours, *args.systems]:
        cells = []
        for column in COLUMNS:
            ours = None if system == OURS else (OURS, *column)
            cells.append(cell(results, (system, *column), column[1], ours))
        yield row([system, *cells])


def table_scaling(kind, rows, name, results):
    columns = [column for column in COLUMNS if column[2] == 1]
    yield from titles(name, columns)
    for value in rows:
        cells = [cell(results, (kind, value, *column), column[1]) for column in columns]
        yield row([f"{value:,}", *cells])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores ({processor}), {platform.system()} {platform.release()}"


def page(args, results):
    silences = sorted(one["silence"] for one in results.rounds.get("elections", []))
    yield "# Performance"
    yield ""
    yield "<!-- Written by benches/compare.py; changes are lost when it runs again. -->"
    yield ""
    yield (f"{datetime.date.today()}, {machine()}. Three replicas, clients and whatever else is part "
           f"of a system share these cores, on loopback. Each figure is the median of {args.rounds} "
           f"interleaved rounds of {args.seconds:g} s after {args.warmup:g} s of warm-up.")
    yield ""
    yield (f"K messages of {BYTES} bytes are unacknowledged at once: the median latency for K=1, "
           "messages acknowledged in a second otherwise. *Durable* is synced by a majority before it "
           "is acknowledged; *volatile* is kept in memory, except for our chat log, which is always "
           f"written. *Packed*: up to {PACKED} messages of a client share a datagram; otherwise each has "
           "its own. What our replicas answer a client in one turn shares datagrams in all columns. "
           "In brackets: how many times better this project is than that system; below 1 "
           "it is worse.")
    yield ""
    yield from table_beside(args, results)
    yield ""
    if len(args.systems) > 0:
        yield ("`omnipaxos` and `raft` (tikv's) are libraries in three threads of one process with "
               "neither sessions, encryption nor recovery, which sync a log that nobody reads back; "
               "`nats` syncs on a timer only; `etcd` and `nats` are whole services.")
        yield ""
    if args.faults or args.sizes:
        yield from ["## More replicas, longer messages", ""]
        yield from table_scaling("f", args.faults, "f, of 2f+1 replicas", results)
        yield ""
        yield from table_scaling("bytes", args.sizes, "bytes of a message", results)
        yield ""
    if silences:
        yield from ["## A new leader", ""]
        p50, last = statistics.median(silences), len(silences) - 1
        p99 = silences[min(last, int(0.99 * len(silences)))]
        yield (f"The primary of three durable replicas was killed under load (K=64) "
               f"{len(silences)} times. The longest time in which the client got no acknowledgement, "
               f"in election time-outs ({args.timeout_ms} ms; a replica waits for one to two of them before it "
               f"suspects its leader): median {p50:.2f}, p99 {p99:.2f}, longest {silences[-1]:.2f}.")
        yield ""
    peers = (" --peers DIR" if args.systems else "") + (" --before DIR" if args.before else "")
    yield (f"    python3 benches/compare.py --rounds {args.rounds} --seconds {args.seconds:g} "
           f"--warmup {args.warmup:g} --kills {args.kills}{peers}")


def tell(text):
    """Prints results; ends with an error if they cannot be written."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Otherwise Python tries once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"results could not be written: {error}")


def need_programs(parser, folder, option):
    """Ends with an error unless the executables are in this folder."""
    for name in ["cluster", "replica", "client"]:
        if not (folder / name).is_file():
            parser.error(f"{folder / name} is missing: run `cargo build --release --bins`, "
                         f"or name the folder with {option}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true",
                        help="one short round of everything, to see that it works")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each run")
    parser.add_argument("--warmup", type=float, default=0.7, help="seconds before that")
    parser.add_argument("--kills", type=int, default=20, help="of primaries")
    parser.add_argument("--timeout-ms", type=int, default=500, help="the election time-out")
    parser.add_argument("--peers", type=pathlib.Path, help="the folder of the package `peers`")
    parser.add_argument("--peers-target", type=pathlib.Path,
                        default=pathlib.Path(tempfile.gettempdir()) / "peers-target",
                        help="where to build it")
    parser.add_argument("--systems", nargs="+", choices=PEERS, default=PEERS,
                        help="which of them")
    parser.add_argument("--only", choices=["beside", "scaling", "elections"],
                        help="measure nothing else")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "target" / "release",
                        help="the folder of our executables")
    parser.add_argument("--before", type=pathlib.Path,
                        help="the folder of the executables of another build, measured beside")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "performance.md",
                        help="the page; - for standard output")
    args = parser.parse_args()
    args.faults, args.sizes = [1, 2, 3], [100, 1024, 4096]
    if args.quick:
        args.rounds, args.seconds, args.warmup, args.kills, args.timeout_ms = 1, 0.6, 0.1, 1, 500
        args.faults, args.sizes = [2], [4096]
    need_programs(parser, args.programs, "--programs")
    if args.before:
        need_programs(parser, args.before, "--before")
        if args.only not in (None, "beside"):
            parser.error(f"--before is not measured with --only {args.only}")
    return args


def build_peers(args):
    """Which systems take part."""
    if args.peers is None:
        return []
    # In their folder, because cargo takes its configuration from where it is called.
    args.peers_target = args.peers_target.resolve()
    subprocess.run(["cargo", "build", "--release", "--target-dir", args.peers_target], check=True,
                   cwd=args.peers)
    args.peer = args.peers_target / "release" / "peers"
    systems = []
    for system in args.systems:
        server = {"etcd": ("ETCD_BIN", "etcd"), "nats": ("NATS_BIN", "nats-server")}.get(system)
        if server and not os.environ.get(server[0]) and not shutil.which(server[1]):
            print(f"{system} is left out: {server[1]} is not on PATH, and {server[0]} is not set",
                  file=sys.stderr)
        else:
            systems.append(system)
    return systems


def main():
    args = parse()
    args.systems = build_peers(args)
    parts = {"beside": [measure_ours, measure_peers], "scaling": [measure_scaling]}
    if args.only not in (None, "scaling"):
        args.faults, args.sizes = [], []
    results = Results()
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        for name, measures in parts.items():
            for measure in measures if args.only in (None, name) else []:
                measure(args, results)
    if args.only in (None, "elections"):
        measure_elections(args, results)
    text = "\n".join(page(args, results)) + "\n"
    if str(args.output) == "-":
        tell(text.rstrip("\n"))
    else:
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

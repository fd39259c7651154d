#!/usr/bin/env python3
"""Measures what it costs that a replica passes a request on to the leader: its median latency beside that of
a request that reaches the leader itself, one message outstanding, in interleaved rounds.

The client runs in a network namespace of its own, from which no route leads to the leader. Needs root,
iproute2, Python 3, and executables built with `cargo build --release --bins`.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys

import compare

NET = "10.249.77"
SPACE, OUTER, INNER = (f"paxos{os.getpid()}{end}" for end in ["", "o", "i"])


def ip(*args):
    subprocess.run(["ip", *args], check=True)


@contextlib.contextmanager
def namespace():
    """A namespace that reaches `NET`.1 to 3, which are out here."""
    try:
        ip("netns", "add", SPACE)
    except subprocess.CalledProcessError:
        sys.exit("no network namespace can be made here; what `ip` printed says why")
    try:
        ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", SPACE)
        for host in [1, 2, 3]:
            ip("address", "add", f"{NET}.{host}/24", "dev", OUTER)
        ip("link", "set", OUTER, "up")
        ip("-n", SPACE, "address", "add", f"{NET}.9/24", "dev", INNER)
        ip("-n", SPACE, "link", "set", INNER, "up")
        yield
    finally:
        ip("netns", "delete", SPACE)


class Cluster(compare.Cluster):
    """Replicas that listen where the namespace reaches them."""

    def run(self, program, *args):
        super().run(program, *args)
        text = self.config.read_text(encoding="utf-8")
        for replica in range(3):
            place = f"id = {replica}\naddress = \""
            text = text.replace(place + "127.0.0.1", f"{place}{NET}.{replica + 1}")
        self.config.write_text(text, encoding="utf-8")

    def latency_us(self, args):
        command = ["ip", "netns", "exec", SPACE, self.programs / "client", "--config", self.config,
                   "--name", "load", "load", "--outstanding", 1, "--seconds", args.seconds,
                   "--warmup", args.warmup, "--size", compare.BYTES, "--json"]
        self.clients.append(subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True))
        return compare.report(self.clients[-1])["p50_us"]


def measure(args, mode):
    """The median latency of direct requests and of relayed ones, in microseconds."""
    direct, relayed = [], []
    with Cluster(args, mode) as cluster:
        for _ in range(args.rounds):
            direct.append(cluster.latency_us(args))
            leader = cluster.leader()
            route = ["blackhole", f"{NET}.{leader + 1}/32"]
            ip("-n", SPACE, "route", "add", *route)
            try:
                relayed.append(cluster.latency_us(args))
            finally:
                ip("-n", SPACE, "route", "delete", *route)
            if cluster.leader() != leader:
                sys.exit("another replica came to lead meanwhile: try again")
    return statistics.median(direct), statistics.median(relayed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--warmup", type=float, default=2,
                        help="seconds before that, in which a client finds whom it reaches")
    parser.add_argument("--timeout-ms", type=int, default=500, help="the election time-out")
    parser.add_argument("--programs", type=pathlib.Path, default=compare.ROOT / "target" / "release",
                        help="the folder of our executables")
    args = parser.parse_args()
    compare.need_programs(parser, args.programs, "--programs")
    if args.rounds < 1:
        parser.error("--rounds: at least 1")
    if os.geteuid() != 0:
        parser.error("it makes a network namespace: run it as root")
    if not shutil.which("ip"):
        parser.error("`ip` is not on PATH: install iproute2")
    # What was begun is undone then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with namespace():
        for mode in compare.MODES:
            direct, relayed = measure(args, mode)
            compare.tell(f"{mode}: {direct:.0f} us direct, {relayed:.0f} us relayed: "
                         f"{relayed / direct:.2f} times as long")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures what it costs that replicas record all that they are told and do: the throughput of a cluster that records beside
that of one that does not, in interleaved rounds.

Needs Python 3 and executables built with `cargo build --release --bins`.
"""

import argparse
import fcntl
import pathlib
import signal
import statistics
import sys

import compare


class Cluster(compare.Cluster):
    """Replicas that record, or do not, on links that lose datagrams."""

    def __init__(self, args, mode, records):
        super().__init__(args, mode)
        self.records, self.loss = records, args.loss

    def run(self, program, *args):
        if args[0] == "config":
            args = [*args, "--loss", self.loss]
        super().run(program, *args)

    def start(self, replica, *args):
        record = ["--record", self.folder / f"recording-{replica}"] if self.records else []
        super().start(replica, *args, *record)

    def check(self):
        """A recording goes on for as long as its last file is locked."""
        for folder in self.folder.glob("recording-*"):
            with open(max(folder.glob("*.rec")), "rb") as last:
                try:
                    fcntl.flock(last, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
            sys.exit(f"{folder.name} ended before the run did; what its replica logged says why")


def throughput(args, mode, outstanding, records):
    """Messages a second."""
    with Cluster(args, mode, records) as cluster:
        found = compare.report(cluster.load(outstanding, args.seconds, args.warmup))["ops_per_s"]
        cluster.check()
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--warmup", type=float, default=1, help="seconds before that, in which nothing counts")
    parser.add_argument("--loss", type=float, default=0, help="the probability that a datagram is lost")
    parser.add_argument("--outstanding", type=int, nargs="+", default=[64, 256], help="messages that wait at once")
    parser.add_argument("--mode", choices=compare.MODES, nargs="+", default=compare.MODES)
    parser.add_argument("--timeout-ms", type=int, default=500, help="the election time-out")
    parser.add_argument("--programs", type=pathlib.Path, default=compare.ROOT / "target" / "release",
                        help="the folder of our executables")
    args = parser.parse_args()
    compare.need_programs(parser, args.programs, "--programs")
    if args.rounds < 2:
        parser.error("--rounds: at least 2")
    # What was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print("| mode | outstanding | without, messages/s | with, messages/s | ratio of a pair: median | half of them are in |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for mode in args.mode:
        for outstanding in args.outstanding:
            found = {False: [], True: []}
            for number in range(args.rounds):
                for records in [number % 2 == 1, number % 2 == 0]:
                    found[records].append(throughput(args, mode, outstanding, records))
            ratios = [on / off for off, on in zip(found[False], found[True])]
            low, middle, high = statistics.quantiles(ratios, n=4)
            off, on = (statistics.median(found[records]) for records in [False, True])
            print(f"| {mode} | {outstanding} | {off:,.0f} | {on:,.0f} | {middle:.2f} | {low:.2f} to {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()

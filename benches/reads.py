#!/usr/bin/env python3
"""Measures current reads beside messages: how long one takes, and how many a second a cluster serves, of each in turn on the
same replicas, in interleaved rounds.

Needs Python 3 and executables built with `cargo build --release --bins`.
"""

import argparse
import pathlib
import signal
import statistics
import sys

import compare


class Cluster(compare.Cluster):
    """Replicas, and clients that say something or read."""

    def measure(self, what, outstanding, seconds):
        if what == "messages":
            return compare.report(self.load(outstanding, seconds, seconds / 4))
        command = [self.programs / "client", "--config", self.config, "--name", "load", "load", "--reads",
                   "--outstanding", outstanding, "--seconds", seconds, "--warmup", seconds / 4, "--json"]
        return compare.report(self.begin(command))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--outstanding", type=int, nargs="+", default=[1, 64, 1024], help="reads or messages that wait at once")
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
    print("| mode | outstanding | reads/s | messages/s | ratio of a pair: median | half of them are in | p50 of a read | of a message |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for mode in args.mode:
        for outstanding in args.outstanding:
            found = {"reads": [], "messages": []}
            with Cluster(args, mode) as cluster:
                for number in range(args.rounds):
                    for what in sorted(found, reverse=number % 2 == 1):
                        found[what].append(cluster.measure(what, outstanding, args.seconds))
            rates = {what: [run["ops_per_s"] for run in runs] for what, runs in found.items()}
            ratios = [read / message for read, message in zip(rates["reads"], rates["messages"])]
            low, middle, high = statistics.quantiles(ratios, n=4)
            reads, messages = (statistics.median(rates[what]) for what in found)
            of_read, of_message = (statistics.median(run["p50_us"] for run in found[what]) for what in found)
            print(f"| {mode} | {outstanding} | {reads:,.0f} | {messages:,.0f} | {middle:.1f} | {low:.1f} to {high:.1f} | "
                  f"{of_read:,.0f} us | {of_message:,.0f} us |", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What ranks gain and what sharing costs: isoflop against itself in other layouts, in turn, on one machine.

    tests/benchmark/ranks_benchmark.py --isoflop build/release/bin/isoflop --reductions build/release/bin/reductions_benchmark \\
        --json ranks.json > ranks.md

Every layout trains the same configuration (Markov data, fp32, one thread a rank, the global batch fixed) with `isoflop bench train`; all
layouts run once, then all once more, --repeats times, and a figure is a ratio of medians over the repeats:

    speed-up   tokens/s of 2 replicas / tokens/s of 1 rank                      aim 1.9
    ceiling    tokens/s of two programs of 1 rank side by side, together, / tokens/s of 1 rank: what the machine gives to two that share nothing
    zero3      tokens/s of 2 replicas with ZeRO 3 / the same with ZeRO 0       aim 0.90
    pipeline   tokens/s of 2 stages, 8 micro-batches / twice those of 1 rank, each schedule     aim 0.85; the formulas allow 0.89 to 0.96
    bubble     idle share of a rank's step less that by formula, of every schedule on 2 and 4 ranks     aim within 5 points
    order      step time of 2 replicas / the same with train.reproducible = false, less 1: what the promise costs as a user meets it    aim 0.05
    reductions seconds of a step's sum of gradients in a fixed order less those of MPI's own all-reduce, of the step's time: the same by its cause

Pipelines of N ranks need N cores: with fewer, ranks that wait give their core away, and a bubble is no idle time. There the bubble is not measured
but played: every rank measures the processor time of its passes, which does not know who else had the core, and the schedule is run on paper with
these times, a core for every rank and messages taking none (bubble_played of `isoflop bench train`). Rows say which it is; both are in the JSON.
Interleaved has 2 stages a rank. Four ranks are there for their bubbles alone and take two steps each.
"others" is the share of all cores that other processes took, at most over the runs; above --quiet the report says that the figures do not count
and the exit code is 3. The cost model: 6 N tokens FLOP a step over the rate of the cores, about 7 s at the default size on one core of 90 GFLOP/s, half of
it on two; two more steps warm each run up. On two such cores a round takes 5 to 9 minutes, and the whole 15 to 25.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

RUN = """\
[model]
layers = {layers}
width = {width}
context = 256
[data]
kind = "markov"
symbols = 512
[train]
tokens = 100_000_000
global_batch = 16
micro_batch = 2
precision = "fp32"
[parallel]
virtual_ranks = 8
"""
SCHEDULES = ("1f1b", "gpipe", "interleaved", "zero-bubble")
DEPTHS = (2, 4)


def pipeline(schedule, depth):
    return f"{schedule}, {depth} ranks"


LAYOUTS = {  # name: ranks, keys of the run
    "one": (1, {}),
    "two": (2, {}),
    "two, any order": (2, {"train.reproducible": "false"}),
    "two, ZeRO 3": (2, {"parallel.zero": 3}),
    **{pipeline(schedule, depth): (depth, {"parallel.pipeline": depth, "parallel.schedule": schedule}) for depth in DEPTHS for schedule in SCHEDULES},
}
SPEEDS = ("one", "two", "two, any order", "two, ZeRO 3", *(pipeline(schedule, 2) for schedule in SCHEDULES))  # what tokens/s are compared of
SIDE_BY_SIDE = "one beside one"
BUBBLE_STEPS = 2


def processor_seconds():
    """(busy by anybody, busy by this program and its children)."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    busy = (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    mine = os.times()
    return busy, mine.user + mine.system + mine.children_user + mine.children_system


class Bench:
    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.others = arguments, folder, 0.0
        (folder / "run.toml").write_text(RUN.format(layers=arguments.layers, width=arguments.width))

    def run(self, *commands):
        """Starts all commands at once; what each says when it has ended."""
        busy, mine, begin = *processor_seconds(), time.monotonic()
        jobs = [subprocess.Popen([str(word) for word in command], cwd=self.folder, stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "OMP_NUM_THREADS": "1"}) for command in commands]
        said = [job.communicate()[0] for job in jobs]
        for job in jobs:
            if job.returncode != 0:
                sys.exit(f"{' '.join(job.args)}: exit code {job.returncode}")
        now_busy, now_mine = processor_seconds()
        share = (now_busy - busy - (now_mine - mine)) / ((time.monotonic() - begin) * os.cpu_count())
        self.others = max(self.others, share)
        return [json.loads(text) for text in said]

    def training(self, layout):
        ranks, keys = LAYOUTS[layout]
        sets = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        steps = self.arguments.steps if layout in SPEEDS else BUBBLE_STEPS
        return ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks, self.arguments.isoflop, "bench", "train", "run.toml",
                "--steps", steps, "--json", "-", *sets]

    def train(self, layout):
        return self.run(self.training(layout))[0]

    def side_by_side(self):
        alone = self.training("one")
        return {"tokens_per_second": sum(result["tokens_per_second"] for result in self.run(alone, alone))}

    def reductions(self, elements):
        return self.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", 2, self.arguments.reductions, elements, self.arguments.steps])[0]


def median(results, key):
    return statistics.median(result[key] for result in results)


def bubble_key(depth):
    return "bubble" if depth <= os.cpu_count() else "bubble_played"


def report(seen, reductions, others, arguments):
    rate = {name: median(seen[name], "tokens_per_second") for name in (*SPEEDS, SIDE_BY_SIDE)}
    cost = (median(reductions, "fixed_order_seconds") - median(reductions, "library_seconds")) / median(seen["two"], "step_seconds")
    figures = {"speed-up": rate["two"] / rate["one"], "ceiling": rate[SIDE_BY_SIDE] / rate["one"], "zero3": rate["two, ZeRO 3"] / rate["two"],
               "order": rate["two, any order"] / rate["two"] - 1, "reductions": cost}
    lines = ["| figure | measured | aim |", "|---|---|---|",
             f"| 2 replicas / 1 rank, tokens/s | {figures['speed-up']:.2f} | 1.9 |",
             f"| 2 programs of 1 rank side by side / 1 rank, tokens/s | {figures['ceiling']:.2f} | |",
             f"| ZeRO 3 / ZeRO 0 on 2 ranks | {100 * figures['zero3']:.0f}% | 90% |",
             f"| the same bits on any ranks: a step of 2 replicas against one with `reproducible = false` | {100 * figures['order']:+.1f}% | 5% |",
             f"| of that, the sums of gradients by themselves | {100 * cost:+.1f}% of the step | |"]
    for schedule in SCHEDULES:
        stages = pipeline(schedule, 2)
        figures[f"pipeline {schedule}"] = rate[stages] / (2 * rate["one"])
        lines.append(f"| {schedule}, 2 stages, 8 micro-batches / bubble-free ideal; by formula | {100 * figures[f'pipeline {schedule}']:.0f}%; "
                     f"{100 * (1 - median(seen[stages], 'bubble_formula')):.0f}% | 85% |")
    for depth in DEPTHS:
        how = "measured" if depth <= os.cpu_count() else "played with measured passes"
        for schedule in SCHEDULES:
            results = seen[pipeline(schedule, depth)]
            idle, formula = median(results, bubble_key(depth)), median(results, "bubble_formula")
            figures[f"bubble {pipeline(schedule, depth)}"] = idle - formula
            lines.append(f"| bubble of {pipeline(schedule, depth)}: {how}; formula | {100 * idle:.1f}%; {100 * formula:.1f}% | within 5 points |")
    lines += ["", f"Layers {arguments.layers}, width {arguments.width}, {arguments.repeats} repeats of {arguments.steps} steps; tokens/s: "
              + ", ".join(f"{name} {value:.0f}" for name, value in rate.items())
              + f"; other processes took {100 * others:.0f}% of the cores, load {os.getloadavg()[0]:.1f}."]
    if others > arguments.quiet:
        lines.append("**The machine was not quiet: these figures do not count.**")
    return figures, "\n".join(lines)


def program(name):
    if not os.access(name, os.X_OK):
        raise argparse.ArgumentTypeError(f"{name}: no such program; build it with `cmake --build --preset release --target isoflop benchmarks`")
    return pathlib.Path(name).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isoflop", type=program, required=True)
    parser.add_argument("--reductions", type=program, required=True)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quiet", type=float, default=0.05)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    seen, reductions = {name: [] for name in [*LAYOUTS, SIDE_BY_SIDE]}, []
    with tempfile.TemporaryDirectory() as made:
        bench = Bench(arguments, pathlib.Path(made))
        elements = arguments.layers * 12 * arguments.width**2 + 512 * arguments.width
        for repeat in range(arguments.repeats):
            for name, results in seen.items():
                results.append(bench.side_by_side() if name == SIDE_BY_SIDE else bench.train(name))
                print(f"{repeat + 1}/{arguments.repeats} {name}: {results[-1]['tokens_per_second']:.0f} tokens/s", file=sys.stderr)
            reductions.append(bench.reductions(elements))
    figures, text = report(seen, reductions, bench.others, arguments)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": figures, "others": bench.others, "runs": seen, "reductions": reductions}, indent=2))
    return 3 if bench.others > arguments.quiet else 0


if __name__ == "__main__":
    sys.exit(main())

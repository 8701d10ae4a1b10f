#!/usr/bin/env python3
"""Large sets of points, and how long isoflop takes over them.

    many_points.py points KIND NUMBER... > points.csv
    many_points.py measure [--isoflop FILE] [--count N] [--limit SECONDS] [--only TEXT] > table.md

Kinds: the surface of Besiroglu et al. 2024 with 0.4% of noise as
    scattered COUNT        params 1e6 to 3e9, 2 to 300 tokens a parameter, compute without gaps
    groups COUNT           the same in groups of 100
    line COUNT             20 tokens a parameter
    isoflop COUNT          twelve budgets 1e18 to 3e21 FLOP, sizes within 6 times the best
    curves RUNS RECORDS    losses along runs of 25 sizes
    repeated COUNT         every row of COUNT / 2 scattered ones twice
and the published constants of other laws, with as much noise:
    steps COUNT            Kaplan's L(N, Smin)
    unique COUNT           Muennighoff's law, texts of a tenth to all of the tokens
    tasks COUNT            the OLMo ladder's two steps, and Gadre's error
    settings COUNT         Step Law's learning rates and batches
    schedules RUNS RECORDS Luo's multi-power law along cosines of different ends

`measure` runs each command of COMMANDS on COUNT points (default 100,000) in turn and prints its processor time (user and
system) and its peak memory; a command that takes longer than the limit (default 1,800 s) is stopped and said so.
"""
import argparse
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

E, A, B, ALPHA, BETA = 1.8172, 482.01, 2085.43, 0.3478, 0.3658


def noise():
    return math.exp(random.gauss(0, 0.004))


def loss(params, tokens):
    return (E + A * params**-ALPHA + B * tokens**-BETA) * noise()


def log_uniform(low, high):
    return math.exp(random.uniform(math.log(low), math.log(high)))


def sizes(count):
    for _ in range(count):
        params = log_uniform(1e6, 3e9)
        yield params, params * log_uniform(2, 300)


def scattered(count):
    return ((*size, loss(*size)) for size in sizes(count))


def groups(count):
    return ((*row, f"group {i // 100}") for i, row in enumerate(scattered(count)))


def line(count):
    return ((params, 20 * params, loss(params, 20 * params)) for params, _ in sizes(count))


def isoflop(count):
    scale = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    for i in range(count):
        flops = 1e18 * 3000 ** ((i % 12) / 11)
        params = scale * (flops / 6) ** (BETA / (ALPHA + BETA)) * log_uniform(1 / 6, 6)
        yield params, flops / (6 * params), loss(params, flops / (6 * params))


def curves(runs, records):
    for run in range(runs):
        params = 1e7 * 300 ** ((run % 25) / 24)
        end = params * log_uniform(10, 200)
        for k in range(records):
            tokens = end * 30 ** (k / (records - 1) - 1)
            yield params, tokens, loss(params, tokens) * (1 + 0.05 * (1 - tokens / end) ** 1.5), f"run {run}"


def repeated(count):
    return (row for row in list(scattered(count // 2)) for _ in range(2))


def steps(count):
    for params, _ in sizes(count):
        step = log_uniform(1e3, 1e6)
        yield params, step, ((6.5e13 / params) ** 0.077 + (2.1e3 / step) ** 0.76) * noise()


def unique(count):
    for params, tokens in sizes(count):
        text = tokens * log_uniform(0.1, 1)
        worth = text + text * 15.39 * (1 - math.exp(-(tokens / text - 1) / 15.39))
        yield params, tokens, text, loss(params, worth)


def tasks(count):
    for params, tokens in sizes(count):
        task = (0.4 + 500 * params**-0.38 + 2000 * tokens**-0.4) * noise()
        accuracy = -0.7 / (1 + math.exp(-6 * (task - 0.9))) + 0.95 + random.gauss(0, 0.004)
        lost = loss(params, tokens)
        yield params, tokens, lost, task, min(max(accuracy, 0), 1), 0.85 - 2.08 * math.exp(-0.756 * lost) * noise()


def settings(count):
    for params, tokens in sizes(count):
        yield params, tokens, 1.79 * tokens**0.307 / params**0.713 * noise(), 0.58 * tokens**0.571 * noise()


def schedules(runs, records):
    """Cosines in 200 stairs, so that the law's sum over drops is short to write; 0.1% of noise."""
    peak, warmup, stairs = 3e-4, records // 20, 200
    for run in range(runs):
        share = 0.02 + 0.9 * run / runs  # of the peak, at the end
        area, drops, rate = 0.0, [], 0.0
        for k in range(1, records + 1):
            stair = math.floor(stairs * max(0, k - warmup) / (records - warmup)) / stairs
            now = peak * (k / warmup if k < warmup else share + (1 - share) * (1 + math.cos(math.pi * stair)) / 2)
            if k > warmup and now != rate:
                drops.append((rate - now, now, area))
            area, rate = area + now, now
            fall = sum(d * (1 - (1 + 2.025 * eta**-0.635 * (area - before)) ** -0.594) for d, eta, before in drops)
            yield k, now, (2.375 + 0.654 * area**-0.429 - 523.4 * fall) * math.exp(random.gauss(0, 0.001)), f"run {run}"


COLUMNS = {
    "groups": "params,tokens,loss,group", "curves": "params,tokens,loss,group", "steps": "params,steps,loss",
    "unique": "params,tokens,unique_tokens,loss", "tasks": "params,tokens,loss,task_loss,accuracy,error",
    "settings": "params,tokens,learning_rate,batch", "schedules": "step,lr,loss,group",
}  # fmt: skip
KINDS = {f.__name__: f for f in (scattered, groups, line, isoflop, curves, repeated, steps, unique, tasks, settings, schedules)}


def write_points(file, kind, numbers):
    random.seed(7)
    print(COLUMNS.get(kind, "params,tokens,loss"), file=file)
    for row in KINDS[kind](*numbers):
        print(*(value if isinstance(value, str) else repr(value) for value in row), sep=",", file=file)


def kinds_of(count):
    """File name -> kind and its numbers."""
    one = {name: (name, [count]) for name in KINDS if name not in ("curves", "schedules")}
    return one | {"curves": ("curves", [count // 200, 200]), "short-curves": ("curves", [count // 5, 5]),
                  "schedules": ("schedules", [10, count // 10]), "many-schedules": ("schedules", [count // 200, 200])}  # fmt: skip


# (file, command); fit.json is what the first one wrote
COMMANDS = [
    ("scattered", "fit --law chinchilla --json fit.json"),
    ("scattered", "fit --law chinchilla --bootstrap 0"),
    ("scattered", "fit --law chinchilla --interval residuals"),
    ("groups", "fit --law chinchilla"),
    ("repeated", "fit --law chinchilla --bootstrap 0"),
    ("scattered", "fit --law ensemble"),
    *(("scattered", f"fit --law {law}") for law in ("kaplan-nd", "over-training", "farseer")),
    *(("line", f"fit --law {law}") for law in ("power", "power-offset", "kaplan-n", "kaplan-d", "kaplan-c",
                                               "broken-power-1", "broken-power-2", "broken-power-3")),
    ("scattered", "fit --law power"),
    ("steps", "fit --law kaplan-ns"),
    ("unique", "fit --law repeated-data"),
    *(("tasks", f"fit --law {law}") for law in ("accuracy-sigmoid", "error-exponential", "task-ladder")),
    *(("settings", f"fit --law {law}") for law in ("step-lr", "step-batch", "deepseek-lr", "deepseek-batch")),
    ("schedules", "fit --law multi-power"),
    ("many-schedules", "fit --law multi-power"),
    ("isoflop", "fit --law chinchilla --method approach2"),
    ("curves", "fit --law chinchilla --method approach1"),
    ("short-curves", "fit --law chinchilla --method approach1"),
    ("scattered", "compare"),
    ("line", "compare"),
    ("unique", "compare --laws chinchilla,repeated-data"),
    ("scattered", "suggest --law chinchilla --bootstrap 0 --budget 1e22 --target-flops 1e24"),
    ("fit.json", "optimal --flops 1e24"),
    ("fit.json", "predict --points scattered.csv --json predicted.json"),
]  # fmt: skip


def run(command, folder, limit):
    """(seconds of processor time, MiB at the peak, what went wrong)"""
    def restrict():
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))

    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, preexec_fn=restrict)
        _, status, used = os.wait4(process.pid, 0)
    seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    if status == 0:
        return seconds, memory, ""
    if os.WIFSIGNALED(status):
        return seconds, memory, "stopped"
    return seconds, memory, (folder / "output").read_text().strip().rpartition("\n")[2]


def measure(options):
    files = kinds_of(options.count)
    program = str(Path(options.isoflop).resolve())
    chosen = [one for one in COMMANDS if options.only in " ".join(one)]
    if any(file == "fit.json" for file, _ in chosen) and COMMANDS[0] not in chosen:
        chosen.insert(0, COMMANDS[0])
    print("| points | command | s | MiB |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, arguments in chosen:
            path = folder / (file if file == "fit.json" else f"{file}.csv")
            if not path.exists():
                with path.open("w") as target:
                    write_points(target, *files[file])
            first, *rest = arguments.split()
            seconds, memory, trouble = run([program, first, path.name, *rest], folder, options.limit)
            kind, numbers = files.get(file, ("the first fit", []))
            print(f"| `{' '.join([kind, *map(str, numbers)])}` | `{arguments}` | {seconds:.1f} | {memory:.0f} |", trouble, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    points = commands.add_parser("points", help="print a CSV")
    points.add_argument("kind", choices=KINDS)
    points.add_argument("numbers", type=int, nargs="+")
    timing = commands.add_parser("measure", help="run isoflop over each and print a table")
    timing.add_argument("--isoflop", default="build/release/bin/isoflop")
    timing.add_argument("--count", type=int, default=100_000)
    timing.add_argument("--limit", type=int, default=1800, metavar="SECONDS")
    timing.add_argument("--only", default="", metavar="TEXT", help="commands that hold this")
    options = parser.parse_args()
    if options.command == "points":
        write_points(sys.stdout, options.kind, options.numbers)
    else:
        measure(options)


if __name__ == "__main__":
    main()

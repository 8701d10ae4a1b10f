#!/usr/bin/env python3
"""Training speed, memory and start of isoflop beside a PyTorch program, on the same shapes, cores and tokens a step.

    compare_with_torch.py --isoflop build/release/bin/isoflop --peer torch_train.py --python venv/bin/python \\
        --json compare.json > compare.md

For each shape isoflop's precisions x layouts x micro-batches x recomputations run once for a few steps. The fastest of each
precision, the one that takes least memory and all modes of the peer then run in turn (peer modes, bf16, fp32, peer modes, ...) --repeats times: a try that a neighbour
slowed may thus cost isoflop its best variant, but never the peer its best mode. The table, Markdown on standard output,
has the medians over the repeats, the peer's in the mode with the best of them, and their ratios isoflop / peer. Progress
and failures go to standard error, one line each; exit code 1 if a shape has no complete row.

The machine must be quiet. Both programs wait for all their threads many times a step, so a busy neighbour slows them far
more than by its share, and not equally: rates of the peer were seen to fall tenfold. "others" is what other processes took
of all cores during any run of a shape, at most; above --quiet the report says that the figures do not count, and the exit code
is 3.

The peer takes --shape --precision --compile --threads --steps --warmup --log-every, knows SHAPES by name, writes a line
that begins with "step 0 " on standard error when its first step is done, and prints one JSON line with
tokens_per_s, peak_rss_mib, torch and the keys of Shape, which must be equal to ours.

What is measured
    tokens/s    tokens of a step / median time of the timed steps, after 2 steps of isoflop and 5 of the peer
    peak MiB    largest resident memory: of the peer's process; of isoflop's rank 0 times the number of ranks
    first step  seconds from the start of the process to the end of the first step. Peer: observed from outside; "cold"
                with an empty compilation cache (a run before the repeats), then the median of the repeats, which find
                the cache filled. isoflop: what a one-step run of the smallest shape takes beside its steps, the end of the process
                included, hence an upper bound, plus first_step_seconds of its JSON; both are shown
    products    share of the step time in matrix products and attention

isoflop's results are those of its layout's ranks or fewer (parallel.virtual_ranks): more would cost memory that the
peer, which promises no such thing, does not need. isoflop reads a corpus of random characters that
`isoflop data prepare` makes with exactly the shape's vocabulary; both programs thus see uniformly random tokens.
"""
import argparse
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BENCH_WARMUP = 2  # untimed steps of `isoflop bench train`
PEER_WARMUP = 5
PRODUCTS = ("matmul", "attention")


@dataclasses.dataclass(frozen=True)
class Shape:
    layers: int
    width: int
    heads: int
    context: int  # tokens
    vocab: int    # tokens
    batch: int    # sequences a step


SHAPES = {
    "nano": Shape(2, 64, 2, 256, 512, 32),
    "micro": Shape(4, 128, 4, 256, 4096, 32),
    "tiny": Shape(6, 256, 4, 256, 4096, 32),
    "small": Shape(8, 512, 8, 512, 8192, 16),
    "gpt2": Shape(12, 768, 12, 1024, 50304, 4),
}
STEPS = {"nano": 20, "micro": 15, "tiny": 10, "small": 6, "gpt2": 4}  # timed, a repeat


@dataclasses.dataclass(frozen=True)
class Variant:
    """How isoflop runs: `ranks` processes of `threads` threads."""
    precision: str
    ranks: int
    threads: int
    micro_batch: int  # sequences
    recompute: str    # as of parallel.recompute

    def __str__(self):
        again = "" if self.recompute == "none" else f", recompute {self.recompute}"
        return f"{self.precision}, {self.ranks} x {self.threads}, micro-batch {self.micro_batch}{again}"


class Failed(Exception):
    """A command did not do its work; the message is one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def run(command, environment=None):
    """Standard output of a command, its seconds, and when (seconds after its start) it wrote "step 0 ..." on standard error."""
    start = time.perf_counter()
    first_step, errors = None, ""
    with tempfile.TemporaryFile("w+") as output:
        try:
            process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.PIPE, text=True,
                                       env={**os.environ, **(environment or {})})
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from None
        with process:
            for line in process.stderr:
                if line.startswith("step 0 "):
                    first_step = time.perf_counter() - start
                errors = line if line.strip() else errors
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise Failed(f"exit code {process.returncode}: {last_line(errors)}")
    return text, seconds, first_step


class Neighbours:
    """What processes other than our children take of this machine's cores while a block runs: `share`, 0 to 1."""

    def __enter__(self):
        self.start = self._counters()
        return self

    def __exit__(self, *_):
        wall, busy, ours = (now - then for now, then in zip(self._counters(), self.start))
        self.share = max(0.0, busy - ours) / (wall * os.cpu_count())

    @staticmethod
    def _counters():
        """Seconds: of the wall clock, of all busy cores, of our children that have ended."""
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
            int, pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
        busy = (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.perf_counter(), busy, children.ru_utime + children.ru_stime


class Isoflop:
    """The program under test with corpora, configurations and results in a scratch folder."""

    def __init__(self, arguments, scratch):
        self.program = arguments.isoflop
        self.launcher = arguments.launcher
        self.cores = arguments.cores
        self.scratch = scratch
        self.corpora = {}
        self.beside_steps = {}  # seconds of a process that are not steps, by layout

    def version(self):
        return last_line(run([self.program, "--version"])[0])

    def corpus(self, vocabulary):
        """A corpus whose tokenizer has `vocabulary` pieces: mostly characters, the rest of them merged with the blank before."""
        if vocabulary in self.corpora:
            return self.corpora[vocabulary]
        ideographs = itertools.chain(range(0x4E00, 0xA000), range(0x3400, 0x4DC0), range(0x20000, 0x2A6E0))
        characters = [chr(code) for code in itertools.islice(ideographs, (vocabulary - 259) * 9 // 10)]
        words = characters * max(4, 400_000 // len(characters))
        random.Random(1).shuffle(words)
        text = self.scratch / f"text-{vocabulary}"
        text.mkdir()
        documents = 100
        for i in range(documents):
            (text / f"{i}.txt").write_text(" " + " ".join(words[i::documents]), encoding="utf-8")
        corpus = self.scratch / f"corpus-{vocabulary}"
        run([self.program, "data", "prepare", "--source", f"random={text}", "--tokenizer", f"bpe:{vocabulary}",
             "--validation", "0.05", "--out", corpus])
        self.corpora[vocabulary] = corpus
        return corpus

    def config(self, shape, variant):
        path = self.scratch / "run.toml"
        path.write_text(f"""\
[model]
layers = {shape.layers}
width = {shape.width}
heads = {shape.heads}
context = {shape.context}
[data]
corpus = '{self.corpus(shape.vocab)}'
[train]
tokens = {1000 * shape.batch * shape.context}
global_batch = {shape.batch}
micro_batch = {variant.micro_batch}
precision = "{variant.precision}"
threads = {variant.threads}
[parallel]
virtual_ranks = {variant.ranks}
recompute = "{variant.recompute}"
[optimizer]
learning_rate = 1e-3
""")
        return path

    def bench(self, shape, variant, steps):
        """The JSON of `isoflop bench train`, and the seconds of the whole command."""
        result = self.scratch / "bench.json"
        result.unlink(missing_ok=True)
        launcher = self.launcher.format(ranks=variant.ranks).split() if variant.ranks > 1 else []
        command = [self.program, "bench", "train", self.config(shape, variant), "--steps", steps, "--json", result]
        seconds = run([*launcher, *command])[1]
        return json.loads(result.read_text()), seconds

    def launch_seconds(self, ranks, threads):
        if (ranks, threads) not in self.beside_steps:
            shape = SHAPES["nano"]
            result, seconds = self.bench(shape, Variant("fp32", ranks, threads, largest_micro_batch(shape, ranks), "none"), 1)
            self.beside_steps[ranks, threads] = max(
                0.0, seconds - result["first_step_seconds"] - BENCH_WARMUP * result["step_seconds"])
        return self.beside_steps[ranks, threads]

    def measure(self, shape, variant, steps):
        launch = self.launch_seconds(variant.ranks, variant.threads)
        result, _ = self.bench(shape, variant, steps)
        return {"tokens_per_second": result["tokens_per_second"],
                "peak_mib": result["peak_rss_bytes"] * variant.ranks / 2**20,
                "launch_seconds": launch,
                "first_step_seconds": launch + result["first_step_seconds"],
                "products_share": sum(result["shares"].get(region, 0.0) for region in PRODUCTS),
                "bench": result}


class Peer:
    def __init__(self, arguments, scratch):
        self.command = [arguments.python, arguments.peer]
        self.compile = arguments.compile
        self.cores = arguments.cores
        self.scratch = scratch
        self.torch = "unknown"

    def measure(self, name, mode, steps):
        # a cache for each shape and mode: the first run of one compiles, the next ones do not
        cache = self.scratch / f"compiled-{name}-{mode}"
        output, _, first_step = run(
            [*self.command, "--shape", name, "--precision", mode, "--compile", self.compile, "--threads", self.cores,
             "--steps", steps + PEER_WARMUP, "--warmup", PEER_WARMUP, "--log-every", steps + PEER_WARMUP],
            {"TORCHINDUCTOR_CACHE_DIR": str(cache), "OMP_NUM_THREADS": str(self.cores)})
        result = json.loads(last_line(output))
        for key, ours in dataclasses.asdict(SHAPES[name]).items():
            if result[key] != ours:
                raise Failed(f"its {key} is {result[key]}, ours {ours}: the comparison needs the same shape")
        if first_step is None:
            raise Failed('it wrote no line that begins with "step 0 " on standard error')
        self.torch = result["torch"]
        return {"tokens_per_second": result["tokens_per_s"], "peak_mib": result["peak_rss_mib"],
                "first_step_seconds": first_step, "peer": result}


def largest_micro_batch(shape, ranks):
    return max(size for size in (1, 2, 4, 8) if shape.batch % (size * ranks) == 0)


def variants(shape, arguments):
    layouts = {"threads": (1, arguments.cores), "ranks": (arguments.cores, 1)}
    for precision, layout, size, recompute in itertools.product(arguments.precisions, arguments.layouts, arguments.micro_batch,
                                                                arguments.recompute):
        ranks, threads = layouts[layout]
        if shape.batch % (size * ranks) == 0:  # every rank has work, all of them equally much
            yield Variant(precision, ranks, threads, size, recompute)


def attempt(label, measurement):
    try:
        with Neighbours() as neighbours:
            result = measurement()
    except Failed as failure:
        say(f"{label}: {failure}")
        return None
    result["others_share"] = neighbours.share
    say(f"{label}: {result['tokens_per_second']:.0f} tokens/s, {result['peak_mib']:.0f} MiB, "
        f"first step after {result['first_step_seconds']:.1f} s, others {100 * neighbours.share:.0f} %")
    return result


def fastest(tried):
    """The key of the best of {key: result or None}; None if nothing ran."""
    done = {key: result["tokens_per_second"] for key, result in tried.items() if result}
    return max(done, key=done.get) if done else None


def choose(tried, precisions):
    """Variants by what they are chosen for: the fastest of each precision, and the one that takes least memory if it is another."""
    best = (fastest({v: r for v, r in tried.items() if v.precision == p}) for p in precisions)
    chosen = {variant.precision: variant for variant in best if variant}
    done = {variant: result["peak_mib"] for variant, result in tried.items() if result}
    if done and (leanest := min(done, key=done.get)) not in chosen.values():
        chosen["least memory"] = leanest
    return chosen


def medians(results):
    keys = ("tokens_per_second", "peak_mib", "launch_seconds", "first_step_seconds", "products_share")
    middle = {key: statistics.median(result[key] for result in results) for key in keys if key in results[0]}
    return {**middle, "others_share": max(result["others_share"] for result in results)}


def in_turn(measurements, repeats):
    """{key: medians and repeats} of {key: (label, function)}; without those of which a repeat failed."""
    results = {key: [] for key in measurements}
    for i in range(repeats):
        for key, (label, measurement) in measurements.items():
            results[key].append(attempt(f"{label}, repeat {i + 1}", measurement))
    return {key: {"median": medians(found), "repeats": found} for key, found in results.items() if None not in found}


def compare(name, arguments, isoflop, peer):
    """All measurements of a shape: {"peer": {mode: ..}, "isoflop": {choice: ..}, "tried"}; None if either did not run."""
    shape = SHAPES[name]
    cold = {mode: attempt(f"{name}: peer {mode}, cold", lambda m=mode: peer.measure(name, m, 1)) for mode in arguments.modes}
    tried = {v: attempt(f"{name}: isoflop {v}", lambda v=v: isoflop.measure(shape, v, arguments.try_steps))
             for v in variants(shape, arguments)}
    chosen = choose(tried, arguments.precisions)
    modes = [mode for mode, result in cold.items() if result]
    if not modes or not chosen:
        say(f"{name}: nothing to compare, {'isoflop' if modes else 'the peer'} did not run")
        return None
    steps = arguments.steps or STEPS[name]
    measured = in_turn(
        {**{("peer", m): (f"{name}: peer {m}", lambda m=m: peer.measure(name, m, steps)) for m in modes},
         **{("isoflop", p): (f"{name}: isoflop {v}", lambda v=v: isoflop.measure(shape, v, steps)) for p, v in chosen.items()}},
        arguments.repeats)
    result = {"peer": {}, "isoflop": {}, "tried": {str(v): r for v, r in tried.items()}}
    for (program, key), found in measured.items():
        extra = {"cold": cold[key]} if program == "peer" else {"variant": str(chosen[key])}
        result[program][key] = {**found, **extra}
    if not result["peer"] or not result["isoflop"]:
        say(f"{name}: left out of the table, repeats failed")
        return None
    return result


def speed(measured):
    return measured["median"]["tokens_per_second"]


def others_share(result):
    """The largest of all runs of a shape; cold starts and tries decide figures as well."""
    repeats = [found["median"] for found in (*result["peer"].values(), *result["isoflop"].values())]
    before = [found["cold"] for found in result["peer"].values()] + [found for found in result["tried"].values() if found]
    return max(found["others_share"] for found in repeats + before)


def rows(name, result):
    """A row for each variant of isoflop that was chosen, the fastest first and its ratio in bold."""
    mode = max(result["peer"], key=lambda m: speed(result["peer"][m]))
    peer, cold = result["peer"][mode]["median"], result["peer"][mode]["cold"]
    ordered = sorted(result["isoflop"].values(), key=speed, reverse=True)
    for own in ordered:
        ours = own["median"]
        ratio = f"{ours['tokens_per_second'] / peer['tokens_per_second']:.2f}"
        yield [name, f"{peer['tokens_per_second']:.0f} ({mode})", f"{ours['tokens_per_second']:.0f} ({own['variant']})",
               f"**{ratio}**" if own is ordered[0] else ratio,
               f"{peer['peak_mib']:.0f}", f"{ours['peak_mib']:.0f}", f"{ours['peak_mib'] / peer['peak_mib']:.2f}",
               f"{cold['first_step_seconds']:.1f} cold, {peer['first_step_seconds']:.1f}",
               f"{ours['launch_seconds']:.2f} + {ours['first_step_seconds'] - ours['launch_seconds']:.2f}", f"{100 * ours['products_share']:.0f} %", f"{100 * others_share(result):.0f} %"]


COLUMNS = ("shape", "peer tokens/s (mode)", "isoflop tokens/s (precision, ranks x threads, micro-batch, recompute)", "ratio", "peer MiB",
           "isoflop MiB", "ratio", "peer first step, s", "isoflop start + first step, s", "products", "others")


def processor():
    """Model name, and whether bfloat16 has instructions of its own."""
    lines = dict(line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    flags = fields.get("flags", "").split()
    units = [label for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512_BF16"), ("avx512f", "AVX-512")) if flag in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(units) or 'no AVX-512'})"


def header(arguments, isoflop, peer):
    return (f"{processor()}, {arguments.cores} cores, {datetime.date.today().isoformat()}; {isoflop.version()}; "
            f"torch {peer.torch}, compile {arguments.compile}; repeats in turn: {arguments.repeats}, medians.")


def table(shapes):
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    for name, result in shapes.items():
        lines.extend(rows(name, result))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isoflop", required=True, help="the program, e.g. build/release/bin/isoflop")
    parser.add_argument("--peer", required=True, help="the PyTorch program")
    parser.add_argument("--python", required=True, help="a Python that can import torch")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--modes", nargs="+", default=["fp32", "amp"], help="the peer's precisions (default: fp32 amp)")
    parser.add_argument("--compile", default="default", help="the peer's torch.compile mode, or off")
    parser.add_argument("--precisions", nargs="+", choices=("bf16", "fp32"), default=["bf16", "fp32"], help="of isoflop")
    parser.add_argument("--layouts", nargs="+", choices=("threads", "ranks"), default=["threads", "ranks"],
                        help="of isoflop: a process with a thread a core, a rank a core with one thread, or the better (default)")
    parser.add_argument("--micro-batch", nargs="+", type=int, default=[1, 2, 4, 8], help="of isoflop, sequences; the best counts")
    parser.add_argument("--recompute", nargs="+", choices=("none", "attention", "full"), default=["none", "attention"],
                        help="of isoflop; the best counts")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--launcher", default="mpirun -n {ranks}", help="starts isoflop's ranks (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, help="timed, a repeat (default: from 20 for nano to 4 for gpt2)")
    parser.add_argument("--try-steps", type=int, default=3, help="timed, when choosing isoflop's best variant")
    parser.add_argument("--quiet", type=float, default=0.05, help="share of the cores that others may take (default: %(default)s)")
    parser.add_argument("--json", help="file for every single measurement")
    arguments = parser.parse_args()
    for name in ("cores", "repeats", "try_steps", "steps"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')}: seen {value}, needed 1 or more")
    if min(arguments.micro_batch) < 1:
        parser.error(f"--micro-batch: seen {min(arguments.micro_batch)}, needed 1 or more")
    if arguments.cores == 1 and "threads" in arguments.layouts:
        arguments.layouts = ["threads"]  # one rank with one thread either way
    return arguments


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="isoflop-compare-") as folder:
        scratch = pathlib.Path(folder)
        isoflop, peer = Isoflop(arguments, scratch), Peer(arguments, scratch)
        try:
            isoflop.version()
        except Failed as failure:
            say(f"--isoflop: {failure}")
            return 2
        compared = {name: compare(name, arguments, isoflop, peer) for name in arguments.shapes}
        text = header(arguments, isoflop, peer)
    done = {name: result for name, result in compared.items() if result}
    if done:
        print(f"{text}\n\n{table(done)}")
    loud = [name for name, result in done.items() if others_share(result) > arguments.quiet]
    if loud:
        print(f"\nThese figures do not count: other processes took more than {100 * arguments.quiet:.0f} % of the cores during "
              f"{', '.join(loud)}.")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"header": text, "shapes": done}, indent=2) + "\n")
    if len(done) < len(compared):
        return 1
    return 3 if loud else 0


if __name__ == "__main__":
    sys.exit(main())

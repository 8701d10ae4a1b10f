"""The promise in full: every layout of ranks, ZeRO, recomputation and pipelines has the losses, gradient norms and weights of one rank, to the bit.
With tensor-parallel ranks, fp32 losses are within 1e-5 of it, relative, and layouts with as many of them have the same bits as each other.

    ISOFLOP_BINARY=build/release/bin/isoflop tools/python.sh tests/regression/layouts.py [--steps 50] [--exchange | --cut-only]

With --exchange: every one of 4 layouts goes on from the checkpoint that every other one took half-way, 12 pairs, and ends with the bits
of one rank that nobody stopped. Needs mpirun. Not part of ctest, where tests/mpi/trainer_test.cpp does the same over a few steps.
"""
import argparse
import itertools
import pathlib
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from command_line import BINARY

RUN = """\
[model]
layers = 3
width = 64
heads = 4
context = 32
[data]
kind = "markov"
symbols = 50
[train]
tokens = {tokens}
global_batch = 16
micro_batch = 2
precision = "{precision}"
[optimizer]
learning_rate = 0.01
[checkpoint]
every_tokens = {half}
at_tokens = [{half}]
"""


def layouts():
    """(ranks, keys of [parallel]): 33 of them."""
    for ranks, zero in itertools.product((1, 2, 4, 8), range(4)):
        yield ranks, {"zero": zero}
    for zero, recompute in itertools.product((0, 3), ("attention", "full")):
        yield 2, {"zero": zero, "recompute": recompute}
    for ranks, schedule in itertools.product((2, 4), ("gpipe", "1f1b", "zero-bubble")):
        yield ranks, {"pipeline": 2, "schedule": schedule}
    yield 6, {"pipeline": 2}  # 8 virtual ranks: replicas with 3, 3 and 2 of them
    yield 8, {"pipeline": 4, "zero": 1, "recompute": "full"}
    for zero, schedule in itertools.product((2, 3), ("1f1b", "zero-bubble")):
        yield 4, {"pipeline": 2, "schedule": schedule, "zero": zero}
    yield 8, {"pipeline": 2, "schedule": "interleaved", "zero": 3}


EXCHANGED = ((1, {}), (3, {"zero": 3}), (4, {"pipeline": 2, "schedule": "zero-bubble", "zero": 1}),
             (8, {"pipeline": 2, "schedule": "interleaved", "zero": 3}))


def cut_layouts():
    """The same with tensor-parallel ranks, by their number: the first of each is what the others must equal."""
    yield 2, [(2, {"tensor": 2}), (4, {"tensor": 2}), (8, {"tensor": 2}), (4, {"tensor": 2, "zero": 1}), (2, {"tensor": 2, "recompute": "full"}),
               (4, {"tensor": 2, "pipeline": 2, "schedule": "zero-bubble"}), (8, {"tensor": 2, "pipeline": 2, "zero": 1})]
    yield 4, [(4, {"tensor": 4}), (8, {"tensor": 4, "zero": 1}), (4, {"tensor": 4, "recompute": "attention"})]


def train(folder, name, ranks, keys, goes_on_after=None):
    sets = [word for key, value in keys.items() for word in ("--set", f"parallel.{key}={value}")]
    done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", name, *sets],
                          cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr}")
    if goes_on_after and f"goes on after step {goes_on_after}\n" not in done.stdout:
        raise RuntimeError(f"{name}: began anew: {done.stdout}")
    with h5py.File(folder / name / "run.h5") as file:
        arrays = {key: file[key][()] for key in ("train/loss", "train/grad_norm", "eval/validation/loss")}
    newest = max((folder / name / "checkpoint").glob("step-*"), key=lambda path: int(path.name.split("-")[1]))
    with h5py.File(newest / "state.h5") as file:
        file.visititems(lambda key, item: arrays.update({key: item[()]})
                        if isinstance(item, h5py.Dataset) and item.dtype == np.float32 else None)
    return arrays


LOSS_BOUND = 1e-5  # relative, fp32


def name_of(ranks, keys):
    return "-".join([f"{ranks}-ranks", *(f"{key}-{value}" for key, value in keys.items())])


def cut_differences(folder, precision, expected):
    for tensor, layouts_of in cut_layouts():
        first = None
        for ranks, keys in layouts_of:
            name = name_of(ranks, keys)
            seen = train(folder, name, ranks, keys)
            first = first or seen
            bad = [key for key in first if not np.array_equal(first[key], seen.get(key))]
            error = max(np.max(np.abs(seen[key] / expected[key] - 1)) for key in ("train/loss", "eval/validation/loss"))
            if precision == "fp32" and error > LOSS_BOUND:
                bad.append("losses beyond the bound")
            same = f"the bits of {tensor} tensor-parallel ranks" if not bad else "differs in " + ", ".join(bad)
            print(f"{precision} {name}: {same}, losses within {error:.1e} of one rank", flush=True)
            yield from bad


def all_layouts(folder, steps):
    """Name and arrays of a run in every layout."""
    for ranks, keys in layouts():
        yield name_of(ranks, keys), train(folder, name_of(ranks, keys), ranks, keys)


def all_exchanges(folder, steps):
    """Name and arrays of a run for every pair: the second layout goes on from the first one's checkpoint half-way."""
    for ranks, keys in EXCHANGED:
        train(folder, name_of(ranks, keys), ranks, keys)
    for before, after in itertools.permutations(EXCHANGED, 2):
        name = f"{name_of(*before)}-then-{name_of(*after)}"
        run = folder / name
        shutil.copytree(folder / name_of(*before), run)
        (run / "finished").unlink()
        shutil.rmtree(run / f"checkpoint/step-{steps}")
        yield name, train(folder, name, *after, goes_on_after=steps // 2)


def differences(precision, steps, runs, with_cut):
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        tokens = steps * 16 * 32
        (folder / "run.toml").write_text(RUN.format(precision=precision, tokens=tokens, half=tokens // 2))
        expected = train(folder, "reference", 1, {})
        for name, seen in runs(folder, steps):
            bad = [key for key in expected if not np.array_equal(expected[key], seen.get(key))]
            print(f"{precision} {name}: {'the same bits' if not bad else 'differs in ' + ', '.join(bad)}", flush=True)
            yield from bad
        if with_cut:
            yield from cut_differences(folder, precision, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--cut-only", action="store_true", help="only layouts with tensor-parallel ranks")
    what.add_argument("--exchange", action="store_true")
    arguments = parser.parse_args()
    if arguments.steps < 2 or arguments.steps % 2:
        parser.error(f"--steps: seen {arguments.steps}, needed an even number")
    runs = all_exchanges if arguments.exchange else all_layouts
    if arguments.cut_only:
        runs = lambda folder, steps: ()
    return 1 if [bad for precision in ("fp32", "bf16") for bad in differences(precision, arguments.steps, runs, not arguments.exchange)] else 0


if __name__ == "__main__":
    sys.exit(main())

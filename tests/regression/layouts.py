"""The promise in full: every layout of ranks, ZeRO, recomputation and pipelines has the losses, gradient norms and weights of one rank, to the bit.

    ISOFLOP_BINARY=build/release/bin/isoflop tools/python.sh tests/regression/layouts.py [--steps 50]

Needs mpirun. Not part of ctest, where tests/mpi/trainer_test.cpp does the same over a few steps.
"""
import argparse
import itertools
import pathlib
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
heads = 2
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
every_tokens = {tokens}
"""


def layouts():
    """(ranks, keys of [parallel]): 27 of them."""
    for ranks, zero in itertools.product((1, 2, 4, 8), range(4)):
        yield ranks, {"zero": zero}
    for zero, recompute in itertools.product((0, 3), ("attention", "full")):
        yield 2, {"zero": zero, "recompute": recompute}
    for ranks, schedule in itertools.product((2, 4), ("gpipe", "1f1b", "zero-bubble")):
        yield ranks, {"pipeline": 2, "schedule": schedule}
    yield 8, {"pipeline": 4, "zero": 1, "recompute": "full"}


def train(folder, name, ranks, keys):
    sets = [word for key, value in keys.items() for word in ("--set", f"parallel.{key}={value}")]
    done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", name, *sets],
                          cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr}")
    with h5py.File(folder / name / "run.h5") as file:
        arrays = {key: file[key][()] for key in ("train/loss", "train/grad_norm", "eval/validation/loss")}
    newest = max((folder / name / "checkpoint").glob("step-*"), key=lambda path: int(path.name.split("-")[1]))
    with h5py.File(newest / "state.h5") as file:
        file.visititems(lambda key, item: arrays.update({key: item[()]})
                        if isinstance(item, h5py.Dataset) and item.dtype == np.float32 else None)
    return arrays


def differences(precision, steps):
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        (folder / "run.toml").write_text(RUN.format(precision=precision, tokens=steps * 16 * 32))
        expected = train(folder, "reference", 1, {})
        for ranks, keys in layouts():
            name = "-".join([precision, f"{ranks}-ranks", *(f"{key}-{value}" for key, value in keys.items())])
            seen = train(folder, name, ranks, keys)
            bad = [key for key in expected if not np.array_equal(expected[key], seen.get(key))]
            print(f"{name}: {'the same bits' if not bad else 'differs in ' + ', '.join(bad)}", flush=True)
            yield from bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    steps = parser.parse_args().steps
    return 1 if [bad for precision in ("fp32", "bf16") for bad in differences(precision, steps)] else 0


if __name__ == "__main__":
    sys.exit(main())

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import TRUTH, plan, write_results, write_run

from isoflop_analysis.records import Curve, InputError, Run, Sweep, read_curve, read_sweep


def test_a_sweep_reads_back_what_was_written(sweep):
    rows, _ = plan()
    records = read_sweep(sweep)
    assert len(records.runs) == len(rows)
    assert records.attributes["sweep"] == "synthetic"
    for run, row in zip(records.runs, rows, strict=True):
        assert {k: run.row[k] for k in row} == pytest.approx(row)
        assert run.curve.train_tokens.size == row["steps"]
        assert run.curve.validation_loss[-1] == pytest.approx(row["loss"], rel=1e-3)
    assert records.target.loss == rows[-1]["loss"]
    assert not any(r.is_target for r in records.fitted)


def test_smoothing_keeps_the_mean_of_a_bin_and_drops_what_is_not_finite():
    tokens = np.arange(1.0, 1001.0)
    loss = np.where(tokens % 2 == 0, 2.0, 4.0)
    loss[10] = np.nan
    curve = Curve(tokens, loss, *[np.empty(0)] * 4)
    x, y = curve.smoothed(0.35)
    assert len(x) <= 20 and (np.diff(x) > 0).all() and np.isfinite(y).all()
    assert y[-5:] == pytest.approx(3.0, abs=0.05)


def test_a_short_branch_is_smoothed_like_the_whole_run():
    tokens = np.arange(1.0, 1001.0)
    loss = np.where(tokens % 2 == 0, 2.0, 4.0)
    branch = Curve(tokens[800:], loss[800:], *[np.empty(0)] * 4)
    x, y = branch.smoothed()
    assert len(x) == 4 and y == pytest.approx(3.0, abs=0.05)


WRITER = """
    import sys, time, h5py, numpy as np
    file = h5py.File(sys.argv[1], "w", libver="latest")
    file.attrs["run"] = "abc"
    columns = [file.create_dataset(f"train/{name}", (0,), dtype, maxshape=(None,), chunks=(64,), fletcher32=True)
               for name, dtype in (("tokens", "i8"), ("loss", "f8"), ("step", "i8"), ("lr", "f8"))]
    file.swmr_mode = True
    for column, length in zip(columns, (300, 250, 300, 300)):
        column.resize((length,))
        column[:] = np.linspace(2, 8, length)
        column.flush()
    print("flushed", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", [None, signal.SIGKILL], ids=["being written", "killed"])
def test_a_run_that_is_not_closed_reads_to_its_last_flush(tmp_path, end):
    path = tmp_path / "run.h5"
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline() == "flushed\n"
        if end:
            writer.send_signal(end)
            writer.wait()
        curve, attributes, trouble = read_curve(path)
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert trouble is None
    assert attributes["run"] == "abc"
    assert curve.train_loss.size == 250  # the shorter of two columns


def test_a_run_without_a_readable_file_costs_its_curve_only(tmp_path):
    rows, noise = plan()
    rows = rows[:4]
    for row in rows:
        write_run(tmp_path / "runs" / row["run"], row, noise).close()
    write_results(tmp_path, rows)
    files = [tmp_path / "runs" / row["run"] / "run.h5" for row in rows]
    files[0].write_bytes(b"not HDF5")
    os.truncate(files[1], 3000)
    files[2].unlink()
    runs = read_sweep(tmp_path).runs
    assert [r.curve is None for r in runs] == [True, True, True, False]
    assert "cannot be read" in runs[0].trouble
    assert "cannot be read" in runs[1].trouble
    assert runs[2].trouble == "no run.h5"
    assert all(r.finished for r in runs)


def write_attributes(path, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
    return path


def test_what_is_no_sweep_is_refused_in_one_line(tmp_path):
    results = tmp_path / "results.h5"

    def message():
        with pytest.raises(InputError) as error:
            read_sweep(tmp_path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no results.h5; run `isoflop sweep collect`" in message()
    results.write_bytes(b"text")
    assert "not a readable HDF5 file" in message()
    write_attributes(results, schema=2)
    assert "schema is 2, this report reads 1" in message()
    write_attributes(results, schema=1)
    assert "no table /runs" in message()
    with h5py.File(write_attributes(results, schema=1), "a") as file:
        file["runs"] = np.zeros(2, [("run", "S16"), ("loss", "f8")])
    assert "no column role, status" in message()
    write_results(tmp_path, [])
    assert "/runs is empty" in message()
    with pytest.raises(InputError, match="no such directory"):
        read_sweep(tmp_path / "absent")


def test_the_truth_is_in_the_range_of_real_losses():
    rows, _ = plan()
    assert all(TRUTH.E < r["loss"] < np.log(r["vocabulary"]) for r in rows)


def test_fits_see_neither_trunks_nor_the_target():
    rows = [{"run": role, "role": role, "status": "finished", "loss": 3.0} for role in ("fit", "trunk", "target")]
    assert [run.name for run in Sweep(Path(), {}, [Run(row) for row in rows], None).fitted] == ["fit"]

import csv
import json
import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
from synthetic import TOKENS_A_STEP, write_sweep

from isoflop_analysis.cli import main
from isoflop_analysis.figures import draw_all
from isoflop_analysis.fits import read_fit
from isoflop_analysis.points_file import read_points_study
from isoflop_analysis.records import InputError
from isoflop_analysis.schedules import Curve, evaluate, fit_to
from isoflop_analysis.study import read_study

TRUTH = {"L0": 2.375, "A": 0.654, "alpha": 0.429, "B": 523.425, "C": 2.025, "beta": 0.594, "gamma": 0.635}
STEPS, WARMUP, PEAK = 240, 20, 3e-4


def cosine(step):
    return 0.55 + 0.45 * math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))


def stable_then_decay(step):
    return 1 if step < 0.8 * STEPS else (STEPS - step) / (0.2 * STEPS)  # to zero


def law(rates, t):
    """The paper's sum, step by step; rates[k] is that of step k + 1."""
    total = TRUTH["L0"] + TRUTH["A"] * sum(rates[: t + 1]) ** -TRUTH["alpha"]
    for k in range(WARMUP, t + 1):
        rate = max(rates[k], 1e-9 * PEAK)
        since = max(sum(rates[k : t + 1]), 1e-9 * PEAK)
        share = 1 - (1 + TRUTH["C"] * rate ** -TRUTH["gamma"] * since) ** -TRUTH["beta"]
        total -= TRUTH["B"] * (rates[k - 1] - rates[k]) * share
    return total


def run_curve(name, shape):
    rates = [PEAK * (step / WARMUP if step <= WARMUP else shape(step)) for step in range(1, STEPS + 1)]
    losses = [9.0] * WARMUP + [law(rates, t) for t in range(WARMUP, STEPS)]
    return Curve(name, np.arange(1.0, STEPS + 1), np.array(rates), np.array(losses))


def write_fit(path, **more):
    fit = {"law": "multi-power", "method": "huber", "level": 0.8, "residual_rms": 1e-3,
           "parameters": {name: {"value": value} for name, value in TRUTH.items()},
           "points": {"used": 400, "source": "curves.csv", "left_out": []},
           "conventions": {"loss": "nats"}, "isoflop": {"version": "0.1.0", "commit": "0a1b2c3d4e5f"}, **more}  # fmt: skip
    path.write_text(json.dumps(fit))
    return path


@pytest.fixture(scope="module")
def curves():
    return [run_curve("cosine", cosine), run_curve("decay", stable_then_decay)]


@pytest.fixture
def points(tmp_path, curves):
    path = tmp_path / "curves.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "lr", "loss", "group"])
        for curve in curves:
            for record in zip(curve.steps, curve.rates, curve.losses, strict=True):
                writer.writerow([*(repr(float(value)) for value in record), curve.name])
    return path


def test_the_law_is_the_papers_sum(tmp_path, curves):
    fit = read_fit(write_fit(tmp_path / "fit.json"))
    for curve in curves:
        at = np.arange(WARMUP, STEPS)
        assert evaluate(fit, curve, at) == pytest.approx(curve.losses[at], rel=1e-12)


def test_records_between_which_the_rate_holds_may_be_thinned(tmp_path):
    fit = read_fit(write_fit(tmp_path / "fit.json"))
    steps, rates = np.arange(1.0, 101.0), np.where(np.arange(1, 101) <= 50, 1e-2, 1e-3)
    whole = Curve("whole", steps, rates, np.ones(100))
    thin = Curve("thin", steps[[0, 49, 50, 99]], rates[[0, 49, 50, 99]], np.ones(4))
    assert evaluate(fit, thin, np.array([1, 3])) == pytest.approx(evaluate(fit, whole, np.array([49, 99])), rel=1e-12)


def test_a_curve_becomes_means_behind_its_warm_up(tmp_path):
    fit = read_fit(write_fit(tmp_path / "fit.json"))
    size = 20 + 1000
    rates = np.concatenate([np.linspace(PEAK / 20, PEAK, 20), np.full(1000, PEAK)])
    losses = np.concatenate([np.full(20, 50.0), np.tile([2.0, 3.0, 4.0, 5.0, 6.0], 200)])
    fitted = fit_to(fit, Curve("long", np.arange(1.0, size + 1), rates, losses))
    assert fitted.steps.size == 200 and fitted.steps[0] == 23 and fitted.steps[-1] == size - 2
    assert fitted.measured == pytest.approx(4.0)
    assert fit_to(fit, Curve("rising", np.arange(1.0, 4), np.array([1.0, 2, 3]), np.ones(3))) is None


def test_a_csv_of_curves_gives_a_page_and_a_picture(tmp_path, points):
    assert main([str(points), str(write_fit(tmp_path / "fit.json")), "--png", str(tmp_path)]) == 0
    page = (tmp_path / "curves.html").read_text("utf-8")
    assert page.count("<figure>") == 1 and "Not drawn" not in page and "Not complete" not in page
    assert "6 N D" not in page and "Multi-power law of whole curves" in page
    table = page[page.index('id="curves"') : page.index('id="laws"')]
    assert table.index(">cosine<") < table.index(">decay<") and table.count("<tr>") == 3
    assert [path.name for path in tmp_path.glob("*.png")] == ["fitted-curves.png"]


def test_the_figure_holds_the_measured_against_the_fitted(tmp_path, points, curves):
    study = read_points_study(points, [write_fit(tmp_path / "fit.json")], {}, None)
    (drawn,) = draw_all(study)
    whole, end = np.array(drawn.drawing.figure.axes).reshape(3, 2).T
    losses, rates, misses = whole
    assert min(end[0].get_lines()[0].get_xdata()) >= STEPS / 3 and end[0].get_xlim()[0] > losses.get_xlim()[0]
    dots, line, *_ = losses.get_lines()
    assert dots.get_xdata() == pytest.approx(line.get_xdata())
    assert line.get_ydata() == pytest.approx(study.curves[0].fitted)
    assert dots.get_ydata()[-1] == pytest.approx(curves[0].losses[-1], rel=1e-3)
    assert losses.get_yscale() == losses.get_xscale() == "log"
    assert losses.get_ylabel() == "loss (nats/token)" and misses.get_xlabel() == "optimizer steps"
    assert rates.get_ylabel() == "learning rate" and "(%)" in misses.get_ylabel()
    assert max(one.rms for one in study.curves) < 1e-3


def test_curves_of_one_name_are_drawn_each(tmp_path, points, curves):
    study = read_points_study(points, [write_fit(tmp_path / "fit.json")], {}, None)
    study.curves[1:] = [replace(one, curve=replace(one.curve, name="cosine")) for one in study.curves[1:]]
    (drawn,) = draw_all(study)
    assert drawn.drawing and len(drawn.drawing.figure.axes[0].get_lines()) == 2 * len(curves)


def test_a_fit_of_curves_stands_alone_on_its_page(tmp_path, points):
    fits = [write_fit(tmp_path / name) for name in ("one.json", "two.json")]
    with pytest.raises(InputError, match="saw 2 fits, 2 of them of law multi-power, needed that fit alone"):
        read_points_study(points, fits, {}, None)


def test_a_predicted_schedule_is_drawn_with_its_interval(tmp_path, points):
    curve = [{"step": step, "learning_rate": 1e-3, "loss": 3.0, "interval": {"level": 0.8, "low": 2.9, "high": 3.2}}
             for step in (10, 20, 30)]  # fmt: skip
    (tmp_path / "schedule.json").write_text(json.dumps({"curve": curve}))
    arguments = [str(points), str(write_fit(tmp_path / "fit.json")), "--prediction", str(tmp_path / "schedule.json")]
    assert main(arguments) == 0
    page = (tmp_path / "curves.html").read_text("utf-8")
    assert "<b>3.0000</b>" in page and "80% interval 2.9000 to 3.2000" in page
    curve[0]["interval"] = curve[1]["interval"] = curve[2]["interval"] = None
    (tmp_path / "schedule.json").write_text(json.dumps({"curve": curve}))
    assert main(arguments) == 0
    assert "without interval" in (tmp_path / "curves.html").read_text("utf-8")


def test_records_that_the_fit_left_out_are_in_no_figure(tmp_path, points):
    lines = points.read_text().splitlines()
    lines[0] += ",status"
    lines[1:] = [line + (",diverged" if line.endswith("decay") else ",finished") for line in lines[1:]]
    points.write_text("\n".join(lines) + "\n")
    out = [{"name": f"curves.csv:{STEPS + 2 + i}", "reason": "its status is diverged"} for i in range(STEPS)]
    fit = write_fit(tmp_path / "fit.json", points={"used": 200, "source": "curves.csv", "left_out": out})
    study = read_points_study(points, [fit], {}, None)
    assert [one.curve.name for one in study.curves] == ["cosine"]
    assert study.notes == [f"{STEPS} of {2 * STEPS} records were left out of the fit and are in no figure."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps,loss\n1,3\n", "curves.csv:2: needs learning_rate"),
        ("step,lr,loss\n1,-1,3\n", "curves.csv:2: learning_rate: saw '-1', needed a number, 0 or above"),
        ("step,lr,loss\n1,1e-3,3\n2,2e-3,3\n", "no curve goes on behind its largest learning rate"),
    ],
)
def test_curves_that_cannot_be_shown_are_refused(tmp_path, text, message):
    (tmp_path / "curves.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_points_study(tmp_path / "curves.csv", [write_fit(tmp_path / "fit.json")], {}, None)


def write_sweep_with_rates(folder):
    rows = write_sweep(folder)
    for row in rows:
        with h5py.File(folder / "runs" / row["run"] / "run.h5", "r+") as file:
            steps = file["train/step"][()]
            file["train/lr"][...] = PEAK * np.maximum(1 - steps / (steps[-1] + 1), 0)
            assert file["train/tokens"][-1] == steps[-1] * TOKENS_A_STEP
    return rows


def test_a_sweep_with_such_a_fit_shows_the_curves_of_its_runs(tmp_path):
    rows = write_sweep_with_rates(tmp_path)
    left_out, other = (row["label"] for row in rows[:2])
    entry = {"name": rows[0]["run"], "reason": "its loss rose"}
    write_fit(tmp_path / "fit-multi-power.json", points={"used": 1, "left_out": [entry]})
    study = read_study(tmp_path)
    names = [one.curve.name for one in study.curves]
    assert other in names and left_out not in names and len(names) == 19  # without the target too
    drawing = {d.name: d.drawing for d in draw_all(study)}["fitted-curves"]
    assert "Shown are the 7 that it misses most" in drawing.caption


def test_a_sweep_with_several_such_fits_shows_each(tmp_path):
    rows = write_sweep_with_rates(tmp_path)
    middle = sorted(row["n_total"] for row in rows)[len(rows) // 2]
    for name, is_out in (("large", lambda n: n < middle), ("small", lambda n: n >= middle)):
        out = [{"name": row["run"], "reason": "of another size"} for row in rows if is_out(row["n_total"])]
        write_fit(tmp_path / f"fit-multi-power-{name}.json", points={"used": 1, "left_out": out})
    study = read_study(tmp_path)
    drawn = {one.name: one for one in draw_all(study) if one.name.startswith("fitted-curves")}
    assert list(drawn) == ["fitted-curves-1", "fitted-curves-2"]
    assert [one.heading.rpartition(": ")[2] for one in drawn.values()] == ["fit-multi-power-large.json", "fit-multi-power-small.json"]
    for one, fit in zip(drawn.values(), study.fits_of_curves(), strict=True):
        curves = sum(curve.fit is fit for curve in study.curves)
        assert curves and f" the {curves} curves " in one.drawing.figure.get_suptitle()
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('id="fitted-curves-') == 2
    assert page[page.index('id="curves"') : page.index('id="laws"')].count("fit-multi-power-large.json") == sum(
        curve.fit is study.fits_of_curves()[0] for curve in study.curves
    )

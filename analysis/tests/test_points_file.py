import json

import numpy as np
import pytest
from synthetic import TRUTH

from isoflop_analysis.cli import main
from isoflop_analysis.figures import draw_all
from isoflop_analysis.points_file import read_points_study
from isoflop_analysis.records import InputError
from isoflop_analysis.tables import disagreement


def write_points(path, header="params,tokens,loss", extra=""):
    lines = [header]
    for budget in (1e12, 3e12, 1e13, 3e13):
        best = float(TRUTH.optimal(budget)[0])
        for n in best * np.geomspace(1 / 4, 4, 5):
            d = budget / (6 * n)
            lines.append(f"{n:.10g},{d:.10g},{float(TRUTH.loss(n, d)):.10g}{extra}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_fit(path, source="points.csv", left_out=(), **more):
    draws = [[v * (1 + 0.001 * ((i * k) % 7)) for k, v in enumerate(TRUTH.values().values(), 1)] for i in range(20)]
    fit = {
        "law": "chinchilla", "method": "approach3", "level": 0.8, "huber_delta": 1e-3, "objective": 0.0,
        "parameters": {k: {"value": v, "stderr": 0.1, "low": v, "high": v} for k, v in TRUTH.values().items()},
        "derived": {}, "points": {"used": 20, "source": source, "left_out": list(left_out)},
        "conventions": {"params": "total", "flops": "6nd", "loss": "nats", "stage": "final"},
        "isoflop": {"version": "0.1.0", "commit": "0a1b2c3d4e5f"}, "draws": {"rows": draws},
        **more,
    }  # fmt: skip
    path.write_text(json.dumps(fit))
    return path


def test_a_csv_with_its_fit_and_a_prediction_gives_a_page_and_pictures(tmp_path):
    points, fit = write_points(tmp_path / "points.csv"), write_fit(tmp_path / "fit.json")
    prediction = tmp_path / "prediction.json"
    interval = {"level": 0.8, "low": 1.9, "high": 2.1}
    prediction.write_text(json.dumps({"params": 1e8, "tokens": 2e9, "flops": None, "loss": 2.0, "interval": interval}))
    assert main([str(points), str(fit), "--prediction", str(prediction), "--png", str(tmp_path)]) == 0
    page = (tmp_path / "points.html").read_text("utf-8")
    assert "Scaling law of points" in page and "params total, flops 6nd, loss nats, stage final" in page
    assert "results.h5" not in page
    assert "<b>2.0000</b>" in page and "80% interval" in page
    pictures = {path.stem for path in tmp_path.glob("*.png")}
    assert pictures == {"prediction", "isoflop-profiles", "optimal-allocation", "slices", "surface",
                        "residuals", "correlation"}  # fmt: skip


def test_points_that_the_fit_left_out_are_in_no_figure(tmp_path):
    points = write_points(tmp_path / "points.csv")
    fit = write_fit(tmp_path / "fit.json", "data/points.csv", [{"name": "data/points.csv:3", "reason": "its status is x"}])
    study = read_points_study(points, [fit], {}, None)
    assert len(study.fitted) == 19 and study.refit.points == 19
    assert any("1 of 20 points were left out" in note for note in study.notes)


def test_of_rows_with_one_name_those_that_are_no_points_are_out(tmp_path):
    points = write_points(tmp_path / "points.csv", "params,tokens,loss,status,name", ",finished,")
    lines = points.read_text().splitlines()
    lines[1:] = [f"{line}run {i}" for i, line in enumerate(lines[1:])]
    diverged = lines[2].replace("finished", "diverged")
    points.write_text("\n".join([lines[0], diverged, *lines[1:], lines[5]]) + "\n")
    left_out = [{"name": "run 1", "reason": "its status is diverged"},
                {"name": "run 4", "reason": "it repeats line 7 in every column"}]  # fmt: skip
    study = read_points_study(points, [write_fit(tmp_path / "fit.json", left_out=left_out)], {}, None)
    assert len(study.fitted) == 20 and study.refit.points == 20
    assert [run.name for run in study.sweep.runs if not run.finished] == ["run 1, line 2", "run 4, line 23"]
    assert disagreement(study) < 1e-6


def test_a_point_that_one_fit_left_out_is_in_the_figures_and_in_the_re_fit_of_the_other(tmp_path):
    points = write_points(tmp_path / "points.csv")
    minima = [{"name": "points.csv:2", "reason": "its budget has no estimate"}]
    fits = [write_fit(tmp_path / "fit.json"), write_fit(tmp_path / "two.json", left_out=minima, method="approach2")]
    study = read_points_study(points, fits, {}, None)
    assert len(study.fitted) == 20 and study.refit.points == 20


def test_weights_of_a_column_count_in_the_re_fit(tmp_path):
    points = write_points(tmp_path / "points.csv", "params,tokens,loss,Importance", ",2")
    lines = points.read_text().splitlines()
    lines[3] = lines[3].removesuffix(",2") + ",0"
    points.write_text("\n".join(lines) + "\n")
    study = read_points_study(points, [], {"weight": "Importance"}, None)
    assert [run.weight for run in study.fitted] == [2.0] * 19
    assert study.refit.points == 19


def test_budgets_units_and_names_are_read_as_the_program_reads_them(tmp_path):
    points = write_points(tmp_path / "points.csv", "Size,tokens,loss,loss_unit,bytes_per_token", ",bits_per_byte,4")
    study = read_points_study(points, [], {"params": "Size"}, None)
    assert [len(p.runs) for p in study.profiles] == [5, 5, 5, 5]
    run = study.fitted[0]
    assert run.loss == pytest.approx(float(TRUTH.loss(run.n, run.d)) * 4 * np.log(2), rel=1e-6)
    assert run.name == f"{points}:2"
    assert {d.name for d in draw_all(study) if d.drawing} >= {"surface", "residuals", "isoflop-profiles"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params,tokens,loss\n1e6,1e8,x\n", "points.csv:2: loss: saw 'x', needed a number"),
        ("params,tokens,loss\n1e6,1e8\n", "points.csv:2: saw 2 fields, the header has 3"),
        ("N,tokens,loss\n1e6,1e8,3\n", "needs two of params, tokens, flops"),
        ("params,tokens,loss\n", "has no points"),
    ],
)
def test_bad_files_are_refused_with_their_line(tmp_path, text, message):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_points_study(tmp_path / "points.csv", [], {}, None)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("params", "saw 'params', needed COLUMN=NAME"),
        ("param=N", "'param' is unknown, needed one of params, tokens"),
        ("params=N", "points.csv: params: the column 'N' is missing, the file has params, tokens, loss"),
    ],
)
def test_a_column_that_cannot_be_meant_is_refused(tmp_path, capsys, argument, message):
    assert main([str(write_points(tmp_path / "points.csv")), "--column", argument]) == 2
    assert message in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path, capsys):
    points = write_points(tmp_path / "points.csv")
    (tmp_path / "pictures" / "prediction.png").mkdir(parents=True)  # refuses even root
    assert main([str(points), "--png", str(tmp_path / "pictures")]) == 2
    error = capsys.readouterr().err
    assert "pictures: cannot be written" in error and error.count("\n") == 1


def test_a_sweep_takes_no_options_of_a_csv(sweep, capsys):
    assert main([str(sweep), "fit.json"]) == 2
    assert "is no CSV file" in capsys.readouterr().err

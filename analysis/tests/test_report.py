import io
import json
import os
import re
import shutil
import sys

import h5py
import numpy as np
import pytest
from synthetic import TRUTH, plan, write_results, write_run, write_sweep

from isoflop_analysis.cli import main
from isoflop_analysis.figures import draw_all
from isoflop_analysis.fits import read_fits, read_prediction
from isoflop_analysis.study import read_study


def report(directory):
    assert main([str(directory)]) == 0
    return (directory / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(sweep):
    return report(sweep)


def drawn_names(study):
    return {d.name for d in draw_all(study) if d.drawing}


def test_a_finished_sweep_has_every_part_in_one_small_page(page):
    assert page.count("<figure>") == 11
    assert "80% interval" in page and "an example of a warning" in page
    assert "Not complete" not in page and "Not drawn" not in page
    assert len(page) < 5e6
    # Nothing from elsewhere: no link but to a part of this page, no image but inline ones.
    assert set(re.findall(r'(?:src|href)="(#|data:image/svg\+xml;base64|)', page)) == {"#", "data:image/svg+xml;base64"}
    assert not re.search(r"@import|url\(|<link|src=\"http", page)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


@pytest.mark.parametrize("name", ["größe", os.fsdecode(b"gr\xf6\xdfe")])
def test_any_name_of_a_folder_is_printed_whatever_standard_output_encodes(tmp_path, unrendered, monkeypatch, name):
    folder = tmp_path / name
    write_sweep(folder)
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))
    assert main([str(folder)]) == 0
    assert printed.getvalue() == os.fsencode(folder / "report.html") + b"\n"
    assert b"Scaling law of" in (folder / "report.html").read_bytes()


def test_the_headline_is_the_prediction_and_the_measurement(sweep, page):
    prediction = json.loads((sweep / "prediction.json").read_text())
    assert f"<b>{prediction['predicted']:.4f}</b>" in page
    assert f"<b>{prediction['measured']:.4f}</b>" in page
    assert f"<b>{prediction['error_percent']:+.2f}%</b>".replace("-", "\N{MINUS SIGN}") in page
    assert page.index("Prediction error") < page.index("<figure>")


def test_run_table_has_a_row_a_run_and_the_page_its_origin(page):
    rows, _ = plan()
    table = page[page.index('<table class="sortable">') : page.index("Choose a heading")]
    assert table.count("<tr class=") == len(rows)
    assert all(row["run"] in table for row in rows)
    for origin in ("0a1b2c3d4e5f", "0123456789abcdef", "causal attention counted half", "6 N D"):
        assert origin in page[page.index('id="provenance"') :]


def test_a_second_report_is_the_same_and_leaves_nothing_beside(sweep, page):
    assert report(sweep) == page
    assert not [p for p in sweep.iterdir() if p.name.startswith(".")]


def test_a_running_target_is_shown_as_far_as_it_is(tmp_path):
    write_sweep(tmp_path, target="running")
    page = report(tmp_path)
    assert "The target run is running" in page
    assert page.count("<figure>") == 11


def test_the_dots_and_the_curve_are_of_the_law_that_predicts(tmp_path, unrendered):
    rows = write_sweep(tmp_path)
    prediction = json.loads((tmp_path / "prediction.json").read_text())
    prediction |= {
        "fit": "ensemble",
        "fitted": {row["run"]: 7.0 for row in rows if row["role"] == "fit"},
        "curve": {"tokens": [rows[-1]["tokens"] / 1e4, rows[-1]["tokens"] * 2], "loss": [8.0, 8.0]},
        "surface": surface_of(rows),
    }
    (tmp_path / "prediction.json").write_text(json.dumps(prediction))
    study = read_study(tmp_path)
    drawn = {d.name: d.drawing for d in draw_all(study)}
    assert "against the law that predicts (ensemble)" in drawn["prediction"].caption
    dots = drawn["prediction"].figure.axes[0].collections[0].get_offsets()
    assert set(dots[:, 1]) == {7.0}
    lines = {str(line.get_label()): line for line in drawn["learning-curve"].figure.axes[0].get_lines()}
    own = next(line for label, line in lines.items() if label.startswith("law that predicts (ensemble) at N"))
    assert set(own.get_ydata()) == {8.0}
    compute, best = lines["fitted frontier L*(C)"].get_data()
    assert best == pytest.approx(2 * TRUTH.optimal(compute)[2], rel=1e-3)
    measured = np.array([run.loss for run in study.fitted])
    dots = drawn["residuals"].figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(dots[:, 1], 100 * (7 / measured - 1))
    for name in ("surface", "slices", "residuals"):
        assert "the law that predicts (ensemble)" in drawn[name].caption
    page = report(tmp_path)
    assert "Surface and frontier: the law that predicts (ensemble)" in page and "L(N, D) =" not in page


def surface_of(rows):
    """Twice the losses of the truth."""
    n, d = (np.geomspace(min(r[key] for r in rows) / 4, 4 * max(r[key] for r in rows), 30) for key in ("n_total", "tokens"))
    return {"params": n.tolist(), "tokens": d.tolist(), "loss": (2 * TRUTH.loss(n[None, :], d[:, None])).ravel().tolist()}


def test_no_figure_of_a_law_that_was_not_asked_for(tmp_path, unrendered):
    write_sweep(tmp_path)
    for fit in tmp_path.glob("fit-*.json"):
        if not fit.name.startswith("fit-kaplan-d"):
            fit.unlink()
    prediction = json.loads((tmp_path / "prediction.json").read_text()) | {"fit": "kaplan-d"}
    (tmp_path / "prediction.json").write_text(json.dumps(prediction))
    names = {d.name for d in draw_all(read_study(tmp_path))}
    assert not names & {"surface", "slices"} and "kaplan-laws" in names
    assert "No fit of law chinchilla" in report(tmp_path)
    (tmp_path / "fit-kaplan-d.json").rename(tmp_path / "fit-over-training.json")
    (tmp_path / "fit-over-training.json").write_text(json.dumps(json.loads((tmp_path / "fit-over-training.json").read_text())
                                                                | {"law": "over-training"}))
    assert "kaplan-laws" not in {d.name for d in draw_all(read_study(tmp_path))}


def test_without_a_target_the_laws_are_shown(tmp_path, unrendered):
    write_sweep(tmp_path, target="absent")
    (tmp_path / "prediction.json").unlink()
    page = report(tmp_path)
    assert "The sweep has no target run" in page and "No prediction.json" in page
    assert drawn_names(read_study(tmp_path)) >= {"surface", "residuals", "prediction"}
    assert "learning-curve" not in drawn_names(read_study(tmp_path))


@pytest.mark.parametrize(
    ("count", "drawn"),
    [
        (1, {"loss-curves", "frontier", "isoflop-profiles"}),
        (5, {"loss-curves", "frontier", "isoflop-profiles"}),
        (6, {"loss-curves", "frontier", "isoflop-profiles", "prediction", "slices", "surface", "residuals"}),
    ],
)
def test_few_runs_give_few_figures(tmp_path, unrendered, count, drawn):
    rows, noise = plan()
    for row in rows[:count]:
        write_run(tmp_path / "runs" / row["run"], row, noise).close()
    write_results(tmp_path, rows[:count])
    page = report(tmp_path)
    assert drawn_names(read_study(tmp_path)) == drawn
    assert ("No law yet" in page) == (count < 6)


def test_runs_that_failed_or_have_no_loss_are_named_not_fitted(tmp_path, unrendered):
    rows = write_sweep(tmp_path)
    rows[0] |= {"status": "failed", "loss": float("nan")}
    rows[1] |= {"loss": float("inf")}
    write_results(tmp_path, rows)
    shutil.rmtree(tmp_path / "runs" / rows[2]["run"])
    page = report(tmp_path)
    assert "1 run failed, in no fit" in page
    assert "1 run finished without a usable loss" in page
    assert f"no run.h5 ({rows[2]['run']})" in page
    assert len(read_study(tmp_path).fitted) == 18


def test_nothing_finished_still_makes_a_page(tmp_path, unrendered):
    rows, noise = plan()
    rows = [{**row, "status": "running", "loss": float("nan")} for row in rows[:3]]
    known = plan()[0]
    for row, full in zip(rows, known, strict=False):
        write_run(tmp_path / "runs" / row["run"], full, noise, 0.3).close()
    write_results(tmp_path, rows)
    page = report(tmp_path)
    assert "3 runs running" in page
    assert drawn_names(read_study(tmp_path)) == {"loss-curves"}


def test_many_sizes_and_budgets_are_drawn_with_colour_bars(tmp_path):
    rows, noise = plan()
    many = []
    for i in range(60):
        row = dict(rows[i % 20])
        row |= {"run": f"{i:016x}", "n_total": int(row["n_total"] * (1 + 0.1 * i)), "budget": row["budget"] * (1 + i)}
        many.append(row)
    for row in many[:12]:
        write_run(tmp_path / "runs" / row["run"], row, noise).close()
    write_results(tmp_path, many)
    page = report(tmp_path)
    assert "No loss curve for 48 runs" in page
    assert page.count("<figure>") == 7


def test_text_of_others_is_escaped(tmp_path, unrendered):
    rows = write_sweep(tmp_path)
    rows[0]["label"] = "<script>alert(1)</script>"
    write_results(tmp_path, rows)
    assert "<script>alert" not in report(tmp_path)


def test_a_damaged_fit_costs_itself_only(tmp_path, unrendered):
    write_sweep(tmp_path)
    (tmp_path / "fit-kaplan-n.json").write_text("{")
    (tmp_path / "fit-kaplan-d.json").write_text('{"law": "kaplan-d"}')
    (tmp_path / "prediction.json").write_text("[]")
    fits, troubles = read_fits(tmp_path)
    assert len(fits) == 3 and len(troubles) == 2
    assert read_prediction(tmp_path)[0] is None
    page = report(tmp_path)
    assert "fit-kaplan-n.json: not JSON" in page
    assert "prediction.json: holds list" in page


def test_an_ensemble_is_shown_with_its_members_and_what_they_held(tmp_path, unrendered):
    write_sweep(tmp_path)
    content = json.loads((tmp_path / "fit-chinchilla-approach3.json").read_text())
    members = [{"law": "chinchilla", "weight": 0.625, "rollout_error": 0.0123, "residual_rms": 0.004},
               {"law": "farseer", "weight": 0.375, "rollout_error": None, "residual_rms": 0.005}]  # fmt: skip
    coverage = {"level": 0.8, "measured": 0.75, "points": 40, "cuts": 3}
    rollout = {"rms_miss": 0.02, "coverage": coverage, "cuts": [{"flops": 1e12}] * 3}
    content |= {"ensemble": True, "members": members, "rollout": rollout}
    (tmp_path / "fit-ensemble.json").write_text(json.dumps(content))
    page = report(tmp_path)
    laws = page[page.index("Ensemble of 2 laws") :]
    assert laws.index("Chinchilla</td><td>62.5%</td><td>1.23%</td>") < laws.index("farseer</td><td>37.5%")
    assert "below 3 cuts, missed what lies above by 2%; 80% intervals made from smaller runs alone held 75.0% of 40" in laws
    assert read_study(tmp_path).law_fit.path.name == "fit-chinchilla-approach3.json"
    (tmp_path / "fit-chinchilla-approach3.json").unlink()
    assert read_study(tmp_path).law_fit is None  # the heaviest member's surface is not the ensemble's


def test_a_law_of_shares_misses_by_differences(tmp_path, unrendered):
    write_sweep(tmp_path)
    content = json.loads((tmp_path / "fit-chinchilla-approach3.json").read_text())
    content |= {"rollout": {"size": ["loss"], "rms_miss": 0.02, "cuts": [{"flops": 1e12}]}}
    del content["scale"]

    def misses_by(miss, **said):
        (tmp_path / "fit-shares.json").write_text(json.dumps(content | said))
        return f"Fits to smaller runs, below 1 cuts, missed what lies above by {miss}." in report(tmp_path)

    assert misses_by("0.02", law="any law", scale="linear")  # the file says it, whatever the law is called
    assert misses_by("2%", law="task-ladder", scale="log")
    assert misses_by("2%", law="any law")  # of a version that did not say it
    assert misses_by("0.02", law="task-ladder")


def test_a_wrong_fit_is_called_wrong(tmp_path, unrendered):
    write_sweep(tmp_path)
    path = tmp_path / "fit-chinchilla-approach3.json"
    content = json.loads(path.read_text())
    content["parameters"]["alpha"]["value"] *= 1.01
    path.write_text(json.dumps(content))
    page = report(tmp_path)
    assert "do not agree" in page and "The independent re-fit differs" in page


def test_a_fit_with_a_parameter_held_is_not_checked_by_a_re_fit_that_holds_none(tmp_path, unrendered):
    write_sweep(tmp_path)
    path = tmp_path / "fit-chinchilla-approach3.json"
    content = json.loads(path.read_text())
    content["parameters"]["E"]["value"] *= 1.01
    path.write_text(json.dumps(content | {"fixed": ["E"]}))
    page = report(tmp_path)
    assert "the fit holds E" in page and "do not agree" not in page
    assert read_study(tmp_path).refit is None


def test_a_law_that_predicts_without_a_surface_leaves_that_of_chinchilla(tmp_path, unrendered):
    write_sweep(tmp_path)
    path = tmp_path / "prediction.json"
    content = json.loads(path.read_text()) | {"fit": "kaplan-n"}
    content.pop("surface", None)
    path.write_text(json.dumps(content))
    study = read_study(tmp_path)
    assert study.law == study.law_fit.chinchilla()
    assert "fit-chinchilla-approach3.json" in study.law_origin and "none of the law that predicts (kaplan-n)" in study.law_origin


@pytest.mark.parametrize("kind", ["absent", "empty", "output"])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, kind, sweep):
    arguments = {
        "absent": [str(tmp_path / "absent")],
        "empty": [str(tmp_path)],
        "output": [str(sweep), "--out", str(tmp_path / "absent" / "x.html")],
    }
    assert main(arguments[kind]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("isoflop_analysis: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", ([], ["a", "--png"], ["a", "--draw", "x"]))
def test_bad_usage_is_one_line_too(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and "--help" in said and "FIT.json" not in said


def test_a_page_replaces_pages_alone(tmp_path, unrendered, capsys):
    write_sweep(tmp_path)
    (tmp_path / "points.csv").write_text("params,tokens,loss\n1e6,1e8,3\n")
    for name in ("results.h5", "points.csv"):
        before = (tmp_path / name).read_bytes()
        for read in (tmp_path, tmp_path / "points.csv"):
            assert main([str(read), "--out", str(tmp_path / name)]) == 2
            assert f"{name}: is there and is no page" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == before
    for _ in range(2):
        assert main([str(tmp_path / "points.csv")]) == 0


def test_what_may_not_be_read_is_one_line(tmp_path, unrendered, capsys, monkeypatch):
    write_sweep(tmp_path)

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    assert main([str(tmp_path)]) == 2
    assert re.fullmatch(r"isoflop_analysis: .*/manifest.toml: Permission denied; .*\n", capsys.readouterr().err)


def test_results_may_be_open_for_writing(tmp_path, unrendered):
    write_sweep(tmp_path)
    run = read_study(tmp_path).sweep.runs[0].name
    with h5py.File(tmp_path / "runs" / run / "run.h5", "r+", libver="latest"):
        page = report(tmp_path)
    assert page.count("<figure>") == 11

"""What the figures of the report show, as drawn and not yet rendered."""
import json

import numpy as np
import pytest
from synthetic import write_results, write_sweep

from isoflop_analysis.figures import draw_all
from isoflop_analysis.study import read_study
from isoflop_analysis.tables import run_table


def drawings(directory):
    return {d.name: d.drawing for d in draw_all(read_study(directory))}


def test_the_draws_are_of_the_law_that_predicts_or_said_not_to_be(tmp_path):
    write_sweep(tmp_path)
    prediction = json.loads((tmp_path / "prediction.json").read_text())
    (tmp_path / "prediction.json").write_text(json.dumps(prediction | {"fit": "ensemble"}))
    draws = np.exp(np.random.default_rng(1).standard_normal((40, 2)))
    ensemble = {"law": "kaplan-nd", "ensemble": True, "parameters": {"Nc": {"value": 1.0}, "aN": {"value": 1.0}},
                "members": [{"law": "kaplan-nd", "weight": 0.6}, {"law": "chinchilla", "weight": 0.4}]}  # fmt: skip

    def caption(rows):
        (tmp_path / "fit-ensemble.json").write_text(json.dumps(ensemble | {"draws": {"rows": rows}}))
        drawn = drawings(tmp_path)["correlation"]
        return drawn.caption, {axis.get_xlabel() for axis in drawn.figure.axes}

    text, labels = caption(draws.tolist())
    assert "draws of Kaplan L(N, D), the heaviest law of the ensemble, which predicts." in text and "ln Nc" in labels
    text, labels = caption([])
    assert "draws of Chinchilla, approach 3; not of the law that predicts (ensemble), which has none." in text
    assert labels & {"ln A", "ln B", "ln E", "ln alpha", "ln beta"}


def test_correlations_are_those_that_the_program_prints(tmp_path):
    write_sweep(tmp_path)
    path = tmp_path / "fit-chinchilla-approach3.json"
    content = json.loads(path.read_text())

    def drawing():
        return drawings(tmp_path)["correlation"]

    printed = np.eye(5) + np.triu(np.arange(25).reshape(5, 5) / 100, 1) + np.triu(np.arange(25).reshape(5, 5) / 100, 1).T
    path.write_text(json.dumps(content | {"precision": {"condition_number": 1e4, "correlation": printed.tolist()}}))
    left, right = drawing().figure.axes[:2]
    assert [text.get_text() for text in left.texts] == [f"{value:.3f}" for value in printed.ravel()]
    assert left.get_title(loc="left") == "Correlation at the optimum" and "strongest pair, over the draws: alpha and beta" in right.get_title(loc="left")
    assert "what isoflop fit prints" in drawing().caption
    content["draws"]["rows"][0][0] = None  # a draw that leaves E open
    path.write_text(json.dumps(content | {"precision": {"condition_number": None, "correlation": []}}))
    assert drawing().figure.axes[0].get_title(loc="left") == "Correlation over the draws"
    assert "39 of 40 bootstrap draws" in drawing().caption


def fit_with_open_draws(draws, open_rows):
    """Of approach 2, where these draws do not determine the loss law."""
    names = ("G", "a", "H", "b", "E", "K", "gamma")
    rows = np.exp(np.random.default_rng(2).standard_normal((draws, len(names)))).tolist()
    for row in rows[:open_rows]:
        row[4:] = [None] * 3
    return {"law": "chinchilla", "method": "approach2", "level": 0.8, "parameters": {name: {"value": 1.0} for name in names},
            "draws": {"asked": draws, "rows": rows}}  # fmt: skip


def test_parameters_that_too_many_draws_leave_open_are_left_out_and_not_the_draws(tmp_path):
    write_sweep(tmp_path)
    for path in tmp_path.glob("fit-*.json"):
        path.unlink()

    def drawn(open_rows):
        (tmp_path / "fit-chinchilla-approach2.json").write_text(json.dumps(fit_with_open_draws(40, open_rows)))
        drawing = drawings(tmp_path)["correlation"]
        left, right = drawing.figure.axes[:2]
        return drawing.caption, [tick.get_text() for tick in left.get_xticklabels()], len(right.get_lines()[0].get_xdata())

    caption, names, dots = drawn(20)
    assert names == ["G", "a", "H", "b"] and dots == 40
    assert "Right: 40 bootstrap draws of" in caption and "Not shown: E, K, gamma, open in 20 of the draws." in caption
    caption, names, dots = drawn(3)  # few enough for the intervals of the program
    assert len(names) == 7 and dots == 37
    assert "Right: 37 of 40 bootstrap draws of" in caption and "Not shown" not in caption


def test_draws_that_were_made_are_not_asked_for_again(tmp_path):
    write_sweep(tmp_path)
    prediction = json.loads((tmp_path / "prediction.json").read_text())
    (tmp_path / "prediction.json").write_text(json.dumps(prediction | {"fit": "chinchilla-approach2"}))
    content = fit_with_open_draws(40, 0)
    content["draws"] = {"asked": 1000, "rows": content["draws"]["rows"][:9]}  # the others determine no frontier
    (tmp_path / "fit-chinchilla-approach2.json").write_text(json.dumps(content))
    assert "(chinchilla-approach2), whose draws leave a parameter open." in drawings(tmp_path)["correlation"].caption
    (tmp_path / "fit-chinchilla-approach3.json").unlink()

    def reason():
        return next(d.missing for d in draw_all(read_study(tmp_path)) if d.name == "correlation")

    assert reason() == "only 9 of 1000 bootstrap draws leave no parameter open"
    (tmp_path / "fit-chinchilla-approach2.json").write_text(json.dumps(content | {"draws": {"asked": 0, "rows": []}}))
    assert "--bootstrap 1000" in reason()


def test_the_figures_of_approach_2_are_those_of_its_fit(tmp_path):
    write_sweep(tmp_path)
    path = tmp_path / "fit-chinchilla-approach2.json"
    content = json.loads(path.read_text())
    content["budgets"] = [{"flops": c, "params": n, "tokens": c / n / 6, "loss": 3.0, "rejected": ""}
                          for c, n in ((1e12, 3e4), (3e12, 6e4))]  # fmt: skip
    content["budgets"].append({"flops": 1e13, "params": 1.0, "tokens": 1.0, "loss": 1.0, "rejected": "too little curvature"})
    path.write_text(json.dumps(content))
    drawn = drawings(tmp_path)
    assert "0.515" in drawn["optimal-allocation"].figure.axes[0].get_title(loc="left")
    assert "from 30k parameters" in drawn["isoflop-profiles"].figure.axes[0].get_title(loc="left")
    caption = drawn["isoflop-profiles"].caption
    assert "fit-chinchilla-approach2.json" in caption and "No estimate at 1.0e+13 FLOP: too little curvature" in caption


def test_a_trunk_has_no_final_loss_and_no_law(tmp_path):
    rows = write_sweep(tmp_path)
    trunk = rows[0]
    write_results(tmp_path, [trunk | {"role": "trunk"}, *rows[1:]])
    drawn = drawings(tmp_path)
    for name in ("loss-curves", "frontier"):
        dots = [line.get_ydata()[0] for line in drawn[name].figure.axes[0].get_lines() if len(line.get_ydata()) == 1]
        assert trunk["loss"] not in dots and rows[1]["loss"] in dots
        assert "trunks" in drawn[name].caption
    row = next(part for part in run_table(read_study(tmp_path)).split("<tr") if trunk["run"] in part)
    assert row.partition("</tr>")[0].endswith("\N{EN DASH}</td>")


def test_every_final_loss_is_in_sight(tmp_path):
    rows = write_sweep(tmp_path)
    high = 2.4 * float(np.median([row["loss"] for row in rows]))
    write_results(tmp_path, [rows[0] | {"loss": high}, *rows[1:]])
    drawn = drawings(tmp_path)
    for name in ("loss-curves", "frontier"):
        assert drawn[name].figure.axes[0].get_ylim()[1] > high


def test_the_law_of_the_targets_size_starts_where_the_fit_saw_tokens(tmp_path):
    rows = write_sweep(tmp_path)
    ax = drawings(tmp_path)["learning-curve"].figure.axes[0]
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    law = next(line for label, line in lines.items() if " at N = " in label)
    fewest = min(row["tokens"] for row in rows if row["role"] == "fit")
    assert law.get_xdata()[0] == pytest.approx(max(6 * rows[-1]["n_total"] * fewest, ax.get_xlim()[0]))
    assert lines["target, validation"].get_xdata()[-1] < rows[-1]["flops_6nd"] * 0.999  # the star stands for the last

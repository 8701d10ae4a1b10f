"""The tables of the report as HTML: runs, laws, the re-fit beside the program's fit, provenance."""

from __future__ import annotations

import html
import math
import sys
from importlib.metadata import version

from .fits import Estimate, Fit
from .records import Run
from .schedules import FittedCurve
from .style import count
from .study import Study

ABSENT = "\N{EN DASH}"


def escape(text) -> str:
    return html.escape(str(text))


def number(value, digits: int = 6) -> str:
    """Plain where that is readable, else 1.23e+45 as a power of ten."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:.{digits}g}"
    if 1e3 <= abs(value) < 1e5 and "e" in text:
        text = f"{value:.0f}"
    if "e" not in text:
        return text.replace("-", "\N{MINUS SIGN}")
    mantissa, exponent = text.split("e")
    return f"{mantissa}\N{MULTIPLICATION SIGN}10<sup>{int(exponent)}</sup>".replace("-", "\N{MINUS SIGN}")


def flop_text(value: float) -> str:
    return f"{number(value, 3)} FLOP"


def duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 5400:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h" if seconds < 172800 else f"{seconds / 86400:.3g} days"


def _cell(value, shown: str) -> str:
    return f'<td data-v="{value!r}">{shown}</td>' if value is not None else f'<td data-v="">{ABSENT}</td>'


def _text(value) -> str:
    return f'<td class="text">{escape(value)}</td>'


_RUN_NUMBERS = (
    ("n_total", "N<br>total", count),
    ("n_non_embedding", "N non-<br>embedding", count),
    ("tokens", "D<br>tokens", count),
    ("epochs", "epochs", lambda v: number(v, 3)),
    ("flops_6nd", "C = 6ND<br>FLOP", lambda v: number(v, 3)),
    ("flops_exact", "C exact<br>FLOP", lambda v: number(v, 3)),
    ("loss", "loss<br>nats/token", lambda v: f"{v:.4f}"),
    ("bits_per_byte", "bits/<br>byte", lambda v: f"{v:.4f}"),
    ("seconds", "time", duration),
    ("peak_memory_bytes", "peak<br>memory", lambda v: f"{v / 2**20:.0f} MiB"),
    ("restarts", "re-<br>starts", lambda v: str(v)),
)


def _run_row(run: Run, study: Study, columns) -> str:
    cells = [
        f'<td class="text"><code>{escape(run.name)}</code><br><small>{escape(run.row.get("label", ""))}</small></td>',
        _text(run.row["role"]),
        _text(run.row["status"]),
    ]
    for name, _, text in columns:
        value = run.row[name]
        good = isinstance(value, (int, float)) and math.isfinite(value)
        cells.append(_cell(value if good else None, text(value) if good else ""))
    if study.law:
        fitted = study.fitted_loss(run) if run.finished else None
        error = None if fitted is None else 100 * (fitted / run.loss - 1)
        cells.append(_cell(error, "" if error is None else f"{error:+.2f}%".replace("-", "\N{MINUS SIGN}")))
    kind = "target" if run.is_target else "" if run.finished else "unfinished"
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def run_table(study: Study) -> str:
    runs = sorted(study.sweep.runs, key=lambda r: (r.is_target, r.budget or r.c, r.n))
    columns = [c for c in _RUN_NUMBERS if c[0] in runs[0].row]
    headings = [("run", "text"), ("role", "text"), ("status", "text"), *((c[1], "") for c in columns)]
    if study.law:
        headings.append(("law / loss<br>\N{MINUS SIGN} 1", ""))
    head = "".join(f'<th class="{kind}"><button>{title}</button></th>' for title, kind in headings)
    body = "".join(_run_row(run, study, columns) for run in runs)
    return (
        f'<div class="scroll runs"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        '<p class="muted">Choose a heading to sort. N total counts embeddings; C exact counts every operation with '
        "causal attention halved; recomputation is in neither.</p>"
    )


def curve_table(study: Study) -> str:
    several = len(study.fits_of_curves()) > 1

    def which(one: FittedCurve) -> str:
        return f'<td class="text">{escape(one.fit.path.name)}</td>' if several else ""

    rows = "".join(
        f'<tr><td class="text">{escape(one.curve.name)}</td>{which(one)}<td>{one.curve.steps[-1]:g}</td><td>{one.curve.rates.max():.3g}</td>'
        f"<td>{one.measured[-1]:.4f}</td><td>{one.fitted[-1]:.4f}</td><td>{_percent(one.rms)}</td></tr>"
        for one in study.curves
    )
    return (
        f"<table><thead><tr><th class='text'>curve</th>{'<th class=text>fit</th>' if several else ''}<th>steps</th><th>largest learning rate</th><th>loss at the end, measured"
        f"</th><th>fitted</th><th>law misses it by</th></tr></thead><tbody>{rows}</tbody></table><p class='muted'>Losses in "
        "nats/token, means over the last records; misses are root mean squares behind the warm-up, from a separate "
        "implementation of the law in Python (isoflop_analysis.schedules) at the program's parameters.</p>"
    )


def _estimate_rows(estimates: dict[str, Estimate], kind: str) -> str:
    rows = []
    for name, e in estimates.items():
        interval = ABSENT if None in (e.low, e.high) else f"{number(e.low, 5)} to {number(e.high, 5)}"
        rows.append(
            f'<tr><td class="text">{escape(name)} <small>{kind}</small></td><td>{number(e.value, 6)}</td>'
            f"<td>{number(e.stderr, 3)}</td><td>{interval}</td></tr>"
        )
    return "".join(rows)


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.3g}%"


def _member_table(fit: Fit) -> str:
    rows = "".join(
        f'<tr><td class="text">{escape(m.title)}</td><td>{_percent(m.weight)}</td><td>{_percent(m.rollout_error)}</td>'
        f"<td>{_percent(m.residual)}</td></tr>"
        for m in fit.members
    )
    return (
        "<table><thead><tr><th class='text'>law</th><th>weight</th><th>missed above its cuts</th><th>misses its points by"
        f"</th></tr></thead><tbody>{rows}</tbody></table><p class='muted'>Root mean squares of the loss. The weights come "
        f"from rollouts: fits to less compute, held against what lies above. Below: {escape(fit.members[0].title)}, the "
        "heaviest.</p>"
    )


def _miss(fit: Fit, value: float | None) -> str:
    """Of a law fitted to logarithms a share; of one fitted to shares, as accuracies, a difference."""
    return _percent(value) if fit.scale == "log" else number(value, 3)


def _rollout_lines(fit: Fit) -> str:
    """What an extrapolation of this fit can be trusted to."""
    rollout = fit.raw.get("rollout")
    cuts = rollout.get("cuts") if isinstance(rollout, dict) else None
    if not cuts:
        return ""
    runs = "less compute" if rollout.get("size", ["flops"]) == ["flops"] else "smaller runs"
    text = f"Fits to {runs}, below {len(cuts)} cuts, missed what lies above by {_miss(fit, rollout.get('rms_miss'))}"
    coverage = rollout.get("coverage") or {}
    if coverage.get("measured") is not None:
        text += (f"; {coverage['level']:.0%} intervals made from smaller runs alone held {coverage['measured']:.1%} of "
                 f"{coverage['points']} forecasts")  # fmt: skip
    return f"<p class='muted'>{text}.</p>"


def _law_table(fit: Fit) -> str:
    level = fit.raw.get("level")
    interval = f"{level:.0%} interval" if isinstance(level, float) else "interval"
    remarks = [str(r) for key in ("warnings", "notes") for r in fit.raw.get(key) or []]
    facts = [f"file <code>{escape(fit.path.name)}</code>"]
    if fit.used is not None:
        facts.append(f"{fit.used} points")
    if fit.objective is not None and not fit.raw.get("budgets"):  # parabolas have none
        facts.append(f"objective {number(fit.objective)}")
    derived = {name: value for name, value in fit.derived.items() if name not in fit.parameters}
    out = "".join(f"<p class='muted'>{escape(remark)}</p>" for remark in remarks)
    if fit.left_out:
        items = "".join(f"<li>{escape(entry)}</li>" for entry in fit.left_out)
        out += f"<details class='muted'><summary>{len(fit.left_out)} left out</summary><ul>{items}</ul></details>"
    return (
        f"<h3>{escape(fit.title)}</h3><p class='muted'>{', '.join(facts)}</p>{_rollout_lines(fit)}"
        f"{_member_table(fit) if fit.members else ''}<table><thead><tr>"
        f"<th class='text'>quantity</th><th>value</th><th>standard error</th><th>{interval}</th></tr></thead>"
        f"<tbody>{_estimate_rows(fit.parameters, '')}{_estimate_rows(derived, 'derived')}</tbody></table>{out}"
    )


def law_tables(study: Study) -> str:
    if not study.fits:
        return '<p class="missing">No fit-*.json in the sweep directory: run <code>isoflop fit</code>.</p>'
    return f'<div class="laws">{"".join(f"<div>{_law_table(fit)}</div>" for fit in study.fits)}</div>'


def disagreement(study: Study) -> float | None:
    """Largest relative difference of the fitted losses between the program's fit and the re-fit."""
    if not (study.law_fit and study.refit) or study.law_fit.weights:
        return None
    program = study.law_fit.chinchilla()
    return max(abs(float(study.refit.law.loss(r.n, r.d) / program.loss(r.n, r.d)) - 1) for r in study.fitted)


def cross_check(study: Study) -> str:
    if study.law_fit and study.law_fit.fixed:
        return f'<p class="missing">No independent re-fit: the fit holds {escape(", ".join(study.law_fit.fixed))}, a re-fit would not.</p>'
    if study.refit is None:
        reason = "Too few finished runs for an independent re-fit" if study.law_fit or not study.fits else "No fit of law chinchilla"
        return f'<p class="missing">{reason}.</p>'
    rows = []
    for name, value in study.refit.law.values().items():
        program = study.law_fit.value(name) if study.law_fit else None
        change = ABSENT if program is None else number(abs(value / program - 1), 2)
        rows.append(
            f'<tr><td class="text">{name}</td><td>{number(program, 10)}</td><td>{number(value, 10)}</td>'
            f"<td>{change}</td></tr>"
        )
    verdict = ""
    worst = disagreement(study)
    if study.law_fit and study.law_fit.weights:
        verdict = f"<p>Not comparable: the fit weighs its points ({escape(study.law_fit.weights)}), the re-fit does not.</p>"
    elif worst is not None:
        agree = "agree" if worst < 1e-4 else "<b>do not agree</b>"
        verdict = f"<p>The two fits {agree}: at the runs their losses differ by at most {number(100 * worst, 2)}%.</p>"
    origin = escape(study.law_fit.path.name) if study.law_fit else "no fit of the program"
    return (
        f"{verdict}<table><thead><tr><th class='text'>parameter</th><th>{origin}</th><th>re-fit</th>"
        f"<th>relative difference</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<p class='muted'>Same objective (Huber loss on ln L), fitted to {study.refit.points} runs by a separate "
        "implementation in Python (isoflop_analysis.refit) with its own starts and minimiser.</p>"
    )


def _provenance_rows(study: Study) -> list[tuple[str, str]]:
    attributes = study.sweep.attributes
    runs = study.sweep.runs
    rows = [(key, attributes[key]) for key in ("sweep", "isoflop_version", "isoflop_commit", "data_fingerprint")
            if key in attributes]  # fmt: skip
    for key in ("isoflop_version", "isoflop_commit", "device", "processor", "ranks", "threads", "zero", "data_fingerprint"):
        values = sorted({str(r.attributes[key]) for r in runs if key in r.attributes})
        if values:
            rows.append((f"{key} of the runs", ", ".join(values)))
    if runs:
        rows.append(("runs", f"{sum(r.finished for r in runs)} finished of {len(runs)}"))
    seconds = [r.row["seconds"] for r in runs if math.isfinite(r.row.get("seconds", math.nan))]
    if seconds:
        rows.append(("training time, all runs", duration(sum(seconds))))
    rows.append(("files", ", ".join([study.sweep.source, *(f.path.name for f in study.fits)])))
    if study.law_origin:
        rows.append(("surface of the figures", study.law_origin))
    packages = ", ".join(f"{name} {version(name)}" for name in ("h5py", "numpy", "matplotlib"))
    rows.append(("report made with", f"Python {sys.version.split()[0]}, {packages}"))
    return rows


_CONVENTIONS = (
    ("C on every axis, in every law and budget", "6 N D, N total parameters, D tokens seen in training"),
    ("C exact (run table)", "sum over operations, forward and backward, causal attention counted half"),
    ("recomputed activations", "counted in neither"),
    ("N in Kaplan's L(N)", "parameters without embeddings"),
)


def provenance(study: Study) -> str:
    def table(rows):
        cells = (f'<tr><td class="text">{escape(k)}</td><td class="text wrap">{escape(v)}</td></tr>' for k, v in rows)
        return f"<table><tbody>{''.join(cells)}</tbody></table>"

    parts = [table(_provenance_rows(study))]
    if study.sweep.runs:
        hashes = " ".join(sorted(r.name for r in study.sweep.runs))
        parts += ["<h3>FLOP conventions</h3>", table(_CONVENTIONS), "<h3>Configuration hashes of the runs</h3>",
                  f"<p><code>{escape(hashes)}</code></p>"]  # fmt: skip
    if study.sweep.manifest:
        parts.append(f"<h3>manifest.toml</h3><pre>{escape(study.sweep.manifest)}</pre>")
    return "".join(parts)

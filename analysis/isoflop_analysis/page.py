"""Puts figures and tables into one HTML page that needs nothing else."""

from __future__ import annotations

from importlib.resources import files

from . import style, tables
from .figures import Drawn
from .study import Study, best_exponent
from .tables import count, escape, flop_text, number

MINUS = "\N{MINUS SIGN}"


def _card(title: str, value: str, *details: str, main: bool = False) -> str:
    lines = "".join(f"<span>{line}</span>" for line in details if line)
    return f'<div class="card{" main" if main else ""}"><span>{title}</span><b>{value}</b>{lines}</div>'


def _prediction_cards(study: Study) -> list[str]:
    p = study.prediction
    if p is None:
        return [_card("Predicted loss", tables.ABSENT, "no prediction.json")]
    level = f"{p.level:.0%} " if p.level else ""
    bounds = f"{level}interval {p.low:.4f} to {p.high:.4f}" if None not in (p.low, p.high) else "without interval"
    cards = [_card("Predicted loss of the target", f"{p.predicted:.4f}", "nats/token", bounds)]
    if p.measured is None:
        target = study.sweep.target
        state = f"the target run is {escape(target.row['status'])}" if target else "no run of the target here"
        return [*cards, _card("Measured loss", tables.ABSENT, state)]
    verdict = {True: "inside the interval", False: "outside the interval", None: ""}[p.inside]
    error = f"{p.error_percent:+.2f}%".replace("-", MINUS)
    cards.append(_card("Measured loss", f"{p.measured:.4f}", "nats/token", "validation split, after the last step"))
    cards.append(_card("Prediction error", error, "(predicted \u2212 measured) / measured", verdict, main=True))
    return cards


def _target_card(study: Study) -> list[str]:
    p = study.prediction
    if p is None or not study.fitted:
        return []
    reach = p.c / max(r.c for r in study.fitted)
    return [_card("The target", f"{count(p.n)} \u00d7 {count(p.d)}", "parameters \u00d7 tokens",
                  f"{flop_text(p.c)}, {number(reach, 3)}\u00d7 the largest fitted run")]  # fmt: skip


def _law_cards(study: Study) -> list[str]:
    cards = []
    exponent = best_exponent(study)
    if exponent:
        title, a = exponent
        bounds = f"interval {a.low:.3f} to {a.high:.3f}" if None not in (a.low, a.high) else ""
        cards.append(_card("Best size grows as", f"C<sup>{a.value:.3f}</sup>", bounds, escape(title)))
    if study.fitted:
        compute = [r.c for r in study.fitted]
        cards.append(_card("Fitted runs", str(len(compute)),
                           f"{len({r.n for r in study.fitted})} sizes, {number(max(compute) / min(compute), 3)}\u00d7 in compute",
                           f"up to {flop_text(max(compute))}"))  # fmt: skip
    return cards


def _curve_cards(study: Study) -> list[str]:
    """Of a study that has curves alone."""
    worst = max(study.curves, key=lambda one: one.rms)
    cards = [_card("Fitted curves", str(len(study.curves)), f"{max(c.curve.steps[-1] for c in study.curves):g} steps at most"),
             _card("Largest miss of a curve", f"{100 * worst.rms:.2g}%", "root mean square of the loss",
                   escape(worst.curve.name), main=True)]  # fmt: skip
    if study.predicted_curve:
        p = study.predicted_curve
        bounds = f"{p.level:.0%} interval {p.low[-1]:.4f} to {p.high[-1]:.4f}" if p.level else "without interval"
        cards.append(_card("Predicted at the end of the schedule", f"{p.losses[-1]:.4f}", "nats/token", bounds))
    return cards


def _law_line(study: Study) -> str:
    if study.law is None:
        return ""
    law = study.chinchilla
    if law is None:
        return f'<p class="muted" style="text-align:center">Surface and frontier: {escape(study.law_origin)}</p>'
    formula = (
        f"L(N, D) = {law.E:.4g} + {number(law.A, 4)} / N<sup>{law.alpha:.4f}</sup>"
        f" + {number(law.B, 4)} / D<sup>{law.beta:.4f}</sup>"
    )
    return f'<p class="law">{formula}</p><p class="muted" style="text-align:center">{escape(study.law_origin)}</p>'


def _conventions(study: Study) -> str:
    """What the numbers of the page mean: a sweep's are known, a CSV's as far as its fits state them."""
    compute = "; C in the figures is 6 N D" if study.sweep.runs else ""
    if study.sweep.has_records:
        return ("Losses in nats/token on the validation split; N total parameters, D training tokens, "
                "C = 6 N D FLOP unless said otherwise.")  # fmt: skip
    stated = next((fit.raw["conventions"] for fit in study.fits if isinstance(fit.raw.get("conventions"), dict)), {})
    words = ", ".join(f"{key} {value}" for key, value in stated.items() if value) or "nothing"
    return f"Points of {study.sweep.source}{compute}. The file states: {words}."


def _notes(study: Study) -> str:
    notes = list(study.notes)
    worst = tables.disagreement(study)
    if worst is not None and worst >= 1e-4:
        notes.append(f"The independent re-fit differs from the fit by up to {100 * worst:.2g}% in loss.")
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="notes"><b>Not complete</b><ul>{items}</ul></div>'


def _figure(drawn: Drawn) -> str:
    heading = f'<h2 id="{drawn.name}">{escape(drawn.heading)}</h2>'
    if drawn.drawing is None:
        return f'{heading}<p class="missing">Not drawn: {escape(drawn.missing)}.</p>'
    source = style.data_uri(style.as_svg(drawn.drawing.figure, drawn.name))
    return (
        f'{heading}<figure><img src="{source}" alt="{escape(drawn.drawing.summary)}">'
        f"<figcaption>{escape(drawn.drawing.caption)}</figcaption></figure>"
    )


def _sections(study: Study) -> list[tuple[str, str, str]]:
    """(key, heading, content); what a study lacks altogether has no section."""
    parts = [
        (study.sweep.runs, "runs", "Runs", tables.run_table),
        (study.curves, "curves", "Curves", tables.curve_table),
        (True, "laws", "Laws", tables.law_tables),
        (study.sweep.runs, "cross-check", "Cross-check: an independent re-fit", tables.cross_check),
        (True, "provenance", "Provenance", tables.provenance),
    ]
    return [(key, heading, content(study)) for there, key, heading, content in parts if there]


def build_page(study: Study, drawn: list[Drawn]) -> str:
    assets = files(__package__) / "assets"
    sections = _sections(study)
    links = [(d.name, d.heading) for d in drawn] + [(name, heading) for name, heading, _ in sections]
    name = escape(study.sweep.attributes.get("sweep") or study.sweep.directory.resolve().name)
    cards = _prediction_cards(study) + _target_card(study) + _law_cards(study) if study.sweep.runs else _curve_cards(study)
    body = [
        f"<h1>Scaling law of {name}</h1>",
        f'<p class="muted">isoflop {escape(study.sweep.attributes.get("isoflop_version", "?"))}, commit '
        f"{escape(study.sweep.attributes.get('isoflop_commit', '?'))}. {escape(_conventions(study))}</p>",
        f'<div class="cards">{"".join(cards)}</div>',
        _law_line(study),
        _notes(study),
        "<nav>" + " ".join(f'<a href="#{key}">{escape(text)}</a>' for key, text in links) + "</nav>",
        *(_figure(d) for d in drawn),
        *(f'<h2 id="{key}">{escape(text)}</h2>{content}' for key, text, content in sections),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Scaling law of {name}</title><style>{(assets / 'page.css').read_text('utf-8')}</style></head>\n<body>"
        + "\n".join(body)
        + f"\n<script>{(assets / 'sort.js').read_text('utf-8')}</script></body></html>\n"
    )

"""What every figure and table of the report starts from: the records, the laws, the target."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from .fits import Estimate, Fit, Prediction, read_fits, read_prediction
from .profiles import ParabolaFit, Profile, find_profiles, parabolas_of
from .records import Run, Sweep, read_sweep
from .refit import MINIMUM_POINTS, Chinchilla, Refit, refit
from .schedules import LAW, Curve, FittedCurve, PredictedCurve, fit_to
from .tabulated import TabulatedLaw


class NotEnough(Exception):
    """A figure cannot be drawn from this sweep; the message says what is missing."""


@dataclass(frozen=True)
class Study:
    sweep: Sweep
    fits: list[Fit]
    prediction: Prediction | None
    profiles: list[Profile]
    parabolas: ParabolaFit
    law: Chinchilla | TabulatedLaw | None  # of the figures: what predicts, where it has a surface over N and D
    law_origin: str
    law_fit: Fit | None  # of law chinchilla, which the re-fit checks
    refit: Refit | None
    notes: list[str]
    curves: list[FittedCurve] = field(default_factory=list)  # of fits of whole curves, one fit after another
    predicted_curve: PredictedCurve | None = None

    def fit(self, law: str, method: str | None = None) -> Fit | None:
        matches = (f for f in self.fits if f.law == law and (method is None or f.method == method))
        return next(matches, None)

    @property
    def predicting_fit(self) -> Fit | None:
        """The one that prediction.json names."""
        if not self.prediction or not self.prediction.fit:
            return None
        return next((f for f in self.fits if f.path.name == f"fit-{self.prediction.fit}.json"), None)

    def fits_of_curves(self) -> list[Fit]:
        """Those that have curves to show."""
        return [fit for fit in self.fits if any(one.fit is fit for one in self.curves)]

    def surface(self) -> Chinchilla:
        if self.law is None:
            raise NotEnough("no fitted surface: " + self.law_origin)
        return self.law

    @property
    def chinchilla(self) -> Chinchilla | None:
        """The law of the figures where it is one."""
        return self.law if isinstance(self.law, Chinchilla) else None

    def fitted_loss(self, run: Run) -> float | None:
        """By the law that predicts; by the law of the figures where that says nothing of the run."""
        p = self.prediction
        if run.is_trunk:
            return None
        if p and run.name in p.fitted:
            return p.fitted[run.name]
        if p and run.is_target:
            return p.predicted
        return None if self.law is None else float(self.law.loss(run.n, run.d))

    @property
    def fitted(self) -> list[Run]:
        return self.sweep.fitted


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _run_notes(sweep: Sweep) -> list[str]:
    notes = []
    unfinished = [r for r in sweep.runs if not r.finished]
    for status in sorted({r.row["status"] for r in unfinished}):
        names = [r.row.get("label") or r.name for r in unfinished if r.row["status"] == status]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        label = "finished without a usable loss" if status == "finished" else status or "without a status"
        notes.append(f"{_count(len(names), 'run')} {label}, in no fit or final-loss figure: {shown}.")
    troubled = [r for r in sweep.runs if r.trouble]
    for reason in sorted({r.trouble for r in troubled}):
        names = [r.name for r in troubled if r.trouble == reason]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        notes.append(f"No loss curve for {_count(len(names), 'run')}: {reason} ({shown}).")
    if not sweep.runs or sweep.target is None:
        notes.append("The sweep has no target run: there is no measurement to hold a prediction against.")
    elif not sweep.target.finished:
        notes.append(
            f"The target run is {sweep.target.row['status']}: its measured loss is not in this page yet."
        )
    return notes


def _own_refit(runs: list[Run], main: Fit | None) -> Refit | None:
    """Of the points that the program's fit used; points it left out stay out. None of a fit with parameters held."""
    runs = [r for r in runs if main is None or main.uses(r)]
    if main and main.fixed:
        return None
    if len(runs) < MINIMUM_POINTS or len({r.n for r in runs}) < 2 or len({r.d for r in runs}) < 2:
        return None
    columns = np.array([(r.n, r.d, r.loss, r.weight) for r in runs]).T
    delta = main.raw.get("huber_delta") if main else None
    return refit(*columns, delta=delta if isinstance(delta, float) and delta > 0 else 1e-3)


def _choose_surface(fits: list[Fit]) -> Fit | None:
    surfaces = [f for f in fits if f.law == "chinchilla" and f.chinchilla()]
    return next((f for f in surfaces if f.method in (None, "approach3")), next(iter(surfaces), None))


def _unmeasured(prediction: Prediction | None, target: Run | None) -> Prediction | None:
    """A prediction written before its target finished takes the measurement from the record."""
    if prediction is None or prediction.measured is not None or not target or not target.finished:
        return prediction
    if not np.isclose(prediction.n, target.n) or not np.isclose(prediction.d, target.d):
        return prediction
    return Prediction(**{**prediction.__dict__, "measured": target.loss})


def read_study(directory: str | os.PathLike) -> Study:
    sweep = read_sweep(directory)
    fits, notes = read_fits(sweep.directory)
    prediction, trouble = read_prediction(sweep.directory)
    notes += _run_notes(sweep) + ([trouble] if trouble else [])
    if not fits:
        notes.append("No fit-*.json: run `isoflop fit` on results.h5 for laws with intervals.")
    if prediction is None and trouble is None:
        notes.append("No prediction.json: there is no prediction of the target to show.")
    return make_study(sweep, fits, prediction, notes, _fitted_curves(sweep, fits))


def _fitted_curves(sweep: Sweep, fits: list[Fit]) -> list[FittedCurve]:
    """The runs' records and every fit of whole curves through them."""
    runs = [r for r in sweep.fitted if r.curve and r.curve.train_steps.size > 1]
    curves = [(r, Curve(r.row.get("label") or r.name, r.curve.train_steps, r.curve.train_rates, r.curve.train_loss)) for r in runs]
    of_curves = [fit for fit in fits if fit.law == LAW]
    return [fitted for fit in of_curves for run, curve in curves if fit.uses(run) and (fitted := fit_to(fit, curve))]


def make_study(sweep: Sweep, fits: list[Fit], prediction: Prediction | None, notes: list[str],
               curves: list[FittedCurve] | None = None) -> Study:  # fmt: skip
    main = _choose_surface(fits)
    profiles = find_profiles([r for r in sweep.fitted if not fits or any(fit.uses(r) for fit in fits)])
    own = _own_refit(sweep.fitted, main) if main or not fits else None
    if prediction and prediction.fit and not (main and main.path.name == f"fit-{prediction.fit}.json"):
        law, origin = prediction.surface, f"the law that predicts ({prediction.fit})"
        if law is None:
            origin = f"prediction.json has none of {origin}"
            if main:
                law, origin = main.chinchilla(), f"{main.title} ({main.path.name}); {origin}"
    elif main:
        law, origin = main.chinchilla(), f"{main.title} ({main.path.name})"
    elif own:
        law, origin = own.law, "the report's own re-fit"
        notes.append("No fit of law chinchilla, approach 3: surfaces and residuals show the report's own re-fit.")
    elif fits:
        law, origin = None, "no fit of law chinchilla, and no law that predicts"
    else:
        law = None
        origin = f"{_count(len(sweep.fitted), 'finished run')}, {MINIMUM_POINTS} over several N and D are needed"
        notes.append(f"No law yet: {origin}.")
    return Study(
        sweep=sweep,
        fits=fits,
        prediction=_unmeasured(prediction, sweep.target),
        profiles=profiles,
        parabolas=parabolas_of(next((f for f in fits if f.method == "approach2"), None), profiles),
        law=law,
        law_origin=origin,
        law_fit=main,
        refit=own,
        notes=notes,
        curves=curves or [],
    )


def make_study_of_curves(sweep: Sweep, fits: list[Fit], curves: list[FittedCurve], predicted: PredictedCurve | None,
                         notes: list[str]) -> Study:  # fmt: skip
    """Of records along runs alone: no sizes, so no surface, profiles or run table."""
    return Study(sweep, fits, None, [], parabolas_of(None, []), None, "", None, None, notes, curves, predicted)


def best_exponent(study: Study) -> tuple[str, Estimate] | None:
    """(title, a of Nopt ~ C^a) of the law that predicts, over the fitted runs' compute, or of the first fit that has it."""
    if isinstance(study.law, TabulatedLaw) and len(study.fitted) > 1:
        compute = np.array([min(r.c for r in study.fitted), max(r.c for r in study.fitted)])
        best_n = study.law.optimal(compute)[0]
        if compute[1] > compute[0] and np.isfinite(best_n).all():
            return study.law_origin, Estimate(float(np.log(best_n[1] / best_n[0]) / np.log(compute[1] / compute[0])))
    for fit in (f for f in (study.law_fit, study.fit("chinchilla", "approach2")) if f):
        estimate = fit.derived.get("a") or fit.parameters.get("a")
        if estimate:
            return fit.title, estimate
    return None

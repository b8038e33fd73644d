"""Expected scores brought to people's scale: fitted on ratings that the model has not seen, one curve a dimension.

A curve never falls, so calibration changes by how much one conversation is better than another, never which is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import durable
from core.catalog.bases import fingerprint
from core.catalog.rubrics import SCALE
from core.errors import DataError, MetricError
from core.paths import Workspace
from core.scoring.people.agreement import Scores
from core.scoring.people.resampling import SEED, index_groups
from core.store import scoring
from core.store.connection import opened

LOWEST, HIGHEST = float(SCALE[0]), float(SCALE[-1])
LEAST = 10  # rated transcripts, from different groups
LEAST_FOR_STEPS = 30  # fewer can't carry a curve of their own, only a straight line
FOLDS = 10
PRIOR = 10.0  # a line counts as if so many ratings had said that the model is right
KINDS = {"shift": "moved", "line": "straight line", "steps": "steps"}


@dataclass(frozen=True)
class Curve:
    """One dimension's curve: straight between points (expected score, people's score), flat beyond the ends.

    `before` and `after` are mean absolute errors on transcripts that the curve was not fitted on.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    transcripts: int
    before: float
    after: float

    def apply(self, expected: float) -> float:
        given, people = zip(*self.points, strict=True)
        return float(np.clip(np.interp(expected, given, people), LOWEST, HIGHEST))


@dataclass(frozen=True)
class Calibration:
    """Curves of the dimensions that gain from one; the others stay as the model says them.

    `model` names the weights for which it was fitted, as `name_files` does; "" for any of this id.
    """

    rubric: str
    adapter: str
    curves: Mapping[str, Curve]
    told: str = ""
    model: str = ""

    @property
    def id(self) -> str:
        return durable.hash_text(json.dumps(self.to_dict(), sort_keys=True))

    def apply(self, dimension: str, expected: float) -> float:
        """Return the score that people would give on average, 1 to 5."""
        curve = self.curves.get(dimension)
        return curve.apply(expected) if curve else expected

    def move(self, dimension: str, probabilities: Sequence[float]) -> list[float]:
        """Return the probabilities of 1 to 5 moved along the scale until their mean is the calibrated one."""
        given = np.asarray(probabilities, float)
        expected = float(given @ np.array(SCALE))
        wanted = self.apply(dimension, expected)
        return given.tolist() if abs(wanted - expected) < 1e-9 else _move(given, wanted)

    def to_dict(self) -> dict[str, Any]:
        curves = {name: asdict(one) | {"points": [list(point) for point in one.points]}
                  for name, one in self.curves.items()}  # fmt: skip
        return {"rubric": self.rubric, "adapter": self.adapter, "model": self.model, "curves": curves,
                "told": self.told}  # fmt: skip


def from_dict(content: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `to_dict` gave.

    Raises:
        DataError: It is none, or a curve falls.
    """
    try:
        curves = {
            str(name): Curve(
                kind=str(one["kind"]),
                points=tuple((float(given), float(people)) for given, people in one["points"]),
                transcripts=int(one["transcripts"]),
                before=float(one["before"]),
                after=float(one["after"]),
            )
            for name, one in content["curves"].items()
        }
        texts = [str(content[key]) for key in ("rubric", "adapter", "told", "model")]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"This is no calibration: {error!r}. Fit it again with `atelier agreement --calibrate`."
        ) from error
    for name, curve in curves.items():
        points = np.array(curve.points, float)
        rises = len(points) > 0 and bool((np.diff(points[:, 0]) > 0).all() and (np.diff(points[:, 1]) >= 0).all())
        if not rises or not np.isfinite(points).all():
            raise DataError(f"The calibration of {name!r} falls or is empty. Fit it again with `atelier agreement`.")
    return Calibration(texts[0], texts[1], curves, texts[2], texts[3])


def fit(
    rubric: str,
    adapter: str,
    expected: Mapping[str, Scores],
    rated: Mapping[str, Scores],
    groups: Sequence[object] | None = None,
    model: str = "",
) -> Calibration:
    """Return the curves that beat the model's own scores on transcripts they were not fitted on.

    Args:
        expected: By dimension, (transcripts,) the model's uncalibrated expected scores.
        rated: By dimension, (transcripts,) people's mean ratings, NaN where there is none.
        groups: (transcripts,) what belongs together; a group is never on both sides of a test.

    Raises:
        DataError: No dimension gains, with the reason.
    """
    curves, reasons = {}, []
    for name in expected:
        try:
            curves[name] = fit_curve(expected[name], rated[name], groups)
        except DataError as error:
            reasons.append(f"{name}: {error}")
    if not curves:
        raise DataError(f"No calibration was saved. {' '.join(reasons)}")
    return Calibration(rubric, adapter, curves, " ".join(reasons), model)


def fit_curve(expected: Scores, rated: Scores, groups: Sequence[object] | None = None) -> Curve:
    """Return the curve that errs least on groups it was not fitted on.

    A freer curve has to gain more than one standard error over a simpler one, and the simplest so much over none: luck
    with a few ratings calibrates nothing.

    Raises:
        DataError: There are too few ratings, or no curve beats none.
    """
    given, people = np.asarray(expected, float), np.asarray(rated, float)
    if given.shape != people.shape or given.ndim != 1:
        raise MetricError(f"{given.size} scores for {people.size} ratings; one for each is needed.")
    known = np.isfinite(given) & np.isfinite(people)
    belongs = np.arange(given.size) if groups is None else np.array([str(one) for one in groups])
    given, people = given[known], people[known]
    places, count = index_groups(belongs[known])
    if count < LEAST:
        raise DataError(f"{count} rated transcripts of different sources; at least {LEAST} are needed.")
    fitters = dict(_FITTERS)
    if count < LEAST_FOR_STEPS:
        del fitters["steps"]
    before = np.abs(given - people)
    errors = {kind: _held_out_errors(fitter, given, people, places, count) for kind, fitter in fitters.items()}
    best = next(iter(errors))
    for kind in errors:  # from simple to free
        gain = _by_group(errors[best] - errors[kind], places, count)
        if gain.mean() > gain.std(ddof=1) / np.sqrt(count):
            best = kind
    gain = _by_group(before - errors[best], places, count)
    least = float(gain.std(ddof=1) / np.sqrt(count))
    if gain.mean() <= max(least, 1e-9):
        raise DataError(
            f"it does not beat no calibration: held-out error {errors[best].mean():.2f} against {before.mean():.2f}, "
            f"a gain within its standard error of {least:.2f}."
        )
    points = tuple((float(x), float(y)) for x, y in fitters[best](given, people))
    return Curve(best, points, int(given.size), float(before.mean()), float(errors[best].mean()))


def find_newest(workspace: Workspace, rubric: str, adapter: str, model: str = "") -> Calibration | None:
    """Return the calibration that is in use for a model, None where there is none.

    Args:
        adapter: An adapter's id, "bundled" or "base".
        model: The state of the model's files (see `name_files`); one that was fitted for other files does not count.

    Raises:
        DataError: What is stored is no calibration.
    """
    if not workspace.database.exists():
        return None
    with opened(workspace) as db:
        rows = scoring.calibrations_of(db, rubric, adapter)
    for row in rows:
        if not model or row.content.get("model") in (None, "", model):
            return from_dict(row.content)
    return None


def save(workspace: Workspace, found: Calibration) -> str:
    """Store a calibration, which then is the one in use; return its id."""
    with opened(workspace) as db:
        scoring.save_calibration(db, found.id, found.rubric, found.adapter, found.to_dict())
    return found.id


def name_files(base_folder: Path, adapter_folder: Path | None) -> str:
    """Return a name for the weights that score, the same wherever the same files lie."""
    adapter = durable.hash_file(adapter_folder / "adapter_model.safetensors") if adapter_folder else ""
    return f"{fingerprint(base_folder)[:16]} {adapter[:16]}".strip()


Points = list[tuple[float, float]]
Fitter = Callable[[np.ndarray, np.ndarray], Points]


def _fit_shift(given: np.ndarray, people: np.ndarray) -> Points:
    moved = float((people - given).sum() / (given.size + PRIOR))
    return _line(moved, 1.0)


def _fit_line(given: np.ndarray, people: np.ndarray) -> Points:
    """Return the least-squares line that is held back towards the model's own score; it never falls."""
    centre = float(given.mean())
    apart, left = given - centre, people - given
    steeper = float(apart @ left / (apart @ apart + PRIOR))
    moved = float(left.sum() / (given.size + PRIOR))
    slope = max(0.0, 1.0 + steeper)
    return _line(moved + (1.0 - slope) * centre, slope)


def _line(at_zero: float, slope: float) -> Points:
    """Return the points of a line within the scale: its ends, and where it leaves the scale."""
    places = {LOWEST, HIGHEST}
    if slope > 0:
        places |= {x for edge in (LOWEST, HIGHEST) if LOWEST < (x := (edge - at_zero) / slope) < HIGHEST}
    return [(x, float(np.clip(at_zero + slope * x, LOWEST, HIGHEST))) for x in sorted(places)]


def _fit_steps(given: np.ndarray, people: np.ndarray) -> Points:
    from sklearn.isotonic import IsotonicRegression  # takes a second to import, which scoring never needs

    found = IsotonicRegression(y_min=LOWEST, y_max=HIGHEST, out_of_bounds="clip").fit(given, people)
    return [(float(x), float(y)) for x, y in zip(found.X_thresholds_, found.y_thresholds_, strict=True)]


_FITTERS: dict[str, Fitter] = {"shift": _fit_shift, "line": _fit_line, "steps": _fit_steps}


def _held_out_errors(
    fitter: Fitter, given: np.ndarray, people: np.ndarray, places: np.ndarray, count: int
) -> np.ndarray:
    """Return each transcript's absolute error under a curve that was fitted without its group and fold."""
    fold_of = np.random.default_rng(SEED).permutation(count) % min(FOLDS, count)
    errors = np.empty_like(given)
    for fold in range(int(fold_of.max()) + 1):
        out = fold_of[places] == fold
        x, y = zip(*fitter(given[~out], people[~out]), strict=True)
        errors[out] = np.abs(np.interp(given[out], x, y) - people[out])
    return errors


def _by_group(values: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(places, values, count) / np.bincount(places, minlength=count)


def _move(given: np.ndarray, wanted: float) -> list[float]:
    """Return the distribution whose scores all moved by the same distance, held within the scale.

    A score between two whole ones is shared by both. The mean rises with the distance, so halving finds it.
    """
    low, high = LOWEST - HIGHEST, HIGHEST - LOWEST
    scale = np.array(SCALE, float)
    for _ in range(60):
        middle = (low + high) / 2
        if given @ np.clip(scale + middle, LOWEST, HIGHEST) < wanted:
            low = middle
        else:
            high = middle
    places = np.clip(scale + (low + high) / 2, LOWEST, HIGHEST) - LOWEST
    below = np.minimum(places.astype(int), len(SCALE) - 2)
    share = places - below
    moved = np.zeros(len(SCALE))
    np.add.at(moved, below, given * (1 - share))
    np.add.at(moved, below + 1, given * share)
    found: list[float] = moved.tolist()
    return found

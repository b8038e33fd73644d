"""What the shipped scorer sees in real counselling: 69 sessions that experts called good or poor (AnnoMI).

    python -m benchmarks.annomi --data FOLDER       scores every session, some minutes
    python -m benchmarks.annomi --data FOLDER --quick    ten sessions, a look that is kept nowhere

Good sessions are longer, and in them the counsellor speaks another share of the words. So both stand beside the scores
as rivals that read nothing, and what a score adds to them is told: by rank correlation with length and share held
fixed, and by a logistic regression that is tested on videos it has not seen. Sessions of one video are one case.
"""

import argparse
import csv
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import arms
from core.catalog import rubrics
from core.cli.output import print_table, say
from core.paths import Workspace
from core.scoring.people import agreement, measuring
from core.scoring.people.formulas import rank, weigh_auc
from core.scoring.people.measuring import OVERALL, add_overall
from core.scoring.people.resampling import Figure, estimate
from core.scoring.transcript import Transcript, Utterance

FILE = "annomi_dev.csv"
SPEAKERS = {"therapist": ("Therapist", "rated"), "client": ("Client", "other")}
RUBRIC = "conversation"
QUICK = 10


@dataclass(frozen=True)
class Session:
    """One session; `good` is the experts' word."""

    transcript: Transcript
    good: bool
    video: str

    @property
    def share(self) -> float:
        """Return the counsellor's share of all words."""
        own = sum(len(one.text.split()) for one in self.transcript.utterances if one.side == "rated")
        return own / max(1, self.transcript.words)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annomi", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help=f"folder with {FILE}, in the layout of AnnoMI-simple.csv")
    parser.add_argument("--adapter", default="bundled", help="which model scores: bundled, base, or an adapter's name")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} sessions only; kept nowhere")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    chosen = parser.parse_args()
    if chosen.data is None or not (chosen.data / FILE).is_file():
        say(f"Skipped: there is no {FILE} in {chosen.data}. Give its folder with --data; see benchmarks/README.md.")
        return
    sessions = read_sessions(chosen.data / FILE)
    if chosen.quick:
        poor = [one for one in sessions if not one.good]
        sessions = [*[one for one in sessions if one.good][: QUICK // 2], *poor[: QUICK // 2]]
    machine = arms.describe_machine()
    arms.print_machine(machine)
    with tempfile.TemporaryDirectory(prefix="atelier-annomi-") as folder:
        workspace = Workspace.chosen() if chosen.adapter not in ("bundled", "base") else Workspace(Path(folder))
        rubric = rubrics.find(RUBRIC)
        scored = measuring.measure(workspace, rubric, [one.transcript for one in sessions], chosen.adapter)
    scores = add_overall(rubric, scored.expected)
    found: dict[str, Any] = {
        "benchmark": "annomi",
        "machine": machine,
        "model": {"id": scored.model, "name": scored.name, "files": scored.files},
        "sessions": len(sessions),
        "good": sum(one.good for one in sessions),
        "videos": len({one.video for one in sessions}),
        "windows": sum(scored.windows),
        "seconds": round(scored.seconds, 1),
        "not_scored": len(scored.problems),
    }
    read = [place for place in range(len(sessions)) if place not in scored.problems]
    found |= judge([sessions[place] for place in read], {name: values[read] for name, values in scores.items()})
    report(found)
    if not chosen.quick:
        arms.save(chosen.json or arms.result_path("annomi", False), found)


def read_sessions(path: Path) -> list[Session]:
    """Return the sessions of a file, with the words as they were transcribed."""
    rows: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            rows.setdefault(row["transcript_id"], []).append(row)
    found = []
    for those in rows.values():
        said = []
        for row in those:
            speaker, side = SPEAKERS[row["interlocutor"]]
            text = " ".join(row["utterance_text"].split())
            if text:
                said.append(Utterance(speaker, side, text))  # type: ignore[arg-type]
        found.append(Session(Transcript(tuple(said)), those[0]["mi_quality"] == "high", those[0]["video_url"]))
    return found


def judge(sessions: list[Session], scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return how scores and rivals tell good sessions from poor ones, and what scores add to the rivals."""
    good = np.array([one.good for one in sessions])
    videos = [one.video for one in sessions]
    words = np.log([one.transcript.words for one in sessions])
    share = np.array([one.share for one in sessions])
    plain = np.column_stack([words, share])
    rivals = {"words": words, "counsellor's share of words": share, "both, logistic": held_out(plain, good, videos)}
    told: dict[str, Any] = {"auc": {}, "rivals": {}, "score_by_words": {}, "given_length": {}, "added_to_both": {}}
    for name, values in scores.items():
        told["auc"][name] = agreement.auc(values, good, videos).to_dict()
        told["score_by_words"][name] = agreement.spearman(values, words, videos).to_dict()
        told["given_length"][name] = partial(values, good, plain, videos).to_dict()
        told["added_to_both"][name] = added(np.column_stack([plain, values]), plain, good, videos)
        told.setdefault("means", {})[name] = {
            "good": round(float(values[good].mean()), 3), "poor": round(float(values[~good].mean()), 3),
            "spread": round(float(values.std()), 3),
        }  # fmt: skip
    for name, values in rivals.items():
        told["rivals"][name] = agreement.auc(values, good, videos).to_dict()
    return told


def held_out(features: np.ndarray, good: np.ndarray, videos: list[str]) -> np.ndarray:
    """Return the chance of being good, from a logistic regression that has not seen the video, (sessions,)."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", C=1.0))
    found: np.ndarray = cross_val_predict(
        model, features, good, groups=np.array(videos), cv=LeaveOneGroupOut(), method="predict_proba"
    )[:, 1]
    return found


def added(with_score: np.ndarray, plain: np.ndarray, good: np.ndarray, videos: list[str]) -> dict[str, Any]:
    """Return the AUC of length, share and score together, and by how much it is above that of length and share."""
    more, less = held_out(with_score, good, videos), held_out(plain, good, videos)

    def gain(weights: np.ndarray) -> np.ndarray:
        return weigh_auc(weights, more, good) - weigh_auc(weights, less, good)

    return {"auc": agreement.auc(more, good, videos).to_dict(), "gain": estimate(gain, videos, 2).to_dict()}


def partial(values: np.ndarray, good: np.ndarray, plain: np.ndarray, videos: list[str]) -> Figure:
    """Return the rank correlation of score and quality with length and share held fixed, -1 to 1."""

    def correlation(weights: np.ndarray) -> np.ndarray:
        ranks = [rank(one.astype(float), weights) for one in (values, good, *plain.T)]
        return np.array([_partial(row, *(one[place] for one in ranks)) for place, row in enumerate(weights)])

    return estimate(correlation, videos, 4)


def _partial(weights: np.ndarray, score: np.ndarray, quality: np.ndarray, *others: np.ndarray) -> float:
    root = np.sqrt(weights)
    known = np.column_stack([np.ones_like(score), *others]) * root[:, None]
    left = []
    for side in (score, quality):
        weighted = side * root
        left.append(weighted - known @ np.linalg.lstsq(known, weighted, rcond=None)[0])
    below = np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    return float(left[0] @ left[1] / below) if below > 1e-9 else float("nan")


def report(found: Mapping[str, Any]) -> None:
    print(
        f"{found['sessions']} sessions, {found['good']} good, of {found['videos']} videos; "
        f"{found['windows']} windows in {found['seconds']} s; model {found['model']['name']}\n"
    )
    columns: dict[str, Callable[[str], str]] = {
        "AUC": lambda name: _show(found["auc"][name]),
        "with words": lambda name: _show(found["score_by_words"][name]),
        "given length and share": lambda name: _show(found["given_length"][name]),
        "AUC added to both": lambda name: _show(found["added_to_both"][name]["gain"]),
        "mean good / poor": lambda name: f"{found['means'][name]['good']} / {found['means'][name]['poor']}",
    }
    names = [OVERALL, *(name for name in found["auc"] if name != OVERALL)]
    print_table(("score", *columns), [(name, *(show(name) for show in columns.values())) for name in names])
    print()
    print_table(("rival that reads nothing", "AUC"), [(name, _show(one)) for name, one in found["rivals"].items()])


def _show(one: Mapping[str, Any]) -> str:
    if one["value"] is None:
        return one["told"]
    interval = f" ({one['low']:.2f} to {one['high']:.2f})" if one["low"] is not None else ""
    return f"{one['value']:.2f}{interval}"


if __name__ == "__main__":
    main()

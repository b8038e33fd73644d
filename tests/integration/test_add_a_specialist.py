"""docs/add-a-specialist.md, followed word for word; and what the doctor says of specialists that are not sound."""

import json
import re
from pathlib import Path

import pytest

from core.catalog.specialists import GRADING, SECOND
from core.datasets.specialist.check import LEAST_EXAMPLES
from core.paths import PROJECT_DIR, Workspace
from tests.integration.command import Command, make_command

GUIDE = (PROJECT_DIR / "docs" / "add-a-specialist.md").read_text(encoding="utf-8")


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def bakery(workspace: Workspace) -> Path:
    """Write the file as the guide names and shows it."""
    [(name, text)] = re.findall(r"`(specialists/[\w.]+)`:\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
    path = workspace.root / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def commands(name: str) -> list[list[str]]:
    """Return the words of the guide's `atelier` lines of one command, without the remarks behind them."""
    lines = re.findall(rf"^atelier {name} .*$", GUIDE, re.MULTILINE)
    return [line.split("#")[0].split()[1:] for line in lines]


def test_the_guides_specialist_is_sound(atelier: Command, bakery: Path) -> None:
    [words] = commands("doctor")
    for named in (words, ["doctor", bakery]):
        told = atelier(*named, "--json")
        assert told.code == 0, told.out
        assert [one["severity"] for one in json.loads(told.out)] == ["ok"]
        assert "order-desk" in told.out


def test_the_guides_specialist_is_trained_on_generated_and_on_real_rows(
    atelier: Command, bakery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wishes = ["The loaf was burnt", "Put a roll aside", "The bill is wrong"]
    mails = [f'"{wishes[n % 3]}, said guest {n} at {n * 13}",{["oven", "shop", "office"][n % 3]}' for n in range(90)]
    Path("mails.csv").write_text("\n".join(["message,who", *mails]) + "\n")
    generated, real = commands("train")
    assert "--data" in real and "--data" not in generated
    for words, rows in ((generated, 200), (real, 81)):
        planned = json.loads(atelier(*words[:-1], "--preset", "quick", "--dry-run", "--json").out)
        assert planned["config"]["rank"] == 8
        assert sum(planned["composition"].values()) >= rows, words


def test_the_guides_data_are_made_with_their_manifest(
    atelier: Command, bakery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [words] = commands("data make")
    told = json.loads(atelier(*words, "--json").out)
    assert told[0]["counts"]["read"] == 100
    assert Path("made/order-desk/manifest.json").exists()


def test_the_guide_names_every_metric_and_what_the_doctor_does() -> None:
    assert [name for name in (*GRADING, *SECOND) if f"`{name}`" not in GUIDE] == []
    assert f"makes {LEAST_EXAMPLES} examples" in GUIDE


# What is replaced by what, and what the doctor says.
BREAKS = {
    "an unknown field": ("summary:", "sumary:", "sumary"),
    "no place for the text": ("{text}", "the text", "`prompt` must hold {text} once"),
    "an unknown metric": ("macro_f1]", "luck]", "`metrics` names 'luck'"),
    "percent for shares": ("tuned: 0.85", "tuned: 85", "write 88% as 0.88"),
    "a foreign label": ("answer: [shop]", "answer: [till]", "'till' is none of the labels"),
    "a label that never occurs": ("labels: [oven,", "labels: [till, oven,", "The label 'till' has 0 of 600"),
    "an unknown list": ("{from: hello}", "{from: hellos}", "not under `names`"),
    "a broken text": ("{{ hello }}, I look", "{{ hello , I look", "can't be read"),
    "an unknown value": ("${{ sum }}", "${{ total }}", "'total' is undefined"),
    "a wrong mapping": ("mapping: {prompt:", "mapping: {promt:", "Our mails of last year"),
    "broken YAML": ("labels: [oven,", "labels: [[oven,", "not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_specialist_is_told_what_is_wrong_with_it_and_where(kind: str, atelier: Command, bakery: Path) -> None:
    right, wrong, says = BREAKS[kind]
    text = bakery.read_text(encoding="utf-8")
    assert right in text
    bakery.write_text(text.replace(right, wrong), encoding="utf-8")
    told = atelier("doctor", bakery)
    assert told.code == 1 and says in told.out and "Traceback" not in told.out + told.err
    assert str(bakery) in told.out or "order-desk" in told.out


def test_the_whole_doctor_counts_the_specialists_and_names_a_broken_file(atelier: Command, bakery: Path) -> None:
    def of_specialists() -> list[str]:
        found = json.loads(atelier("doctor", "--json").out)
        return [f"{one['severity']} {one['text']}" for one in found if "pecialist" in one["text"]]

    [line] = of_specialists()
    count = int(re.sub(r"\D", "", line))
    assert line.startswith("ok Specialists: ") and count >= 51
    bakery.write_text("id: bakery\ntitle: [\n", encoding="utf-8")
    broken, line = of_specialists()
    assert broken.startswith("problem ") and str(bakery) in broken
    assert line == f"ok Specialists: {count - 1} can be read"

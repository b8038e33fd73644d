"""The model card of an adapter: what it is, what it was made from, what it is worth, as Markdown."""

import re
from typing import Any

import yaml

_MARKUP = re.compile(r"([\\`*_\[\]<>|#!~])")


def write_card(card: dict[str, Any]) -> str:
    """Return the README.md of an adapter's folder from the facts that its worker collected."""
    verdict = card.get("verdict")
    lines = [
        "---",
        _yaml({"library_name": "peft", "base_model": " ".join(card["base"].split()), "tags": ["lora"]}),
        "---",
        f"# {plain(card['name'])}",
        "",
        f"A LoRA adapter for **{plain(card['base_title'])}**, made by Atelier on {card['made_on']}.",
        "",
        "## Worth",
        "",
        verdict["sentence"] if verdict else "It was not compared with its base.",
    ]
    if verdict:
        lines += [
            "",
            *score_table(verdict),
            *metric_table(verdict),
        ]
    lines += [
        "",
        "## Made from",
        "",
        f"- Base: {plain(card['base'])}, fingerprint `{card['base_fingerprint'][:16]}`",
        f"- Dataset: {plain(card['dataset_name'])}, {card['train_examples']} examples to train on and "
        f"{card['validation_examples']} to validate, hash `{card['dataset'][:16]}`",
        *[f"  - {plain(origin)}: {count}" for origin, count in card["composition"].items()],
        f"- Benchmark: {plain(card['benchmark_name'])}, hash `{card['benchmark'][:16]}`",
        f"- {card['steps']} steps, {card['tokens']:,} tokens, {card['seconds']:.0f} seconds on {card['machine']}",
        f"- Eval loss {_number(card['eval_loss_before'])} before, {_number(card['eval_loss_after'])} after",
        f"- Weights sha256 `{card['weights_sha']}`",
        f"- {', '.join(f'{name} {version}' for name, version in card['versions'].items())}",
        "",
        "## Configuration",
        "",
        "```yaml",
        _yaml(card["config"]),
        "```",
        "",
        "## Use",
        "",
        "Name the base by its hub id or by the path of its folder.",
        "",
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM",
        "",
        f"base = AutoModelForCausalLM.from_pretrained({card['base_source']!r})",
        'model = PeftModel.from_pretrained(base, "this folder")',
        "```",
        "",
        "## Limits",
        "",
        "The figures hold for the benchmark named above. The adapter fits this base alone. Check its answers before "
        "relying on them.",
        "",
    ]
    return "\n".join(lines)


def score_table(verdict: dict[str, Any], names: tuple[str, str] = ("base", "tuned")) -> list[str]:
    """Return the scores of both models by part, and over all, as lines of Markdown; in brackets 95% intervals."""
    lines = [
        f"| part | weight | items | {plain(names[0])} | {plain(names[1])} | difference |",
        "| --- | ---: | ---: | --- | --- | --- |",
    ]
    lines += [
        f"| {plain(part['title'])} | {part['weight']:.0%} | {part['items']} | {show_interval(part['base'])} | "
        f"{show_interval(part['tuned'])} | {show_difference(part['difference'])} |"
        for part in verdict["components"]
    ]
    total = {"value": verdict["difference"], "low": verdict["low"], "high": verdict["high"]}
    scores = f"{verdict['base_score']:.0%} | {verdict['tuned_score']:.0%}"
    lines.append(f"| **all** | 100% | {verdict['items']} | {scores} | {show_difference(total)} |")
    return [*lines, "", "In brackets: 95% intervals."]


def show_interval(one: dict[str, float]) -> str:
    return f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})"


def show_difference(one: dict[str, float]) -> str:
    """Return a difference in whole points, with its interval where it has one."""
    points = _signed(one["value"])
    told = f"{points} point{'' if points in ('+1', '-1') else 's'}"
    return f"{told} ({_signed(one['low'])} to {_signed(one['high'])})" if "low" in one else told


def _signed(share: float) -> str:
    points = f"{100 * share:+z.0f}"
    return "0" if points in ("+0", "-0") else points


def metric_rows(verdict: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return a specialist's metrics as cells: title, first model, second model, and whether the aim is reached."""
    aims = verdict.get("aims") or {}
    rows = []
    for one in verdict.get("metrics") or ():
        aim, told = aims.get(one["metric"]), ""
        if aim is not None:
            wanted, value = aim["tuned"], one["tuned"]
            is_reached = value <= wanted if one["less_is_better"] else value >= wanted
            told = f"{_metric(one, wanted)}, {'reached' if is_reached else 'not reached'}"
        rows.append((one["title"], _metric(one, one["base"]), _metric(one, one["tuned"]), told))
    return rows


def _metric(one: dict[str, Any], value: float) -> str:
    return f"{value:.0%}" if one["is_share"] else f"{value:.2f}"


def metric_table(verdict: dict[str, Any], names: tuple[str, str] = ("base", "tuned")) -> list[str]:
    """Return the metrics of both models as lines of Markdown; none where there are no metrics."""
    rows = metric_rows(verdict)
    if not rows:
        return []
    head = f"| metric | {plain(names[0])} | {plain(names[1])} | aim |"
    return ["", head, "| --- | --- | --- | --- |", *(f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows)]


def plain(text: str) -> str:
    """Return a person's own words on one line, in which no sign is read as markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).rstrip("\n")


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"

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
            "| part | weight | items | base | tuned | difference (95% interval) |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {plain(part['title'])} | {part['weight']:.0%} | {part['items']} | {part['base']['value']:.0%} | "
            f"{part['tuned']['value']:.0%} | {_points(part['difference'])} |"
            for part in verdict["components"]
        ]
        lines += metric_table(verdict)
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


def _points(difference: dict[str, float]) -> str:
    value, low, high = (round(100 * difference[name]) for name in ("value", "low", "high"))
    return f"{value:+d} points ({low:+d} to {high:+d})"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"

"""The card of a bundled adapter in Markdown: how it was made, what was measured, what it can't do."""

from typing import Any

from core.catalog.rubrics import Rubric

AIM = 0.6  # weighted kappa on made transcripts of unseen scenarios, in each dimension
TITLES = {
    "made": "Made transcripts of scenarios that training did not see",
    "reworded": "The same in phrases that training did not see either",
    "written": "Written-out samples",
}


def write_card(card: dict[str, Any], rubric: Rubric) -> str:
    recipe = card["recipe"]
    tables = "\n".join(_write_table(TITLES[name], found, rubric) for name, found in card["figures"].items())
    dimensions = ", ".join(one.title.lower() for one in rubric.dimensions)
    excerpts = sum(recipe["single"] // (4 if number else 1) + recipe["double"] for number in range(recipe["rounds"]))
    transcripts = recipe["transcripts"] + (recipe["rounds"] - 1) * recipe["later"]
    data = f"{excerpts:,} made excerpts and {transcripts:,} made transcripts of about {recipe['longest']} words"
    steps = f"{card['steps']:,} steps of about {recipe['tokens_per_step']:,} tokens"
    flags = (
        "rounds",
        "single",
        "double",
        "transcripts",
        "later",
        "longest",
        "seed",
        "rank",
        "disturbed",
        "learning_rate",
        "tokens_per_step",
    )
    options = " ".join(f"--{name.replace('_', '-')} {recipe[name]:g}" for name in flags)
    return f"""---
license: mit
language: en
base_model: atelier-starter
library_name: peft
tags: [lora, transcript-scoring, synthetic-data]
---
# {card["name"]}

Scores a conversation by the rubric `{rubric.id}`: {dimensions}, each from 1 to 5.
A small adapter for first runs and demos of Atelier, offline.

| | |
| --- | --- |
| Base | Atelier starter, 6.7 million parameters |
| Adapter | LoRA, rank {recipe["rank"]}, all linear layers, bf16 safetensors |
| Data | {data}; a fifth of the scenarios held out |
| Training | {steps}, learning rate {recipe["learning_rate"]:g}, seed {recipe["seed"]} |
| Time | {card["seconds"]:,} s on a busy machine with two cores |
| Licence | MIT, weights and text |

## What was measured
Quadratic-weighted kappa and mean error of the likeliest score.
{tables}
{_judge(card["figures"]["made"]["tuned"])}
The ratings of made transcripts follow from what was drawn, not from people. In the first table only the scenarios are
new; in the second a fifth of the phrases, too, that training never saw. The written-out samples share neither phrases
nor scenarios; they were rated by their writer.

## Limits
English only. It has learned phrases, not judgement, and knows no facts of medicine, law or money: whether advice is
right it can only tell from how it is given. Do not judge people by it. Rate some of your own transcripts, see how far
it agrees with you, and train on them with a larger base: docs/rating-guide.md.

## Make it again
```
python -m core.scoring.build --out models/rubrics/{rubric.id} {options}
```
`card.json` holds every number of it. Another machine rounds differently and gives slightly different weights.
"""


def _judge(found: dict[str, Any]) -> str:
    least = min(one["quadratic_kappa"] for one in found.values())
    if least >= AIM:
        return f"The aim, a kappa of {AIM:g} in each dimension on made transcripts, is reached."
    return (
        f"**The aim, a kappa of {AIM:g} in each dimension on made transcripts, is not reached** (least: {least:.2f}). "
        "It serves to try the program out,\nand for nothing else."
    )


def _write_table(title: str, found: dict[str, Any], rubric: Rubric) -> str:
    first = next(iter(found["tuned"].values()))
    lines = [f"\n**{title}** ({first['items']} questions a dimension)\n"]
    lines += ["| | kappa, base | kappa | mean error, base | mean error |", "| --- | --- | --- | --- | --- |"]
    for one in rubric.dimensions:
        base, tuned = found["base"][one.id], found["tuned"][one.id]
        numbers = (base["quadratic_kappa"], tuned["quadratic_kappa"])
        errors = (base["mean_absolute_error"], tuned["mean_absolute_error"])
        lines.append(f"| {one.title} | {numbers[0]:.2f} | {numbers[1]:.2f} | {errors[0]:.2f} | {errors[1]:.2f} |")
    return "\n".join(lines) + "\n"

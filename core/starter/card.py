"""The starter's model card: what it was made from, how, and where it ends."""

from typing import Any

from core.starter.text import FAMILIES

_TEMPLATE = """---
license: mit
language: en
pipeline_tag: text-generation
tags: [lora-base, synthetic-data]
---
# Atelier starter

A {parameters:.1f} million parameter language model, made from nothing for **first runs, demos and tests** of Atelier
on any laptop, offline. It is far too small for real work: take a base of a billion parameters or more for that.

| | |
| --- | --- |
| Shape | Llama: {layers} layers, hidden {hidden}, {heads} heads ({key_value_heads} for keys and values), vocabulary \
{vocabulary}, context {context} |
| Weights | bf16 safetensors, {megabytes:.1f} MB |
| Text | {families} families of generated English exchanges and prose; the vocabulary is `data/starter/words.yaml` |
| Steps | {steps:,} of {tokens_per_step:,} tokens: {million_tokens:.1f} million tokens |
| Optimiser | AdamW, learning rate {learning_rate:g}, {warmup_steps} warm-up steps, restarted at step \
{restart_step:,}, falling to 0 over the last {decay_share:.0%} |
| Seed | {seed} |
| Loss at the end | {final_loss:.3f} nats per token on fresh generated text (prompts count {prompt_weight}) |
| Licence | MIT, weights and text |

## What it has read
Text that `core/starter` generates: sums with worked steps, percentages, ratios of listed quantities, comparing with a
limit, reading lists and tables, copying, ordering, sorting into classes, made-up definitions, advice, plain prose.
Words of the industries occur; their formulas, limits and facts do not. It has seen no corpus and no benchmark of
Atelier: a test compares the generated text with them.

## Limits
English only. It knows no facts of the world. Sums with numbers beyond three digits are often wrong. Answers of
more than a few sentences lose their thread. It has had no safety training.

## Make it again
```
python -m core.starter.build --out models/starter --steps {steps}
```
About an hour on two cores, minutes on a GPU; it goes on where it stopped. `recipe.json` holds every number of the
recipe, `log.jsonl` the loss every 50 steps. Another machine rounds differently and gives slightly different weights.
"""


def card(made: dict[str, Any], weight_bytes: int, prompt_weight: float) -> str:
    """Return the card of a finished starter.

    Args:
        made: The recipe's fields with final_loss, tokens, seconds and parameters.
    """
    return _TEMPLATE.format(
        **{**made, "parameters": made["parameters"] / 1e6},
        families=len(FAMILIES),
        megabytes=weight_bytes / 1e6,
        million_tokens=made["tokens"] / 1e6,
        prompt_weight=prompt_weight,
    )

"""Words on a page: people's own as they are, never read as markup; messages; the names of settings."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~:$&@-]|(?<=www)\.)", re.IGNORECASE)
_COMMAND = re.compile(r"(`[^`]+`)")
_SETTINGS = {
    "dataset_name": "Dataset",
    "benchmark_name": "Benchmark",
    "rslora": "rsLoRA",
    "dora": "DoRA",
    "max_grad_norm": "Largest gradient norm",
    "warmup_ratio": "Warm-up ratio",
    "warmup_steps": "Warm-up steps",
}


def plain(text: str) -> str:
    """Return a text in which every sign that Markdown would read stands for itself."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def sentence(message: str) -> str:
    """Return a message with its commands, in `backticks`, as code, and all else as plain words."""
    parts = _COMMAND.split(" ".join(message.split()))
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in parts)


def setting_label(name: str) -> str:
    """Return what a field of the configuration is called on the pages."""
    return _SETTINGS.get(name, name.replace("_", " ").capitalize())

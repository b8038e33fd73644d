"""Make the bundled base model again: `python -m core.starter.build --out models/starter`.

The whole recipe takes about an hour on two cores and minutes on a GPU; it goes on where it
stopped. `--steps 40` is a smoke test of the same code.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from core.starter.recipe import Recipe, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished model")
    parser.add_argument("--work", type=Path, default=Path("workspace/starter"), help="folder for state and log")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--no-compile", action="store_true", help="where there is no C++ compiler")
    chosen = parser.parse_args()
    recipe = replace(Recipe(), steps=chosen.steps, seed=chosen.seed)
    made = train(recipe, chosen.work, compiled=not chosen.no_compile)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for file in made.iterdir():
        shutil.copy2(file, chosen.out / file.name)


if __name__ == "__main__":
    main()

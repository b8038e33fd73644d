"""The README says what is true: its table is the schema, its files exist, its commands are real."""

import re

import pytest

from core.paths import PROJECT_DIR
from core.training.reference import table

README = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")


def test_the_configuration_table_is_the_schema() -> None:
    shown = README.partition("core.training.reference -->\n")[2].partition("\n<!-- /fields")[0]
    assert shown == table()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_linked_file_exists(document: str) -> None:
    source = PROJECT_DIR / document
    links = re.findall(r"\]\(([^)#]+)", source.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (source.parent / link).exists()]
    assert missing == []


def test_every_make_target_that_a_document_names_exists() -> None:
    makefile = (PROJECT_DIR / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make (\w+)", README + (PROJECT_DIR / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert {"app", "test"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []

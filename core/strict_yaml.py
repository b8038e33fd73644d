"""YAML as people mean it: no key twice (the last would win in silence), and 2e-4 is a number."""

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """Refuses repeated keys, with the place of the second one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Puts a text that `Loader` would take for a number in quotation marks."""


for _end in (Loader, Dumper):
    _end.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
    )

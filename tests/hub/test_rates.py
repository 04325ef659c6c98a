"""Price lists into rate cards: the mess of real lists, hostile files, and what a later price replaces."""

from __future__ import annotations

import io
import random
import zipfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import Connection, insert, select

from tieout.hub import flows, rates
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.price_list import read_price_list
from tieout.hub.refusals import Conflict, Forbidden, Invalid
from tieout.store import clock
from tieout.store.ids import new_id
from tieout.store.tables import CANONICAL, audit, rate, work, workspace_version

GSA = (
    "SIN(s) PROPOSED,SERVICE PROPOSED (e.g. Job Title/Task),MINIMUM YEARS OF EXPERIENCE,"
    '"UNIT OF ISSUE (e.g. Hour, Task, Sq ft)",PRICE OFFERED TO GSA (including IFF),WORKSITE,'
    "CONTRACT START DATE ,CONTRACT END DATE\n"
)
HINTS = "Dash,Spell out the entire labor category,Whole numbers only,Hour,Price with two decimal places,both,Month/Day/Year,Month/Day/Year\n"
YEARS = (
    "Labor Category,Year 1/base,Year 2,Year 3,Year 4,Year 5,Location,Begin Date,End Date,CurrentYearPricing\n"
)


def gsa(*lines: str, head: str = GSA + HINTS, **options: Any) -> Any:
    """Read a list of that kind; rows begin at 3."""
    return read_price_list("list.csv", (head + "\n".join(lines)).encode(), **options)


def plain(text: str, **options: Any) -> Any:
    """Read a plain list."""
    return read_price_list("list.csv", text.encode(), **options)


def told(found: Any) -> list[tuple[Any, ...]]:
    """Prices as (role, price, first day, last day)."""
    return [(dict(p.attributes).get("role"), str(p.price), p.start, p.end) for p in found.prices]


def test_good_rows_are_kept_and_bad_ones_named_with_row_column_reason_and_value() -> None:
    found = gsa(
        "132-51,Product Manager,5,Hour,BAD_PRICE_DATA,Both,6/24/15,6/23/20",
        '132-51,"Writer,  Senior",5,Per Hour,"$1,025.44 ",Both,6/24/2015,6/23/20',
        "132-51,Program Manager I,9,Hour,$178.01,Both,BAD_DATE_DATA,4/28/20",
        "132-51,Auditor,9,Task,$178.01,Both,4/29/15,4/28/20",
        "132-51,Clerk,9,Hour,,Both,4/24//2014,",
        "132-51,Tester,9,Hour,90,Customer Site,4/29/15,N/A",
    )
    assert told(found) == [
        ("Writer, Senior", "1025.44", date(2015, 6, 24), date(2020, 6, 23)),
        ("Tester", "90", date(2015, 4, 29), None),
    ]
    assert found.prices[1].attributes == (("role", "Tester"), ("worksite", "customer"))
    assert [(r.row, r.column[:14], r.value) for r in found.refused] == [
        (3, "PRICE OFFERED ", "BAD_PRICE_DATA"),
        (5, "CONTRACT START", "BAD_DATE_DATA"),
        (6, "UNIT OF ISSUE ", "Task"),
        (7, "CONTRACT START", "4/24//2014"),
        (7, "PRICE OFFERED ", ""),
    ]
    assert "month/day/year" in found.refused[1].reason


def test_a_row_with_more_cells_than_the_header_is_refused_and_empty_ones_are_not() -> None:
    """An amount of 1,025.44 without quotes is two cells: the price would be 1 and 25.44 a first day."""
    found = plain("role,price\nClerk,7,,\nWriter,1,025.44\n", start=date(2026, 1, 1))
    assert told(found) == [("Clerk", "7", date(2026, 1, 1), None)]
    assert [(r.row, r.column, r.value) for r in found.refused] == [(3, "column 3", "025.44")]
    assert "quotes" in found.refused[0].reason


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_line_end_delimiter_and_byte_order_mark_is_read(end: str, mark: str) -> None:
    text = mark + end.join(
        ["role\tprice\tfrom", '"Data, Analyst"\t101.02\t2026-01-01', "", "Clerk\t7\t2026-01-01"]
    )
    found = read_price_list("list.csv", text.encode())
    assert [p.row for p in found.prices] == [2, 4]
    assert told(found)[0] == ("Data, Analyst", "101.02", date(2026, 1, 1), None)
    assert told(read_price_list("list.csv", text.lstrip("\ufeff").encode("utf-16"))) == told(found)


def test_contract_years_become_dated_prices_and_an_empty_year_keeps_the_price_before() -> None:
    """15 years from 2006 to 2021: the five stated years are the last five, from 6/1/2016."""
    found = gsa(
        'Project Manager,995.47,"1,013.38","1,031.63","1,031.63",,Both,6/1/2006,5/31/2021,"1,013.38"',
        head=YEARS,
    )
    assert told(found) == [
        ("Project Manager", "995.47", date(2016, 6, 1), date(2017, 5, 31)),
        ("Project Manager", "1013.38", date(2017, 6, 1), date(2018, 5, 31)),
        ("Project Manager", "1031.63", date(2018, 6, 1), date(2021, 5, 31)),
    ]
    ours = gsa("Clerk,10,12,12,12,12,Both,6/1/2006,5/31/2021,10", head=YEARS, start=date(2026, 2, 1))
    assert told(ours) == [
        ("Clerk", "10", date(2026, 2, 1), date(2027, 1, 31)),
        ("Clerk", "12", date(2027, 2, 1), None),
    ]


def test_equal_rows_are_taken_once_and_of_contradicting_rows_none_whatever_their_order() -> None:
    rows = [
        "A,10,2026-01-01,2026-06-30", "A,11,2026-07-01,", "A,10,2026-01-01,2026-06-30",
        "B,10,2026-01-01,", "B,12,2026-01-01,", "B,10,2026-01-01,", "C,9,2026-01-01,2026-12-31", "C,9,2026-05-01,",
    ]  # fmt: skip
    answers = set()
    for seed in range(6):
        random.Random(seed).shuffle(rows)
        found = plain("role,price,from,to\n" + "\n".join(rows))
        assert len({r.row for r in found.refused}) == 5
        assert all("contradicts row" in r.reason for r in found.refused)
        answers.add((tuple(sorted(told(found))[:1]), len(found.prices), len(found.repeated)))
    assert answers == {((("A", "10", date(2026, 1, 1), date(2026, 6, 30)),), 2, 1)}


def test_many_rows_of_one_role_are_compared_in_no_time() -> None:
    found = plain("role,price,from\n" + "".join(f"A,{n}.5,2026-01-01\n" for n in range(1, 20_000)))
    assert (len(found.prices), len(found.refused)) == (0, 19_999)


@pytest.mark.parametrize(
    ("cell", "column", "reason"),
    [
        ("=cmd|' /C calc'!A0,10,2026-01-01", "role", "a formula"),
        ("IT Specialist\u2030\u00db\u00a2,10,2026-01-01", "role", "another encoding"),
        ("Bell\x07,10,2026-01-01", "role", "another encoding"),
        ("x" * 201 + ",10,2026-01-01", "role", "longer than 200"),
        ("A,-10,2026-01-01", "price", "not a price"),
        ("A,0,2026-01-01", "price", "above zero"),
        ('A,"1,01.38",2026-01-01', "price", "not a price"),
        ("A,1e3,2026-01-01", "price", "not a price"),
        ("A,NaN,2026-01-01", "price", "not a price"),
        ("A,1.1234567,2026-01-01", "price", "six decimals"),
        ("A,=B2*2,2026-01-01", "price", "a formula"),
        ("A,10,06/01/2026", "from", "not a date"),
        ("A,10,", "from", "first day"),
        (",10,2026-01-01", "role", "empty"),
    ],
)
def test_a_cell_that_cannot_be_used_says_why(cell: str, column: str, reason: str) -> None:
    found = plain(f"role,price,from\nGood,5,2026-01-01\n{cell}\n")
    assert told(found)[0][0] == "Good"
    [refused] = found.refused
    assert (refused.row, refused.column) == (3, column)
    assert reason in refused.reason


def book(*rows: tuple[Any, ...], lead: int = 2) -> bytes:
    """A spreadsheet with a page of instructions first, as vendors keep them."""
    made = Workbook()
    assert made.active is not None
    made.active.append(["Read this first"])
    sheet = made.create_sheet("Labor Categories")
    for _ in range(lead):
        sheet.append(["Labor Categories"])
    for row in rows:
        sheet.append(list(row))
    told_ = io.BytesIO()
    made.save(told_)
    return told_.getvalue()


def test_a_spreadsheet_is_read_behind_its_instructions_with_prepared_rows_and_foot_notes_skipped() -> None:
    head = (
        "SIN(s)",
        "Service Proposed (e.g. Labor Category)",
        "Unit of Issue (e.g. Hour)",
        "Price Offered to GSA (including IFF)",
    )
    content = book(
        head,
        ("123-1", "Consultant II", "hour", 90.68),
        ("123-1", "Architect", "hour", 139.87999999999997),
        (None, " ", None, "=M4/0.9925"),
        ("123-2", "Formula Person", "hour", "=M5/0.9925"),
        ("IFF Example: List Price = $100.00",),
    )
    found = read_price_list("list.xlsx", content, start=date(2026, 1, 1))
    assert told(found) == [
        ("Consultant II", "90.68", date(2026, 1, 1), None),
        ("Architect", "139.88", date(2026, 1, 1), None),
    ]
    assert [(r.row, r.value) for r in found.refused] == [(7, "=M5/0.9925")]
    with pytest.raises(Invalid, match="--from"):
        read_price_list("list.xlsx", content)


def bomb() -> bytes:
    """A small .xlsx that unpacks to 300 MB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b" " * (300 * 1024 * 1024))
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"role,amount\nA,1\n", "'role', 'amount'"),
        (b"\x00\x01\x02role,price", "binary"),
        (b"role,price,from\nCaf\xe9,1,2026-01-01", "about line 2"),
        (b"\xd0\xcf\x11\xe0old", ".xls"),
        (b"PK\x03\x04nonsense", "cannot be read"),
        (b'role,price,from\n"A,1,2026-01-01\n', "Line 2"),
        (b"role,price,from\n" + b"A,1,2026-01-01\n" * 100_001, "100000 rows"),
        (b"x" * (20 * 1024 * 1024 + 1), "20 MB"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_price_list_is_refused_whole(content: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_price_list("list.csv", content)
    assert said in refused.value.message
    assert refused.value.code == "TIE-130"
    assert refused.value.remedy


def test_a_spreadsheet_that_unpacks_to_an_unreasonable_size_is_refused() -> None:
    with pytest.raises(Invalid, match="unpacks"):
        read_price_list("list.xlsx", bomb())


# --- into a card ------------------------------------------------------------------------------------------------

MARCH = datetime(2026, 3, 1, tzinfo=timezone.utc)
BASE = b"role,price,from\nArchitect,200,2026-01-01\nAnalyst,100,2026-01-01\n"


def take(
    conn: Connection, content: bytes, card: str = "STANDARD", actor: Actor = SYSTEM
) -> tuple[int, int, int]:
    answer = rates.import_rates(conn, actor, "list.csv", content, card)
    return answer.imported, answer.unchanged, len({r.row for r in answer.refused})


def standing(conn: Connection) -> list[tuple[str, Decimal, date]]:
    query = select(rate.c.role, rate.c.price, rate.c.effective_from).where(rate.c.superseded_at.is_(None))
    return sorted((r.role, r.price, r.effective_from) for r in conn.execute(query))


def contract(conn: Connection, key: str, entity: str = "US01", card: str | None = None) -> None:
    moment = clock.now(conn)
    row = {"id": new_id(moment), "key": key, "version": 1, "legal_entity": entity, "rate_card": card,
           "customer": "ACME", "provenance": {}, "recorded_at": moment}  # fmt: skip
    conn.execute(insert(CANONICAL["contract"]).values(**row))


def asked(conn: Connection) -> list[str]:
    return sorted(conn.execute(select(work.c.key).where(work.c.kind == "rate")).scalars())


def test_importing_twice_changes_nothing_and_a_changed_price_replaces_what_it_covers(
    conn: Connection,
) -> None:
    assert take(conn, BASE) == (2, 0, 0)
    assert take(conn, BASE) == (0, 2, 0)
    assert len(standing(conn)) == 2
    assert take(conn, BASE.replace(b"200", b"210")) == (1, 1, 0)
    assert standing(conn) == [
        ("Analyst", Decimal(100), date(2026, 1, 1)),
        ("Architect", Decimal(210), date(2026, 1, 1)),
    ]
    assert conn.execute(select(rate.c.price).where(rate.c.superseded_at.is_not(None))).scalars().all() == [
        200
    ]


def test_a_price_from_a_later_day_leaves_the_earlier_one_standing_and_is_heard_after_it(
    conn: Connection,
) -> None:
    """With the clock standing still the later one is still heard later: it replaces, it is not ambiguous."""
    clock.set_now(conn, MARCH)
    take(conn, BASE)
    take(conn, b"role,price,from\nArchitect,220,2026-03-01\n")
    assert [row[1:] for row in standing(conn) if row[0] == "Architect"] == [
        (Decimal(200), date(2026, 1, 1)),
        (Decimal(220), date(2026, 3, 1)),
    ]
    heard = conn.execute(
        select(rate.c.recorded_at).where(rate.c.role == "Architect").order_by(rate.c.id)
    ).scalars()
    first, second = heard
    assert second - first == timedelta(microseconds=1)


def test_only_contracts_whose_card_changed_are_rated_again(conn: Connection) -> None:
    document = {"billing": {"cards": {"entity": {"DE01": "STANDARD"}, "customer": {}}}}
    row = {"version": 1, "digest": "d", "document": document, "applied_by": "test"}
    conn.execute(insert(workspace_version).values(**row, recorded_at=clock.now(conn)))
    contract(conn, "C-1", card="STANDARD")
    contract(conn, "C-2", card="OTHER")
    contract(conn, "C-3", entity="DE01")
    take(conn, b"role,price,from\nbad,none,2026-01-01\n")
    assert asked(conn) == []
    take(conn, BASE)
    assert asked(conn) == ["C-1", "C-3"]


def test_a_set_up_that_waits_for_a_price_goes_on_when_it_is_imported(conn: Connection) -> None:
    contract(conn, "K-1", card="STANDARD")
    with_flow = flows.open_flow(conn, "project_setup", "K-1")
    flows.wait(conn, with_flow, "1 finding")
    rates.import_rates(conn, SYSTEM, "p.csv", BASE, "STANDARD")
    asked = conn.execute(select(work.c.kind).where(work.c.key == "K-1").order_by(work.c.kind)).scalars().all()
    assert asked == ["rate", "setup"]


def test_an_import_is_one_audit_row_with_the_files_digest(conn: Connection) -> None:
    take(conn, BASE + b"Clerk,none,2026-01-01\n")
    [row] = conn.execute(select(audit.c.action, audit.c.key, audit.c.rows, audit.c.detail))
    assert (row.action, row.key, row.rows) == ("import", "STANDARD", 2)
    assert (row.detail["imported"], row.detail["refused"], len(row.detail["sha256"])) == (2, 1, 64)


def test_who_may_import_and_whose_the_cards_are(conn: Connection) -> None:
    with pytest.raises(Forbidden):
        take(conn, BASE, actor=Actor("ana", frozenset({"billing_preparer"})))
    assert take(conn, BASE, actor=Actor("eva", frozenset({"finance_lead"}))) == (2, 0, 0)
    document = {"ownership": {"rate_card": {"owner": "salesforce"}}}
    row = {"version": 1, "digest": "d", "document": document, "applied_by": "test"}
    conn.execute(insert(workspace_version).values(**row, recorded_at=clock.now(conn)))
    with pytest.raises(Conflict, match="salesforce"):
        take(conn, BASE)


@pytest.mark.parametrize("card", ["", " STANDARD", "A" * 61, "A\nB"])
def test_a_cards_code_is_short_plain_text(conn: Connection, card: str) -> None:
    with pytest.raises(Invalid):
        take(conn, BASE, card=card)

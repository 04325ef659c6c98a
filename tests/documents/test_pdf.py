"""The PDF of a document: what a person reads, the backup sheet that sums, the XML inside, PDF/A-3."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from pypdf import PdfReader

from tests.documents.sample import FRENCH, LINES, SELLER, D, credit_note, invoice, untaxed
from tests.documents.test_en16931 import ADJUSTED
from tieout.documents.cii import cii
from tieout.documents.en16931 import compose
from tieout.documents.pdf import invoice_pdf, printed
from tieout.documents.validation import failed_rules
from tieout.domain.billing.sales_document import BackupRow, BankAccount, SalesDocument

DAY = date(2026, 2, 3)


def rows(document: SalesDocument) -> list[BackupRow]:
    """Two rows a line: all but 1 h, and 1 h at the line's price."""
    made = []
    for line in document.lines:
        one = min(Decimal(1), line.quantity)
        amount = (one * line.unit_price).quantize(D("0.01"))
        for quantity, part in ((line.quantity - one, line.net_amount - amount), (one, amount)):
            row = BackupRow(
                line.number, DAY, "W-7", "Consultant", "Workshop", quantity, line.unit_price, part
            )
            made.append(row)
    return made


def read(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def text(pdf: bytes) -> str:
    """What stands on all pages, with single spaces."""
    return " ".join(" ".join(page.extract_text() for page in read(pdf).pages).split())


def made(document: SalesDocument) -> bytes:
    return invoice_pdf(document, rows(document))


@pytest.mark.parametrize(
    "document",
    [invoice(), credit_note(), invoice(type_code="389"), ADJUSTED, untaxed("AE", buyer=FRENCH)],
    ids=["380", "381", "389", "allowances", "reverse charge"],
)
def test_the_xml_is_inside_byte_for_byte_and_valid(document: SalesDocument) -> None:
    attached = read(made(document)).attachments
    assert list(attached) == ["factur-x.xml"]
    [xml] = attached["factur-x.xml"]
    assert xml == cii(compose(document))
    assert failed_rules(xml) == []


def test_a_person_reads_the_same_figures() -> None:
    """1200.00 + 667.50 = 1867.50; 19 % 354.83; 2222.33."""
    said = text(made(invoice()))
    for part in ("Invoice", "INV-1042", "Acme & Söhne AG", "2 March 2026", "1 April 2026", "2 – 27 February 2026",
                 "PO-7", "DE129273398", "Consultant, Ledger migration", "3.333333 h", "200.25", "1,200.00", "667.50",
                 "1,867.50", "VAT 19 % on 1,867.50", "354.83", "EUR 2,222.33", "DE89 3704 0044 0532 0130 00",
                 "HRB 12345 B", "DE136695976", "Page 1 of 2"):  # fmt: skip
        assert part in said, part
    assert "DRAFT" not in said


def test_the_backup_sheet_lists_every_row_and_its_sum() -> None:
    """Line 1: 7 h (1050.00) + 1 h (150.00) = 8 h, 1200.00."""
    said = text(made(invoice())).split("Backup sheet")[1]
    for part in ("2026-02-03", "W-7", "Workshop", "7 h 150.00 1,050.00", "1 h 150.00 150.00",
                 "Sum 8 h 1,200.00", "Sum 3.333333 h 667.50"):  # fmt: skip
        assert part in said, part


def test_rows_that_do_not_sum_to_the_lines_are_refused() -> None:
    document = invoice()
    good = rows(document)
    for wrong in (
        good[1:],
        [replace(good[0], amount=D("1050.01")), *good[1:]],
        [*good, replace(good[0], line=3)],
    ):
        with pytest.raises(ValueError, match="of INV-1042 says"):
            invoice_pdf(document, wrong)


def test_it_is_pdf_a_3_and_says_it_is_factur_x() -> None:
    """Marks only: whether it conforms in every respect would need a validator such as veraPDF."""
    root = read(made(invoice())).trailer["/Root"]
    metadata = root["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
    assert "<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>" in metadata
    assert [one.get_object()["/AFRelationship"] for one in root["/AF"]] == ["/Alternative"]
    assert root["/OutputIntents"]


def test_all_fonts_are_embedded() -> None:
    found = []
    for page in read(made(invoice())).pages:
        for font in page["/Resources"]["/Font"].values():
            [below] = font.get_object()["/DescendantFonts"]
            found.append(set(below.get_object()["/FontDescriptor"]) & {"/FontFile2", "/FontFile3"})
    assert found
    assert all(found)


def test_texts_are_shown_and_never_carried_out() -> None:
    told = '#panic("x") *b* $y$ \\ @z <l> // — "q" {{7*7}}'
    document = invoice(lines=(replace(LINES[0], description=told), LINES[1]))
    assert told in text(made(document))


def test_an_iban_is_grouped_however_it_is_stated() -> None:
    bank = BankAccount("de89370400440532013000")
    assert "IBAN DE89 3704 0044 0532 0130 00" in text(made(invoice(bank=bank)))
    local = BankAccount("021000021 / 123456789")
    assert "Account 021000021 / 123456789" in text(made(invoice(bank=local)))


def test_a_draft_says_so_on_every_page() -> None:
    """Across the page, letter by letter in its text, and at its foot."""
    pages = ["".join(p.extract_text().split()) for p in read(made(invoice(draft=True, number="D-7"))).pages]
    assert [("DRAFT" in page, f"DraftD-7·Page{n}of2" in page) for n, page in enumerate(pages, 1)] == [
        (True, True)
    ] * 2


def test_a_credit_note_asks_for_no_payment() -> None:
    said = text(made(credit_note()))
    assert "Amount credited EUR 2,222.33" in said
    assert "Credits invoice INV-1042 of 2 March 2026" in said
    assert "Reason: agreed on 3 March" in said
    assert "IBAN" not in said


def test_reverse_charge_is_told() -> None:
    said = text(made(untaxed("AE", buyer=FRENCH)))
    assert "Reverse charge: the customer accounts for the tax" in said
    assert "FR83404833048" in said


def test_why_a_customer_is_exempt_is_told() -> None:
    assert "Unterricht, § 4 Nr. 21 UStG" in text(made(untaxed("E", exemption="Unterricht, § 4 Nr. 21 UStG")))


def test_the_paper_is_that_of_the_seller() -> None:
    american = replace(
        SELLER, country="US", city="Boston", state_code="MA", postal_code="02110", tax_id="91-1144442"
    )
    letter = made(untaxed("O", currency="USD", seller=american))
    sizes = [tuple(round(x) for x in read(pdf).pages[0].mediabox[2:]) for pdf in (made(invoice()), letter)]
    assert sizes == [(595, 842), (612, 792)]
    assert "Boston, MA 02110" in text(letter)
    assert "VAT" not in text(letter).replace("Your VAT no.", "")


def test_a_long_document_repeats_its_heads() -> None:
    """400 lines of 0.10 h: 400 × 15.00 = 6000.00; 19 % 1140.00."""
    lines = tuple(replace(LINES[0], number=n + 1, quantity=D("0.1"), net_amount=D(15)) for n in range(400))
    document = invoice(lines=lines, net_amount=D(6000), tax_amount=D(1140), gross_amount=D(7140))
    backup = [BackupRow(n + 1, DAY, "W-7", None, None, D("0.1"), D(150), D(15)) for n in range(400)]
    pdf = invoice_pdf(document, backup)
    pages = read(pdf).pages
    assert len(pages) > 20
    assert f"Page 9 of {len(pages)}" in " ".join(pages[8].extract_text().split())
    assert "EUR 7,140.00" in text(pdf)


def test_the_same_record_gives_the_same_pages() -> None:
    content = compose(invoice())
    assert printed(content, rows(invoice())) == printed(content, rows(invoice()))


def test_pages_are_made_in_many_threads_at_once() -> None:
    """The web door's threads set pages side by side: each gets its own."""
    documents = [invoice(number=f"INV-{n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        pdfs = list(pool.map(made, documents))
    assert [f"INV-{n}" in text(pdf) for n, pdf in enumerate(pdfs)] == [True] * 8

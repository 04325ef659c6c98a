"""Documents through the API: a file per format, for who may read invoices of the entity."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from tests.api.conftest import Api
from tests.hub import billing_world as w
from tests.hub import electronic_world as world
from tieout.documents.validation import failed_rules


@pytest.fixture
def released(api: Api) -> str:
    """A released invoice of DE01 beside what the API's world holds."""
    with api.engine.begin() as conn:
        w.state_policies(conn, world.workspace(electronic=False))
        world.customer(conn, "2", world.GOOD)
        w.event(conn, "e1", "8", contract="K-DE", legal_entity="DE01", currency="EUR")
        return w.released(conn, contract="K-DE")


def test_the_file_comes_in_each_format(api: Api, released: str) -> None:
    pdf = api.get(f"/v1/invoices/{released}/document")
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.headers["content-disposition"] == 'attachment; filename="DE-1.pdf"'
    for format in ("ubl", "cii"):
        xml = api.get(f"/v1/invoices/{released}/document?format={format}")
        assert (xml.status_code, xml.headers["content-type"]) == (200, "application/xml")
        assert failed_rules(xml.content) == []
    [attached] = PdfReader(io.BytesIO(pdf.content)).attachments["factur-x.xml"]
    assert attached == xml.content


def test_only_who_may_read_it_gets_it(api: Api, released: str) -> None:
    path = f"/v1/invoices/{released}/document"
    assert api.get(path, "only_de").status_code == 200
    assert api.get(path, "only_customers").status_code == 403
    assert api.get("/v1/invoices/INV-99/document").status_code == 404
    assert api.get(path + "?format=docx").status_code == 422
    assert api.client.get(path).status_code == 401

"""Tax numbers are read as people write them and judged by the check digits of their country."""

from __future__ import annotations

import pytest

from tieout.domain.tax import read_tax_number


@pytest.mark.parametrize(
    ("stated", "country", "number", "kind"),
    [
        ("DE 136 695 976", "DE", "DE136695976", "vat"),
        ("136695976", "DE", "DE136695976", "vat"),
        ("de136695976", "FR", "DE136695976", "vat"),  # registered in another country: its own prefix counts
        ("FR 83 404 833 048", "FR", "FR83404833048", "vat"),
        ("ATU13585627", "AT", "ATU13585627", "vat"),
        ("094259216", "GR", "EL094259216", "vat"),  # Greece writes EL
        ("GB 980 7806 84", "GB", "GB980780684", "vat"),
        ("XI 110 3058 78", "GB", "XI110305878", "vat"),  # Northern Ireland
        ("CHE-107.787.577 IVA", "CH", "CHE107787577IVA", "vat"),
        ("NO 995 525 828 MVA", "NO", "NO995525828MVA", "vat"),
        ("91-1144442", "US", "911144442", "ein"),
        ("51 824 753 556", "AU", "51824753556", "other"),
        ("12-34", None, "1234", "other"),
        ("12-34", "AQ", "1234", "other"),
    ],
)
def test_a_good_number_is_given_in_its_form(stated: str, country: str | None, number: str, kind: str) -> None:
    found = read_tax_number(stated, country)
    assert (found.number, found.kind, found.findings) == (number, kind, ())


@pytest.mark.parametrize(
    ("stated", "country", "said"),
    [
        ("DE136695977", "DE", "DE136695977 is not a VAT number of DE: its check digits do not fit"),
        ("DE13669597", "DE", "DE13669597 is not a VAT number of DE: its length is not that of such a number"),
        ("soon", "DE", "DESOON is not a VAT number of DE: it is not written as such a number"),
        ("DE136695977", "FR", "DE136695977 is not a VAT number of DE: its check digits do not fit"),
        ("07-1144442", "US", "071144442 is not an employer identification number: it is not one"),
        ("51824753557", "AU", "51824753557 is not a tax number of AU: its check digits do not fit"),
        ("", "DE", "DE is not a VAT number of DE: it is not written as such a number"),
        ("١٢٣٤٥٦٧٨٩", "DE", "DE١٢٣٤٥٦٧٨٩ is not a VAT number of DE: it is not written as such a number"),
    ],
)
def test_a_wrong_number_says_what_is_wrong(stated: str, country: str, said: str) -> None:
    assert read_tax_number(stated, country).findings == (said,)

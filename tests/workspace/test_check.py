"""A workspace is checked as a whole: every finding names file and line, what was seen, what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.workspace import Finding, check, init

MERIDIAN = Path(__file__).parents[2] / "examples" / "meridian"
SANDBOX = {
    "TIEOUT_SANDBOX_URL": "https://127.0.0.1:8443", "TIEOUT_SANDBOX_CA": "/s/ca.pem",
    "TIEOUT_SANDBOX_NETSUITE_ACCOUNT": "TSTDRV1", "TIEOUT_SANDBOX_SECRETS": "/s/secrets",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace that passes."""
    init(tmp_path, "firm")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def one(folder: Path) -> Finding:
    """The one finding of a folder."""
    found = check(folder, {})
    assert len(found) == 1, [str(f) for f in found]
    return found[0]


def test_what_init_writes_and_the_example_firm_pass(folder: Path) -> None:
    assert check(folder, {}) == []
    assert check(MERIDIAN, SANDBOX) == []


def test_the_example_firms_prices_are_those_of_the_simulated_firm() -> None:
    """Every price of the firm's table is in the card or in the March list, and no other."""
    from tieout.hub.price_list import read_price_list
    from tieout.sandbox.firm.labor import PRICES

    stated = {
        (dict(p.attributes)["role"], p.price, p.start)
        for name in ("standard.csv", "2026-03.csv")
        for p in read_price_list(name, (MERIDIAN / "rates" / name).read_bytes()).prices
    }
    assert stated == {(p.role, p.hourly_price, p.since) for p in PRICES}


def test_a_folder_without_a_workspace_says_how_to_begin(tmp_path: Path) -> None:
    assert "tieout init" in one(tmp_path).remedy


CASES = [
    # file, its text, line, key, in seen or expected, in the remedy
    ("tieout.yaml", "name: firm\nenviroments: [dev]\n", 2, "enviroments", "not known", "environments"),
    ("tieout.yaml", "environments: [dev]\n", 1, "name", "missing", "State"),
    ("tieout.yaml", "name: 7\n", 1, "name", "7 was seen", '"7"'),
    ("tieout.yaml", "name: a\nname: b\n", 2, "name", "stated twice (first on line 1)", ""),
    ("tieout.yaml", "name: [a\n", 2, "", "no YAML", ""),
    ("extra.yaml", "a: 1\n", 1, "", "not read", ""),
    ("tax/us.yml", "treatments: []\n", 1, "", "not read", "Rename"),
    ("connections/x.yaml", "connector: acme\n", 1, "connector", "no connector 'acme'", ""),
    (
        "connections/kantata.yaml",
        "connector: kantata\nconfig: {url: https://x.example}\nsecrets:\n  webhook_secret: env:A\n",
        3, "secrets.token", "missing", "",
    ),
    (
        "connections/kantata.yaml",
        "connector: kantata\nconfig: {url: https://x.example}\nsecrets:\n  token: hunter2\n  webhook_secret: env:A\n",
        4, "secrets.token", "not shown", "replace it",
    ),
    (
        "connections/kantata.yaml",
        "connector: kantata\nconfig:\n  url: http://x.example\n  colour: red\nsecrets: {token: env:A, webhook_secret: env:B}\n",
        3, "config.url", "https://", "",
    ),
    (
        "connections/kantata.yaml",
        "connector: kantata\nconfig:\n  url: ${KANTATA_URL}\nsecrets: {token: env:A, webhook_secret: env:B}\n",
        3, "config.url", "KANTATA_URL is not set", "export",
    ),
    ("ownership.yaml", "ownership:\n  contract.terms: {owner: sap}\n", 2, "ownership.contract.terms.owner", "'sap' is no connection", "connections/sap.yaml"),
    ("ownership.yaml", "ownership:\n  contract.term: {owner: salesforce}\n", 2, "ownership.contract.term", "not known", ""),
    ("ownership.yaml", "ownership:\n  period: {owner: {US01: [{system: netsuite, until: 2026-06-30}, {system: kantata, from: 2026-06-30}]}}\n", 2, "ownership.period.owner.US01", "two owners on 2026-06-30", ""),
    ("ownership.yaml", "ownership:\n  period: {owner: {US01: [{system: netsuite, shadow_from: 2026-06-30}]}}\n", 2, "ownership.period.owner.US01.0.shadow_from", "not supported yet", ""),
    ("tax/us.yaml", "treatments:\n  - {category: O, rate: 0, from: 2020-01-01}\n  - {category: S, rate: 0.2, from: 2026-01-01}\n", 3, "treatments.1.from", "overlap", "End one"),
    ("tax/us.yaml", "treatments:\n  - {category: O, rate: 20, from: 2020-01-01}\n", 2, "treatments.0.rate", "less than or equal to 1", ""),
    ("tax/us.yaml", "treatments:\n  - {category: O, rate: 0, from: soon}\n", 2, "treatments.0.from", "'soon'", ""),
    ("tax/us.yaml", "treatments:\n  - {category: O, rate: 0, from: 2020-01-01, til: 2021-01-01}\n", 2, "treatments.0.til", "not known", ""),
    ("tax/us.yaml", "points:\n  - {country: FR, first_of: [payment], from: 2020-01-01}\n", 2, "points.0.first_of", "supply or invoice is expected", ""),
    ("tax/us.yaml", "points:\n  - {country: FR, first_of: [delivery], from: 2020-01-01}\n", 2, "points.0.first_of.0", "'delivery'", ""),
    ("tax/us.yaml", "points:\n  - {country: FR, first_of: [supply], from: 2020-01-01}\n  - {country: FR, first_of: [invoice], from: 2026-01-01}\n", 3, "points.1.from", "overlap", "End one"),
    ("accounts/netsuite.yaml", "receivable: 1100\n", 1, "receivable", "1100 was seen", '"1100"'),
    ("accounts/netsuite.yaml", 'receivables: "1100"\n', 1, "receivables", "not known", ""),
    ("entities/US01.yaml", "time_zone: Moon/Base\n", 1, "time_zone", "America/New_York", ""),
    ("billing.yaml", "correction: someday\n", 1, "correction", "'next_invoice' or 'credit_note'", ""),
    ("billing.yaml", "transfer_margins:\n  - {supplier: A, buyer: A, margin: 0.1, from: 2026-01-01}\n", 2, "transfer_margins.0", "two different legal entities", ""),
    ("billing.yaml", "transfer_margins:\n  - {supplier: A, buyer: B, margin: 0.1, from: 2026-01-01}\n  - {supplier: A, buyer: B, margin: 0.2, from: 2026-02-01}\n", 3, "transfer_margins.1.from", "one margin per supplier", "End one"),
    ("billing.yaml", "series:\n  US01: {invoces: INV-}\n", 2, "series.US01.invoces", "not known", "invoice"),
    ("mappings/acme/contract.yaml", "mapping: 1\n", 1, "", "no connector 'acme'", ""),
    ("mappings/salesforce/contract.yaml", "mapping: 1\nversion: 2\ndirection: in\nobject: Contract\ncanonical: contract\nkey: ContractNumber\nfields:\n  currency: {group: contract.terms, path: 'a[', convert: currency}\n", 8, "fields.currency.path", "JMESPath", ""),
    ("mappings/salesforce/contract.yaml", "mapping: 1\nversion: 2\ndirection: in\nobject: Contract\ncanonical: contract\nkey: ContractNumber\nfields:\n  colour: {group: contract.terms, path: Colour__c}\n", 8, "fields.colour", "contract has no such field", ""),
    ("mappings/salesforce/contract.yaml", "mapping: 1\nversion: 2\ndirection: in\nobject: Contract\ncanonical: contrat\nkey: ContractNumber\nfields: {}\n", 5, "canonical", "no canonical type", ""),
    ("mappings/salesforce/contract.yaml", "mapping: 1\nversion: 2\ndirection: in\nobject: Contract\ncanonical: contract\nkey: ContractNumber\nfields:\n  currency: {group: contract.terms, path: C, convert: money}\n", 8, "fields.currency", "no converter 'money'", ""),
    ("rates/standard.csv", "role,price,from\nA,10,2026-01-01\nB,ten,2026-01-01\n", 3, "price", "'ten' was seen", ""),
    ("rates/standard.csv", "role,rate\nA,10\n", 1, "", "No header of a price list", ""),
    ("rates/standard.yaml", "card: STANDARD\ncurrency: DOL\nfile: standard.csv\n", 2, "currency", "ISO 4217", ""),
    ("rates/standard.yaml", "card: STANDARD\nfile: ../../etc/passwd\n", 2, "file", "there is no", ""),
    ("rates/standard.yaml", "card: STANDARD\nfile: other.csv\n", 2, "file", "there is no rates/other.csv", ""),
    ("rates/standard.yaml", "card: STANDARD\nrates:\n  - {role: A, price: 10, from: 2026-01-01}\n  - {role: B, price: -1, from: 2026-01-01}\n", 4, "price", "'-1'", ""),
    ("policies/x.yaml", "x: 1\n", 1, "", "files in policies/ are not read yet; policies are stated in billing.yaml: items", "Move it"),
    ("rates/zz.yaml", "card: STANDARD\nfile: standard.csv\n", 1, "card", "states this card too", ""),
]  # fmt: skip


@pytest.mark.parametrize(("file", "text", "line", "key", "told", "remedy"), CASES)
def test_a_finding_names_file_line_key_and_what_to_do(
    folder: Path, file: str, text: str, line: int, key: str, told: str, remedy: str
) -> None:
    write(folder, file, text)
    found = [f for f in check(folder, {}) if f.file == file]
    assert found, [str(f) for f in check(folder, {})]
    first = found[0]
    assert (first.line, first.key) == (line, key), str(first)
    assert told in str(first)
    assert remedy in first.remedy
    assert "hunter2" not in str(found)


def test_rates_that_contradict_each_other_are_both_named(folder: Path) -> None:
    write(folder, "rates/standard.csv", "role,price,from\nA,10,2026-01-01\nB,5,2026-01-01\nA,11,2026-06-01\n")
    assert [(f.file, f.line) for f in check(folder, {})] == [
        ("rates/standard.csv", 2),
        ("rates/standard.csv", 4),
    ]


def test_norway_is_a_country_and_digits_stay_exact(folder: Path) -> None:
    """YAML 1.2: a bare NO is text; 0.1 is the decimal 0.1."""
    from tieout.workspace.loading import load

    write(
        folder,
        "tax/no.yaml",
        "treatments:\n  - {entity: NO01, country: NO, category: S, rate: 0.10, from: 2020-01-01}\n",
    )
    loaded = load(folder, {})
    assert loaded.findings == []
    assert loaded.document["tax"][0]["country"] == "NO"
    assert loaded.document["tax"][0]["rate"] == "0.10"


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)),
        "a: " + "[" * 60 + "]" * 60,
        "name: !!python/object/apply:os.system [id]\n",
        "\x00",
        "name: firm\n" + "#" * (1024 * 1024),
    ],
)  # fmt: skip
def test_a_hostile_file_is_a_finding(folder: Path, text: str) -> None:
    write(folder, "tieout.yaml", text)
    found = check(folder, {})
    assert found
    assert found[0].file == "tieout.yaml"


LINKS = [
    # link in the workspace, what it leads to outside
    ("ownership.yaml", "secret.yaml"),
    ("billing.yaml", "gone.yaml"),
    ("connections/kantata.yaml", "secret.yaml"),
    ("scenarios/s.yaml", "secret.yaml"),
    ("rates/standard.csv", "secret.yaml"),
    ("accounts", "folder"),
    ("policies", "folder"),
]


@pytest.mark.parametrize(("link", "target"), LINKS)
def test_a_link_that_leads_out_of_the_folder_is_refused_and_nothing_of_it_is_shown(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, link: str, target: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "folder").mkdir()
    for place in (
        elsewhere / "secret.yaml",
        elsewhere / "folder" / "hunter2.yaml",
        elsewhere / "folder" / "hunter2.yml",
    ):
        place.write_text("hunter2: hunter2\nhunter2 hunter2\n")
    path = folder / link
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere / target)
    found = check(folder, {})
    told = [f for f in found if f.file == link]
    assert [(f.line, "leads out of the folder" in f.seen) for f in told] == [(1, True)], [
        str(f) for f in found
    ]
    assert "hunter2" not in str(found)


def test_a_link_inside_the_folder_is_followed_and_links_in_a_circle_are_a_finding(folder: Path) -> None:
    (folder / "billing.yaml").rename(folder / "kept.txt")
    (folder / "billing.yaml").symlink_to("kept.txt")
    assert check(folder, {}) == []
    (folder / "kept.txt").unlink()
    (folder / "kept.txt").symlink_to("billing.yaml")
    assert "leads out" in one(folder).seen

"""The workspace that `tieout init` writes: complete, small, and passing `tieout check`."""

from __future__ import annotations

import re
from pathlib import Path

from tieout.hub.refusals import Conflict, Invalid

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,59}$")

FILES: dict[str, str] = {
    "tieout.yaml": """\
# What this installation is called. `tieout check` reads the whole folder, `tieout apply` puts it into force.
name: {name}
environments: [dev]
""",
    "connections/salesforce.yaml": """\
# Where a system is and where its secrets are kept: env:NAME or file:PATH, never the secret itself.
# ${NAME} in a value is filled in from the environment when the workspace is applied.
connector: salesforce
config:
  url: https://your-domain.my.salesforce.com
secrets:
  client_id: env:SALESFORCE_CLIENT_ID
  client_secret: env:SALESFORCE_CLIENT_SECRET
""",
    "connections/kantata.yaml": """\
connector: kantata
config:
  url: https://api.mavenlink.com
secrets:
  token: env:KANTATA_TOKEN
  webhook_secret: env:KANTATA_WEBHOOK_SECRET
""",
    "connections/netsuite.yaml": """\
connector: netsuite
config:
  account: "1234567"
secrets:
  client_id: env:NETSUITE_CLIENT_ID
  certificate_id: env:NETSUITE_CERTIFICATE_ID
  private_key_pem: file:~/.tieout/secrets/netsuite.pem
""",
    "ownership.yaml": """\
# Which system owns which field group, by legal entity and date where they differ:
#   customer.receivables: {owner: {US01: netsuite, DE01: [{system: old, until: 2026-06-30}, {system: new, from: 2026-07-01}]}}
ownership:
  customer.profile: {owner: salesforce}
  opportunity: {owner: salesforce}
  quote: {owner: salesforce}
  contract.terms: {owner: salesforce}
  contract.approval: {owner: salesforce}
  contract.purchase_order: {owner: salesforce}
  rate_card: {owner: workspace}
  project.delivery: {owner: kantata}
  worker.profile: {owner: kantata}
  time_entry: {owner: kantata}
  customer.receivables: {owner: netsuite}
  invoice.posting: {owner: netsuite}
  payment: {owner: netsuite}
  period: {owner: netsuite}
  legal_entity: {owner: netsuite}
  billing_event: {owner: tieout}
  invoice: {owner: tieout}
  journal: {owner: tieout}
""",
    "entities/US01.yaml": """\
time_zone: America/New_York
""",
    "tax/us.yaml": """\
# Services sold in the United States by US01 are outside the tax. A sale that no treatment covers is not billed.
treatments:
  - {entity: US01, country: US, category: O, rate: 0, from: 2020-01-01}
""",
    "accounts/netsuite.yaml": """\
# Our account: the account number there, in quotes.
billing_clearing: "4900"
receivable: "1100"
""",
    "billing.yaml": """\
items: {time: SVC-TIME}
tax_codes: {O: NON-TAX}
series:
  US01: {invoice: INV-, credit_note: CN-}
cards:
  entity: {US01: STANDARD}
correction: next_invoice
tie_out_tolerance: "0"
""",
    "rates/standard.yaml": """\
# A rate card. Its prices are in the list named here; a list that no card names waits for `tieout rates import`.
card: STANDARD
currency: USD
file: standard.csv
""",
    "rates/standard.csv": """\
role,price,unit,from,to
Project Manager,122.44,hour,2025-01-01,
Business Analyst,70.11,hour,2025-01-01,
""",
    "mappings/README.md": """\
Overrides of the vendors' mappings: `CONNECTOR/NAME.yaml`, in the form of the files that come with Tieout.
An override replaces the mapping of the same object or operation.
""",
    "scenarios/README.md": """\
Acceptance tests of this configuration: `tieout scenario run scenarios`.
""",
}


def init(folder: Path, name: str) -> list[Path]:
    """Write the example into a folder that has no workspace yet; the files written."""
    if not _NAME.match(name):
        raise Invalid(f"{name!r} is no name of a workspace. Nothing was written.", fields={"name": name},
                      remedy="Use small letters, digits and -, such as --name meridian.")  # fmt: skip
    taken = sorted(path for path in FILES if (folder / path).exists())
    if taken:
        raise Conflict(f"{folder} has a workspace already ({taken[0]}). Nothing was written.",
                       fields={"folder": str(folder)}, remedy="Choose another folder.")  # fmt: skip
    written = []
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace("{name}", name), encoding="utf-8")
        written.append(folder / path)
    return written

"""Record types of the simulated account: REST field names, and the SuiteQL tables they appear in."""

from __future__ import annotations

COMMON = ("externalId",)
FIELDS: dict[str, tuple[str, ...]] = {
    "subsidiary": ("name", "country", "currency", "isInactive"),
    "currency": ("symbol", "name", "exchangeRate"),
    "term": ("name", "daysUntilNetDue"),
    "account": ("acctNumber", "acctName", "acctType"),
    "item": ("itemId", "displayName", "incomeAccount", "isInactive"),
    "salesTaxItem": ("itemId", "rate"),
    "accountingPeriod": ("periodName", "startDate", "endDate", "closed", "arLocked", "isAdjust"),
    "customer": ("entityId", "companyName", "isPerson", "isInactive", "subsidiary", "currency", "terms", "email",
                 "creditHoldOverride", "memo"),
    "job": ("entityId", "companyName", "isInactive", "parent", "startDate", "projectedEndDate", "jobBillingType",
            "entityStatus", "subsidiary", "currency"),
    "invoice": ("tranId", "entity", "job", "subsidiary", "currency", "exchangeRate", "tranDate", "dueDate", "terms",
                "otherRefNum", "postingPeriod", "memo", "approvalStatus", "item", "location", "department", "class"),
    "creditMemo": ("tranId", "entity", "job", "subsidiary", "currency", "exchangeRate", "tranDate", "postingPeriod",
                   "memo", "otherRefNum", "apply", "item", "location", "department", "class"),
    "customerPayment": ("tranId", "customer", "subsidiary", "currency", "exchangeRate", "tranDate", "postingPeriod",
                        "memo", "payment", "apply", "account", "arAcct"),
}  # fmt: skip
"""What may be written, beside `externalId` and custom fields (`cust…`)."""

LINE_FIELDS = {
    "line",
    "item",
    "description",
    "quantity",
    "rate",
    "amount",
    "taxCode",
    "job",
    "department",
    "class",
}
WRITABLE = {"customer", "job", "invoice", "creditMemo", "customerPayment"}
BY_LOWER = {name.lower(): name for name in FIELDS}

REFERENCES = {
    "subsidiary": "subsidiary", "currency": "currency", "terms": "term", "item": "item", "incomeAccount": "account",
    "taxCode": "salesTaxItem", "postingPeriod": "accountingPeriod", "entity": "customer", "customer": "customer",
    "parent": "customer", "job": "job", "account": "account", "arAcct": "account",
}  # fmt: skip
NAMES = ("name", "companyName", "periodName", "acctName", "itemId", "entityId", "tranId", "symbol")
"""Fields from which a `refName` is taken, the first that is there."""

DOCUMENTS = {"invoice": "CustInvc", "creditMemo": "CustCred", "customerPayment": "CustPymt"}

COLUMNS: dict[str, set[str]] = {
    name.lower(): {"id", "lastmodifieddate", "externalid", *(f.lower() for f in fields)}
    for name, fields in FIELDS.items()
    if name not in DOCUMENTS
} | {
    "transaction": {
        "id", "type", "tranid", "externalid", "trandate", "duedate", "entity", "currency", "foreigntotal",
        "foreignamountunpaid", "postingperiod", "status", "approvalstatus", "createdby", "createddate", "memo",
        "otherrefnum", "lastmodifieddate", "job", "posting",
    },
    "nexttransactionlinelink": {"previousdoc", "nextdoc", "foreignamount", "linktype"},
    "deletedrecord": {"recordid", "type", "deleteddate", "name"},
}  # fmt: skip
INTEGERS = {"id", "recordid", "previousdoc", "nextdoc", "daysuntilnetdue", "entity", "currency", "postingperiod", "subsidiary",
            "terms", "incomeaccount", "parent", "job", "approvalstatus"}  # fmt: skip
DECIMALS = {"foreigntotal", "foreignamountunpaid", "foreignamount", "rate"}

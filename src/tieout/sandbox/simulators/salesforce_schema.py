"""The objects and fields of the simulated org: name -> type; `-` = reference to that object."""

from __future__ import annotations

SYSTEM_FIELDS = {
    "Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "LastModifiedDate": "datetime",
    "SystemModstamp": "datetime",
}  # fmt: skip
READ_ONLY = {*SYSTEM_FIELDS}

_TEXTS = {
    "Account": "Name AccountNumber BillingStreet BillingCity BillingState BillingPostalCode BillingCountry Phone Website"
    " Industry Type Description CurrencyIsoCode Tax_Id__c Tax_Exemption__c"
    " Tax_Exemption_Code__c External_Id__c",
    "Contact": "FirstName LastName Name Email Phone Title CurrencyIsoCode",
    "User": "Name Username Email",
    "Opportunity": "Name Opportunity_Number__c StageName Type Description CurrencyIsoCode NextStep LeadSource"
    " Project_Number__c Project_Status__c Invoice_Status__c",
    "SBQQ__Quote__c": "Name SBQQ__Status__c CurrencyIsoCode",
    "SBQQ__QuoteLine__c": "Name Role__c CurrencyIsoCode",
    "Contract": "ContractNumber Status Description CurrencyIsoCode Billing_Method__c Rate_Card__c Over_Cap__c"
    " Increment_Mode__c Purchase_Order__c Legal_Entity__c Document_Url__c Document_Hash__c",
    "Task": "Subject Status Description",
}
_OTHERS: dict[str, dict[str, str]] = {
    "Account": {"ParentId": "-Account", "Purchase_Order_Required__c": "boolean", "OwnerId": "-User"},
    "Contact": {"AccountId": "-Account"},
    "User": {"IsActive": "boolean"},
    "Opportunity": {
        "AccountId": "-Account", "ContractId": "-Contract", "OwnerId": "-User", "IsWon": "boolean",
        "IsClosed": "boolean", "CloseDate": "date", "Amount": "currency", "Probability": "percent",
        "Billed_Amount__c": "currency",
    },
    "SBQQ__Quote__c": {
        "SBQQ__Opportunity2__c": "-Opportunity", "SBQQ__Account__c": "-Account", "SBQQ__Primary__c": "boolean",
        "SBQQ__NetAmount__c": "currency",
    },
    "SBQQ__QuoteLine__c": {
        "SBQQ__Quote__c": "-SBQQ__Quote__c", "SBQQ__Number__c": "double", "SBQQ__Quantity__c": "double",
        "SBQQ__NetPrice__c": "currency", "SBQQ__NetTotal__c": "currency",
    },
    "Contract": {
        "AccountId": "-Account", "Opportunity__c": "-Opportunity", "StartDate": "date", "EndDate": "date",
        "ContractTerm": "int", "ActivatedDate": "date", "Effective_Date__c": "date", "Cap_Amount__c": "currency",
        "Discount_Percent__c": "percent", "Increment_Minutes__c": "double", "Purchase_Order_Amount__c": "currency",
        "Payment_Terms_Days__c": "double",
    },
    "Task": {"WhatId": "-Opportunity", "ActivityDate": "date"},
}  # fmt: skip

SCHEMA: dict[str, dict[str, str]] = {
    name: {**SYSTEM_FIELDS, **dict.fromkeys(_TEXTS[name].split(), "string"), **_OTHERS[name]}
    for name in _TEXTS
}
EXTERNAL_IDS = {"Opportunity": ("Opportunity_Number__c",), "Account": ("External_Id__c",)}
"""Fields that hold another system's key: unique, and records can be addressed by them."""

REQUIRED = {
    "Account": ("Name",), "Contact": ("LastName",), "Opportunity": ("Name", "StageName", "CloseDate"),
    "Contract": ("AccountId",), "Task": (),
}  # fmt: skip
LONGEST_TEXT = 255
LONG_TEXTS = {"Description", "BillingStreet", "Document_Url__c"}
NUMBERS = ("currency", "double", "percent", "int")

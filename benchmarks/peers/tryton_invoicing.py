"""Run by a Python that has Tryton: 8,000 timesheet lines, 20 a task, invoiced by its own project module; JSON on stdout.

Set up by the tools that Tryton's own scenarios use (trytond.modules.project_invoice/tests). The database is named by the
environment: TRYTOND_DATABASE_URI, PGHOST, PGUSER.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from decimal import Decimal

from proteus import Model
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.account_invoice.tests.tools import create_payment_term
from trytond.modules.company.tests.tools import create_company
from trytond.pool import Pool
from trytond.tests.tools import activate_modules
from trytond.transaction import Transaction

TASKS_A_PROJECT, LINES_A_TASK = 10, 20


def main() -> None:
    lines, warm_up = (int(one) for one in sys.argv[1:3])
    config = activate_modules("project_invoice", create_company, create_chart)
    product, customer, employee = _masters()
    projects = [
        _project(number, product, customer) for number in range(_projects(lines) + _projects(warm_up))
    ]
    works = [task.timesheet_works[0].id for project in projects for task in project.children]
    keys, clerk, company = [project.id for project in projects], employee.id, employee.company.id
    with Transaction().start(config.database_name, config.user, context=config.context):
        _fill(works, clerk, company)
    first = _projects(warm_up)
    _invoice(config, keys[:first])
    start = time.perf_counter()
    _invoice(config, keys[first:])
    seconds = time.perf_counter() - start
    total = sum((one.total_amount for one in Model.get("account.invoice").find([])), Decimal(0))
    sys.stdout.write(json.dumps({"lines": lines, "seconds": seconds, "total": str(total)}) + "\n")


def _projects(lines: int) -> int:
    return lines // (TASKS_A_PROJECT * LINES_A_TASK)


def _masters():
    term = create_payment_term()
    term.save()
    customer = Model.get("party.party")(name="Customer")
    customer.customer_payment_term = term
    customer.save()
    person = Model.get("party.party")(name="Employee")
    person.save()
    employee = Model.get("company.employee")(party=person)
    employee.save()
    category = Model.get("product.category")(name="Services", accounting=True)
    category.account_revenue = get_accounts()["revenue"]
    category.save()
    (hour,) = Model.get("product.uom").find([("name", "=", "Hour")])
    template = Model.get("product.template")(
        name="Service", default_uom=hour, type="service", list_price=Decimal(20)
    )
    template.account_category = category
    template.save()
    return template.products[0], customer, employee


def _project(number, product, customer):
    work = Model.get("project.work")
    project = work(
        name=f"P{number}", type="project", party=customer, project_invoice_method="timesheet", product=product
    )
    for task in range(TASKS_A_PROJECT):
        child = work(name=f"P{number}/{task}", type="task", timesheet_available=True, product=product)
        project.children.append(child)
    project.save()
    return project


def _fill(works, employee, company) -> None:
    day = dt.date(2026, 6, 30)
    rows = [
        {
            "work": work,
            "employee": employee,
            "company": company,
            "date": day - dt.timedelta(days=n),
            "duration": dt.timedelta(hours=1 + n % 4),
        }
        for work in works
        for n in range(LINES_A_TASK)
    ]
    Pool().get("timesheet.line").create(rows)


def _invoice(config, ids) -> None:
    with Transaction().start(config.database_name, config.user, context=config.context):
        work = Pool().get("project.work")
        work.invoice(work.browse(ids))


if __name__ == "__main__":
    main()

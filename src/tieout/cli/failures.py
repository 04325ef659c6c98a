"""One table from the errors below to what a person reads and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.exc import ArgumentError, DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tieout.bootstrap import Misconfigured
from tieout.cli.output import ENVIRONMENT, USAGE, Failed, note, print_error
from tieout.hub.refusals import Refusal
from tieout.store.database import UnsafeDatabase
from tieout.store.postgres import PostgresFailed


@dataclass(frozen=True)
class Explained:
    """An expected error in plain words."""

    exit_code: int
    message: str
    code: str
    remedy: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def show(self, as_json: bool) -> None:
        """To stderr for a person; with --json the one value on stdout is the error."""
        note(" ".join(part for part in (self.code, self.message, self.remedy) if part))
        for name, wrong in self.fields.items():
            note(f"  {name}: {wrong}")
        if as_json:
            print_error(self.code, self.message, self.remedy, self.fields)


def explain(error: Exception) -> Explained | None:
    """The plain words of an expected error; None for a broken invariant, which stays loud."""
    if isinstance(error, Refusal):
        return Explained(USAGE, error.message, error.code, error.remedy, error.fields)
    if isinstance(error, Failed):
        return Explained(error.exit_code, error.message, error.code, error.remedy)
    if isinstance(error, Misconfigured):
        return Explained(ENVIRONMENT, str(error), "TIE-150")
    if isinstance(error, (PostgresFailed, UnsafeDatabase)):
        return Explained(ENVIRONMENT, str(error), "TIE-152")
    if isinstance(error, (OperationalError, PoolTimeout)):
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Explained(
            ENVIRONMENT,
            f"The database does not answer: {said}.",
            "TIE-503",
            remedy="Check TIEOUT_DATABASE_URL, or run: tieout doctor",
        )
    if isinstance(error, ArgumentError):
        return Explained(
            ENVIRONMENT,
            "TIEOUT_DATABASE_URL cannot be read.",
            "TIE-150",
            remedy="Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        )
    if isinstance(error, PermissionError):
        return Explained(
            ENVIRONMENT,
            f"{error.filename} cannot be used: {error.strerror}.",
            "TIE-150",
            remedy="Give it to the user who runs this, or set TIEOUT_HOME to a folder of your own.",
        )
    if isinstance(error, OSError) and error.filename is not None:
        return Explained(USAGE, f"{str(error.filename)[:200]} cannot be used: {error.strerror}.", "TIE-151")
    if isinstance(error, (DataError, UnicodeEncodeError)):
        return Explained(USAGE, "A value holds a character or number that no record can have.", "TIE-115")
    return None

"""The workspace: a folder of YAML and price lists that states how this installation is set up.

`check` says what is wrong by file and line, `apply` puts a checked folder into force as a new version, `init` writes
one to begin with.
"""

from tieout.workspace.applying import AppliedVersion, apply
from tieout.workspace.example import init
from tieout.workspace.findings import Finding
from tieout.workspace.loading import check

__all__ = ["AppliedVersion", "Finding", "apply", "check", "init"]

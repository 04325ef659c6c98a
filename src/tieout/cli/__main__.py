"""`python -m tieout.cli`: how the supervisor starts its children."""

from tieout.cli import main

main()

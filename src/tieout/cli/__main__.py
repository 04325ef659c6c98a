"""`python -m tieout.cli`: how the supervisor starts its children."""

from tieout.cli import main

if __name__ == "__main__":  # a process that a command starts imports this module too
    main()

"""Whether a signed contract is complete enough to become a project, everywhere, and everything that is missing."""

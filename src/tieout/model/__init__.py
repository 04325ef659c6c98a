"""Money, decimals, periods and the registries every part shares: no I/O, no clock."""

"""The outside world, simulated: three vendors over HTTPS, the firm that lives in them, and the ledger of what was applied."""

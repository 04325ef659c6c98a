"""One module a vendor: its real paths, field names, envelopes, errors, paging and quirks."""

"""One file per business workflow, and the durable engine under them."""

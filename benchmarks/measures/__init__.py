"""One file per measure. To add one, write a module with `run(full: bool) -> Measurement`."""

"""Pure rules: frames in, frames out, every choice passed in. No I/O, clock or randomness."""

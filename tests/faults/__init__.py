"""The fault harness: the smallest firm is played to its end whatever is killed, and every mutant is caught."""

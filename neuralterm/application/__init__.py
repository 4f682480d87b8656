"""Use cases: what the program does, told in terms of ports and domain values."""

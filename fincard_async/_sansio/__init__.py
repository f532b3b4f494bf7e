"""Rules about the vendor, as functions of bytes and records: no I/O, clock, chance or logger."""

"""The specification: what must be true. Each module is one specification, written in the language of `logic`."""

"""Exhaustive exploration of small systems by interned local steps."""

"""Recorded runs: the Run format, importers of other formats, and the checkers."""

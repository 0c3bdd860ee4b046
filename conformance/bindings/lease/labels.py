"""The names of the branches that a step takes, for coverage."""

from __future__ import annotations

ELECTED, PROMOTED, APPLIED, CONFIRMED = "elected", "promoted", "applied", "confirmed"
GRANTED, EXPIRED = "granted", "revoked as expired"
ALWAYS = (ELECTED, PROMOTED, APPLIED, CONFIRMED, GRANTED, EXPIRED)

DEPOSED, LOST, PROMOTED_LATE, NOT_PRIMARY = "deposed", "proposal lost", "promoted when deposed", "answered: not primary"
OF_TERMS = (DEPOSED, LOST, PROMOTED_LATE)

RENEWED, NOT_FOUND = "answered: renewed", "answered: not found"
OF_KEEPALIVES = (RENEWED, NOT_FOUND)

GIVEN_UP = "revoked by its client"
CHECKPOINTED, CLEARED = "checkpointed", "checkpoint cleared"
CRASHED, REPLAYED, COMMITTED = "crashed", "replayed", "committed"
OF_CRASHES = (CRASHED, REPLAYED, COMMITTED)
LOCKED = "locked"

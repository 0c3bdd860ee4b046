"""The names of the branches that a step takes, for coverage."""

from __future__ import annotations

APPLIED, REFUSED, COMMITTED = "applied", "refused", "committed"
READ, READ_PAST, TOLD = "read", "read of a past revision", "revision told"
SCHEDULED, REMOVED = "compaction scheduled", "batch removed"
CRASHED, REPLAYED, CRASHED_WITHIN_COMPACTION = "crashed", "replayed", "crashed within a compaction"
READ_REFUSED, PANICKED = "read refused", "panicked"

ALWAYS = (APPLIED, COMMITTED, READ, READ_PAST, TOLD)
OF_COMPACTIONS = (SCHEDULED, REMOVED)
OF_CRASHES = (CRASHED, REPLAYED)

"""The names of the branches that a step takes, for coverage."""

from __future__ import annotations

WROTE, COMPACTED, SAVED, RESTORED, WRITES_LOST = "wrote", "compacted", "saved", "restored", "writes lost"
LISTED, WATCHES, RESUMES, DISCONNECTED = "listed", "watches", "watches from the past", "disconnected"
RECEIVED, TOLD_COMPACTED = "received", "told that it is compacted"

ALWAYS = (WROTE, SAVED, RESTORED, WRITES_LOST, LISTED, WATCHES, RESUMES, RECEIVED, TOLD_COMPACTED)

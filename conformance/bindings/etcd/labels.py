"""The names of the branches that a step takes, for coverage. Events of a member bear their own."""

from __future__ import annotations

RECEIVED, ASKED, APPLIED, ANSWERED = "received", "asked", "applied", "answered"
CRASHED, PANICKED = "crashed", "panicked"

"""The names of the branches that a step takes, for coverage. Those of the store below are in bindings/store."""

from __future__ import annotations

OPENED, CREATED, SENT, GOT, READ = "stream opened", "watch created", "response sent", "events received", "history read"
RETRIED, CANCELED = "victims retried", "watch canceled"
BROKEN, ENDED = "stream broken", "stream ended"
REQUESTED, NOTIFIED, PROGRESSED = "progress requested", "progress notified", "progress received"
SNAPSHOT_TAKEN, SNAPSHOT_RESTORED = "snapshot taken", "snapshot restored"

ALWAYS = (OPENED, CREATED, SENT, GOT, READ)
OF_SNAPSHOTS = (SNAPSHOT_TAKEN, SNAPSHOT_RESTORED)
OF_PROGRESS = (REQUESTED, PROGRESSED)

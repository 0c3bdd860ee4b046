"""What a leader tracks of its peers: progress, windows of unacknowledged appends, votes. Usable alone."""

from kubeproof.impl.raft.tracker.inflights import Inflights, InflightsState
from kubeproof.impl.raft.tracker.progress import (
    Progress,
    ProgressState,
    ProgressStateType,
    StateProbe,
    StateReplicate,
    StateSnapshot,
)
from kubeproof.impl.raft.tracker.tracker import ProgressTracker, TrackerConfig, TrackerState, progress_lines

__all__ = [
    "Inflights",
    "InflightsState",
    "Progress",
    "ProgressState",
    "ProgressStateType",
    "ProgressTracker",
    "StateProbe",
    "StateReplicate",
    "StateSnapshot",
    "TrackerConfig",
    "TrackerState",
    "progress_lines",
]

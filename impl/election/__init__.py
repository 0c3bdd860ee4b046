"""client-go's leader election: a candidate and the Lease it runs for, as pure steps."""

from kubeproof.impl.election.elector import Elector
from kubeproof.impl.election.faults import MISTAKES, Faults
from kubeproof.impl.election.lease import NO_LEASE, FenceState, LeaseEvent, LeaseState, fenced_write
from kubeproof.impl.election.lease import step as lease_step
from kubeproof.impl.election.options import Options
from kubeproof.impl.election.record import Answer, LeaderElectionRecord, Outcome, Request, Verb
from kubeproof.impl.election.state import (
    Callback,
    CallbackKind,
    ElectorState,
    Event,
    Output,
    Phase,
    Signal,
    Step,
    Tick,
    guarded_leader,
    works,
)

__all__ = [
    "MISTAKES",
    "NO_LEASE",
    "Answer",
    "Callback",
    "CallbackKind",
    "Elector",
    "ElectorState",
    "Event",
    "Faults",
    "FenceState",
    "LeaderElectionRecord",
    "LeaseEvent",
    "LeaseState",
    "Options",
    "Outcome",
    "Output",
    "Phase",
    "Request",
    "Signal",
    "Step",
    "Tick",
    "Verb",
    "fenced_write",
    "guarded_leader",
    "lease_step",
    "works",
]

"""Mistakes of leader election as switches: each re-creates one where its guard stands. All are off by default.

References: k/k#N are issues or pull requests of kubernetes/kubernetes, client-go is kubernetes/client-go, a bare hash is a commit
of its history. What is no mistake of the code but of its world (clocks of different rates, pauses, lost answers) needs no switch:
it comes in by events. What client-go itself still does is the default, and options.py has the switches that mend it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.mistakes import mistake, mistakes_of


@dataclass(frozen=True, slots=True)
class Faults:
    """One switch for each mistake of an elector."""

    # when a lease has expired
    expiry_by_renew_time: bool = mistake(
        "client-go leaderelection.go, package doc",
        "safety",
        "A lease counts as expired when the holder's renew time plus its duration has passed on the candidate's own clock.",
    )
    first_observation_by_renew_time: bool = mistake(
        "client-go#448",
        "safety",
        "What a candidate sees first it dates by the renew time in the record, which another clock wrote.",
    )
    renewals_not_observed: bool = mistake(
        "client-go leaderelection.go, package doc",
        "safety",
        "Only a new holder counts as a change of the record, so the lease of a leader that renews expires all the same.",
    )
    own_lease_duration_used: bool = mistake(
        "k/k#47671", "safety", "Candidates wait for their own lease duration instead of the one that the holder has recorded."
    )
    # writes
    update_without_resource_version: bool = mistake(
        "Kubernetes API concepts, resource versions",
        "safety",
        "Updates carry no resource version and are taken: two candidates that saw the lease expire both get it.",
    )
    unknown_outcome_taken_as_renewed: bool = mistake(
        "1b1630d32", "safety", "A leader whose renewal got no answer goes on as if it had been applied."
    )
    fast_path_without_fallback: bool = mistake(
        "1b1630d32",
        "liveness",
        "After a renewal that was applied but not answered a leader tries the old version again instead of reading the new one.",
    )
    failed_update_forgets_lease: bool = mistake(
        "ovn-kubernetes#3070", "liveness", "A failed update replaces the remembered Lease by nothing, so it can not be released."
    )
    # the end of a leadership
    deadline_waits_for_answer: bool = mistake(
        "k/k#65094", "safety", "A request without an answer keeps the renew deadline from ending the leadership."
    )
    lost_leader_keeps_renewing: bool = mistake(
        "k/k#44887", "safety", "A leader that has reported its lease as lost neither ends its work nor stops renewing."
    )


NO_FAULTS = Faults()

MISTAKES = mistakes_of(Faults)
"""Every switch of Faults by name, with its Mistake."""

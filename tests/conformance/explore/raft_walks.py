"""Models of every feature of the binding, and random ways through them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Action, Model

FEATURES = {
    "plain": Setup(3, terms=3, proposals=3, heartbeats=2, messages=6),
    "crash": Setup(3, terms=3, proposals=2, crashes=3, drops=3, duplicates=2, messages=6, elected=True),
    "check_quorum": Setup(
        3, terms=4, proposals=2, crashes=1, heartbeats=4, messages=6, pre_vote=True, check_quorum=True, forget_leader=True
    ),
    "rollout": Setup(3, terms=4, proposals=2, crashes=3, messages=6, pre_vote=True, pre_vote_rollout=True),
    "transfer": Setup(3, terms=3, proposals=2, heartbeats=3, transfers=3, messages=6, forward_proposals=True, elected=True),
    "partition": Setup(3, terms=4, proposals=2, heartbeats=3, stops=1, partitions=3, messages=6, elected=True),
    "lossy": Setup(3, terms=3, proposals=2, messages=6, lossy=True, endless_heartbeats=True, elected=True),
    "single_changes": Setup(
        4, terms=3, spares=1, proposals=1, heartbeats=3, changes=4, messages=6, add=True, remove=True, as_v2=True, elected=True
    ),
    "learners": Setup(
        4, terms=3, learners=1, crashes=1, heartbeats=3, changes=4, messages=6, promote=True, demote=True, elected=True
    ),
    "spare_learns": Setup(
        4, terms=3, spares=1, heartbeats=3, changes=3, messages=6, add_learner=True, promote=True, elected=True
    ),
    "joint": Setup(
        4, terms=3, learners=1, proposals=1, crashes=1, heartbeats=3, changes=2, messages=6, replace=True, elected=True
    ),
    "joint_explicit": Setup(
        4, terms=3, spares=1, crashes=1, heartbeats=3, changes=3, messages=6, replace=True, explicit=True, elected=True
    ),
    "leader_removed": Setup(
        3, terms=3, proposals=1, heartbeats=3, changes=2, messages=6, remove_leader=True, step_down_on_removal=True, elected=True
    ),
    "snapshot": Setup(
        3, terms=3, proposals=3, crashes=1, heartbeats=5, drops=4, compactions=3, messages=6, report_snapshots=True, elected=True
    ),
    "snapshot_joint": Setup(
        4,
        terms=3,
        learners=1,
        proposals=3,
        heartbeats=5,
        drops=4,
        changes=2,
        compactions=3,
        messages=6,
        replace=True,
        elected=True,
    ),
    "reads": Setup(3, terms=3, proposals=2, crashes=1, heartbeats=3, reads=4, read_retries=2, messages=6, elected=True),
    "slow": Setup(
        3,
        proposals=2,
        crashes=3,
        heartbeats=2,
        slow_writes=3,
        slow_answers=3,
        slow_applies=3,
        messages=6,
        vote_request_after_write=True,
        client=True,
    ),
    "slow_joint": Setup(
        4,
        terms=3,
        learners=1,
        proposals=2,
        crashes=3,
        heartbeats=3,
        changes=2,
        compactions=2,
        reads=2,
        slow_writes=2,
        slow_applies=4,
        messages=6,
        replace=True,
        vote_request_after_write=True,
        elected=True,
    ),
    "single_voter": Setup(1, terms=3, proposals=3, crashes=2, apply_while_writing=True, client=True),
    "apply_while_writing": Setup(
        3, terms=3, proposals=3, crashes=2, heartbeats=2, reads=2, messages=6, apply_while_writing=True, elected=True
    ),
    "pages": Setup(
        3,
        terms=3,
        proposals=3,
        heartbeats=4,
        drops=2,
        compactions=1,
        window=1,
        page_bytes=1,
        apply_bytes=1,
        messages=6,
        elected=True,
    ),
}


def walk(model: Model, seed: int, steps: int) -> Iterator[tuple[Action, GlobalState]]:
    """A random way; what arrives is more likely than what somebody does by himself, so that it leads somewhere."""
    random = Random(seed)
    state = first_state(model)
    for _ in range(steps):
        reached = list(successors(model, state))
        if not reached:
            return
        weights = [4 if action.name in ("receive", "write", "answer", "apply", "written") else 1 for action, _ in reached]
        [(action, state)] = random.choices(reached, weights)
        yield action, state

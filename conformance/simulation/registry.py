"""Every mistake that can be switched on: what it is, what it breaks, and how it shows.

The switches live where the mistakes are made: in the library (impl/raft/faults.py), in the application
(impl/cluster/faults.py), and, for what the original itself leaves open, in options. docs/faults.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kubeproof.conformance.simulation.scenarios import applications, elections, liveness, reads, replication, storage
from kubeproof.impl.cluster.faults import APPLICATION_MISTAKES, ApplicationFaults
from kubeproof.impl.cluster.member import Mistakes
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.faults import MISTAKES, Faults

Layer = Literal["library", "application", "original"]
Steps = Callable[[Script], None]
LIVENESS = "liveness_after_heal"
READS = "reads_are_linearizable"
PANIC = "no_panic"
CAMPAIGN = "config_change"


@dataclass(frozen=True, slots=True)
class Fault:
    """`breaks` is the property whose violation shows it first, in the schedule `steps` with `options`.

    `off` are options that mend what the original leaves open; for other layers the switch is turned off instead.
    """

    name: str
    layer: Layer
    reference: str
    sentence: str
    kind: str
    breaks: str
    steps: Steps
    options: Mapping[str, Any] = field(default_factory=dict)
    off: Mapping[str, Any] = field(default_factory=dict)


def mistakes(names: Iterable[str]) -> Mistakes:
    """The switches of these faults, turned on."""
    layers = {name: FAULTS[name].layer for name in names}
    return Mistakes(
        Faults(**{name: True for name, layer in layers.items() if layer == "library"}),
        ApplicationFaults(**{name: True for name, layer in layers.items() if layer == "application"}),
    )


def needed_options(names: Iterable[str]) -> dict[str, Any]:
    """The options that these faults need to show."""
    return {option: value for name in names for option, value in FAULTS[name].options.items()}


def _library(name: str, breaks: str, steps: Steps, **options: Any) -> Fault:
    mistake = MISTAKES[name]
    return Fault(name, "library", mistake.reference, mistake.sentence, mistake.kind, breaks, steps, options)


def _application(name: str, breaks: str, steps: Steps, **options: Any) -> Fault:
    mistake = APPLICATION_MISTAKES[name]
    return Fault(name, "application", mistake.reference, mistake.sentence, mistake.kind, breaks, steps, options)


_FAULTS = (
    _library("vote_erased_on_reset", "one_vote_per_term", elections.candidate_meets_winner_then_rival),
    _library("vote_granted_twice", "one_vote_per_term", elections.two_candidates_ask_one_voter),
    _library("vote_for_shorter_log", "vote_up_to_date", elections.candidate_with_a_shorter_log),
    _library("election_without_joint_quorum", "election_quorum", elections.candidate_with_half_of_a_joint_quorum),
    _library("learner_counted_as_voter", "commit_quorum", elections.learner_acknowledges),
    _library("campaign_with_unapplied_conf_change", CAMPAIGN, elections.campaign_before_applying_a_v1_change, apply_ms=(1, 1)),
    _library("second_change_admitted", "one_change_at_a_time", elections.two_removals_are_proposed_at_once),
    _library("unapplied_check_ignores_v2", CAMPAIGN, elections.campaign_before_applying_a_v2_change, apply_ms=(1, 1)),
    _library(
        "unapplied_check_skipped_for_transfer",
        CAMPAIGN,
        elections.transfer_before_applying,
        apply_ms=(1, 1),
        async_storage_writes=True,
    ),
    _library("commit_older_term_by_counting", "commit_quorum", replication.older_term_is_on_a_majority, max_size_per_msg=1),
    _library("commit_beyond_matched_prefix", "commit_quorum", replication.follower_holds_entries_of_a_lost_leader),
    _library("truncate_without_conflict", "log_matching", replication.old_append_arrives_again),
    _library(
        "compacted_prev_term_zero",
        "log_matching",
        replication.follower_needs_what_is_compacted,
        max_inflight_msgs=1,
        keep_entries=0,
    ),
    _library(
        "single_voter_commits_before_write",
        "commit_quorum",
        replication.single_voter_crashes_while_writing,
        apply_while_writing=True,
    ),
    _library(
        "pagination_skips_entries",
        "state_machine_safety",
        replication.follower_learns_of_several_commits_at_once,
        max_committed_size_per_ready=50,
    ),
    _library(
        "append_response_without_term", "state_machine_safety", storage.old_write_is_confirmed_late, async_storage_writes=True
    ),
    _library("read_index_before_own_commit", READS, reads.new_leader_is_asked_at_once),
    _library("read_index_context_reused", READS, reads.old_leader_gets_late_acknowledgements),
    _library("joint_conf_state_lost", "config_change", storage.member_restarts_in_a_joint_membership, keep_entries=0),
    _library("campaign_with_pending_snapshot", PANIC, storage.election_timeout_while_a_snapshot_is_stored, keep_entries=0),
    _library(
        "pre_vote_answered_with_own_term",
        LIVENESS,
        liveness.candidate_ahead_of_a_member_that_thinks_it_is_a_learner,
        pre_vote=True,
    ),
    _library("lower_term_pre_vote_ignored", LIVENESS, liveness.pre_vote_is_rolled_out),
    _library(
        "pre_candidate_keeps_leader", LIVENESS, liveness.leader_of_three_dies, pre_vote=True, check_quorum=True, election_tick=2
    ),
    _library("pre_candidate_keeps_votes", LIVENESS, liveness.votes_split, pre_vote=True),
    _library("stale_leader_unanswered", LIVENESS, liveness.cut_off_member_comes_back, check_quorum=True),
    _library("learner_refuses_votes", LIVENESS, liveness.promoted_without_knowing),
    _library("snapshot_that_demotes_refused", LIVENESS, liveness.voter_becomes_learner_by_snapshot, keep_entries=0),
    _library("snapshot_check_ignores_outgoing", LIVENESS, liveness.outgoing_voter_needs_a_snapshot, keep_entries=0),
    _library("auto_leave_only_by_proposer", LIVENESS, liveness.leader_of_a_joint_membership_dies, step_down_on_removal=True),
    _library("auto_leave_repeated", PANIC, liveness.joint_membership_with_more_to_apply, max_committed_size_per_ready=1),
    _library(
        "snapshot_ack_below_pending_ignored",
        LIVENESS,
        liveness.old_snapshot_arrives_instead,
        keep_entries=1,
        report_snapshots=False,
    ),
    _library(
        "inflight_bytes_leak", LIVENESS, liveness.windows_are_reset_again_and_again, max_inflight_bytes=100, max_size_per_msg=50
    ),
    _library("uncommitted_size_leak", LIVENESS, liveness.many_payloads_are_committed, max_uncommitted_entries_size=100),
    _library("read_index_dropped_before_own_commit", LIVENESS, liveness.read_before_the_first_commit),
    _library("commit_not_checked_after_removal", LIVENESS, liveness.removal_makes_a_quorum),
    _library("read_index_forwarded_with_term", LIVENESS, liveness.follower_is_asked_for_a_read),
    _application("vote_not_stored", "durable_state", applications.vote_then_restart),
    _application("hard_state_not_stored", "durable_state", applications.vote_then_restart),
    _application("sent_before_written", "durable_state", applications.vote_before_write_then_restart),
    _application("last_entries_lost_at_restart", "durable_state", applications.acknowledge_then_restart),
    _application("restored_from_backup", "durable_state", applications.acknowledge_then_restart),
    _application("empty_disk_at_restart", "durable_state", applications.acknowledge_then_restart),
    _application(
        "snapshot_labelled_with_last_index",
        "state_machine_safety",
        applications.snapshot_is_taken_while_entries_wait,
        keep_entries=0,
    ),
    _application("removal_not_applied", "config_change", applications.two_members_are_removed),
    _application("conf_change_applied_when_proposed", "config_change", applications.leader_proposes_removal),
    _application("bootstrapped_with_other_peers", "config_change", applications.cluster_starts),
    _application("removed_id_used_again", "durable_state", liveness.removed_member_is_replaced),
    _application(
        "entries_applied_over_snapshot",
        PANIC,
        applications.snapshot_overtakes_entries,
        apply_ms=(1, 1),
        keep_entries=0,
        max_size_per_msg=1,
    ),
    _application("read_served_locally", READS, applications.read_at_a_follower_that_lags),
    _application("read_served_before_applied", READS, applications.read_at_a_follower_that_lags),
    Fault(
        "vote_request_before_write",
        "original",
        "etcd-io/raft v3.7.0, AsyncStorageWrites",
        "With asynchronous storage writes MsgVote leaves before term, vote and log are written; a crash forgets what it said.",
        "known hole",
        "leader_completeness",
        storage.vote_request_outlives_its_term,
        {"async_storage_writes": True},
        off={"vote_request_after_write": True},
    ),
    Fault(
        "single_voter_reads_at_once",
        "original",
        "etcd-io/raft v3.7.0, stepLeader",
        "A single voter answers reads before it has committed an entry of its term; its old commit index need not be stored.",
        "known hole",
        READS,
        storage.single_voter_forgets_its_commit,
        off={"sync_commit": True},
    ),
    Fault(
        "lease_outlives_election",
        "original",
        "etcd-io/raft v3.7.0, ReadOnlyLeaseBased",
        "A leader serves lease-based reads for nearly two election timeouts after its last contact, its followers wait for one.",
        "known hole",
        READS,
        reads.old_leader_answers_under_its_lease,
        {"check_quorum": True, "lease_based_reads": True},
        off={"lease_based_reads": False},
    ),
)
FAULTS = {fault.name: fault for fault in _FAULTS}
"""Every fault by name."""

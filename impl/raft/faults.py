"""Historical mistakes of Raft libraries, as switches: each re-creates one where its guard stands. All are off by default.

References: etcd#N and raft#N are issues or pull requests of etcd-io/etcd and etcd-io/raft, a bare hash is a commit of etcd's
history, a section is the Raft paper's (extended version).
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.mistakes import mistake, mistakes_of


@dataclass(frozen=True, slots=True)
class Faults:
    """One switch for each mistake inside the library. (What applications do wrong is in cluster/faults.py.)"""

    # elections
    vote_erased_on_reset: bool = mistake("9d2a465", "safety", "A reset forgets the vote although the term stays the same.")
    vote_granted_twice: bool = mistake("section 5.2", "safety", "A vote is granted although another candidate has it.")
    vote_for_shorter_log: bool = mistake("section 5.4.1", "safety", "A vote is granted to a candidate whose log is behind.")
    election_without_joint_quorum: bool = mistake(
        "thesis section 4.3", "safety", "In a joint configuration a majority of the incoming half elects."
    )
    learner_counted_as_voter: bool = mistake("thesis section 4.2.1", "safety", "Learners count towards the quorum that commits.")
    campaign_with_unapplied_conf_change: bool = mistake(
        "etcd#7280", "safety", "A node campaigns with committed membership changes that it has not applied."
    )
    second_change_admitted: bool = mistake(
        "thesis section 4.1", "safety", "A leader takes a membership change while another one is not applied."
    )
    unapplied_check_ignores_v2: bool = mistake(
        "etcd#12133", "safety", "The guard against such campaigns knows only the older form of changes."
    )
    unapplied_check_skipped_for_transfer: bool = mistake(
        "etcd#12133", "safety", "A campaign for a leader transfer skips the guard against unapplied changes."
    )
    # replication
    commit_older_term_by_counting: bool = mistake(
        "section 5.4.2", "safety", "A leader commits entries of older terms by counting replicas."
    )
    commit_beyond_matched_prefix: bool = mistake(
        "section 5.3", "safety", "A follower commits what the leader has, not what the append has shown to match."
    )
    truncate_without_conflict: bool = mistake(
        "hashicorp/raft#113", "safety", "Every append cuts the log behind its entries, even where nothing conflicts."
    )
    compacted_prev_term_zero: bool = mistake(
        "raft#31", "safety", "An append behind a compacted entry is sent with term 0, which an empty follower takes for a match."
    )
    single_voter_commits_before_write: bool = mistake(
        "etcd#14370", "safety", "A single voter hands out an entry as committed before it is written."
    )
    pagination_skips_entries: bool = mistake(
        "etcd#9982", "safety", "Where a Ready's committed entries are cut for their size, the rest counts as handed out too."
    )
    append_response_without_term: bool = mistake(
        "raft#8", "safety", "The append thread's answer counts even if the log was rewritten since, in another term."
    )
    # reads
    read_index_before_own_commit: bool = mistake(
        "etcd#7331", "reads", "A new leader answers reads before it has committed an entry of its term."
    )
    read_index_context_reused: bool = mistake(
        "raft#397", "reads", "Heartbeats carry the request's own context, so an answer to an earlier try confirms a later read."
    )
    # liveness
    pre_vote_answered_with_own_term: bool = mistake(
        "etcd#8243", "liveness", "A pre-vote is granted with the voter's term, which the pre-candidate takes for an old message."
    )
    lower_term_pre_vote_ignored: bool = mistake(
        "etcd#8501", "liveness", "Pre-votes and leaders' messages of a lower term get no answer under PreVote."
    )
    pre_candidate_keeps_leader: bool = mistake(
        "etcd#9586", "liveness", "A pre-candidate goes on believing in the old leader, whose lease makes it refuse others."
    )
    pre_candidate_keeps_votes: bool = mistake("8edd37a", "liveness", "A new pre-campaign counts the votes of the last one.")
    stale_leader_unanswered: bool = mistake(
        "etcd#5468", "liveness", "With CheckQuorum a node of a higher term does not answer the leader of a lower one."
    )
    learner_refuses_votes: bool = mistake(
        "etcd#10998", "liveness", "A node that does not know of its promotion yet refuses to vote."
    )
    joint_conf_state_lost: bool = mistake(
        "e515a67", "safety", "A restart or a snapshot restores voters and learners only: a joint membership is forgotten."
    )
    campaign_with_pending_snapshot: bool = mistake(
        "etcd#12163", "panic", "A node campaigns while a snapshot waits to be stored, and looks for entries that are gone."
    )
    snapshot_that_demotes_refused: bool = mistake(
        "etcd#10864", "liveness", "A voter refuses the snapshot in which it is a learner."
    )
    snapshot_check_ignores_outgoing: bool = mistake(
        "etcd#12631", "liveness", "A node refuses the snapshot in which it is only an outgoing voter."
    )
    auto_leave_only_by_proposer: bool = mistake(
        "etcd#12136", "liveness", "Only the leader that proposed a joint change leaves it by itself: a new one never does."
    )
    auto_leave_repeated: bool = mistake(
        "etcd#11046", "panic", "A joint configuration is left several times, and the second time there is nothing to leave."
    )
    snapshot_ack_below_pending_ignored: bool = mistake(
        "raft#110", "liveness", "Acknowledgements below the pending snapshot do not end StateSnapshot."
    )
    inflight_bytes_leak: bool = mistake(
        "raft#54", "liveness", "Resetting the window of appends keeps its byte counter: it is full for ever."
    )
    uncommitted_size_leak: bool = mistake(
        "etcd#10167",
        "liveness",
        "Uncommitted bytes are added with the entry's overhead and taken off without: all is dropped at last.",
    )
    read_index_dropped_before_own_commit: bool = mistake(
        "etcd#12680", "liveness", "Reads that come before the leader's first commit are dropped instead of kept."
    )
    commit_not_checked_after_removal: bool = mistake(
        "2902537", "liveness", "A smaller quorum does not commit what it already has."
    )
    read_index_forwarded_with_term: bool = mistake(
        "etcd#6744", "liveness", "A forwarded read request gets a term, so a deposed leader drops it instead of passing it on."
    )


NO_FAULTS = Faults()

MISTAKES = mistakes_of(Faults)
"""Every switch of Faults by name, with its Mistake."""

"""What a Raft run must obey: the id, one sentence and the source of each property."""

from __future__ import annotations

from typing import NamedTuple


class Property(NamedTuple):
    """`id` is what results and manifests name it by."""

    id: str
    sentence: str
    source: str


ELECTION_SAFETY = Property("election_safety", "At most one leader is elected in a term.", "Raft paper, figure 3")
ONE_VOTE_PER_TERM = Property(
    "one_vote_per_term", "A node votes for at most one candidate in a term, across restarts too.", "Raft paper, section 5.2"
)
ELECTION_QUORUM = Property(
    "election_quorum",
    "A candidate becomes leader with the received votes of a majority, of both halves of a joint configuration.",
    "Raft paper, sections 5.2 and 6",
)
VOTE_UP_TO_DATE = Property(
    "vote_up_to_date",
    "A vote goes to a candidate whose log is at least as up to date as the voter's.",
    "Raft paper, section 5.4.1",
)
MONOTONE_TERM = Property(
    "monotone_term",
    "A node's term never goes down, and changes only as it becomes follower or candidate; a restart goes back to what is stored.",
    "Raft paper, figure 2",
)
MONOTONE_COMMIT = Property(
    "monotone_commit", "A node's commit index never goes down, except by a restart.", "Raft paper, figure 2"
)
COMMIT_QUORUM = Property(
    "commit_quorum",
    "A leader commits entries of its own term that a quorum of the configuration in force holds, and others commit what it told.",
    "Raft paper, sections 5.3, 5.4.2 and 6",
)
LOG_MATCHING = Property(
    "log_matching",
    "A follower accepts and acknowledges only entries behind a prefix that it shares with the leader.",
    "Raft paper, section 5.3",
)
LEADER_APPEND_ONLY = Property(
    "leader_append_only", "A leader only appends to its log, and every entry it announces.", "Raft paper, figure 3"
)
LEADER_ONLY = Property(
    "leader_only", "Only the leader of a term sends appends, heartbeats and snapshots.", "Raft paper, section 5"
)
LEADER_COMPLETENESS = Property(
    "leader_completeness", "A leader's log has every entry that was committed in an earlier term.", "Raft paper, figure 3"
)
STATE_MACHINE_SAFETY = Property(
    "state_machine_safety",
    "No two nodes commit or apply different entries at an index; entries are applied in order, snapshots cover committed ones.",
    "Raft paper, figure 3",
)
MESSAGE_ORIGIN = Property(
    "message_origin", "A message that is received was sent before, with these fields.", "Raft paper, section 5.1 (network model)"
)
CONFIG_CHANGE = Property(
    "config_change",
    "A node's configuration is the start's or a snapshot's, changed by the committed changes in the order of the log when it "
    "applies them; it campaigns only as a member without committed changes that it has not applied.",
    "Raft thesis, section 4; etcd-io/raft doc.go; etcd#7280, etcd#12133",
)
ONE_CHANGE_AT_A_TIME = Property(
    "one_change_at_a_time",
    "A leader takes no membership change while one in its log is not applied (judged where the source tells the options).",
    "Raft thesis, section 4.1; etcd-io/raft doc.go",
)
DURABLE_STATE = Property(
    "durable_state",
    "A node has after a restart whatever it had to store before an answer of it was delivered: term, vote, entries.",
    "Raft paper, figure 2 (persistent state); etcd-io/raft doc.go",
)
READS_ARE_LINEARIZABLE = Property(
    "reads_are_linearizable",
    "A read sees every entry that was applied anywhere before it was asked for.",
    "Raft thesis, section 6.4; etcd api guarantees",
)
NO_PANIC = Property("no_panic", "No node finds its own state impossible.", "etcd-io/raft (Logger.Panicf)")

PROPERTIES = (
    ELECTION_SAFETY,
    ONE_VOTE_PER_TERM,
    ELECTION_QUORUM,
    VOTE_UP_TO_DATE,
    MONOTONE_TERM,
    MONOTONE_COMMIT,
    COMMIT_QUORUM,
    LOG_MATCHING,
    LEADER_APPEND_ONLY,
    LEADER_ONLY,
    LEADER_COMPLETENESS,
    STATE_MACHINE_SAFETY,
    MESSAGE_ORIGIN,
    CONFIG_CHANGE,
    ONE_CHANGE_AT_A_TIME,
    DURABLE_STATE,
    READS_ARE_LINEARIZABLE,
    NO_PANIC,
)

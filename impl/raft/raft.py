"""One Raft node: its state, how it takes messages, and how its role changes (etcd raft.go).

The rest of the protocol is told in chapters, one module each: election, replication, snapshots, membership, reads, leadership
transfer (transfer), and what each role does with a message (roles). They are functions over the Raft object of this module.
"""

from __future__ import annotations

from kubeproof.impl.raft import election, membership, snapshots
from kubeproof.impl.raft.config import Config
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.log import RaftLog
from kubeproof.impl.raft.read_only import NumberedReads, ReadOnly, ReadsByRequestContext
from kubeproof.impl.raft.replication import append_entries, applied_to
from kubeproof.impl.raft.roles import step_candidate, step_follower, step_leader
from kubeproof.impl.raft.sizes import entries_size, payloads_size
from kubeproof.impl.raft.tracker import Progress, ProgressTracker
from kubeproof.impl.raft.types import (
    NO_ID,
    NO_LIMIT,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    SoftState,
    StateType,
)

_AFTER_APPEND = frozenset({MessageType.MsgAppResp, MessageType.MsgVoteResp, MessageType.MsgPreVoteResp})
_VOTE_REQUESTS = frozenset({MessageType.MsgVote, MessageType.MsgPreVote})
_FROM_LEADER = frozenset({MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap})


class Raft:
    """The state of one node. Times are in ticks.

    Messages wait in two queues: those in `messages` may leave at once, those in `messages_after_append` promise something and
    leave when all that is unstable now is durable. A node's votes and acknowledgements to itself take the second way too.
    """

    __slots__ = (
        "config",
        "election_elapsed",
        "faults",
        "heartbeat_elapsed",
        "id",
        "is_learner",
        "lead",
        "lead_transferee",
        "log",
        "logger",
        "max_uncommitted_size",
        "messages",
        "messages_after_append",
        "pending_conf_index",
        "pending_read_index_messages",
        "promises",
        "randomized_election_timeout",
        "read_only",
        "read_states",
        "state",
        "term",
        "trace",
        "tracker",
        "uncommitted_size",
        "vote",
    )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.id = config.id
        self.faults = config.faults
        self.logger = config.logger
        self.trace = config.trace
        self.log = RaftLog(config.storage, config.logger, config.max_committed_size_per_ready or config.max_size_per_msg)
        self.max_uncommitted_size = config.max_uncommitted_entries_size or NO_LIMIT
        self.promises = _AFTER_APPEND | _VOTE_REQUESTS if config.vote_request_after_write else _AFTER_APPEND

        self.term = 0
        self.vote = NO_ID
        self.lead = NO_ID
        self.state = StateType.StateFollower
        self.is_learner = False
        self.tracker = self.new_tracker()
        self.lead_transferee = NO_ID
        self.pending_conf_index = 0
        self.uncommitted_size = 0
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self.randomized_election_timeout = 0

        self.read_only: ReadOnly = self.new_read_only()
        self.read_states: list[ReadState] = []
        self.pending_read_index_messages: list[Message] = []
        self.messages: list[Message] = []
        self.messages_after_append: list[Message] = []
        self._start()

    def _start(self) -> None:
        """Begin with what the storage has (etcd newRaft)."""
        self.note("start")
        hard_state, conf_state = self.config.storage.initial_state()
        membership.restore_config(self, conf_state)
        if hard_state != HardState():
            self.load_state(hard_state)
        if self.config.applied > 0:
            self.log.applied_to(self.config.applied, 0)
        self.become_follower(self.term, NO_ID)
        if self.logger is not None:
            peers = ",".join(f"{peer:x}" for peer in self.tracker.voter_nodes())
            last_term, last_index = self.log.last_entry_id()
            self.logger.info(
                f"newRaft {self.id:x} [peers: [{peers}], term: {self.term}, commit: {self.log.committed}, "
                f"applied: {self.log.applied}, lastindex: {last_index}, lastterm: {last_term}]"
            )

    def load_state(self, hard_state: HardState) -> None:
        if not self.log.committed <= hard_state.commit <= self.log.last_index():
            raise RaftPanic(
                f"{self.id:x} state.commit {hard_state.commit} is out of range [{self.log.committed}, {self.log.last_index()}]"
            )
        self.log.committed = hard_state.commit
        self.term, self.vote = hard_state.term, hard_state.vote

    def new_tracker(self) -> ProgressTracker:
        config = self.config
        return ProgressTracker(
            config.max_inflight_msgs, config.max_inflight_bytes, leak_inflight_bytes=self.faults.inflight_bytes_leak
        )

    def new_read_only(self) -> ReadOnly:
        return ReadsByRequestContext() if self.faults.read_index_context_reused else NumberedReads()

    # ---- what others see

    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.committed)

    def soft_state(self) -> SoftState:
        return SoftState(self.lead, self.state)

    def note(self, action: str, subject: object = None) -> None:
        """Tell the trace, if there is one, what is happening."""
        if self.trace is not None:
            self.trace(action, self, subject)

    def send(self, message: Message) -> None:
        """Queue a complete message, sender and term included."""
        if message.type in self.promises:
            self.messages_after_append.append(message)
        else:
            if message.to == self.id:
                raise RaftPanic(f"message should not be self-addressed when sending {message.type.name}")
            self.messages.append(message)
        if self.trace is not None:
            self.trace("send", self, message)

    # ---- time

    def tick(self) -> None:
        """One tick of the node's clock."""
        if self.state is StateType.StateLeader:
            self._tick_heartbeat()
        else:
            self._tick_election()

    def _tick_election(self) -> None:
        self.election_elapsed += 1
        if self.election_elapsed >= self.randomized_election_timeout and election.promotable(self):
            self.election_elapsed = 0
            self.step(Message(MessageType.MsgHup, from_=self.id))

    def _tick_heartbeat(self) -> None:
        self.heartbeat_elapsed += 1
        self.election_elapsed += 1
        if self.election_elapsed >= self.config.election_tick:
            self.election_elapsed = 0
            if self.config.check_quorum:
                self.step(Message(MessageType.MsgCheckQuorum, from_=self.id))
            if self.state is StateType.StateLeader:
                self.lead_transferee = NO_ID  # a transfer that takes longer than that has failed
        if self.state is StateType.StateLeader and self.heartbeat_elapsed >= self.config.heartbeat_tick:
            self.heartbeat_elapsed = 0
            self.step(Message(MessageType.MsgBeat, from_=self.id))

    # ---- roles

    def reset(self, term: int) -> None:
        """What every change of role begins with."""
        if self.term != term or self.faults.vote_erased_on_reset:
            self.vote = NO_ID
        self.term = term
        self.lead = NO_ID
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self.randomized_election_timeout = self.config.draw_election_timeout(self.config.election_tick)
        self.lead_transferee = NO_ID
        self.tracker.reset_votes()
        last = self.log.last_index()
        progress = self.tracker.progress
        for member, old in progress.items():
            progress[member] = new = Progress(0, last + 1, self.tracker.new_inflights(), is_learner=old.is_learner)
            if member == self.id:
                new.match = last
        self.pending_conf_index = 0
        self.uncommitted_size = 0
        self.read_only = self.new_read_only()

    def become_follower(self, term: int, lead: int) -> None:
        self.reset(term)
        self.lead = lead
        self.state = StateType.StateFollower
        if self.logger is not None:
            self.logger.info(f"{self.id:x} became follower at term {term}")
        self.note("become_follower")

    def become_candidate(self) -> None:
        if self.state is StateType.StateLeader:
            raise RaftPanic("invalid transition [leader -> candidate]")
        self.reset(self.term + 1)
        self.vote = self.id
        self.state = StateType.StateCandidate
        if self.logger is not None:
            self.logger.info(f"{self.id:x} became candidate at term {self.term}")
        self.note("become_candidate")

    def become_pre_candidate(self) -> None:
        """Ask whether an election could be won. Neither term nor vote change (Raft thesis section 9.6)."""
        if self.state is StateType.StateLeader:
            raise RaftPanic("invalid transition [leader -> pre-candidate]")
        if not self.faults.pre_candidate_keeps_votes:
            self.tracker.reset_votes()
        if not self.faults.pre_candidate_keeps_leader:
            self.lead = NO_ID
        self.state = StateType.StatePreCandidate
        if self.logger is not None:
            self.logger.info(f"{self.id:x} became pre-candidate at term {self.term}")
        self.note("become_pre_candidate")

    def become_leader(self) -> None:
        if self.state is StateType.StateFollower:
            raise RaftPanic("invalid transition [follower -> leader]")
        self.reset(self.term)
        self.lead = self.id
        self.state = StateType.StateLeader
        own = self.tracker.progress[self.id]
        own.become_replicate()
        own.recent_active = True
        # There may be a membership change among the entries not applied yet: no other until all of them are.
        self.pending_conf_index = self.log.last_index()
        self.note("become_leader")
        if not append_entries(self, (Entry(0, 0, EntryType.EntryNormal),)):
            raise RaftPanic("empty entry was dropped")
        if self.logger is not None:
            self.logger.info(f"{self.id:x} became leader at term {self.term}")

    # ---- messages

    def step(self, message: Message) -> None:
        """Take one message. ErrProposalDropped if it is a proposal that cannot be taken."""
        if self.trace is not None:
            self.trace("receive", self, message)
        term = message.term
        if term > self.term:
            if not self._meet_higher_term(message):
                return
        elif 0 < term < self.term:
            self._answer_lower_term(message)
            return

        kind = message.type
        if kind is MessageType.MsgVote or kind is MessageType.MsgPreVote:
            election.answer_vote_request(self, message)
        elif kind is MessageType.MsgHup:
            election.hup(self, election.Campaign.PRE_ELECTION if self.config.pre_vote else election.Campaign.ELECTION)
        elif kind is MessageType.MsgStorageAppendResp:
            if message.index != 0:
                self.log.unstable.stable_to(message.index, message.log_term)
            if message.snapshot is not None:
                snapshots.applied(self, message.snapshot)
        elif kind is MessageType.MsgStorageApplyResp:
            if message.entries:
                applied_to(self, message.entries[-1].index, entries_size(message.entries))
                self.uncommitted_size = max(0, self.uncommitted_size - payloads_size(message.entries))
        elif self.state is StateType.StateFollower:
            step_follower(self, message)
        elif self.state is StateType.StateLeader:
            step_leader(self, message)
        else:
            step_candidate(self, message)

    def _meet_higher_term(self, message: Message) -> bool:
        """Follow a higher term, unless the message is a request that must not move ours. False if it is ignored."""
        kind = message.type
        if kind in _VOTE_REQUESTS and message.context != election.CAMPAIGN_TRANSFER and election.lease_protects_leader(self):
            election.log_ignored_vote_request(self, message)
            return False
        if kind is MessageType.MsgPreVote or (kind is MessageType.MsgPreVoteResp and not message.reject):
            # a pre-vote speaks of a term that nobody has entered yet
            return True
        if self.logger is not None:
            self.logger.info(
                f"{self.id:x} [term: {self.term}] received a {kind.name} message with higher term "
                f"from {message.from_:x} [term: {message.term}]"
            )
        self.become_follower(message.term, message.from_ if kind in _FROM_LEADER else NO_ID)
        return True

    def _answer_lower_term(self, message: Message) -> None:
        """Mostly ignore it. But with CheckQuorum or PreVote a term can rise here that nobody else hears of: say so."""
        kind = message.type
        answers_leader = (self.config.check_quorum and not self.faults.stale_leader_unanswered) or (
            self.config.pre_vote and not self.faults.lower_term_pre_vote_ignored
        )
        if answers_leader and kind in (MessageType.MsgHeartbeat, MessageType.MsgApp):
            # The leader steps down and an election frees the node that is stuck with the higher term (etcd#5451, etcd#5468).
            self.send(Message(MessageType.MsgAppResp, message.from_, self.id, self.term))
        elif kind is MessageType.MsgPreVote and not self.faults.lower_term_pre_vote_ignored:
            # While PreVote is rolled out, a candidate of a higher term may have the shorter log (etcd#8501).
            election.reject_vote_request(self, message)
        elif kind is MessageType.MsgStorageAppendResp:
            if self.faults.append_response_without_term:
                if message.index != 0:
                    self.log.unstable.stable_to(message.index, message.log_term)
            elif message.index != 0 and self.logger is not None:
                # Entries written under an old term may have been overwritten in the meantime, and the overwriting may still be
                # under way: the storage must not be trusted yet (etcd-io/raft#8).
                self.logger.info(
                    f"{self.id:x} [term: {self.term}] ignored entry appends from a {kind.name} message with lower term "
                    f"[term: {message.term}]"
                )
            if message.snapshot is not None:
                snapshots.applied(self, message.snapshot)  # a snapshot is committed state, whatever the term
        elif self.logger is not None:
            self.logger.info(
                f"{self.id:x} [term: {self.term}] ignored a {kind.name} message with lower term "
                f"from {message.from_:x} [term: {message.term}]"
            )

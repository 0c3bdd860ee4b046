package main

import (
	"maps"
	"reflect"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// What a member tells of itself. `state` is all that matters, in the words of conformance/bindings/raft/state.py and impl/raft/state.py, and
// as canonical.py there lets it forget; what is zero or empty is left out.

type situation struct {
	Role        string       `json:"role"`
	Term        uint64       `json:"term"`
	Log         []entry      `json:"log"`
	CommitIndex uint64       `json:"commit_index"`
	VotedFor    uint64       `json:"voted_for"`
	Leader      uint64       `json:"leader"`
	Progress    []seenMember `json:"progress,omitempty"`
	Events      []event      `json:"events,omitempty"`
	State       any          `json:"state"`
}

type entry struct {
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
	Data  string `json:"data,omitempty"`
}

type seenMember struct {
	Node       uint64 `json:"node"`
	MatchIndex uint64 `json:"match_index"`
	NextIndex  uint64 `json:"next_index"`
}

var roles = map[raft.StateType]string{
	raft.StateFollower: "follower", raft.StatePreCandidate: "pre_candidate", raft.StateCandidate: "candidate", raft.StateLeader: "leader",
}

func (m *member) observe() situation {
	status := m.node.BasicStatus()
	told := situation{
		Role:        roles[status.RaftState],
		Term:        status.GetTerm(),
		Log:         m.log(),
		CommitIndex: status.GetCommit(),
		VotedFor:    status.GetVote(),
		Leader:      status.Lead,
		Events:      m.events(),
		State:       m.state(),
	}
	if status.RaftState == raft.StateLeader {
		trackerOf(m.node).Visit(func(id uint64, progress *tracker.Progress) {
			if id != m.id {
				told.Progress = append(told.Progress, seenMember{id, progress.Match, progress.Next})
			}
		})
	}
	return told
}

// log is what it sees as its log, stored or not; what comes first stands for all that is compacted.
func (m *member) log() []entry {
	u := unstableOf(m.node)
	entries := fieldOf(u.Value, "entries").Interface().([]*pb.Entry)
	stored := *private[[]*pb.Entry](m.storage, "ents")
	var log []entry
	if snapshot := u.snapshot(); snapshot != nil {
		log = append(log, entry{Index: snapshot.GetMetadata().GetIndex(), Term: snapshot.GetMetadata().GetTerm()})
		stored = nil
	} else if len(entries) > 0 {
		stored = stored[:fieldOf(u.Value, "offset").Uint()-stored[0].GetIndex()]
	}
	for _, each := range slices.Concat(stored, entries) {
		log = append(log, entry{each.GetIndex(), each.GetTerm(), latin(each.Data)})
	}
	return log
}

func (m *member) state() object {
	told := object{"id": m.id, "node": nodeObject(m), "storage": storageObject(m.storage)}
	told.put("writes", each(m.writes, messageObject)).put("applies", each(m.applies, messageObject))
	told.put("answers", each(m.answers, func(answers []*pb.Message) any { return each(answers, messageObject) }))
	if m.ready != nil {
		told.put("ready", readyObject(m.ready))
	}
	return told.put("reads", each(m.reads, readObject)).put("pre_vote", m.preVote)
}

func nodeObject(m *member) object {
	node := object{"raft": raftObject(m)}
	node.put("prev_hard_state", hardStateObject(*private[*pb.HardState](m.node, "prevHardSt")))
	node.put("prev_soft_state", softStateObject(*private[*raft.SoftState](m.node, "prevSoftSt")))
	return node.put("steps_on_advance", each(*private[[]*pb.Message](m.node, "stepsOnAdvance"), messageObject))
}

func raftObject(m *member) object {
	r, status := raftOf(m.node), m.node.BasicStatus()
	messages := func(name string) []*pb.Message { return fieldOf(r, name).Interface().([]*pb.Message) }
	told := object{}
	told.put("term", status.GetTerm()).put("vote", status.GetVote()).put("lead", status.Lead)
	told.put("state", stateName(status.RaftState)).put("is_learner", fieldOf(r, "isLearner").Bool())
	told.put("lead_transferee", status.LeadTransferee).put("pending_conf_index", fieldOf(r, "pendingConfIndex").Uint())
	told.put("election_elapsed", uint64(fieldOf(r, "electionElapsed").Int()))
	told.put("randomized_election_timeout", uint64(fieldOf(r, "randomizedElectionTimeout").Int()))
	told.put("log", logObject(m.node)).put("tracker", trackerObject(m)).put("read_only", readOnlyObject(m.node))
	told.put("read_states", each(fieldOf(r, "readStates").Interface().([]raft.ReadState), readObject))
	told.put("pending_read_index_messages", each(messages("pendingReadIndexMessages"), messageObject))
	told.put("messages", each(byReceiver(messages("msgs")), messageObject))
	return told.put("messages_after_append", each(byReceiver(messages("msgsAfterAppend")), messageObject))
}

func logObject(node *raft.RawNode) object {
	log, u := logOf(node), unstableOf(node)
	unstable := object{}
	if snapshot := u.snapshot(); snapshot != nil {
		unstable.put("snapshot", snapshotObject(snapshot))
	}
	unstable.put("entries", each(fieldOf(u.Value, "entries").Interface().([]*pb.Entry), entryObject))
	unstable.put("offset", fieldOf(u.Value, "offset").Uint()).put("offset_in_progress", fieldOf(u.Value, "offsetInProgress").Uint())
	unstable.put("snapshot_in_progress", fieldOf(u.Value, "snapshotInProgress").Bool())
	told := object{}
	told.put("unstable", unstable).put("committed", fieldOf(log, "committed").Uint()).put("applying", fieldOf(log, "applying").Uint())
	told.put("applied", fieldOf(log, "applied").Uint()).put("applying_size", fieldOf(log, "applyingEntsSize").Uint())
	return told.put("applying_paused", fieldOf(log, "applyingEntsPaused").Bool())
}

func trackerObject(m *member) object {
	tracked := trackerOf(m.node)
	voters := object{}
	voters.put("incoming", members(tracked.Voters[0])).put("outgoing", members(tracked.Voters[1]))
	config := object{}
	config.put("voters", voters).put("learners", members(tracked.Learners)).put("learners_next", members(tracked.LearnersNext))
	config.put("auto_leave", tracked.AutoLeave)
	leads := m.node.BasicStatus().RaftState == raft.StateLeader
	var progress, votes []any
	tracked.Visit(func(id uint64, known *tracker.Progress) {
		progress = append(progress, []any{id, m.progressObject(known, leads)})
	})
	for _, id := range slices.Sorted(maps.Keys(tracked.Votes)) {
		votes = append(votes, []any{id, tracked.Votes[id]})
	}
	told := object{}
	return told.put("config", config).put("progress", progress).put("votes", votes)
}

// progressObject tells of a leader only: what others still know of theirs is forgotten when they are elected.
func (m *member) progressObject(known *tracker.Progress, leads bool) object {
	told := object{}
	told.put("is_learner", known.IsLearner)
	if !leads {
		return told.put("next", uint64(1)).put("state", "")
	}
	told.put("match", known.Match).put("next", known.Next).put("sent_commit", *private[uint64](known, "sentCommit"))
	if known.State != tracker.StateProbe {
		told.put("state", known.State.String())
	}
	told.put("pending_snapshot", known.PendingSnapshot).put("msg_app_flow_paused", known.MsgAppFlowPaused)
	// who was heard of matters to CheckQuorum, and to snapshots, which nobody else gets
	told.put("recent_active", known.RecentActive || !(m.setup.CheckQuorum || m.setup.Compactions > 0))
	if m.setup.Window > 0 {
		told.put("inflights", inflightsObject(known.Inflights))
	}
	return told
}

func inflightsObject(window *tracker.Inflights) object {
	start, buffer := *private[int](window, "start"), fieldOf(reflect.ValueOf(window).Elem(), "buffer")
	var messages []any
	for i := range window.Count() {
		message := buffer.Index((start + i) % *private[int](window, "size"))
		messages = append(messages, []any{fieldOf(message, "index").Uint(), fieldOf(message, "bytes").Uint()})
	}
	told := object{}
	return told.put("messages", messages).put("bytes", *private[uint64](window, "bytes"))
}

func readOnlyObject(node *raft.RawNode) object {
	readOnly := fieldOf(raftOf(node), "readOnly").Elem()
	unconfirmed := fieldOf(readOnly, "unconfirmedReads")
	var pending, acks []any
	for i := range unconfirmed.Len() {
		request := unconfirmed.Index(i).Elem()
		read := object{}
		read.put("request", messageObject(fieldOf(request, "req").Interface().(*pb.Message)))
		pending = append(pending, read.put("index", fieldOf(request, "index").Uint()))
	}
	acknowledged := fieldOf(readOnly, "acks").Interface().(map[uint64]uint64)
	for _, id := range slices.Sorted(maps.Keys(acknowledged)) {
		acks = append(acks, []any{id, acknowledged[id]})
	}
	told := object{}
	return told.put("pending", pending).put("confirmed", fieldOf(readOnly, "confirmedReads").Uint()).put("acks", acks)
}

func storageObject(storage *raft.MemoryStorage) object {
	hardState, _, _ := storage.InitialState()
	snapshot, _ := storage.Snapshot()
	told := object{}
	told.put("hard_state", hardStateObject(hardState)).put("snapshot", snapshotObject(snapshot))
	return told.put("entries", each(*private[[]*pb.Entry](storage, "ents"), entryObject))
}

func readyObject(ready *raft.Ready) object {
	told := object{}
	if ready.SoftState != nil {
		told.put("soft_state", softStateObject(ready.SoftState))
	}
	told.put("hard_state", hardStateObject(ready.HardState)).put("read_states", each(ready.ReadStates, readObject))
	told.put("entries", each(ready.Entries, entryObject)).put("committed_entries", each(ready.CommittedEntries, entryObject))
	if !raft.IsEmptySnap(ready.Snapshot) {
		told.put("snapshot", snapshotObject(ready.Snapshot))
	}
	return told.put("messages", each(ready.Messages, messageObject)).put("must_sync", ready.MustSync)
}

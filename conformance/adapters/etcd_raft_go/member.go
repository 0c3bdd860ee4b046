package main

import (
	"cmp"
	"errors"
	"math"
	"slices"

	clone "github.com/huandu/go-clone"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const electionTick, heartbeatTick = 10, 1

// local is a member between two events: node and storage, and what the application has in hand.
type local struct {
	node    *raft.RawNode
	storage *raft.MemoryStorage
	writes  []*pb.Message   // handed to the append thread
	answers [][]*pb.Message // of the append thread to its node, by write
	applies []*pb.Message   // handed to the apply thread
	ready   *raft.Ready     // being written, and applied already
	reads   []raft.ReadState
	preVote bool
}

func (l *local) copied() *local {
	copied := clone.Slowly(l).(*local)
	rebindTick(copied.node)
	return copied
}

// member drives a node in the order of conformance/bindings/raft/process.py.
type member struct {
	id    uint64
	setup *setup
	*local

	isKept  bool // others may come back to this local state: a step is taken by a copy
	applied uint64
	sent    []sent
}

func (m *member) start(storage *raft.MemoryStorage, preVote bool) {
	m.local = &local{storage: storage, preVote: preVote}
	m.isKept = false
	snapshot, _ := storage.Snapshot()
	m.applied = snapshot.GetMetadata().GetIndex()
	node, err := raft.NewRawNode(m.config())
	must(err)
	m.node = node
	m.settle()
	m.normalise()
}

func (m *member) config() *raft.Config {
	config := raft.Config{
		ID:                       m.id,
		ElectionTick:             electionTick,
		HeartbeatTick:            heartbeatTick,
		Storage:                  m.storage,
		Applied:                  m.applied,
		AsyncStorageWrites:       m.setup.asynchronous(),
		MaxSizePerMsg:            math.MaxUint64,
		MaxCommittedSizePerReady: m.setup.ApplyBytes,
		MaxInflightMsgs:          noWindow,
		CheckQuorum:              m.setup.CheckQuorum,
		PreVote:                  m.preVote,
		StepDownOnRemoval:        m.setup.StepDownOnRemoval,
		Logger:                   quiet{},
	}
	if m.setup.Window > 0 {
		config.MaxInflightMsgs = int(m.setup.Window)
	}
	if m.setup.PageBytes > 0 {
		config.MaxSizePerMsg = m.setup.PageBytes
	}
	if m.setup.LeaseBasedReads {
		config.ReadOnlyOption = raft.ReadOnlyLeaseBased
	}
	return &config
}

const noWindow = math.MaxInt32

// ---- what the node wants done

// settle carries out Readys until there is none, or one waits for its write.
func (m *member) settle() {
	for m.ready == nil && m.node.HasReady() {
		ready := m.node.Ready()
		switch {
		case m.setup.asynchronous():
			m.handOut(ready)
		case m.setup.ApplyWhileWriting:
			m.applyAndWrite(ready)
		default:
			m.write(ready)
		}
	}
}

func (m *member) write(ready raft.Ready) {
	m.store(ready.Snapshot, ready.Entries, ready.HardState)
	m.send(ready.Messages)
	m.confirm(ready.ReadStates)
	m.apply(ready.CommittedEntries)
	m.node.Advance(ready)
}

func (m *member) applyAndWrite(ready raft.Ready) {
	m.apply(ready.CommittedEntries)
	ready.Messages = byReceiver(ready.Messages)
	m.ready = &ready
	if !ready.MustSync {
		m.written()
	}
}

func (m *member) written() {
	ready := *m.ready
	m.ready = nil
	m.store(ready.Snapshot, ready.Entries, ready.HardState)
	m.send(ready.Messages)
	m.confirm(ready.ReadStates)
	m.node.Advance(ready)
}

// ---- the append thread and the apply thread

func (m *member) handOut(ready raft.Ready) {
	m.confirm(ready.ReadStates)
	for _, message := range ready.Messages {
		switch message.GetTo() {
		case raft.LocalAppendThread:
			m.handToAppendThread(message)
		case raft.LocalApplyThread:
			m.applies = append(m.applies, message)
			if !m.setup.isAmongLast(m.id, m.setup.SlowApplies) {
				m.applyNext()
			}
		default:
			m.send([]*pb.Message{message})
		}
	}
}

func (m *member) handToAppendThread(work *pb.Message) {
	if m.setup.SentBeforeWritten {
		m.send(m.toOthers(work.Responses))
	}
	work.Responses = byReceiver(work.Responses)
	m.writes = append(m.writes, work)
	if !m.setup.isAmongLast(m.id, m.setup.SlowWrites) {
		m.writeNext()
	}
}

func (m *member) writeNext() {
	work := m.writes[0]
	m.writes = m.writes[1:]
	m.store(work.Snapshot, work.Entries, &pb.HardState{
		Term: new(work.GetTerm()), Vote: new(work.GetVote()), Commit: new(work.GetCommit()),
	})
	if !m.setup.SentBeforeWritten {
		m.send(m.toOthers(work.Responses))
	}
	var answers []*pb.Message
	for _, message := range work.Responses {
		if message.GetTo() == m.id {
			answers = append(answers, message)
		}
	}
	if len(answers) > 0 {
		m.answers = append(m.answers, answers)
		if !m.setup.isAmongLast(m.id, m.setup.SlowAnswers) {
			m.hearAnswers()
		}
	}
}

func (m *member) hearAnswers() {
	oldest := m.answers[0]
	m.answers = m.answers[1:]
	for _, message := range oldest {
		must(m.node.Step(message))
	}
}

func (m *member) applyNext() {
	work := m.applies[0]
	m.applies = m.applies[1:]
	m.apply(work.Entries)
	for _, message := range work.Responses {
		must(m.node.Step(message))
	}
}

func (m *member) toOthers(messages []*pb.Message) []*pb.Message {
	return slices.DeleteFunc(slices.Clone(messages), func(each *pb.Message) bool { return each.GetTo() == m.id })
}

// ---- storing, sending, applying

func (m *member) store(snapshot *pb.Snapshot, entries []*pb.Entry, hardState *pb.HardState) {
	if !raft.IsEmptySnap(snapshot) {
		must(m.storage.ApplySnapshot(snapshot))
		m.applied = snapshot.GetMetadata().GetIndex()
	}
	must(m.storage.Append(entries))
	if !raft.IsEmptyHardState(hardState) {
		m.storeHardState(hardState)
	}
	if !raft.IsEmptySnap(snapshot) {
		m.serveReads()
	}
}

// storeHardState does not take the commit index back behind a snapshot, as a write that has waited might.
func (m *member) storeHardState(hardState *pb.HardState) {
	snapshot, _ := m.storage.Snapshot()
	vote := hardState.GetVote()
	if m.setup.VoteNotStored {
		vote = raft.None
	}
	must(m.storage.SetHardState(&pb.HardState{
		Term:   new(hardState.GetTerm()),
		Vote:   new(vote),
		Commit: new(max(hardState.GetCommit(), snapshot.GetMetadata().GetIndex())),
	}))
}

func (m *member) send(messages []*pb.Message) {
	for _, message := range messages {
		m.sent = append(m.sent, sentOf(message))
	}
}

// apply applies what is handed out, but for what a snapshot has overtaken since.
func (m *member) apply(entries []*pb.Entry) {
	covered := max(m.applied, unstableOf(m.node).snapshotIndex())
	for _, entry := range entries {
		if entry.GetIndex() > covered {
			m.applyEntry(entry)
		}
	}
	m.serveReads()
}

func (m *member) applyEntry(entry *pb.Entry) {
	m.applied = entry.GetIndex()
	switch entry.GetType() {
	case pb.EntryConfChange:
		var change pb.ConfChange
		must(proto.Unmarshal(entry.Data, &change))
		m.node.ApplyConfChange(&change)
	case pb.EntryConfChangeV2:
		var change pb.ConfChangeV2
		must(proto.Unmarshal(entry.Data, &change))
		m.node.ApplyConfChange(&change)
	}
}

// compact makes a snapshot of what is applied, and keeps nothing behind it.
func (m *member) compact() {
	_, err := m.storage.CreateSnapshot(m.applied, trackerOf(m.node).ConfState(), nil)
	must(err)
	hardState, _, _ := m.storage.InitialState()
	m.storeHardState(hardState)
	must(m.storage.Compact(min(m.applied, m.node.BasicStatus().Applied)))
}

// restart forgets what is not stored.
func (m *member) restart() {
	if m.setup.LastEntriesLostAtRestart {
		loseLastEntry(m.storage)
	}
	m.start(m.storage, m.setup.PreVote)
}

func loseLastEntry(storage *raft.MemoryStorage) {
	entries := private[[]*pb.Entry](storage, "ents")
	if len(*entries) < 2 {
		return
	}
	*entries = (*entries)[:len(*entries)-1]
	last := (*entries)[len(*entries)-1].GetIndex()
	hardState, _, _ := storage.InitialState()
	must(storage.SetHardState(&pb.HardState{
		Term: new(hardState.GetTerm()), Vote: new(hardState.GetVote()), Commit: new(min(hardState.GetCommit(), last)),
	}))
}

// ---- reads

func (m *member) confirm(reads []raft.ReadState) {
	m.reads = append(m.reads, reads...)
	m.serveReads()
}

// serveReads tells who is served, as a message to nobody else: the client is no member.
func (m *member) serveReads() {
	var waiting []raft.ReadState
	for _, read := range m.reads {
		if read.Index > m.applied {
			waiting = append(waiting, read)
			continue
		}
		m.sent = append(m.sent, sent{To: m.id, Type: served, Body: servedBody{string(read.RequestCtx), m.applied}})
	}
	m.reads = waiting
}

// ---- errors

// tolerate passes over errors by which the library says that it has not done what was asked.
func tolerate(err error) {
	if !errors.Is(err, raft.ErrProposalDropped) && !errors.Is(err, raft.ErrStepPeerNotFound) {
		must(err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func byReceiver(messages []*pb.Message) []*pb.Message {
	sorted := slices.Clone(messages)
	slices.SortStableFunc(sorted, func(one, other *pb.Message) int {
		return cmp.Compare(one.GetTo(), other.GetTo())
	})
	return sorted
}

package main

import (
	"encoding/json"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// servedBody says which read is answered, from the state as of which index.
type servedBody struct {
	Read  string `json:"read"`
	Index uint64 `json:"index"`
}

func sentOf(message *pb.Message) sent {
	told := sent{To: message.GetTo(), Type: message.GetType().String(), Body: messageObject(message), Term: message.GetTerm()}
	if message.GetType() == pb.MsgAppResp && !message.GetReject() {
		told.Acknowledges = proto.Uint64(message.GetIndex())
	}
	return told
}

type messageText struct {
	Type       string        `json:"type"`
	To         uint64        `json:"to"`
	From       uint64        `json:"from"`
	Term       uint64        `json:"term"`
	LogTerm    uint64        `json:"log_term"`
	Index      uint64        `json:"index"`
	Entries    []entryText   `json:"entries"`
	Commit     uint64        `json:"commit"`
	Vote       uint64        `json:"vote"`
	Snapshot   *snapshotText `json:"snapshot"`
	Reject     bool          `json:"reject"`
	RejectHint uint64        `json:"reject_hint"`
	Context    string        `json:"context"`
}

type entryText struct {
	Term  uint64 `json:"term"`
	Index uint64 `json:"index"`
	Type  string `json:"type"`
	Data  string `json:"data"`
}

type snapshotText struct {
	Index     uint64 `json:"index"`
	Term      uint64 `json:"term"`
	ConfState struct {
		Voters         []uint64 `json:"voters"`
		Learners       []uint64 `json:"learners"`
		VotersOutgoing []uint64 `json:"voters_outgoing"`
		LearnersNext   []uint64 `json:"learners_next"`
		AutoLeave      bool     `json:"auto_leave"`
	} `json:"conf_state"`
	Data string `json:"data"`
}

// messageOf is the message that a body tells; nothing of it is anybody else's.
func messageOf(body json.RawMessage) *pb.Message {
	var told messageText
	exitOn(json.Unmarshal(body, &told))
	message := &pb.Message{
		Type: pb.MessageType(pb.MessageType_value[told.Type]).Enum(), To: &told.To, From: &told.From, Term: &told.Term,
		LogTerm: &told.LogTerm, Index: &told.Index, Commit: &told.Commit, Vote: &told.Vote,
		Reject: &told.Reject, RejectHint: &told.RejectHint, Context: bytesOf(told.Context),
	}
	for _, each := range told.Entries {
		message.Entries = append(message.Entries, each.entry())
	}
	if told.Snapshot != nil {
		message.Snapshot = told.Snapshot.snapshot()
	}
	return message
}

// entry leaves the type of a normal entry out, as the library does when one is proposed: entries are limited by their size.
func (e entryText) entry() *pb.Entry {
	entry := &pb.Entry{Term: &e.Term, Index: &e.Index, Data: bytesOf(e.Data)}
	if e.Type != "" {
		entry.Type = pb.EntryType(pb.EntryType_value[e.Type]).Enum()
	}
	return entry
}

func (s *snapshotText) snapshot() *pb.Snapshot {
	membership := &pb.ConfState{
		Voters: s.ConfState.Voters, Learners: s.ConfState.Learners, VotersOutgoing: s.ConfState.VotersOutgoing,
		LearnersNext: s.ConfState.LearnersNext, AutoLeave: &s.ConfState.AutoLeave,
	}
	return &pb.Snapshot{
		Data: bytesOf(s.Data), Metadata: &pb.SnapshotMetadata{Index: &s.Index, Term: &s.Term, ConfState: membership},
	}
}

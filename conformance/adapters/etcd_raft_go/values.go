package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// object is what is told of a value, by name; what is zero or empty is left out.
type object map[string]any

// put adds what is not zero or empty.
func (o object) put(name string, value any) object {
	switch value := value.(type) {
	case uint64:
		if value == 0 {
			return o
		}
	case string:
		if value == "" {
			return o
		}
	case bool:
		if !value {
			return o
		}
	case []any:
		if len(value) == 0 {
			return o
		}
	case object:
		if len(value) == 0 {
			return o
		}
	}
	o[name] = value
	return o
}

// ---- values of the library

func messageObject(message *pb.Message) any {
	told := object{}
	told.put("type", message.GetType().String()).put("to", message.GetTo()).put("from", message.GetFrom()).put("term", message.GetTerm())
	told.put("log_term", message.GetLogTerm()).put("index", message.GetIndex()).put("entries", each(message.Entries, entryObject))
	told.put("commit", message.GetCommit()).put("vote", message.GetVote())
	if !raft.IsEmptySnap(message.Snapshot) {
		told.put("snapshot", snapshotObject(message.Snapshot))
	}
	told.put("reject", message.GetReject()).put("reject_hint", message.GetRejectHint()).put("context", latin(message.Context))
	return told.put("responses", each(message.Responses, messageObject))
}

func entryObject(e *pb.Entry) any {
	told := object{}
	told.put("term", e.GetTerm()).put("index", e.GetIndex()).put("data", latin(e.Data))
	if e.GetType() != pb.EntryNormal {
		told.put("type", e.GetType().String())
	}
	return told
}

func snapshotObject(snapshot *pb.Snapshot) object {
	metadata := snapshot.GetMetadata()
	state := metadata.GetConfState()
	membership := object{}
	membership.put("voters", ids(state.GetVoters())).put("learners", ids(state.GetLearners()))
	membership.put("voters_outgoing", ids(state.GetVotersOutgoing())).put("learners_next", ids(state.GetLearnersNext()))
	membership.put("auto_leave", state.GetAutoLeave())
	told := object{}
	told.put("index", metadata.GetIndex()).put("term", metadata.GetTerm()).put("conf_state", membership)
	return told.put("data", latin(snapshot.GetData()))
}

func hardStateObject(state *pb.HardState) object {
	told := object{}
	return told.put("term", state.GetTerm()).put("vote", state.GetVote()).put("commit", state.GetCommit())
}

func softStateObject(state *raft.SoftState) object {
	told := object{}
	return told.put("lead", state.Lead).put("raft_state", stateName(state.RaftState))
}

func readObject(read raft.ReadState) any {
	told := object{}
	return told.put("index", read.Index).put("request_ctx", latin(read.RequestCtx))
}

func stateName(state raft.StateType) string {
	if state == raft.StateFollower {
		return ""
	}
	return state.String()
}

// ---- texts and lists

// latin is bytes as text, a character each.
func latin(data []byte) string {
	var text []rune
	for _, each := range data {
		text = append(text, rune(each))
	}
	return string(text)
}

func bytesOf(text string) []byte {
	var data []byte
	for _, each := range text {
		data = append(data, byte(each))
	}
	return data
}

func each[T any](values []T, told func(T) any) []any {
	var list []any
	for _, value := range values {
		list = append(list, told(value))
	}
	return list
}

func ids(list []uint64) []any { return each(sorted(list), func(id uint64) any { return id }) }

func members[T ~map[uint64]struct{}](set T) []any { return ids(slices.Collect(maps.Keys(set))) }

func sorted(list []uint64) []uint64 { return slices.Sorted(slices.Values(list)) }

func itoa(number uint64) string { return strconv.FormatUint(number, 10) }

// canonicalText is JSON with its keys in order, as it is told.
func canonicalText(text json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	exitOn(decoder.Decode(&value))
	canonical, err := json.Marshal(value)
	exitOn(err)
	return string(canonical)
}

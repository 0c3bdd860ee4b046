package main

import (
	"cmp"
	"encoding/json"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// begin is a member that has started for the first time, from an empty disk that knows the first membership.
func begin(id uint64, setup *setup) *member {
	if setup.Elected {
		return elected(setup)[id-1]
	}
	return started(id, setup)
}

func started(id uint64, setup *setup) *member {
	m := &member{id: id, setup: setup}
	m.start(emptyDisk(setup), setup.PreVote && !setup.PreVoteRollout)
	return m
}

func emptyDisk(setup *setup) *raft.MemoryStorage {
	storage := raft.NewMemoryStorage()
	membership := &pb.ConfState{Voters: between(1, setup.voters()), Learners: between(setup.voters()+1, setup.present())}
	*private[*pb.Snapshot](storage, "snapshot") = &pb.Snapshot{
		Metadata: &pb.SnapshotMetadata{Index: new(uint64(0)), Term: new(uint64(0)), ConfState: membership},
	}
	return storage
}

// elected is a cluster in which member 1 leads term 1 and its first entry is committed everywhere.
func elected(setup *setup) []*member {
	unhurt := *setup
	unhurt.VoteNotStored, unhurt.SentBeforeWritten, unhurt.LastEntriesLostAtRestart = false, false, false
	var members []*member
	for _, id := range between(1, setup.Members) {
		members = append(members, started(id, &unhurt))
	}
	members[0].do(event{Name: campaign})
	under := members[0].sent
	for {
		work := slices.IndexFunc(members, func(m *member) bool { return len(m.workInHand()) > 0 })
		switch {
		case work >= 0:
			m := members[work]
			m.do(event{Name: m.workInHand()[0]})
			under = append(under, m.sent...)
		case len(under) > 0:
			slices.SortStableFunc(under, inOrder)
			m, next := members[under[0].To-1], under[0]
			text, err := json.Marshal(next.Body)
			must(err)
			m.receive(arriving{next.Type, text})
			under = append(under[1:], m.sent...)
		default:
			for _, m := range members {
				m.setup = setup
			}
			return members
		}
	}
}

// inOrder is the order in which conformance/bindings/raft/prepare.py delivers messages: whose vote comes too late has not voted.
func inOrder(one, other sent) int {
	return cmp.Or(cmp.Compare(one.To, other.To), cmp.Compare(one.Type, other.Type))
}

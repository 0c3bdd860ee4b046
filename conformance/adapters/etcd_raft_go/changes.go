package main

import (
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// leave ends a joint membership; other changes are written as in etcd-io/raft's datadriven files: v1 l2 r3.
const leave = "leave"

// single is a change of one member's place.
type single struct {
	kind   byte
	target uint64
}

// menu is what may be proposed to a leader that counts by this membership (conformance/bindings/raft/changes.py).
func (s *setup) menu(current *pb.ConfState) []string {
	if len(current.VotersOutgoing) > 0 {
		if s.Explicit {
			return []string{leave}
		}
		return nil
	}
	var changes []string
	for _, each := range s.singles() {
		if each.changes(current) {
			changes = append(changes, textOf(each))
		}
	}
	old, newcomers := s.voters(), slices.Concat(s.learnerIDs(), s.spareIDs())
	if s.Replace && len(newcomers) > 0 && slices.Contains(current.Voters, old) && !slices.Contains(current.Voters, newcomers[0]) {
		changes = append(changes, textOf(single{'r', old})+" "+textOf(single{'v', newcomers[0]}))
	}
	return changes
}

func (s *setup) learnerIDs() []uint64 { return between(s.voters()+1, s.present()) }

func (s *setup) spareIDs() []uint64 { return between(s.present()+1, s.Members) }

func (s *setup) singles() []single {
	spares, promoted := s.spareIDs(), s.learnerIDs()
	if len(promoted) == 0 {
		promoted = spares
	}
	voters := between(1, s.voters())
	first := func(ids []uint64) []uint64 { return ids[:min(1, len(ids))] }
	var singles []single
	for _, each := range []struct {
		wanted bool
		kind   byte
		ids    []uint64
	}{
		{s.Add, 'v', first(spares)},
		{s.AddLearner, 'l', first(spares)},
		{s.Promote, 'v', first(promoted)},
		{s.Demote, 'l', voters[len(voters)-1:]},
		{s.Remove, 'r', voters[len(voters)-1:]},
		{s.RemoveTwo, 'r', voters[max(0, len(voters)-2):]},
		{s.RemoveLeader, 'r', voters[:1]},
	} {
		for _, id := range each.ids {
			if each.wanted {
				singles = append(singles, single{each.kind, id})
			}
		}
	}
	return singles
}

func (c single) changes(current *pb.ConfState) bool {
	switch c.kind {
	case 'v':
		return !slices.Contains(current.Voters, c.target)
	case 'l':
		return !slices.Contains(current.Learners, c.target)
	}
	return slices.Contains(current.Voters, c.target) && len(current.Voters) > 1
}

func textOf(c single) string { return string(c.kind) + itoa(c.target) }

// changeOf is what is proposed for a text of the menu.
func (s *setup) changeOf(text string) pb.ConfChangeI {
	if text == leave {
		return nil
	}
	changes, err := pb.ConfChangesFromString(text)
	exitOn(err)
	switch {
	case len(changes) > 1:
		return &pb.ConfChangeV2{Transition: s.transition().Enum(), Changes: changes}
	case s.AsV2:
		return &pb.ConfChangeV2{Changes: changes}
	}
	return &pb.ConfChange{Type: changes[0].Type, NodeId: proto.Uint64(changes[0].GetNodeId())}
}

func (s *setup) transition() pb.ConfChangeTransition {
	if s.Explicit {
		return pb.ConfChangeTransitionJointExplicit
	}
	return pb.ConfChangeTransitionJointImplicit
}

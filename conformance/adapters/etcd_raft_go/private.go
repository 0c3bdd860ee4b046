package main

import (
	"reflect"
	"unsafe"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Fields that the library keeps to itself, read for what a node tells of itself, and written where the clock is an input.

func fieldOf(value reflect.Value, name string) reflect.Value {
	field := value.FieldByName(name)
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
}

// private is where a field of a struct is.
func private[T any](owner any, name string) *T {
	return fieldOf(reflect.ValueOf(owner).Elem(), name).Addr().Interface().(*T)
}

func raftOf(node *raft.RawNode) reflect.Value {
	return fieldOf(reflect.ValueOf(node).Elem(), "raft").Elem()
}

func trackerOf(node *raft.RawNode) *tracker.ProgressTracker {
	return fieldOf(raftOf(node), "trk").Addr().Interface().(*tracker.ProgressTracker)
}

// stepLocally hands the node a message that RawNode lets nobody send: one of its own clock.
func stepLocally(node *raft.RawNode, message *pb.Message) error {
	return raftOf(node).Addr().Interface().(interface{ Step(*pb.Message) error }).Step(message)
}

type unstable struct{ reflect.Value }

func logOf(node *raft.RawNode) reflect.Value { return fieldOf(raftOf(node), "raftLog").Elem() }

func unstableOf(node *raft.RawNode) unstable { return unstable{fieldOf(logOf(node), "unstable")} }

func (u unstable) snapshot() *pb.Snapshot {
	return fieldOf(u.Value, "snapshot").Interface().(*pb.Snapshot)
}

func (u unstable) snapshotIndex() uint64 { return u.snapshot().GetMetadata().GetIndex() }

// normalise forgets the time that has passed, as conformance/bindings/raft/canonical.py does: timeouts are events. Only a follower's
// lease looks at the time since it has heard of its leader.
func (m *member) normalise() {
	r := raftOf(m.node)
	fieldOf(r, "randomizedElectionTimeout").SetInt(electionTick)
	fieldOf(r, "heartbeatElapsed").SetInt(0)
	fieldOf(r, "uncommittedSize").SetUint(0) // there is no limit to it
	status := m.node.BasicStatus()
	if !m.setup.CheckQuorum || status.Lead == raft.None || status.RaftState == raft.StateLeader {
		fieldOf(r, "electionElapsed").SetInt(0)
	}
}

// boundMethod is what a method value is in memory: code, and the receiver.
type boundMethod struct {
	code     uintptr
	receiver unsafe.Pointer
}

// rebindTick makes a copied node's clock its own: functions are copied as they are, and that of a tick has the node in it.
func rebindTick(node *raft.RawNode) {
	r := raftOf(node)
	tick := (**boundMethod)(fieldOf(r, "tick").Addr().UnsafePointer())
	*tick = &boundMethod{(*tick).code, r.Addr().UnsafePointer()}
}

package main

import (
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Events of conformance/bindings/raft/member.py, offered under the same conditions.
const (
	campaign, heartbeat, propose, restart = "campaign", "heartbeat", "propose", "restart"
	leaseEnds, electionTimeout            = "lease_ends", "election_timeout"
	changeMembership, transferLeader      = "change_membership", "transfer_leader"
	forgetLeader, compact, reportSnapshot = "forget_leader", "compact", "report_snapshot"
	written, write, answer, apply         = "written", "write", "answer", "apply"
	read, served                          = "read", "served" // asked by clients, never offered
)

var ownEvents = []string{
	leaseEnds, electionTimeout, changeMembership, transferLeader, forgetLeader, compact, reportSnapshot,
	written, write, answer, apply, read,
}

const succeeded, failed = "succeeded", "failed"

func (m *member) events() []event {
	events := m.clock()
	for _, work := range m.workInHand() {
		events = append(events, event{Name: work})
	}
	events = append(events, m.requests()...)
	if m.setup.Crashes > 0 && m.setup.mayCrash(m.id) {
		events = append(events, event{Name: restart})
	}
	return events
}

// clock is what comes with time. A follower under a lease must see it end before it campaigns.
func (m *member) clock() []event {
	var events []event
	status, r := m.node.BasicStatus(), raftOf(m.node)
	_, isVoter := trackerOf(m.node).Voters.IDs()[m.id]
	switch {
	case status.RaftState == raft.StateLeader:
		if m.setup.Heartbeats > 0 || m.setup.EndlessHeartbeats {
			events = append(events, event{Name: heartbeat})
		}
		if m.setup.CheckQuorum || status.LeadTransferee != raft.None {
			events = append(events, event{Name: electionTimeout})
		}
	case m.setup.CheckQuorum && status.Lead != raft.None && fieldOf(r, "electionElapsed").Int() < electionTick:
		events = append(events, event{Name: leaseEnds})
	case status.GetTerm() < m.setup.Terms && m.setup.mayCampaign(m.id) && isVoter:
		events = append(events, event{Name: campaign})
	}
	return events
}

func (m *member) workInHand() []string {
	var work []string
	if m.ready != nil {
		work = append(work, written)
	}
	if len(m.writes) > 0 {
		work = append(work, write)
	}
	if len(m.answers) > 0 {
		work = append(work, answer)
	}
	if len(m.applies) > 0 {
		work = append(work, apply)
	}
	return work
}

// requests are what clients and operators ask for.
func (m *member) requests() []event {
	var events []event
	status := m.node.BasicStatus()
	leads := status.RaftState == raft.StateLeader
	if m.setup.Proposals > 0 && (leads || (m.setup.ForwardProposals && status.Lead != raft.None)) {
		events = append(events, event{Name: propose})
	}
	if m.setup.ForgetLeader && status.Lead != raft.None && !leads {
		events = append(events, event{Name: forgetLeader})
	}
	if !leads {
		return events
	}
	membership := trackerOf(m.node).ConfState()
	if m.setup.Changes > 0 {
		for _, change := range m.setup.menu(membership) {
			events = append(events, event{changeMembership, change})
		}
	}
	if m.setup.Transfers > 0 {
		for _, voter := range sorted(membership.Voters) {
			events = append(events, event{transferLeader, voter})
		}
	}
	snapshot, _ := m.storage.Snapshot()
	if m.setup.Compactions > 0 && status.Applied > snapshot.GetMetadata().GetIndex() &&
		status.Applied < fieldOf(unstableOf(m.node).Value, "offset").Uint() {
		events = append(events, event{Name: compact})
	}
	if m.setup.ReportSnapshots {
		trackerOf(m.node).Visit(func(id uint64, progress *tracker.Progress) {
			if progress.State == tracker.StateSnapshot {
				events = append(events, event{reportSnapshot, fmt.Sprint(id, " ", succeeded)}, event{reportSnapshot, fmt.Sprint(id, " ", failed)})
			}
		})
	}
	return events
}

// ---- what each event does

func (m *member) do(happens event) {
	m.begin()
	switch happens.Name {
	case restart:
		m.restart()
		return
	case campaign:
		tolerate(m.node.Campaign())
	case leaseEnds:
		fieldOf(raftOf(m.node), "electionElapsed").SetInt(electionTick)
	case electionTimeout:
		m.leaderTimeout()
	case heartbeat:
		tolerate(stepLocally(m.node, &pb.Message{Type: pb.MsgBeat.Enum()}))
	case propose:
		tolerate(m.node.Propose(fmt.Appendf(nil, "p%d", m.id)))
	case changeMembership:
		tolerate(m.node.ProposeConfChange(m.setup.changeOf(happens.Argument.(string))))
	case transferLeader:
		m.node.TransferLeader(uint64(happens.Argument.(float64)))
	case forgetLeader:
		tolerate(m.node.ForgetLeader())
	case compact:
		m.compact()
	case reportSnapshot:
		m.reportSnapshot(happens.Argument.(string))
	case written:
		m.written()
	case write:
		m.writeNext()
	case answer:
		m.hearAnswers()
	case apply:
		m.applyNext()
	case read:
		m.node.ReadIndex(fmt.Append(nil, happens.Argument))
	default:
		exitOn(fmt.Errorf("expected one of the events that are offered, got %q", happens.Name))
	}
	m.settle()
	m.normalise()
}

// leaderTimeout is the tick at which a leader looks at its quorum and gives a transfer up, without the heartbeat of that tick.
func (m *member) leaderTimeout() {
	r := raftOf(m.node)
	fieldOf(r, "electionElapsed").SetInt(electionTick - 1)
	fieldOf(r, "heartbeatElapsed").SetInt(-1)
	m.node.Tick()
}

func (m *member) reportSnapshot(argument string) {
	id, outcome, _ := strings.Cut(argument, " ")
	member, err := strconv.ParseUint(id, 10, 64)
	exitOn(err)
	status := raft.SnapshotFailure
	if outcome == succeeded {
		status = raft.SnapshotFinish
	}
	m.node.ReportSnapshot(member, status)
}

func (m *member) receive(message arriving) {
	m.begin()
	if message.Type == served {
		return
	}
	tolerate(m.node.Step(messageOf(message.Body)))
	m.settle()
	m.normalise()
}

// begin is where every step begins: nothing is sent, and what is applied is known from the node and its storage.
func (m *member) begin() {
	snapshot, _ := m.storage.Snapshot()
	m.isKept = false
	m.sent = nil
	m.applied = max(m.node.BasicStatus().Applied, snapshot.GetMetadata().GetIndex())
	if m.ready != nil && len(m.ready.CommittedEntries) > 0 {
		m.applied = m.ready.CommittedEntries[len(m.ready.CommittedEntries)-1].GetIndex()
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"math"
)

// setup says how a node is configured and what may happen to it. The names are those of conformance/bindings/raft/setup.py, which says what
// they mean. Of budgets it matters only whether there is one: that is what a node offers; how often, the harness counts.
type setup struct {
	Members uint64 `json:"-"`

	Terms       uint64 `json:"terms"`
	Proposals   uint64 `json:"proposals"`
	Crashes     uint64 `json:"crashes"`
	Heartbeats  uint64 `json:"heartbeats"`
	Learners    uint64 `json:"learners"`
	Spares      uint64 `json:"spares"`
	Candidates  uint64 `json:"candidates"`
	Fragile     uint64 `json:"fragile"`
	Transfers   uint64 `json:"transfers"`
	Changes     uint64 `json:"changes"`
	Compactions uint64 `json:"compactions"`
	SlowWrites  uint64 `json:"slow_writes"`
	SlowAnswers uint64 `json:"slow_answers"`
	SlowApplies uint64 `json:"slow_applies"`
	Window      uint64 `json:"window"`
	PageBytes   uint64 `json:"page_bytes"`
	ApplyBytes  uint64 `json:"apply_bytes"`

	PreVote           bool `json:"pre_vote"`
	PreVoteRollout    bool `json:"pre_vote_rollout"`
	CheckQuorum       bool `json:"check_quorum"`
	ForgetLeader      bool `json:"forget_leader"`
	ForwardProposals  bool `json:"forward_proposals"`
	StepDownOnRemoval bool `json:"step_down_on_removal"`
	LeaseBasedReads   bool `json:"lease_based_reads"`
	ApplyWhileWriting bool `json:"apply_while_writing"`
	ReportSnapshots   bool `json:"report_snapshots"`
	EndlessHeartbeats bool `json:"endless_heartbeats"`
	Add               bool `json:"add"`
	AddLearner        bool `json:"add_learner"`
	Promote           bool `json:"promote"`
	Demote            bool `json:"demote"`
	Remove            bool `json:"remove"`
	RemoveLeader      bool `json:"remove_leader"`
	RemoveTwo         bool `json:"remove_two"`
	Replace           bool `json:"replace"`
	Explicit          bool `json:"explicit"`
	AsV2              bool `json:"as_v2"`
	Elected           bool `json:"elected"`

	// Mistakes of the application around the library, as in impl/cluster/faults.py.
	VoteNotStored            bool `json:"vote_not_stored"`
	SentBeforeWritten        bool `json:"sent_before_written"`
	LastEntriesLostAtRestart bool `json:"last_entries_lost_at_restart"`

	// Whether states that were told are kept, to be restored: long random ways do not need them.
	KeepsStates bool `json:"keeps_states"`
}

var defaults = setup{Terms: math.MaxInt64, Proposals: 1, Crashes: 1, Heartbeats: 1, KeepsStates: true}

func setupOf(asks call) *setup {
	options := defaults
	options.Members = asks.Members
	decoder := json.NewDecoder(bytes.NewReader(asks.Options))
	decoder.DisallowUnknownFields()
	exitOn(decoder.Decode(&options))
	return &options
}

func (s *setup) asynchronous() bool {
	return s.SlowWrites+s.SlowAnswers+s.SlowApplies > 0
}

// present is how many members there are in the first membership, of which the last ones are learners.
func (s *setup) present() uint64 { return s.Members - s.Spares }

func (s *setup) voters() uint64 { return s.present() - s.Learners }

func (s *setup) mayCampaign(id uint64) bool {
	if s.Candidates == 0 {
		return true
	}
	return id <= s.voters() && id > s.voters()-s.Candidates
}

func (s *setup) mayCrash(id uint64) bool {
	return s.Fragile == 0 || s.isAmongLast(id, s.Fragile)
}

func (s *setup) isAmongLast(id, count uint64) bool { return id > s.Members-count }

func between(first, last uint64) []uint64 {
	var ids []uint64
	for id := first; id <= last; id++ {
		ids = append(ids, id)
	}
	return ids
}

// A node of go.etcd.io/raft, unmodified, that answers node protocol v1 (docs/node-protocol.md): JSON lines on standard input and output.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"

	clone "github.com/huandu/go-clone"
	"google.golang.org/protobuf/runtime/protoimpl"
)

const version = 1

func main() {
	clone.MarkAsOpaquePointer(reflect.TypeFor[*protoimpl.MessageInfo]()) // type descriptions are shared, and large
	input, output := bufio.NewReaderSize(os.Stdin, 1<<16), bufio.NewWriterSize(os.Stdout, 1<<16)
	asked := &asked{known: map[place]*local{}}
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		exitOn(err)
		answer, err := json.Marshal(asked.answer(line))
		exitOn(err)
		output.Write(append(answer, '\n'))
		if input.Buffered() == 0 {
			exitOn(output.Flush())
		}
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type call struct {
	Call    string          `json:"call"`
	Node    uint64          `json:"node"`
	Members uint64          `json:"members"`
	Options json.RawMessage `json:"options"`
	State   json.RawMessage `json:"state"`
	Event   *event          `json:"event"`
	Message *arriving       `json:"message"`
}

// arriving is a message as it was sent; its body is ours.
type arriving struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`
}

type event struct {
	Name     string `json:"name"`
	Argument any    `json:"argument,omitempty"`
}

type sent struct {
	To           uint64  `json:"to"`
	Type         string  `json:"type"`
	Body         any     `json:"body"`
	Term         uint64  `json:"term"`
	Acknowledges *uint64 `json:"acknowledges,omitempty"`
}

type stepped struct {
	Sends []sent `json:"sends,omitempty"`
	Panic string `json:"panic,omitempty"`
}

// asked is the node of the last init or restore. Local states that it has told are kept, as they are, by what it has told:
// whoever is brought back to one is a copy.
type asked struct {
	member *member
	known  map[place]*local
}

// place is a node in a state that it has told.
type place struct {
	node  uint64
	setup setup
	state string
}

func (a *asked) answer(line []byte) any {
	var asks call
	exitOn(json.Unmarshal(line, &asks))
	if a.member == nil && (asks.Call == "step" || asks.Call == "observe") {
		return struct{}{} // behind a state that was not restored, where nobody looks
	}
	switch asks.Call {
	case "hello":
		return map[string]any{
			"version": version, "name": "go.etcd.io/raft v3.7.0", "restores": true,
			"options": defaults, "events": ownEvents,
		}
	case "init":
		a.member = begin(asks.Node, setupOf(asks))
		return struct{}{}
	case "restore":
		return map[string]bool{"restored": a.restore(asks)}
	case "step":
		return a.step(asks)
	case "observe":
		return a.observe()
	}
	exitOn(fmt.Errorf("expected a call, got %q", asks.Call))
	return nil
}

func (a *asked) restore(asks call) bool {
	a.member = nil
	setup := setupOf(asks)
	there, known := a.known[place{asks.Node, *setup, canonicalText(asks.State)}]
	if known {
		a.member = &member{id: asks.Node, setup: setup, local: there, isKept: true}
	}
	return known
}

func (a *asked) step(asks call) (told stepped) {
	if a.member.isKept {
		a.member.local = a.member.local.copied()
	}
	defer func() {
		if died := recover(); died != nil {
			told = stepped{Panic: fmt.Sprint(died)}
		}
	}()
	if asks.Event != nil {
		a.member.do(*asks.Event)
	} else {
		a.member.receive(*asks.Message)
	}
	return stepped{Sends: a.member.sent}
}

func (a *asked) observe() any {
	told := a.member.observe()
	if a.member.setup.KeepsStates {
		text, err := json.Marshal(told.State)
		exitOn(err)
		here := place{a.member.id, *a.member.setup, string(text)}
		if _, known := a.known[here]; !known {
			a.known[here] = a.member.local
			a.member.isKept = true
		}
	}
	return told
}

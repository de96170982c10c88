// Package roles says which keys of etcd each part of css-etcd reads and writes, and what has to change in etcd so that
// a role may do exactly that. All but [Present] and [Apply] is pure.
package roles

import (
	"slices"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Part is what a process does with a catalogue. A process that does several things needs the roles of all of them.
type Part string

// The parts.
const (
	Czar          Part = "czar"           // a view and a gate
	Agent         Part = "agent"          // those of a czar in another language
	Mirror        Part = "mirror"         // keeps a kvData that etcd alone writes
	MirrorCapture Part = "mirror-capture" // what that needs in addition where both sides write
	Coordinator   Part = "coordinator"    // carries drops out
	Worker        Part = "worker"         // publishes what a worker serves, or gives it to other processes
	HTTPWriter    Part = "http-writer"    // what css-sync serve needs in addition where it takes writes over HTTP
	Operator      Part = "operator"       // every command that changes something
	Reader        Part = "reader"         // every command that looks, and czars without a gate
)

// Parts are all of them.
var Parts = []Part{Czar, Agent, Mirror, MirrorCapture, Coordinator, Worker, HTTPWriter, Operator, Reader}

// Does says in a few words what a part does.
func (p Part) Does() string {
	return map[Part]string{
		Czar:          "a czar with a view and a gate",
		Agent:         "css-sync agent, which also tells of drops and czars",
		Mirror:        "css-sync serve that mirrors to MySQL",
		MirrorCapture: "in addition to mirror, where both sides write",
		Coordinator:   "css-sync serve that carries drops out",
		Worker:        "css-sync inventory publish and serve-shm, beside a worker",
		HTTPWriter:    "in addition, where css-sync serve takes writes over HTTP",
		Operator:      "the commands of css-sync that change something, and those that look",
		Reader:        "the commands of css-sync that look, and czars without a gate",
	}[p]
}

// Access is what may be done with the keys of a range, in etcd's words.
type Access string

// The kinds of access.
const (
	Read      Access = "read"
	Write     Access = "write"
	ReadWrite Access = "readwrite"
)

// Grant is a range of paths below the prefix, and what a part does there.
type Grant struct {
	Span   kv.Span
	Access Access
}

// mirrors is where daemons stand for election to be a mirror, and tell how it does.
const mirrors kv.Path = "mirror"

// Of returns what a part reads and writes. A condition of a transaction is a read; so is the watch of a view.
//
// Whoever writes in operations ([kv.Run]) puts its token into [kv.CommitPath]. It reads [kv.FencePath] each time, and
// puts it when an answer of etcd was lost.
func Of(p Part) []Grant {
	return table[p]
}

var table = map[Part][]Grant{
	Reader: {{kv.Everything, Read}},
	Czar:   slices.Concat(czar, []Grant{{kv.Below(csskey.Alive), Write}}),     // its confirmations
	Agent:  slices.Concat(czar, []Grant{{kv.Below(csskey.Alive), ReadWrite}}), // and those of others, of which it tells
	Mirror: slices.Concat(spellings, []Grant{
		{csskey.Catalogue, Read},
		{kv.Key(csskey.History), Read},
		{kv.Below(csskey.Inboxes), Read}, // who may write
		{kv.Below(csskey.Imports), Read},
		{kv.Below(mirrors), ReadWrite}, // its election, and how it does
	}),
	MirrorCapture: {
		{csskey.Catalogue, Write}, // what others wrote
		{kv.Below(csskey.Ref), Write},
		{kv.Below(csskey.Inboxes), Write}, // what was decided on
		{kv.Below(csskey.Czars), Read},    // whether queries may be running
		{kv.Below(csskey.Drops), Read},    // names that are being dropped do not come back
	},
	Coordinator: slices.Concat(spellings, []Grant{
		{csskey.Catalogue, Read},
		{kv.Below(csskey.Of(csskey.Databases)), Write}, // marks, and the removal of what is dropped
		{kv.Below(csskey.Empty), Write},                // with its database
		{kv.Key(csskey.History), Read},
		{kv.Key(csskey.Config), Read},
		{kv.Below(csskey.Drops), ReadWrite},
		{kv.Below(csskey.Czars), ReadWrite}, // registrations of czars that are silent end
		{kv.Below(csskey.Alive), ReadWrite},
		{kv.Below(csskey.Coordinators), ReadWrite}, // its election
	}),
	Worker: {
		{csskey.Catalogue, Read}, // its version, and whether it is there
		{kv.Below(csskey.Inventory), ReadWrite},
		{kv.Below(csskey.Publishers), ReadWrite}, // its election
	},
	HTTPWriter: slices.Concat(writer, []Grant{
		{kv.Below(csskey.Once), Write}, // notes of requests with an Idempotency-Key
	}),
	Operator: slices.Concat(writer, []Grant{
		{kv.Key(csskey.History), Write},   // the first write of a catalogue, and history-reset
		{kv.Key(csskey.Config), Write},    // drops settings set
		{kv.Below(csskey.Inboxes), Write}, // mirror --capture, mirror --once
		{kv.Below(csskey.Imports), Write}, // import mysql, export mysql
	}),
}

// writer is for every change of the catalogue and of drops.
var writer = []Grant{
	{kv.Everything, Read},
	{csskey.Catalogue, Write},
	{kv.Below(csskey.Fold), Write},
	{kv.Below(csskey.Ref), Write},
	{kv.Key(csskey.LastPartitioning), Write},
	{kv.Below(csskey.Drops), Write},
	{kv.Below(csskey.Czars), Write}, // drops evict
	{kv.Key(kv.CommitPath), Write},
	{kv.Key(kv.FencePath), Write},
}

// czar is for a gate and its view.
var czar = []Grant{
	{csskey.Catalogue, Read},
	{kv.Key(csskey.History), Read},      // every proof of a czar is of one history
	{kv.Key(csskey.Config), Read},       // the durations
	{kv.Below(csskey.Fold), Read},       // the names, after a registration
	{kv.Below(csskey.Drops), Read},      // the intents that it acknowledges and whose queries it ends
	{kv.Below(csskey.Acks), Write},      // its acknowledgements
	{kv.Below(csskey.Czars), ReadWrite}, // its registration
	{kv.Below(csskey.Inventory), Read},  // which workers are alive, and what they serve
}

// spellings is for what css-sync serve does at its start: it puts the spellings of names on record that came past us.
var spellings = []Grant{
	{kv.Below(csskey.Fold), ReadWrite},
	{kv.Key(kv.CommitPath), ReadWrite},
	{kv.Key(kv.FencePath), ReadWrite},
}

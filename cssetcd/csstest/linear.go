package csstest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what several clients did at the same time, and when.
type history struct {
	clock atomic.Int64       // gives calls and returns an order
	begun atomic.Pointer[op] // by any of the clients, last

	mu         sync.Mutex
	ops        []porcupine.Operation
	wrote      int
	overlapped int            // those during which another began or ended
	unknown    int            // those whose outcome nobody knows
	idle       int            // those that were not tried
	failed     map[string]int // by the kinds of the error
}

// record adds what became of an op. One that was not tried leaves nothing. One of unknown outcome may take effect until
// the end.
func (h *history) record(client int, called int64, o op, a answer) {
	returned := h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if returned > called+1 {
		h.overlapped++
	}
	switch {
	case a.idle, a.unknown && o.reads():
		h.idle++
		return
	case a.unknown:
		h.unknown++
		returned = math.MaxInt64
	case a.err != "":
		h.failed[a.err]++
	case a.rev > 0:
		h.wrote++
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: o, Call: called, Output: a, Return: returned})
}

// oneByOne says that the catalogue behaves as if one operation was done after the other. Groups have nothing to do with
// each other, but for the ids of partitionings, which the model leaves out.
var oneByOne = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		groups := map[int][]porcupine.Operation{}
		for _, o := range all {
			group := o.Input.(op).group
			groups[group] = append(groups[group], o)
		}
		return slices.Collect(maps.Values(groups))
	},
	Init: func() any { return newState() },
	Step: func(now, in, out any) (bool, any) {
		next := now.(*state).clone()
		possible := next.explains(in.(op), out.(answer))
		return possible, next
	},
	Equal: func(a, b any) bool { return reflect.DeepEqual(a, b) },
	Hash:  func(s any) uint64 { return uint64(s.(*state).last) },
}

// checkTime is how long one history may be searched for an order. Two writers take far less than a second.
const checkTime = time.Minute

// fault says why the history is not linearizable, "" when it is.
func (h *history) fault() string {
	result, info := porcupine.CheckOperationsVerbose(oneByOne, h.ops, checkTime)
	switch result {
	case porcupine.Ok:
		return ""
	case porcupine.Unknown:
		return "the search for an order took too long"
	}
	why := "the history is not linearizable"
	for _, orders := range info.PartialLinearizationsOperations() {
		if len(orders) == 0 {
			continue
		}
		longest := slices.MaxFunc(orders, func(a, b []porcupine.Operation) int { return len(a) - len(b) })
		why += h.explain(longest)
	}
	return why
}

// explain tells where the longest order of a group that can be explained ends, "" when that is the end.
func (h *history) explain(order []porcupine.Operation) string {
	if len(order) == 0 {
		return ""
	}
	now := newState()
	done := map[int64]bool{} // by the time of the call
	for _, o := range order {
		now.explains(o.Input.(op), o.Output.(answer))
		done[o.Call] = true
	}
	var rest []porcupine.Operation
	for _, o := range h.ops {
		if o.Input.(op).group == order[0].Input.(op).group && !done[o.Call] {
			rest = append(rest, o)
		}
	}
	if len(rest) == 0 {
		return ""
	}
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var out strings.Builder
	write := func(o porcupine.Operation) {
		fmt.Fprintf(&out, "\nclient %d, %d to %d: %v: %v", o.ClientId, o.Call, o.Return, o.Input, o.Output)
	}
	for _, o := range order[max(0, len(order)-8):] {
		write(o)
	}
	fmt.Fprintf(&out, "\nnow there is %v, and these do not follow:", now)
	for _, o := range rest[:min(len(rest), 4)] {
		write(o)
	}
	return out.String()
}

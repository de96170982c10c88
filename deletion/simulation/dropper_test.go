package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

var errDropper = errors.New("the workers do not answer")

// remove has the data removed, and then frees the name. An attempt that is given up may still arrive at the workers,
// much later.
func (k *coordinator) remove(lead protocol.Leadership, a protocol.Action, done func()) {
	w := k.w
	delay := w.between(10*time.Millisecond, 300*time.Millisecond)
	if w.healing || !w.chance(0.3) {
		w.after(nil, delay, func() {
			w.removeRows(a)
			w.after(&k.process, delay, func() { k.removed(lead, a, done) })
		})
		return
	}
	w.tell("%s: the removal of %s is late", k.name, a.Name)
	w.after(nil, w.between(0, 3*timing.Wait), func() { w.removeRows(a) })
	w.after(&k.process, timeout, func() {
		k.send(func() {
			before := w.etcd.now
			// tried again
			_, _ = w.etcd.commit(fmt.Sprintf("%s: the removal of %s failed", k.name, a.Name), lead.Failed(a, errDropper))
			if w.etcd.now != before {
				w.oracle.led(w, lead, before, "failed")
			}
		}, func(bool) { done() })
	})
}

func (k *coordinator) removed(lead protocol.Leadership, a protocol.Action, done func()) {
	w := k.w
	k.send(func() {
		before := w.etcd.now
		have := w.etcd.read(protocol.SpellingReads(a.Name)...)
		_, _ = w.etcd.commit(fmt.Sprintf("%s: %s is removed", k.name, a.Name), lead.Removed(a, have)) // tried again
		if w.etcd.now != before {
			w.oracle.led(w, lead, before, "removed")
		}
	}, func(bool) { done() })
}

// removeRows is what the workers do when they are told to drop: they know the incarnation of what they hold.
func (w *world) removeRows(a protocol.Action) {
	db, _ := a.Name.Parts()
	for _, t := range a.Intent.Tables {
		n := protocol.TableName(db, t.Table)
		rows, there := w.rows[n]
		if !there || rows != t.Incarnation && w.without&protocol.RemoveByIncarnation == 0 {
			continue
		}
		w.oracle.removes(w, n, rows, t.Incarnation)
		w.tell("rows of %s, incarnation %d, are removed", n, rows)
		delete(w.rows, n)
	}
}

package simulation

import "time"

// event is something that happens at a time. That of a process waits while the process is paused and is lost with it.
type event struct {
	at  time.Duration
	seq uint64
	of  *process
	run func()

	held bool // by a pause
}

// queue holds what is still to happen, as a binary heap: container/heap would box each event.
type queue struct {
	all []event
	seq uint64
}

func (q *queue) less(i, j int) bool {
	a, b := &q.all[i], &q.all[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (q *queue) push(e event) {
	if e.seq == 0 {
		q.seq++
		e.seq = q.seq
	}
	q.all = append(q.all, e)
	for i := len(q.all) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q.all[i], q.all[up] = q.all[up], q.all[i]
		i = up
	}
}

// hurry lets what a pause held up happen now.
func (q *queue) hurry(now time.Duration) {
	all := q.all
	q.all = nil
	for _, e := range all {
		if e.held {
			e.at = now
		}
		q.push(e)
	}
}

func (q *queue) pop() event {
	top := q.all[0]
	n := len(q.all) - 1
	q.all[0] = q.all[n]
	q.all[n] = event{}
	q.all = q.all[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if q.less(child, least) {
				least = child
			}
		}
		if least == i {
			return top
		}
		q.all[i], q.all[least] = q.all[least], q.all[i]
		i = least
	}
}

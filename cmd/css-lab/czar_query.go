package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// A czar's pace.
const (
	queryPause  = 20 * time.Millisecond // between two chunk queries, which are of small tables here
	staleRetry  = 10 * time.Millisecond
	staleWithin = time.Second // as long is a query tried that was planned with a catalogue the gate has not seen yet
)

// czarQuery is one query, from its line to its end.
type czarQuery struct {
	*czarQueries
	names    []cssetcd.TableName
	duration time.Duration
	told     queryTold
	pieces   []piece // of its tables, to be asked for
}

// queryUse is what a query has from being admitted to its end.
type queryUse interface {
	MayDispatch() error
	Done() <-chan struct{}
	Release()
}

// ungated is the use of a query that nobody was asked about.
type ungated struct{}

func (ungated) MayDispatch() error    { return nil }
func (ungated) Done() <-chan struct{} { return nil }
func (ungated) Release()              {}

// run runs the query and tells what becomes of it. Its end is told before its tables are given back, so that who reads
// the lines never finds a table removed that a query still uses.
func (q *czarQuery) run() {
	use, err := q.admit()
	if err != nil {
		q.say(q.told.because(queryRefused, err))
		return
	}
	defer use.Release()
	began := time.Now()
	q.told.Event = queryAdmitted
	q.say(q.told)
	err = q.work(use, began.Add(q.duration))
	q.told.Event, q.told.Seconds = queryFinished, time.Since(began).Seconds()
	if err != nil {
		q.told = q.told.because(queryFailed, err)
	}
	q.say(q.told)
}

// admit plans the query and has it admitted. What was planned with a catalogue that the gate has not seen yet is
// planned anew.
func (q *czarQuery) admit() (queryUse, error) {
	for until := time.Now().Add(staleWithin); ; time.Sleep(staleRetry) {
		tables, err := q.plan()
		if err != nil {
			return nil, err
		}
		if q.gate == nil {
			return ungated{}, allReady(tables)
		}
		ref, err := q.gate.Admit(tables...)
		if err == nil {
			return ref, nil
		}
		if !errors.Is(err, deletion.ErrStale) || time.Now().After(until) {
			return nil, err
		}
	}
}

// plan finds the tables of the query, and their pieces, in one snapshot.
func (q *czarQuery) plan() (tables []*cssetcd.Table, err error) {
	s := q.view.Snapshot()
	q.told.Planned, q.pieces = s.Revision(), nil
	for _, n := range q.names {
		t, err := s.Table(n)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
		if len(q.workers) == 0 {
			continue
		}
		pieces, err := piecesOf(s, t)
		if err != nil {
			return nil, err
		}
		q.pieces = append(q.pieces, pieces...)
	}
	return tables, nil
}

// allReady is all that a czar without a gate looks at.
func allReady(tables []*cssetcd.Table) error {
	for _, t := range tables {
		if !t.Status.Ready() {
			return fmt.Errorf("%s: %w: it has the status %s", t.Name, deletion.ErrNotReady, t.Status)
		}
	}
	return nil
}

// work does what the query is for until its time is over. It returns when nothing of the query runs any more.
func (q *czarQuery) work(use queryUse, until time.Time) error {
	for i := 0; ; i++ {
		if err := q.step(use, i); err != nil {
			return err
		}
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		select {
		case <-use.Done():
			return use.MayDispatch() // it says why
		case <-time.After(min(left, queryPause)):
		}
	}
}

// step asks for the next piece, if that may be.
func (q *czarQuery) step(use queryUse, i int) error {
	if len(q.pieces) == 0 {
		return use.MayDispatch()
	}
	err := q.workers.ask(q.pieces[i%len(q.pieces)], use.MayDispatch)
	if err == nil {
		q.told.Chunks++
	}
	return err
}

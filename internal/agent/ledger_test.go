package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the exhaustive test does, in every order.
type act string

const (
	actOpen    act = "open"   // the session
	actLeave   act = "leave"  // it
	actAdd     act = "add"    // the next query
	actAskA    act = "ask A"  // about the first
	actAskB    act = "ask B"  // about the second
	actTakeA   act = "take A" // the first
	actPass    act = "pass"   // what is due
	actWait    act = "wait"   // a moment
	moments        = 2        // of ttl, and of hold
	longest        = 8        // of an order
	firstToken     = "A"
)

var acts = []act{actOpen, actLeave, actAdd, actAskA, actAskB, actTakeA, actPass, actWait}

// life is what has to become of a query, by its history and not by the ledger.
type life struct {
	word     int // when it was last heard of
	leftAt   int // when its session was left; -1: it was not
	taken    bool
	released bool
	told     bool
}

// endsAt is the moment from which on it may dispatch nothing.
func (l *life) endsAt() int {
	if l.leftAt >= 0 {
		return l.leftAt
	}
	return l.word + moments
}

// TestEveryOrderOfALife: what a ledger answers in every order of a few acts is what the history of each query says.
func TestEveryOrderOfALife(t *testing.T) {
	t.Parallel()
	orders := 0
	var extend func(order []act)
	extend = func(order []act) {
		if len(order) == longest {
			orders++
			if err := replay(order); err != nil {
				require.NoError(t, err, "%v", order)
			}
			return
		}
		for _, a := range acts {
			extend(append(order, a))
		}
	}
	extend([]act{actOpen, actAdd})
	require.Equal(t, 8*8*8*8*8*8, orders)
}

// replay does one order on a ledger beside the histories, and returns where they differ.
func replay(order []act) error {
	began := time.Unix(0, 0)
	l := newLedger[string](moments, moments)
	lives, open, now := map[string]*life{}, false, 0
	at := func() time.Time { return began.Add(time.Duration(now)) }
	ask := func(token string) error {
		keeps, got := l.ask(token, at())
		q, ok := lives[token]
		want := unknown
		switch {
		case !ok || q.taken || q.released:
		case now < q.endsAt():
			want, q.word = running, now
		case q.leftAt >= 0:
			want = left
		default:
			want = expired
		}
		if got != want || want != unknown && keeps != token {
			return fmt.Errorf("at %d ask %s is %d and not %d", now, token, got, want)
		}
		return nil
	}
	for i, a := range order {
		var err error
		switch a {
		case actOpen:
			l.open("s")
			open = true
		case actLeave:
			open = false
			err = leaveBoth(l, lives, now, at())
		case actAdd:
			token := string(rune('A' + len(lives)))
			if added := l.add(token, "s", token, at()); added != open {
				err = fmt.Errorf("at %d add is %v", now, added)
			} else if added {
				lives[token] = &life{word: now, leftAt: -1}
			}
		case actAskA:
			err = ask("A")
		case actAskB:
			err = ask("B")
		case actTakeA:
			_, ok := l.take(firstToken)
			q, there := lives[firstToken]
			if want := there && !q.taken && !q.released; ok != want {
				err = fmt.Errorf("at %d take is %v", now, ok)
			} else if ok {
				q.taken = true
			}
		case actPass:
			err = passBoth(l, lives, now, at())
		case actWait:
			now++
		}
		if err != nil {
			return fmt.Errorf("act %d: %w", i, err)
		}
	}
	now += 2 * moments // whatever happened, nothing is held for ever
	if err := passBoth(l, lives, now, at()); err != nil {
		return err
	}
	if len(l.queries) != 0 {
		return fmt.Errorf("%d queries are held for ever", len(l.queries))
	}
	return nil
}

func leaveBoth(l *ledger[string], lives map[string]*life, now int, at time.Time) error {
	var want []string
	for token, q := range lives {
		if !q.taken && !q.released && now < q.endsAt() {
			q.leftAt, q.told = now, true
			want = append(want, token)
		}
	}
	return same("leave", now, l.leave("s", at), want)
}

func passBoth(l *ledger[string], lives map[string]*life, now int, at time.Time) error {
	var wantEnded, wantOver []string
	for token, q := range lives {
		if q.taken || q.released || now < q.endsAt() {
			continue
		}
		if !q.told {
			q.told = true
			wantEnded = append(wantEnded, token)
		}
		if now >= q.endsAt()+moments {
			q.released = true
			wantOver = append(wantOver, token)
		}
	}
	ended, over := l.pass(at)
	if err := same("pass: ended", now, ended, wantEnded); err != nil {
		return err
	}
	return same("pass: over", now, over, wantOver)
}

func same(what string, now int, got, want []string) error {
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("at %d %s is %v and not %v", now, what, got, want)
	}
	return nil
}

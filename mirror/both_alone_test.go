package mirror_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crowd has others write two rows all the time: the first is locked but for an instant now and then, and the second for
// a part of that. No statement of theirs may fail. It ends with the test, or when stop is called.
func (w *world) crowd(first, second string) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for i := 0; ctx.Err() == nil; i++ {
				tx, err := w.sql.BeginTx(w.t.Context(), nil)
				if err != nil {
					return err
				}
				for _, key := range []string{first, second} {
					_, err := tx.ExecContext(w.t.Context(), "UPDATE kvData SET kvVal = ? WHERE kvKey = ?", fmt.Sprint(i), key)
					if err != nil {
						return err
					}
					time.Sleep(20 * time.Millisecond)
				}
				if err := tx.Commit(); err != nil {
					return err
				}
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		}()
	}()
	return func() {
		cancel()
		require.NoError(w.t, <-done)
	}
}

// Rule: a step gets its turn though others always have a row locked that it has to write, and nobody is ended for it.
func TestStepIsNotKeptOutForEver(t *testing.T) {
	t.Parallel()
	for name, atOnce := range map[string]bool{"at a take-over": true, "while it follows": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("/a", "0", "/b", "0")
			var many []string
			for i := range 100 {
				many = append(many, fmt.Sprintf("/many/%04d", i), "0")
			}
			w.put(many...)
			w.shared()
			write := func() {
				for i := 1; i < len(many); i += 2 {
					many[i] = "1"
				}
				w.put(append(many, "/a", "etcd", "/b", "etcd")...)
			}
			m := w.mirror(w.sharing)
			var stop func()
			if atOnce {
				write()
				stop = w.crowd("/a", "/b")
				w.run(m)
			} else {
				w.run(m)
				awaitStatus(t, m, following)
				stop = w.crowd("/a", "/b")
				write()
			}
			shows := func() bool { return w.rows()["/many/0099"].value == "1" }
			assert.Eventually(t, shows, patience, 10*time.Millisecond)
			stop()
			w.rest()
		})
	}
}

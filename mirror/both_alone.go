package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// kept reports whether others were in the way of a step, which has changed nothing.
func kept(err error) bool { return errors.Is(err, kvdata.ErrOvertaken) || errors.Is(err, ErrBusy) }

// keptOut notes that others were in the way of a step.
func (b *sharing) keptOut() {
	if b.blocked.IsZero() {
		b.blocked = time.Now()
	}
}

// crowded reports whether others have been in the way of each step for so long that the table is to be held for the
// next: the longer it takes the more rows it writes, and the less likely are all of them free at the same time.
func (m *Mirror) crowded(b *sharing) bool {
	return !b.blocked.IsZero() && time.Since(b.blocked) > m.pace.crowded
}

// Tries to hold the table: an instant has to be met at which nobody has a transaction open.
const (
	holdTries = 50
	holdPause = time.Millisecond
)

// alone does something while nobody else can write kvData. It fails with ErrBusy, and has done nothing, where
// transactions of others were open whenever it looked.
func (m *Mirror) alone(ctx context.Context, s *session, do func(context.Context) error) error {
	for try := 1; ; try++ {
		err := s.db.Hold(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrBusy) || try == holdTries {
			return err
		}
		if err := wait.UpTo(ctx, holdPause); err != nil {
			return err
		}
	}
	short, cancel := context.WithTimeout(ctx, s.timeout/2) // others wait meanwhile, and etcd may not answer
	defer cancel()
	err := do(short)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: etcd did not answer while the table was held: %w", ErrBusy, err)
	}
	return errors.Join(err, s.db.Release(ctx))
}

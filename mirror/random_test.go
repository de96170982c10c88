package mirror_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

// strife is a catalogue that changes while others write into kvData and break connections.
type strife struct {
	*world
	r *rand.Rand
}

// key returns a key of any kind, many of which the table cannot hold.
func (s strife) key() string {
	segment := []string{"a", "a", "A", "á", "b", "b ", "x'\\", "", "😀", "\xff", strings.Repeat("n", 130)}
	key := "/DBS"
	for range 1 + s.r.IntN(3) {
		key += "/" + segment[s.r.IntN(len(segment))]
	}
	return key
}

func (s strife) value() string {
	values := []string{"", "READY", "it's \\ \x00", "é", "😀", strings.Repeat("v", 70_000), fmt.Sprint(s.r.IntN(100))}
	return values[s.r.IntN(len(values))]
}

// change changes the catalogue in one transaction.
func (s strife) change() {
	var ops []clientv3.Op
	seen := map[string]bool{}
	for range 1 + s.r.IntN(5) {
		key := s.key()
		if seen[key] {
			continue
		}
		seen[key] = true
		if s.r.IntN(3) == 0 {
			ops = append(ops, s.opDelete(key))
		} else {
			ops = append(ops, s.opPut(key, s.value()))
		}
	}
	s.txn(ops...)
}

// meddle writes into kvData as others do. What the table refuses is refused.
func (s strife) meddle() {
	statements := []string{
		"UPDATE kvData SET kvVal = CONCAT(LEFT(kvVal, 9), 'theirs') ORDER BY RAND() LIMIT 2",
		"DELETE FROM kvData WHERE kvKey LIKE '/DBS/%' ORDER BY LENGTH(kvKey) DESC LIMIT 2",
		"INSERT INTO kvData (kvKey, kvVal) VALUES (CONCAT('/DBS/theirs', FLOOR(RAND() * 50)), 'theirs')",
		"INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/b', 'theirs')",
		"UPDATE kvData SET kvKey = CONCAT(kvKey, 'x') WHERE LENGTH(kvKey) < 200 ORDER BY RAND() LIMIT 1",
		"UPDATE kvData SET parentKvId = NULL ORDER BY RAND() LIMIT 1",
		"UPDATE kvData SET kvId = kvId + 100000 WHERE parentKvId IS NOT NULL ORDER BY LENGTH(kvKey) DESC LIMIT 1",
	}
	_, _ = s.sql.ExecContext(s.t.Context(), statements[s.r.IntN(len(statements))])
}

// cut kills connections of the mirror.
func (s strife) cut() {
	var id int
	if s.sql.QueryRowContext(s.t.Context(), `SELECT ID FROM information_schema.PROCESSLIST
		WHERE DB = DATABASE() AND ID <> CONNECTION_ID() ORDER BY RAND() LIMIT 1`).Scan(&id) == nil {
		_, _ = s.sql.ExecContext(s.t.Context(), fmt.Sprintf("KILL CONNECTION %d", id))
	}
}

// once takes the table over from the mirror that runs, which takes it back at once: on a busy machine again and again.
func (s strife) once(change ...func(*mirror.Config)) {
	s.t.Helper()
	err := mirror.ErrFenced
	for end := time.Now().Add(patience); errors.Is(err, mirror.ErrFenced) && time.Now().Before(end); {
		_, err = s.single(change...).Once(s.t.Context())
	}
	require.NoError(s.t, err)
}

// liftBrake waits until the mirror shows a revision. Others may rename or delete all databases while its connection is
// cut, and that is what the brake is for.
func (s strife) liftBrake(m *mirror.Mirror, at cssetcd.Revision) {
	s.t.Helper()
	brakes := has(mirror.BrakeOn)
	if brakes(awaitStatus(s.t, m, func(now mirror.Status) bool { return now.Applied >= at || brakes(now) })) {
		s.once(allow)
	}
}

// Rule: whatever the catalogue holds, whatever others write and whenever connections break, kvData is the image of the
// catalogue at rest, byte for byte, quarantine included; and without others nobody is ever told of any.
func TestAtRestKvDataIsTheImage(t *testing.T) {
	for name, policy := range map[string]mirror.Policy{
		"nobody else writes": "", "others are undone": mirror.Repair, "others are told": mirror.Alert,
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			s := strife{newWorld(t), rand.New(rand.NewPCG(seed, 0))}
			m := s.mirror(quickly(policy), func(c *mirror.Config) { c.Timeout = 2 * time.Second })
			s.run(m)
			awaitStatus(t, m, following)
			for range testkit.Steps(150, 3_000) {
				s.change()
				switch n := s.r.IntN(20); {
				case n < 6 && policy != "":
					s.meddle()
				case n < 8:
					s.cut()
				case n == 8:
					_, _ = s.single().Once(t.Context())
				case n < 12:
					time.Sleep(time.Duration(s.r.IntN(40)) * time.Millisecond)
				}
			}
			last := s.put("/DBS/end", fmt.Sprint(seed))
			if policy != "" {
				s.liftBrake(m, last)
			}
			s.await(last)
			if policy == mirror.Alert { // they stay until somebody compares everything
				s.once()
			}
			require.Eventually(t, func() bool {
				report, err := mirror.Check(t.Context(), s.target, s.client)
				return err == nil && report.InAgreement() && len(report.Quarantined) == len(s.quarantine())
			}, patience, 20*time.Millisecond)
			awaitStatus(t, m, following)
			assert.Equal(t, policy != "", len(s.foreign()) > 0, "told of others: %v", s.foreign())
		})
	}
}

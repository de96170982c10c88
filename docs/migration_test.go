package docs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror"
)

// migration has a test of its own.
const migration = "MIGRATION.md"

// TestMigrationUnderWrites runs the commands of MIGRATION.md while two programs write into kvData as C++ Qserv does,
// all the time. No statement of theirs may fail, and each is answered as on a table that nobody else touches. Where the
// document says who writes by then, kvData is compared with what these programs alone have made, and with etcd:
//
//	test: then MySQL     kvData belongs to them, and etcd stays as it is
//	test: then captured  both sides write, and nobody serves: kvData, less what was captured, is what etcd holds
//	test: then both      both sides write: while the programs rest for a moment, both hold the same
//	test: then etcd      only etcd is written, and the programs have ended
//	test: then end       the programs end
//	test: then czar comes, then czar goes: a Go czar is there between; the programs rest, for drops would fail
func TestMigrationUnderWrites(t *testing.T) {
	t.Parallel()
	blocks, err := parse(read(t, migration))
	require.NoError(t, err)
	s := newSession(t)
	m := newMigration(t, s)
	s.step = m.step
	s.run(append([]block{{mark: "then begin"}}, blocks...))
	require.NoError(t, m.stop())
	for _, who := range []string{"MySQL", "captured", "both", "etcd"} {
		assert.Contains(t, m.seen, who, "the document comes to each")
	}
}

// move is a move of a Qserv that is under way.
type move struct {
	t       *testing.T
	target  *mysql.Config
	client  *cssetcd.Client
	taker   *mirror.Taker
	kvData  *sql.Conn
	ingests []*ingest
	stop    func() error
	seen    map[string]int
	view    *cssetcd.View
	czar    *deletion.Gate
	left    map[string]string // what etcd held when kvData belonged to MySQL; nil: it did not since
}

func newMigration(t *testing.T, s *session) *move {
	t.Helper()
	etcd := testkit.ClientOf(t, s.etcd)
	var err error
	m := &move{t: t, target: s.maria.Config("qservCssData"), seen: map[string]int{},
		stop: func() error { return errors.New("the programs have not begun") }}
	m.client, err = cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	m.taker, err = mirror.NewTaker(m.client, "")
	require.NoError(t, err)
	return m
}

// step does what a mark of the document says.
func (m *move) step(what string) error {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	m.seen[what]++
	switch what {
	case "begin":
		return m.begin()
	case "end":
		return m.stop()
	case "czar comes":
		return m.czarComes(ctx)
	case "czar goes":
		return m.czarGoes(ctx)
	}
	for _, in := range m.ingests {
		in.turn <- struct{}{}
		defer func() { <-in.turn }()
		if in.failed != nil {
			return in.failed
		}
	}
	return m.compare(ctx, what)
}

// czarComes registers a czar, under which the programs rest.
func (m *move) czarComes(ctx context.Context) (err error) {
	if m.view, err = cssetcd.OpenView(ctx, m.client); err != nil {
		return err
	}
	m.t.Cleanup(m.view.Close)
	for _, in := range m.ingests {
		in.turn <- struct{}{}
	}
	if err := m.same(ctx); err != nil { // what they dropped and nobody has taken yet would wait for queries
		return err
	}
	m.czar, err = deletion.OpenGate(ctx, m.client, m.view)
	return err
}

// czarGoes ends that, and waits until drops are taken again.
func (m *move) czarGoes(ctx context.Context) error {
	if err := m.czar.Close(ctx); err != nil {
		return err
	}
	for {
		sides, err := mirror.ReadSides(ctx, m.target, m.taker)
		if err == nil && !sides.Capture.Refuses {
			break
		}
		if waited := wait.UpTo(ctx, 50*time.Millisecond); waited != nil {
			return errors.Join(err, waited)
		}
	}
	for _, in := range m.ingests {
		<-in.turn
	}
	return nil
}

// begin lets the programs write.
func (m *move) begin() error {
	ours := &ingest{operations: upstream.Written(), mine: regexp.MustCompile(`^(/DBS/r\d{4}|/NODES/f\d{4}-)`)}
	ours.twin.Rename = ours.renamed(map[string]string{"river": "r%04d", "ferry-": "f%04d-"}, 0)
	m.ingests = []*ingest{ours}
	if dir, found := upstream.Find(m.t); found {
		theirs := &ingest{operations: upstream.Operations(m.t, dir),
			mine: regexp.MustCompile(`^(/DBS/[an]\d{4}|/NODES/w\d{5}-|/PARTITIONING/_00000[1-9])`)}
		theirs.twin.Rename = theirs.renamed(
			map[string]string{"atlas": "a%04d", "/notes": "/n%04d", "worker-": "w%05d-"}, 10_000)
		m.ingests = append(m.ingests, theirs)
	}
	db, err := sql.Open("mysql", m.target.FormatDSN())
	if err != nil {
		return err
	}
	m.t.Cleanup(func() { assert.NoError(m.t, db.Close()) })
	if m.kvData, err = db.Conn(m.t.Context()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	ended := make(chan error, len(m.ingests))
	for n, in := range m.ingests {
		if err := in.connect(m.t, db, fmt.Sprintf("alone_%d", n)); err != nil {
			cancel()
			return err
		}
	}
	for _, in := range m.ingests {
		go func() { ended <- in.run(ctx) }()
	}
	m.stop = sync.OnceValue(func() (err error) {
		cancel()
		for range m.ingests {
			err = errors.Join(err, <-ended)
		}
		return err
	})
	m.t.Cleanup(func() { _ = m.stop() })
	return nil
}

// compare compares both sides, while the programs rest.
func (m *move) compare(ctx context.Context, who string) error {
	rows, err := rowsOf(ctx, m.kvData)
	if err == nil && who != "both" { // there they may be on their way back from a conflict
		err = m.asWritten(ctx, rows)
	}
	if err != nil {
		return err
	}
	sides, err := mirror.ReadSides(ctx, m.target, m.taker)
	if err != nil {
		return err
	}
	shared := who == "captured" || who == "both"
	switch {
	case !sides.Agree():
		return fmt.Errorf("who may write: %v", sides.Troubles())
	case shared != sides.Capture.Installed:
		return fmt.Errorf("who may write: %q, and what others write is captured: %v", sides.Writers, sides.Capture.Installed)
	}
	switch who {
	case "MySQL":
		return m.etcdRests(ctx)
	case "captured":
		m.left = nil
		return m.agrees(ctx)
	case "both", "etcd":
		m.left = nil
		return m.same(ctx)
	}
	return fmt.Errorf("%q is not known", who)
}

// asWritten: kvData has what the programs have written, and nothing of theirs beside it.
func (m *move) asWritten(ctx context.Context, rows map[string]string) error {
	for _, in := range m.ingests {
		want, err := in.rows(ctx)
		if err != nil {
			return err
		}
		have := map[string]string{}
		for key, value := range rows {
			if in.mine.MatchString(key) {
				have[key] = value
			}
		}
		if err := differ("what a program wrote", want, "kvData", have); err != nil {
			return err
		}
	}
	return nil
}

// differ returns the first difference.
func differ(name string, want map[string]string, in string, have map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := have[key]; !ok || value != want[key] {
			return fmt.Errorf("%s has %q = %q, and %s %q (%v)", name, key, want[key], in, value, ok)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("%s does not have %q, and %s does", name, key, in)
		}
	}
	return nil
}

func (m *move) catalogue(ctx context.Context) (map[string]string, error) {
	s, err := m.client.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for key, e := range s.Below("") {
		all[key] = e.Value
	}
	return all, nil
}

// etcdRests: etcd is as it was when kvData was left to MySQL.
func (m *move) etcdRests(ctx context.Context) error {
	have, err := m.catalogue(ctx)
	if err != nil {
		return err
	}
	if m.left == nil {
		m.left = have
	}
	return differ("etcd", m.left, "etcd now", have)
}

// agrees: kvData is what etcd holds, and what was captured.
func (m *move) agrees(ctx context.Context) error {
	report, err := mirror.Check(ctx, m.target, m.client)
	if err == nil && !report.InAgreement() {
		err = fmt.Errorf("%d rows differ, the first is %q", len(report.Differences), report.Differences[0].Key)
	}
	return err
}

// same: both hold the same, as soon as what was captured has been taken.
func (m *move) same(ctx context.Context) error {
	for {
		want, err := m.catalogue(ctx)
		if err != nil {
			return err
		}
		rows, err := rowsOf(ctx, m.kvData)
		if err != nil {
			return err
		}
		delete(rows, "")
		err = differ("etcd", want, "kvData", rows)
		if err == nil {
			return errors.Join(m.asWritten(ctx, rows), m.agrees(ctx))
		}
		if waited := wait.UpTo(ctx, 50*time.Millisecond); waited != nil {
			return err
		}
	}
}

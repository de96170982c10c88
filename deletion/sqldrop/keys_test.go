package sqldrop_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/proxy"
)

// parent makes a table that others can refer to, and refer a table that does.
func (w *world) parent(table string) {
	w.exec("CREATE DATABASE IF NOT EXISTS " + quoted(w.database))
	w.exec("CREATE TABLE " + w.in(table) + " (a INT PRIMARY KEY, b INT) ENGINE=InnoDB AS SELECT 7 AS a, 7 AS b")
}

func (w *world) refer(child, parent string) {
	w.exec("ALTER TABLE " + w.in(child) + " ADD FOREIGN KEY (b) REFERENCES " + w.in(parent) + " (a)")
}

// Rule: foreign keys between the tables that are removed are no obstacle, whichever comes first, in a circle, to
// itself, or among chunks.
func TestForeignKeysAmongWhatIsRemoved(t *testing.T) {
	w := newWorld(t)
	for _, tables := range []string{"parent first", "child first"} {
		w.anew()
		for _, name := range []string{"Object", "Source", "Filter", "Object_1", "Other"} {
			w.parent(name)
		}
		w.refer("Source", "Object")
		w.refer("Object", "Filter")
		w.refer("Filter", "Source")
		w.refer("Object_1", "Object")
		w.refer("Object", "Object")
		job := w.job(1, "Object", "Source", "Filter")
		if tables == "child first" {
			slices.Reverse(job.Tables)
		}
		require.NoError(t, w.dropper().Drop(t.Context(), job))
		w.intact("Other")
		w.marked(job)
	}
}

// Rule: a foreign key of a table that stays is told and not broken, and the other tables are removed all the same; when
// the key is gone, so is the table.
func TestForeignKeyOfATableThatStays(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"Object", "Source", "Stays"} {
		w.parent(name)
	}
	w.exec("ALTER TABLE " + w.in("Stays") + " ADD CONSTRAINT of_stays FOREIGN KEY (b) REFERENCES " + w.in("Object") +
		" (a)")
	job := w.job(0, "Object", "Source")
	err := w.dropper().Drop(t.Context(), job)
	require.ErrorIs(t, err, sqldrop.ErrReferenced)
	assert.ErrorContains(t, err, "remove "+w.database+".Object: a foreign key of a table that stays refers to it: drop "+
		"that key, or that table: ")
	assert.NotContains(t, w.tables(), "Object", "it is taken away")
	assert.NotContains(t, w.tables(), "Source")
	var a int
	require.NoError(t, w.sql.QueryRowContext(t.Context(), "SELECT SUM(a) FROM "+w.in("Stays")).Scan(&a))
	_, err = w.sql.ExecContext(t.Context(), "INSERT INTO "+w.in("Stays")+" VALUES (8, 99)")
	require.Error(t, err, "its key holds still")
	w.exec("ALTER TABLE " + w.in("Stays") + " DROP FOREIGN KEY of_stays")
	w.drop(job)
	w.intact("Stays")
}

// Rule: a table that fails does not keep the others from being tried, and is told by server and name, also while the
// attempt goes on.
func TestTableInUseKeepsNoOther(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b", "c", "d")
	defer w.use("a")()
	defer w.use("c")()
	d := w.dropper(func(c *sqldrop.Config) { c.LockWait = time.Second })
	d.Patience(50 * time.Millisecond)
	var said said
	job := w.job(0, "a", "b", "c", "d")
	job.Tell = said.add
	err := d.Drop(t.Context(), job)
	require.ErrorIs(t, err, sqldrop.ErrBusy)
	assert.ErrorContains(t, err, "sqldrop: the MySQL server "+w.config.Addr+": remove "+w.database+".a: a table is in use")
	assert.ErrorContains(t, err, "; remove "+w.database+".c: a table is in use")
	w.intact("a", "c")
	all := said.all()
	assert.True(t, slices.ContainsFunc(all, func(s string) bool { // a slow machine is told of earlier steps, too
		return strings.HasPrefix(s, "the MySQL server "+w.config.Addr+": it has not answered since ") &&
			strings.HasSuffix(s, `, at the step "rename" of `+w.database+".a")
	}), "%q", all)
	assert.True(t, slices.ContainsFunc(all, func(s string) bool {
		return strings.Contains(s, w.database+".a: a table is in use") && strings.Contains(s,
			`at the step "rename" of `+w.database+".c")
	}), "%q", all)
}

// said are the troubles that were told.
type said struct {
	mu    sync.Mutex
	texts []string
}

func (s *said) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, text)
}

func (s *said) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// Rule: a server that takes connections and says nothing is named while the others are at work, and given up within
// seconds.
func TestServerSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.create("t")
	link, err := proxy.Start("unix", w.config.Addr)
	require.NoError(t, err)
	defer link.Close()
	link.Pause(proxy.Both)
	mute := w.config.Clone()
	mute.Net, mute.Addr = "tcp", link.Addr()
	d := w.dropper(func(c *sqldrop.Config) { c.Servers = []*mysql.Config{mute, w.config} })
	d.Patience(50 * time.Millisecond)
	var said said
	job := w.job(0, "t")
	job.Tell = said.add
	soon, cancel := context.WithTimeout(t.Context(), patience) // which is not the time that a statement may take
	defer cancel()
	err = d.Drop(soon, job)
	require.ErrorIs(t, err, sqldrop.ErrUnavailable)
	assert.ErrorContains(t, err, mute.Addr)
	w.intact()
	assert.Contains(t, said.all()[0], "the MySQL server "+mute.Addr+": it has not answered since ")
	assert.Contains(t, said.all()[0], `, at the step "connect"`)
}

// Rule: a table that the catalogue holds is not touched, whatever it is called; also one that it got while the attempt
// was under way.
func TestTablesOfTheCatalogueStay(t *testing.T) {
	w := newWorld(t)
	w.create("Object", "Object_1", "Object_5", "ObjectFullOverlap_5", "Object_6")
	d := w.dropper()
	held := []string{"Object_5", "ObjectFullOverlap_5"}
	d.At(func(_ *mysql.Config, step string) {
		if step == "rename" && len(held) == 2 { // asked before this: the statement fails, and all is looked at again
			w.exec("DROP TABLE " + w.in("Object_1"))
			w.create("Object_7")
			held = append(held, "Object_7")
		}
	})
	job := w.job(1, "Object")
	job.Held = func(_ context.Context, names []string) ([]string, error) {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(held, n) }), nil
	}
	require.NoError(t, d.Drop(t.Context(), job))
	w.intact("Object_5", "ObjectFullOverlap_5", "Object_7")

	w.create("Object", "Object_8")
	job = w.job(1, "Object")
	job.Keep = []string{"Object_5", "ObjectFullOverlap_5", "Object_7"}
	w.drop(job)
	w.intact("Object_5", "ObjectFullOverlap_5", "Object_7")

	w.create("Object")
	job = w.job(1, "Object")
	job.Held = func(context.Context, []string) ([]string, error) { return nil, coordinator.ErrDropEnded }
	require.ErrorIs(t, w.dropper().Drop(t.Context(), job), coordinator.ErrDropEnded)
	w.intact("Object", "Object_5", "ObjectFullOverlap_5", "Object_7")
}

package both_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
)

// goWrite is what a Go program was told, or not told, of an operation.
type goWrite struct {
	what    string
	at      cssetcd.Revision // 0: the answer was lost
	key     string
	becomes value // of that key
}

// goWriter writes through the library.
type goWriter struct {
	r    *run
	css  *cssetcd.Client
	name string
	rnd  *rand.Rand
	n    int
}

func (g *goWriter) unique() string {
	g.n++
	return fmt.Sprintf("%s_%d", g.name, g.n)
}

// work writes until the run is over.
func (g *goWriter) work() {
	for !g.r.over() {
		time.Sleep(time.Duration(g.rnd.Int64N(int64(2 * breath))))
		w, err := g.once()
		switch {
		case err == nil:
			g.r.told(w)
		case errors.Is(err, cssetcd.ErrOutcomeUnknown):
			w.at = 0
			g.r.told(w)
		default:
			g.r.count("Go operations given up")
		}
	}
}

func (g *goWriter) once() (goWrite, error) {
	g.r.gate.RLock()
	defer g.r.gate.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return g.operate(ctx)
}

// operate does one operation.
func (g *goWriter) operate(ctx context.Context) (w goWrite, err error) {
	switch n := g.rnd.IntN(100); {
	case n < 35:
		w.what, w.key = "note", fmt.Sprintf("%s/%d", notes, g.rnd.IntN(noteKeys))
		if g.rnd.IntN(5) == 0 {
			w.at, err = g.css.Raw().Delete(ctx, w.key)
			return w, err
		}
		w.becomes = held(g.unique())
		w.at, err = g.css.Raw().Put(ctx, w.key, w.becomes.text)
		return w, err
	case n < 45:
		name := movingDatabases[g.rnd.IntN(len(movingDatabases))]
		w.what, w.key = "database", dbs+"/"+name
		if g.rnd.IntN(2) == 0 {
			w.at, err = g.css.DropDatabase(ctx, name)
			return w, err
		}
		w.becomes = held(ready)
		w.at, err = g.css.CreateDatabase(ctx, cssetcd.Database{Name: name, ReleaseStatus: g.unique()})
		return w, err
	}
	return g.table(ctx)
}

// table does something with a table that SQL writers have to do with, too.
func (g *goWriter) table(ctx context.Context) (w goWrite, err error) {
	w.key = tableKey(g.rnd)
	name := tableOf(w.key)
	switch n := g.rnd.IntN(100); {
	case n < 25:
		return g.create(ctx, w.key)
	case n < 40:
		w.what = "drop"
		w.at, err = g.css.DropTable(ctx, name)
	case n < 50: // another table of the name, before anybody has seen that there was none
		w.what = "drop"
		if w.at, err = g.css.DropTable(ctx, name); err != nil {
			return w, err
		}
		g.r.told(w)
		return g.create(ctx, w.key)
	case n < 80:
		w.what, w.key, w.becomes = "schema", w.key+"/schema", held(fmt.Sprintf("(%s INT)", g.unique()))
		w.at, err = g.css.SetTableSchema(ctx, name, w.becomes.text, cssetcd.AllowUnqueryable())
	default:
		w.what, w.becomes = "status", held("PENDING_CREATE:"+g.unique())
		w.at, err = g.css.SetTableStatus(ctx, name, cssetcd.Status(w.becomes.text), cssetcd.IfStatus(cssetcd.StatusReady))
	}
	return w, err
}

func (g *goWriter) create(ctx context.Context, table string) (w goWrite, err error) {
	name, column := tableOf(table), g.unique()
	w.what, w.key, w.becomes = "table", table, held(ready)
	w.at, err = g.css.CreateTable(ctx, cssetcd.Table{
		Name: name, Schema: fmt.Sprintf("(%s BIGINT)", column),
		Partitioning: &cssetcd.Partitioning{DirDB: name.DB, DirTable: name.Table, DirColumn: column},
	}, cssetcd.AllowUnqueryable())
	return w, err
}

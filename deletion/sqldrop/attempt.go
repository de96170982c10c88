package sqldrop

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

const (
	takeAways  = 3   // how often tables are looked for anew when they changed in between
	clearings  = 3   // how often what is left is looked for
	dropsAtOne = 100 // tables of one DROP statement: it holds locks on all of them, and its end is where ctx is heard
)

// attempt removes one table from one server. It can be paused between any two statements while another one does the
// same, or finishes it and more; at is called there.
type attempt struct {
	*session
	database string
	table    coordinator.JobTable
	job      coordinator.Job
	marks    marks
	at       func(step string)
}

// run returns the number of tables that it dropped.
func (a *attempt) run(ctx context.Context) (int, error) {
	if err := a.checkGrant(ctx); err != nil {
		return 0, err
	}
	if err := a.takeAway(ctx); err != nil {
		return 0, err
	}
	// A late attempt may have made the fence again. It is of no use to it.
	if err := a.exec(ctx, "drop fence", "DROP TABLE IF EXISTS "+in(markers, a.marks.fence)); err != nil {
		return 0, err
	}
	return a.clear(ctx)
}

// checkGrant fails for a user who may not drop any table of the schema: such a user does not see all tables either, and
// what is not seen would be taken for gone.
func (a *attempt) checkGrant(ctx context.Context) error {
	err := a.exec(ctx, "check grant", "DROP TABLE IF EXISTS "+in(a.database, a.marks.trash))
	if mysqlconn.Is(err, mysqlconn.ErBadDB) {
		return nil
	}
	return err
}

// takeAway takes the tables from their names, unless that was done before.
func (a *attempt) takeAway(ctx context.Context) error {
	for try := 1; ; try++ {
		spent, err := a.spent(ctx)
		if err != nil || spent {
			return err
		}
		if err := a.makeFence(ctx); err != nil {
			return err
		}
		tables, err := a.tables(ctx)
		if err != nil {
			return err
		}
		err = a.rename(ctx, tables)
		if err == nil || !overtaken(err) {
			return err
		}
		if try == takeAways {
			return fmt.Errorf("its tables keep changing; is something creating or dropping them, or those of %s?: %w", markers,
				err)
		}
	}
}

// overtaken reports whether a statement failed because names came or went since they were looked for.
func overtaken(err error) bool {
	return mysqlconn.NoSuchTable(err) || mysqlconn.Is(err, mysqlconn.ErTableExists)
}

// spent reports whether the tables were taken away.
func (a *attempt) spent(ctx context.Context) (bool, error) {
	a.at("look for the marker")
	found, err := a.names(ctx, markers, a.marks.spent, false, func(name string) bool { return name == a.marks.spent })
	return len(found) > 0, err
}

// tables returns the names of the tables to take away: of those that are there, all that the catalogue does not hold.
// It is asked last, and after the tables were looked for: what is made in the catalogue first, and then on a server,
// cannot be among them. So this also finds out, once the connection is there, whether the drop has ended.
func (a *attempt) tables(ctx context.Context) ([]string, error) {
	a.at("list tables")
	found, err := a.names(ctx, a.database, a.table.Table, false, a.table.Owns)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(found))
	for i, e := range found {
		names[i] = e.name
	}
	a.at("ask the catalogue")
	held, err := a.job.Holds(ctx, names)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(held, n) })
	slices.Sort(names)
	return names, nil
}

func (a *attempt) makeFence(ctx context.Context) error {
	comment := fmt.Sprintf("dropped: %s, incarnation %d", in(a.database, a.table.Table), a.table.Incarnation)
	return a.exec(ctx, "create fence", "CREATE TABLE IF NOT EXISTS "+in(markers, a.marks.fence)+
		" (nothing TINYINT) ENGINE=InnoDB COMMENT="+quoteText(comment))
}

// rename takes the tables from their names in one statement.
func (a *attempt) rename(ctx context.Context, tables []string) error {
	statement := renameStatement(a.marks, a.database, tables)
	if need := len(statement) + packetMargin; need > a.maxPacket {
		return fmt.Errorf("%w: the statement for its %d tables has %d bytes and max_allowed_packet is %d; "+
			"say `SET GLOBAL max_allowed_packet = %d`, and write it into the server's configuration",
			ErrPacket, len(tables), len(statement), a.maxPacket, roundUp(need, packetUnit))
	}
	return a.exec(ctx, "rename", statement)
}

// clear drops what was taken away and returns how many tables that were.
func (a *attempt) clear(ctx context.Context) (dropped int, err error) {
	for range clearings {
		a.at("list trash")
		left, err := a.names(ctx, a.database, a.marks.trash, true, func(name string) bool {
			return strings.HasPrefix(name,
				a.marks.trash)
		})
		if err != nil || len(left) == 0 {
			return dropped, err
		}
		err = a.dropAll(ctx, left)
		if mysqlconn.Referenced(err) { // perhaps by one another
			if err = a.dropKeys(ctx, left); err == nil {
				err = a.dropAll(ctx, left)
			}
		}
		if err != nil {
			return dropped, err
		}
		dropped += len(left)
	}
	return dropped, fmt.Errorf("tables that begin with %s are still there after they were dropped",
		in(a.database, a.marks.trash))
}

// dropKeys drops the foreign keys that tables have which were taken away, so that they do not hold up one another, nor
// other tables that are to be removed. A key of a table that stays does, and is not touched.
func (a *attempt) dropKeys(ctx context.Context, of []entry) error {
	for _, e := range of {
		keys, err := a.foreignKeys(ctx, a.database, e.name)
		if err != nil {
			return err
		}
		for _, key := range keys {
			statement := "ALTER TABLE " + in(a.database, e.name) + " DROP FOREIGN KEY " + mysqlconn.QuoteName(key)
			if err := a.exec(ctx, "drop foreign keys", statement); err != nil && !overtaken(err) && !mysqlconn.Is(err,
				mysqlconn.ErNoSuchKey) {
				return err
			}
		}
	}
	return nil
}

func (a *attempt) dropAll(ctx context.Context, left []entry) error {
	var tables, views []string
	for _, e := range left {
		if e.view {
			views = append(views, in(a.database, e.name))
		} else {
			tables = append(tables, in(a.database, e.name))
		}
	}
	for some := range slices.Chunk(tables, dropsAtOne) {
		if err := a.exec(ctx, "drop tables", "DROP TABLE IF EXISTS "+strings.Join(some, ", ")); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(views, dropsAtOne) {
		if err := a.exec(ctx, "drop views", "DROP VIEW IF EXISTS "+strings.Join(some, ", ")); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) exec(ctx context.Context, step, statement string) error {
	a.at(step)
	_, err := a.ExecContext(ctx, statement)
	return err
}

// What max_allowed_packet has to hold beside the statement, and what the server rounds it to.
const (
	packetMargin = 64
	packetUnit   = 1 << 20
)

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

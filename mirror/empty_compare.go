package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/emptychunks"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// EmptyDifference is a database of whose empty chunks MySQL and etcd do not say the same, and what a mirror does about
// it: Write, Remove, Take or Forget.
type EmptyDifference struct {
	DB          string
	MySQL, Etcd emptychunks.Side
	Action      emptychunks.Action
	Err         error // why nothing can be done about it: one of them cannot be read, or MySQL cannot hold it
}

// SQL returns the statements that make MySQL say what etcd says; none where what MySQL says counts.
func (d EmptyDifference) SQL() []string {
	if d.Err != nil || d.Action != emptychunks.Write && d.Action != emptychunks.Remove {
		return nil
	}
	return kvdata.EmptyChange{DB: d.DB, Found: d.MySQL, Now: d.Etcd}.SQL()
}

// dueFor returns what etcd says of the empty chunks of a database, and what is to be done where MySQL says something.
// It fails where etcd's set cannot be read, or not be held by a table.
func dueFor(have *cssetcd.Snapshot, record kvdata.Agreed, name string, mysql emptychunks.Side, taking bool) (
	etcd emptychunks.Side, d emptychunks.Decision, err error) {
	set, err := have.EmptyChunks(name)
	switch {
	case err == nil:
		etcd = emptychunks.Said(set)
	case !errors.Is(err, cssetcd.ErrNotFound):
		return etcd, d, fmt.Errorf("what etcd has cannot be read: %w", err)
	}
	of, _ := have.Key(csskey.DatabaseKey(name))
	written := have.EmptyChunksModified(name) > record.Decided ||
		record.Decided > have.Revision() // etcd was set back, and its revisions say nothing any more
	d = record.Decide(etcd, mysql, written && etcd.Known, !of.Exists() || of.Create > record.Revision, taking)
	switch {
	case d.Action == emptychunks.Take && errors.Is(err, cssetcd.ErrNoSuchDB):
		return etcd, emptychunks.Decision{}, nil // its database may come yet
	case d.Action == emptychunks.Write && set.Len() > kvdata.MaxEmptyChunks:
		return etcd, d, fmt.Errorf("etcd names %d chunks, and a table has at most %d", set.Len(), kvdata.MaxEmptyChunks)
	}
	return etcd, d, nil
}

func tooLong(name string) error {
	if len(name) > kvdata.MaxEmptyName {
		return fmt.Errorf("it has %d bytes, and MySQL takes %d", len(name), kvdata.MaxEmptyName)
	}
	return nil
}

func namesOf(all ...iter.Seq[string]) map[string]bool {
	names := map[string]bool{}
	for _, some := range all {
		for name := range some {
			names[name] = true
		}
	}
	return names
}

// differencesOfEmpty returns where etcd and MySQL differ, by name, and how many databases were compared.
func differencesOfEmpty(have *cssetcd.Snapshot, shown kvdata.EmptyShown) (all []EmptyDifference, compared int) {
	names := namesOf(have.EmptyChunksKnown(), maps.Keys(shown.Tables), maps.Keys(shown.Bad), maps.Keys(shown.Agreed))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d := EmptyDifference{DB: name, MySQL: shown.Tables[name], Err: shown.Bad[name]}
		var due emptychunks.Decision
		var err error
		d.Etcd, due, err = dueFor(have, shown.Agreed[name], name, d.MySQL, shown.Capture)
		if d.Err == nil {
			d.Err = err
		}
		if err := tooLong(name); err != nil {
			d.Err = fmt.Errorf("its name is too long: %w", err)
		}
		_, recorded := shown.Agreed[name]
		if !shown.Capture && !recorded && !d.Etcd.Known && err == nil {
			continue // whatever it says, it is left alone
		}
		if d.Action = due.Action; d.Err != nil || d.Action != emptychunks.Nothing && d.Action != emptychunks.Record {
			all = append(all, d)
		}
	}
	return all, len(names)
}

// compareEmpty reads both sides, and compares them. Where a mirror is about to adopt the table, what is on record does
// not count.
func compareEmpty(ctx context.Context, target *mysql.Config, catalogue Catalogue, adopting bool) (
	[]EmptyDifference, int, error) {
	have, err := catalogue.Snapshot(ctx, 0)
	if err == nil {
		err = have.Version()
	}
	if err != nil {
		return nil, 0, err
	}
	shown, err := kvdata.ReadEmpty(ctx, target, slices.Collect(have.EmptyChunksKnown())...)
	if err != nil {
		return nil, 0, fmt.Errorf("read the tables of empty chunks: %w", err)
	}
	if adopting {
		shown.Agreed = nil
	}
	all, compared := differencesOfEmpty(have, shown)
	return all, compared, nil
}

// lastingEmpty returns the differences that a mirror does not settle in the time that it takes for it.
func lastingEmpty(ctx context.Context, target *mysql.Config, catalogue Catalogue, pace emptyPace) ([]EmptyDifference,
	int, error) {
	lasting := map[string]bool{}
	for began := time.Now(); ; {
		found, compared, err := compareEmpty(ctx, target, catalogue, false)
		last := time.Since(began) > pace.once
		if err != nil {
			return nil, 0, err
		}
		found = slices.DeleteFunc(found, func(d EmptyDifference) bool { return len(lasting) > 0 && !lasting[d.DB] })
		lasting = map[string]bool{}
		for _, d := range found {
			lasting[d.DB] = true
		}
		if last || len(found) == 0 {
			return found, compared, nil
		}
		if err := wait.UpTo(ctx, pace.poll); err != nil {
			return nil, 0, err
		}
	}
}

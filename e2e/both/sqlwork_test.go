package both_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

var sqlBad = driver.ErrBadConn

const (
	dbs         = "/DBS"
	notes       = "/NOTES"
	partitioned = "/partitioning/.packed.json"
	ready       = "READY"
)

// work writes until the run is over. What fails, fails for upstream, too.
func (s *sqlWriter) work() {
	defer s.disconnect()
	for !s.r.over() {
		time.Sleep(time.Duration(s.rnd.Int64N(int64(breath))))
		if err := s.once(); err != nil {
			s.r.count("SQL operations given up")
		}
	}
}

func (s *sqlWriter) once() error {
	s.r.gate.RLock()
	defer s.r.gate.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.operate(ctx)
}

// operate does one operation of upstream's. Two SQL writers are never at one name: upstream's own races would leave
// half a table, whoever mirrors.
func (s *sqlWriter) operate(ctx context.Context) error {
	switch n := s.rnd.IntN(100); {
	case n < 35:
		return s.note(ctx, fmt.Sprintf("%s/%d", notes, s.rnd.IntN(noteKeys)))
	case n < 45:
		db := fmt.Sprintf("%s/%s", dbs, movingDatabases[s.rnd.IntN(len(movingDatabases))])
		defer s.r.names.lock(db)()
		if s.rnd.IntN(2) == 0 {
			return s.createDB(ctx, db)
		}
		return s.transact(ctx, func(ctx context.Context) error { return s.remove(ctx, db) })
	}
	table := tableKey(s.rnd)
	defer s.r.names.lock(table)()
	switch n := s.rnd.IntN(100); {
	case n < 40:
		return s.createTable(ctx, table)
	case n < 55:
		return s.transact(ctx, func(ctx context.Context) error { return s.remove(ctx, table) })
	case n < 80:
		return s.setTable(ctx, table, "/schema", fmt.Sprintf("(%s INT)", s.unique()))
	case n < 90:
		return s.setTable(ctx, table, "", "PENDING_CREATE:"+s.unique())
	}
	return s.setReady(ctx, table)
}

// note writes a key of its own, or removes it.
func (s *sqlWriter) note(ctx context.Context, key string) error {
	return s.transact(ctx, func(ctx context.Context) error {
		if s.rnd.IntN(5) == 0 {
			return s.delete(ctx, key)
		}
		parent, err := s.mustID(ctx, notes)
		if err == nil {
			_, err = s.set(ctx, key, s.unique(), parent)
		}
		return err
	})
}

// createDB is upstream's createDb of a database without stripes.
func (s *sqlWriter) createDB(ctx context.Context, db string) error {
	err := s.transact(ctx, func(ctx context.Context) error {
		if id, err := s.kvID(ctx, db); err != nil || id != "" {
			return fmt.Errorf("%w: %s is there: %w", errGaveUp, db, err)
		}
		parent, err := s.mustID(ctx, dbs)
		if err == nil {
			err = s.insert(ctx, db, "", parent)
		}
		if err == nil {
			parent, err = s.mustID(ctx, db)
		}
		if err == nil {
			_, err = s.set(ctx, db+"/.packed.json",
				fmt.Sprintf(`{"releaseStatus":"%s","storageClass":"L2"} `, s.unique()), parent)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.setName(ctx, dbs, db, ready)
}

// createTable is upstream's createTable of a director table.
func (s *sqlWriter) createTable(ctx context.Context, table string) error {
	tables := above(table)
	if err := s.transact(ctx, func(ctx context.Context) error {
		parent, err := s.kvID(ctx, tables)
		if err == nil && parent == "" {
			if parent, err = s.mustID(ctx, above(tables)); err == nil {
				err = s.insert(ctx, tables, "", parent)
			}
			if err == nil {
				parent, err = s.mustID(ctx, tables)
			}
		}
		if err == nil {
			err = s.insert(ctx, table, "DO_NOT_USE", parent)
		}
		return err
	}); err != nil {
		return err
	}
	column := s.unique()
	if err := s.transact(ctx, func(ctx context.Context) error {
		parent, err := s.mustID(ctx, table)
		if err == nil {
			err = s.insert(ctx, table+"/schema", fmt.Sprintf("(%s BIGINT)", column), parent)
		}
		return err
	}); err != nil {
		return err
	}
	if err := s.transact(ctx, func(ctx context.Context) error { return s.partition(ctx, table, column) }); err != nil {
		return err
	}
	return s.setName(ctx, tables, table, ready)
}

func (s *sqlWriter) partition(ctx context.Context, table, column string) error {
	if id, err := s.kvID(ctx, table+"/partitioning"); err != nil || id != "" {
		return fmt.Errorf("%w: %s is partitioned: %w", errGaveUp, table, err)
	}
	parent, err := s.mustID(ctx, table)
	if err == nil {
		err = s.insert(ctx, table+"/partitioning", "", parent)
	}
	if err == nil {
		parent, err = s.mustID(ctx, table+"/partitioning")
	}
	if err == nil {
		_, err = s.set(ctx, table+partitioned, fmt.Sprintf(`{"dirColName":"%s"} `, column), parent)
	}
	return err
}

// setName sets the status of a name that is there. Upstream's statement would make one that is gone, with nothing
// below it; this writer is more careful.
func (s *sqlWriter) setName(ctx context.Context, parentKey, name, status string) error {
	return s.transact(ctx, func(ctx context.Context) error { return s.nameInTransaction(ctx, parentKey, name, status) })
}

func (s *sqlWriter) nameInTransaction(ctx context.Context, parentKey, name, status string) error {
	parent, err := s.mustID(ctx, parentKey)
	if err != nil {
		return err
	}
	inserted, err := s.set(ctx, name, status, parent)
	if err == nil && inserted {
		err = fmt.Errorf("%w: %s is gone", errGaveUp, name)
	}
	if err == nil {
		err = s.tell(ctx, name)
	}
	return err
}

// setTable is upstream's setTableSchema or, with nothing below the table, setTableStatus.
func (s *sqlWriter) setTable(ctx context.Context, table, what, text string) error {
	if err := s.transact(ctx, func(ctx context.Context) error {
		var n int
		err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM kvData WHERE kvKey='%s'", table)).Scan(&n)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s is gone", errGaveUp, table)
		}
		return err
	}); err != nil {
		return err
	}
	if what == "" {
		return s.setName(ctx, above(table), table, text)
	}
	return s.transact(ctx, func(ctx context.Context) error {
		parent, err := s.mustID(ctx, table)
		if err == nil {
			_, err = s.set(ctx, table+what, text, parent)
		}
		if err == nil {
			err = s.tell(ctx, table)
		}
		return err
	})
}

// setReady makes a table usable again, if it is whole.
func (s *sqlWriter) setReady(ctx context.Context, table string) error {
	return s.transact(ctx, func(ctx context.Context) error {
		if err := s.nameInTransaction(ctx, above(table), table, ready); err != nil {
			return err
		}
		for _, part := range []string{"/schema", partitioned} {
			var text string
			if err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT kvVal FROM kvData WHERE kvKey='%s' LOCK IN SHARE MODE",
				table+part)).Scan(&text); err != nil {
				return fmt.Errorf("%w: %s is not whole: %w", errGaveUp, table, err)
			}
		}
		return nil
	})
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/survey"
)

// demoIngested is the table that SQL creates.
var demoIngested = cssetcd.TableName{DB: survey.Year1, Table: "Comet"}

// ingest lets SQL create a table, and looks for it where czars read.
func (d *demo) ingest(ctx context.Context) error {
	if d.maria == nil {
		return nil
	}
	d.step("Create a table in kvData, as Qserv's ingest does, and look for it in the czars")
	d.text("Triggers capture what others write into kvData, and the mirror takes it into etcd.")
	d.text("Times are counted from just before the COMMIT that makes the table READY.")
	tx, err := d.beginIngest(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	began := time.Now()
	if err := tx.Commit(); err != nil {
		return err
	}
	d.fact(began, "SQL has created %s in kvData", demoIngested)
	for _, c := range d.czars {
		line, err := c.await(ctx, func(l czarLine) bool {
			return l.What == "table" && l.Name == demoIngested.String() && l.Status == cssetcd.StatusReady
		})
		if err != nil {
			return err
		}
		d.factIn(line.Time.Sub(began), "%s sees it, %s at revision %d", c.name, line.Status, line.Revision)
	}
	return nil
}

// beginIngest sends the statements by which Qserv creates a table, but for the last COMMIT.
func (d *demo) beginIngest(ctx context.Context) (*sql.Tx, error) {
	tables := "/DBS/" + demoIngested.DB + "/TABLES"
	table := tables + "/" + demoIngested.Table
	statements := []string{
		insertKey(tables, table, "DO_NOT_USE"),
		insertKey(table, table+"/schema", "(cometId BIGINT, name VARCHAR(40))"),
		fmt.Sprintf("UPDATE %s.kvData SET kvVal = '%s' WHERE kvKey = '%s'", cli.DefaultDatabase, cssetcd.StatusReady, table),
	}
	for i, statement := range statements {
		tx, err := d.db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		if _, err = tx.ExecContext(ctx, statement); err == nil && i == len(statements)-1 {
			return tx, nil
		} else if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			_ = tx.Rollback() // the error of the statement says more
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil, nil
}

// insertKey is the statement that adds a key below another one.
func insertKey(above, key, value string) string {
	return fmt.Sprintf("INSERT INTO %[1]s.kvData (kvKey, kvVal, parentKvId) "+
		"SELECT '%[2]s', '%[3]s', kvId FROM %[1]s.kvData WHERE kvKey = '%[4]s'", cli.DefaultDatabase, key, value, above)
}

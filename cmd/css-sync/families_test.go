package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
)

func TestDatabaseWithTablesAndFamilies(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.ok("table", "set-status", "LSST.ObjMatch", "READY")
	golden(t, "db-create-with-tables.txt", c.ok("db", "create", "LSST_3", "--like", "LSST", "--with-tables"))
	golden(t, "db-create-again.txt", c.ok("db", "create", "LSST_3", "--like", "LSST", "--with-tables"))
	golden(t, "db-create-again.json", c.ok("db", "create", "LSST_3", "--like", "LSST", "--with-tables", "-w", "json"))
	golden(t, "db-families.txt", c.ok("db", "families"))
	golden(t, "db-families.json", c.ok("db", "families", "-w", "json"))

	made := decode[tableDetails](t, c.ok("table", "show", "LSST_3.Source", "-w", "json"))
	assert.Equal(t, "LSST_3", made.Partitioning.DirDB)
	assert.Equal(t, "READY\n", c.ok("get", "/DBS/LSST_3"))

	// A creation that was interrupted is continued.
	c.ok("db", "set-status", "LSST_3", "DO_NOT_USE")
	c.ok("table", "drop", "LSST_3.Source")
	assert.Contains(t, c.ok("db", "create", "LSST_3", "--like", "LSST", "--with-tables"),
		"database LSST_3 created with 4 tables like those of LSST")
	c.ok("table", "drop", "LSST_3.Source")
	assert.Contains(t, c.fails(cli.ExitError, "db", "create", "LSST_3", "--like", "LSST", "--with-tables"),
		"database exists")
	assert.Contains(t, c.fails(cli.ExitError, "db", "create", "X", "--like", "Nothing", "--with-tables"),
		"like Nothing: no such database")
	c.ok("table", "set-schema", "LSST_3.Filter", "--schema", "(other INT)")
	assert.Contains(t, c.fails(cli.ExitError, "db", "create", "LSST_3", "--like", "LSST", "--with-tables"),
		"table exists: with another /DBS/LSST_3/TABLES/Filter/schema")
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	c.ok("table", "create", "D.T", "--schema",
		"(`id` BIGINT NOT NULL, `a b` CHAR(3) DEFAULT ',', PRIMARY KEY (`id`)) ENGINE=MyISAM")
	c.ok("table", "create", "D.Like", "--schema", "(LIKE D.T)")
	for name, args := range map[string][]string{
		"table-show-columns": {"table", "show", "D.T"},
		"table-show-like":    {"table", "show", "D.Like"},
	} {
		golden(t, name+".txt", c.ok(args...))
		golden(t, name+".json", c.ok(append(args, "-w", "json")...))
	}
}

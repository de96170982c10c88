package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

func TestDatabaseWithTablesAndFamilies(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Ok("table set-status LSST.ObjMatch READY")
	c.Golden("db-create-with-tables", "db create LSST_3 --like LSST --with-tables")
	c.Goldens("db-create-again", "db create LSST_3 --like LSST --with-tables")
	c.Goldens("db-families", "db families")

	made := clitest.JSON[tableDetails](c, "table", "show", "LSST_3.Source")
	assert.Equal(t, "LSST_3", made.Partitioning.DirDB)
	assert.Equal(t, "READY\n", c.Ok("get /DBS/LSST_3"))

	// A creation that was interrupted is continued.
	c.Ok("db set-status LSST_3 DO_NOT_USE")
	c.Ok("table drop LSST_3.Source")
	c.Says("database LSST_3 created with 4 tables like those of LSST", "db create LSST_3 --like LSST --with-tables")
	c.Ok("table drop LSST_3.Source")
	c.Refuses(cli.ExitError, "database exists", "db create LSST_3 --like LSST --with-tables")
	c.Refuses(cli.ExitError, "like Nothing: no such database", "db create X --like Nothing --with-tables")
	c.Ok("table", "set-schema", "LSST_3.Filter", "--schema", "(other INT)")
	c.Refuses(cli.ExitError, "table exists: with another /DBS/LSST_3/TABLES/Filter/schema",
		"db create LSST_3 --like LSST --with-tables")
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create D")
	c.Ok("table", "create", "D.T", "--schema",
		"(`id` BIGINT NOT NULL, `a b` CHAR(3) DEFAULT ',', PRIMARY KEY (`id`)) ENGINE=MyISAM")
	c.Ok("table", "create", "D.Like", "--schema", "(LIKE D.T)")
	for name, args := range map[string][]string{
		"table-show-columns": {"table", "show", "D.T"},
		"table-show-like":    {"table", "show", "D.Like"},
	} {
		c.Goldens(name, args...)
	}
}

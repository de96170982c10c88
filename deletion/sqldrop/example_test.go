package sqldrop_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/deletion/sqldrop"
)

// A Dropper for two workers.
func ExampleNew() {
	var servers []*mysql.Config
	for _, dsn := range []string{"css:secret@tcp(worker-1:3306)/", "css:secret@tcp(worker-2:3306)/"} {
		server, err := mysql.ParseDSN(dsn)
		if err != nil {
			slog.Error("wrong DSN", "error", err)
			return
		}
		servers = append(servers, server)
	}
	dropper, err := sqldrop.New(sqldrop.Config{Servers: servers, Logger: slog.Default()})
	if err != nil {
		slog.Error("wrong configuration", "error", err)
		return
	}
	_ = dropper // the Dropper of a coordinator
}

// A Tracker for a fleet whose czars take less than ten seconds from reading kvData to registering a query.
func ExampleNewTracker() {
	czar, err := mysql.ParseDSN("css:secret@tcp(czar:3306)/qservMeta")
	if err != nil {
		slog.Error("wrong DSN", "error", err)
		return
	}
	kvData := czar.Clone()
	kvData.DBName = "qservCssData"
	tracker, err := sqldrop.NewTracker(sqldrop.TrackerConfig{
		QMeta:        czar,
		Applied:      sqldrop.MirrorApplied(kvData),
		Registration: 10 * time.Second,
	})
	if err != nil {
		slog.Error("wrong configuration", "error", err)
		return
	}
	_, _, _ = tracker.Clear(context.Background(), object()) // a coordinator does this until it is clear
}

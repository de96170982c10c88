package rig

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/mariadbd"
)

// The databases of the two sides, on one server.
const (
	OursDB = "qservCssData"
	PeerDB = "benchPeer"
)

// Rig is what a benchmark works with: servers of its own, made when first asked for and gone when the benchmark ends.
type Rig struct {
	measure.Bench
	Sizes Sizes
	Czar  []string // the command line of a czar in a process of its own, less the endpoint of etcd
	Grown *Grown   // of the whole run

	cleanup
	etcd    *clientv3.Client
	mariadb *mariadbd.Server
}

// The MariaDB server runs with the server's own defaults where mariadbd chooses smaller ones to start sooner.
var productionArgs = []string{"--innodb-log-file-size=96M", "--innodb-buffer-pool-size=128M"}

// Etcd returns a client of the benchmark's etcd.
func (r *Rig) Etcd(ctx context.Context) (_ *clientv3.Client, err error) {
	if r.etcd == nil {
		r.etcd, err = r.startEtcd(ctx, embedetcd.Options{})
	}
	return r.etcd, err
}

// Catalogue returns a client of the benchmark's catalogue, which holds just a dump.
func (r *Rig) Catalogue(ctx context.Context, d *cssetcd.Dump) (*cssetcd.Client, error) {
	etcd, err := r.Etcd(ctx)
	if err != nil {
		return nil, err
	}
	css, err := cssetcd.New(ctx, etcd)
	if err != nil {
		return nil, err
	}
	if _, err := css.Restore(ctx, d, cssetcd.Overwrite()); err != nil {
		return nil, err
	}
	return css, nil
}

// Family returns a client of a catalogue of a shape, which it fills.
func (r *Rig) Family(ctx context.Context, s family.Shape) (*cssetcd.Client, error) {
	etcd, err := r.Etcd(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := family.Fill(ctx, etcd, s.Prefix, s.Rows()); err != nil {
		return nil, err
	}
	return cssetcd.New(ctx, etcd, cssetcd.WithPrefix(s.Prefix))
}

// View returns a view of a catalogue.
func (r *Rig) View(ctx context.Context, css *cssetcd.Client) (*cssetcd.View, error) {
	view, err := cssetcd.OpenView(ctx, css)
	if err != nil {
		return nil, err
	}
	r.OnClose(func() error { view.Close(); return nil })
	return view, nil
}

// MySQL returns how a database of the benchmark's MariaDB is reached. The database need not exist.
func (r *Rig) MySQL(ctx context.Context, database string) (*mysql.Config, error) {
	if r.mariadb == nil {
		server, err := mariadbd.Start(ctx, mariadbd.Options{Fsync: true, Args: productionArgs})
		if err != nil {
			return nil, err
		}
		r.OnClose(server.Close)
		r.mariadb = server
	}
	config := r.mariadb.Config(database)
	// As the mirror has it, so that both sides talk to the server in the same way.
	config.InterpolateParams = true
	config.ClientFoundRows = true
	config.MaxAllowedPacket = 0
	config.Params = map[string]string{
		"sql_mode":           "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
		"foreign_key_checks": "1",
		"unique_checks":      "1",
	}
	return config, nil
}

// SQL returns connections to a database of the benchmark's MariaDB, which is made where it is missing.
func (r *Rig) SQL(ctx context.Context, database string) (*sql.DB, error) {
	config, err := r.MySQL(ctx, "")
	if err != nil {
		return nil, err
	}
	db, err := r.open(config)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx,
		"CREATE DATABASE IF NOT EXISTS "+database+" CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci")
	if err != nil {
		return nil, fmt.Errorf("create the database %s: %w", database, err)
	}
	if config, err = r.MySQL(ctx, database); err != nil {
		return nil, err
	}
	return r.open(config)
}

func (r *Rig) open(config *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("the MySQL configuration: %w", err)
	}
	db := sql.OpenDB(connector)
	r.OnClose(db.Close)
	return db, nil
}

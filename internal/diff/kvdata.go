package diff

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// readKvData reads all rows in one statement, which sees one state of the table.
func readKvData(ctx context.Context, target *mysql.Config) (keys map[string]string, err error) {
	config := target.Clone()
	if config.ReadTimeout == 0 {
		config.ReadTimeout = time.Minute
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	defer db.Close() // it was only read
	defer func() {
		if err != nil {
			err = fmt.Errorf("read kvData: %w", err)
		}
	}()
	rows, err := db.QueryContext(ctx, "SELECT kvKey, kvVal FROM kvData")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	keys = map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		keys[key] = value
	}
	return keys, rows.Err()
}

// readEmpty adds what the tables of empty chunks say, under the names that a dump has for it.
func readEmpty(ctx context.Context, target *mysql.Config, keys map[string]string) error {
	shown, err := kvdata.ReadEmpty(ctx, target)
	for db, side := range shown.Tables {
		keys[string(csskey.EmptyOf(db))] = side.Set.String()
	}
	for db, err := range shown.Bad {
		keys[string(csskey.EmptyOf(db))] = "unreadable: " + err.Error()
	}
	return err
}

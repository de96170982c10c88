package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/qserv/css-etcd/mirror/plan"
)

// loadTable reads all rows of kvData in one statement, which sees one state of it.
func loadTable(ctx context.Context, q querier) (*plan.Table, error) {
	weights, err := loadWeights(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read how kvData compares keys: %w", err)
	}
	rows, err := q.QueryContext(ctx, "SELECT kvId, kvKey, kvVal, parentKvId FROM kvData")
	if err != nil {
		return nil, fmt.Errorf("read kvData: %w", err)
	}
	defer rows.Close()
	table := plan.NewTable(weights)
	for rows.Next() {
		var r plan.Row
		var parent sql.NullInt32
		if err := rows.Scan(&r.ID, &r.Key, &r.Value, &parent); err != nil {
			return nil, fmt.Errorf("read kvData: %w", err)
		}
		r.Parent = parent.Int32
		if err := table.Add(r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotKvData, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read kvData: %w", err)
	}
	return table, nil
}

// loadWeights asks the server which characters it takes for the same.
func loadWeights(ctx context.Context, q querier) (*plan.Weights, error) {
	const block = 4096
	var all [1 << 16]uint16
	for first := rune(0); first < 1<<16; first += block {
		var chars []rune
		for r := first; r < first+block; r++ {
			if utf8.ValidRune(r) {
				chars = append(chars, r)
			}
		}
		if len(chars) == 0 {
			continue // the surrogates
		}
		var weights []byte
		err := q.QueryRowContext(ctx, "SELECT WEIGHT_STRING(CONVERT(? USING utf8mb3) COLLATE utf8mb3_general_ci)",
			string(chars)).Scan(&weights)
		if err != nil {
			return nil, err
		}
		if len(weights) != 2*len(chars) {
			return nil, errors.New("the server's WEIGHT_STRING does not give two bytes a character")
		}
		for i, r := range chars {
			all[r] = uint16(weights[2*i])<<8 | uint16(weights[2*i+1])
		}
	}
	return plan.NewWeights(func(r rune) uint16 { return all[r] })
}

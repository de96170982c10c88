package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// inspectTable asks for a table with transactions.
func inspectTable(ctx context.Context, q querier) ([]string, error) {
	var kind, engine string
	err := q.QueryRowContext(ctx, `SELECT TABLE_TYPE, COALESCE(ENGINE, '') FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'`).Scan(&kind, &engine)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return []string{"there is none"}, nil
	case err != nil:
		return nil, err
	case kind != "BASE TABLE":
		return []string{"it is a " + strings.ToLower(kind)}, nil
	case engine != "InnoDB":
		return []string{"its engine is " + engine + " and not InnoDB, so that it has no transactions"}, nil
	}
	return nil, nil
}

// inspectUnique asks for unique indexes of kvId alone and of kvKey alone, which the plan relies on, and for others,
// which would refuse rows that it makes.
func inspectUnique(ctx context.Context, q querier) (faults []string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT INDEX_NAME, GROUP_CONCAT(COLUMN_NAME), MAX(SUB_PART) IS NOT NULL
		FROM information_schema.STATISTICS
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData' AND NON_UNIQUE = 0 GROUP BY INDEX_NAME`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	unique := map[string]bool{}
	for rows.Next() {
		var name, columns string
		var prefix bool
		if err := rows.Scan(&name, &columns, &prefix); err != nil {
			return nil, err
		}
		if unique[columns] = !prefix; prefix || columns != "kvId" && columns != "kvKey" {
			faults = append(faults, fmt.Sprintf("it has the unique index %s of %s, which Qserv does not make", name, columns))
		}
	}
	for _, column := range []string{"kvId", "kvKey"} {
		if !unique[column] {
			faults = append(faults, "the column "+column+" has no unique index of its own")
		}
	}
	return faults, rows.Err()
}

// inspectConstraints asks for CHECK constraints, which would refuse rows, and for tables of others that refer to rows,
// which would keep them from going.
func inspectConstraints(ctx context.Context, q querier) (faults []string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT CONCAT('the CHECK constraint ', CONSTRAINT_NAME)
		FROM information_schema.TABLE_CONSTRAINTS
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData' AND CONSTRAINT_TYPE = 'CHECK'
		UNION SELECT CONCAT('the table ', TABLE_SCHEMA, '.', TABLE_NAME, ' that refers to it')
		FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND
		REFERENCED_TABLE_NAME = 'kvData' AND NOT (TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData')`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		faults = append(faults, "it has "+name+", which Qserv does not make")
	}
	return faults, rows.Err()
}

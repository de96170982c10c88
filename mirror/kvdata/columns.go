package kvdata

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/mirror/plan"
)

// readColumns asks the server what kvData can hold. It returns ErrNotKvData, with all that is wrong, unless that is
// what the plan is made for.
func readColumns(ctx context.Context, q querier, database string) (*plan.Columns, error) {
	var faults []string
	for _, inspect := range []func(context.Context, querier) ([]string, error){
		inspectTable, inspectUnique, inspectConstraints,
	} {
		more, err := inspect(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("inspect kvData: %w", err)
		}
		faults = append(faults, more...)
	}
	found, err := describeColumns(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("inspect kvData: %w", err)
	}
	columns, more := columnsOf(found)
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, fmt.Errorf("%w: in the database %s, %s", ErrNotKvData, database, strings.Join(faults, "; "))
	}
	return columns, complete(ctx, q, columns, found["kvKey"])
}

// column is what information_schema says of a column.
type column struct {
	name, kind, whole  string // whole: the type with its length and sign
	chars, bytes       int64
	nullable           string
	charset, collation string
}

func describeColumns(ctx context.Context, q querier) (map[string]column, error) {
	rows, err := q.QueryContext(ctx, `SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(CHARACTER_MAXIMUM_LENGTH, 0),
		COALESCE(CHARACTER_OCTET_LENGTH, 0), IS_NULLABLE, COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, '')
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]column{}
	for rows.Next() {
		var c column
		err := rows.Scan(&c.name, &c.kind, &c.whole, &c.chars, &c.bytes, &c.nullable, &c.charset, &c.collation)
		if err != nil {
			return nil, err
		}
		found[c.name] = c
	}
	return found, rows.Err()
}

// shape tells whether the columns are as they were.
func (c *connection) shape(ctx context.Context, q querier) (shape string, err error) {
	err = q.QueryRowContext(ctx, `SELECT COALESCE(GROUP_CONCAT(COLUMN_NAME, ' ', COLUMN_TYPE, ' ',
		COALESCE(COLLATION_NAME, '') ORDER BY COLUMN_NAME), '') FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'`).Scan(&shape)
	if err != nil {
		return "", fmt.Errorf("look at the columns of kvData: %w", err)
	}
	return shape, nil
}

// columnsOf says what columns hold, or all that is wrong with them.
func columnsOf(found map[string]column) (*plan.Columns, []string) {
	c := &plan.Columns{}
	var faults []string
	note := func(fault string) {
		if fault != "" {
			faults = append(faults, fault)
		}
	}
	for _, name := range []string{"kvId", "kvKey", "kvVal", "parentKvId"} {
		is, ok := found[name]
		if !ok {
			note("the column " + name + " is missing")
			continue
		}
		if nullable := map[bool]string{true: "YES", false: "NO"}[name == "parentKvId"]; is.nullable != nullable {
			note(fmt.Sprintf("the column %s has NULL %s", name, is.nullable))
		}
		switch name {
		case "kvKey":
			note(keyColumn(c, is))
		case "kvVal":
			note(valueColumn(c, is))
		default:
			note(idColumn(is))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		switch name {
		case "kvId", "kvKey", "kvVal", "parentKvId":
		default:
			note("the column " + name + " is not one of Qserv's")
		}
	}
	return c, faults
}

func idColumn(is column) string {
	if is.kind != "int" || strings.Contains(is.whole, "unsigned") {
		return fmt.Sprintf("the column %s is %s and not int", is.name, is.whole)
	}
	return ""
}

// keyColumn fills in what the column of the keys holds, or says what is wrong with it.
func keyColumn(c *plan.Columns, is column) string {
	c.MaxKey = int(is.chars) // so many bytes fit in any case
	switch {
	case is.chars < 255:
		return fmt.Sprintf("the column kvKey is %s, shorter than 255", is.whole)
	case is.kind == "varbinary":
		c.Key, c.Spaces, c.Exact = plan.AnyBytes, plan.SpacesKept, true
		return ""
	case is.kind == "varchar":
		c.Spaces = plan.SpacesIgnored
	case is.kind != "char":
		return fmt.Sprintf("the column kvKey is %s and not char, varchar or varbinary", is.whole)
	}
	var fault string
	if c.Key, fault = text(is); fault != "" {
		return fault
	}
	collation := strings.TrimPrefix(strings.TrimPrefix(is.collation, is.charset), "_")
	if strings.Contains(collation, "nopad_") && is.kind == "varchar" {
		c.Spaces = plan.SpacesKept
	}
	switch collation {
	case "bin", "nopad_bin":
		c.Exact = true
	case "general_ci", "general_nopad_ci":
	default:
		return fmt.Sprintf("the column kvKey has the collation %s; it must be %[2]s_general_ci, as Qserv makes it, "+
			"or %[2]s_bin", is.collation, is.charset)
	}
	return ""
}

// valueColumn fills in what the column of the values holds, or says what is wrong with it.
func valueColumn(c *plan.Columns, is column) (fault string) {
	if c.MaxValue = int(is.bytes); is.kind != "text" && is.kind != "mediumtext" && is.kind != "longtext" {
		return fmt.Sprintf("the column kvVal is %s and not text, mediumtext or longtext", is.whole)
	}
	c.Value, fault = text(is)
	return fault
}

func text(is column) (plan.Text, string) {
	switch is.charset {
	case "utf8", "utf8mb3":
		return plan.ThreeBytes, ""
	case "utf8mb4":
		return plan.FourBytes, ""
	}
	return 0, fmt.Sprintf("the column %s has the character set %s and not utf8mb3 or utf8mb4", is.name, is.charset)
}

// complete adds what the server, and not the table, decides: how large a value it takes, and which characters of a key
// it takes for the same.
func complete(ctx context.Context, q querier, c *plan.Columns, key column) error {
	packet, err := maxPacket(ctx, q)
	if err != nil {
		return err
	}
	c.MaxValue = min(c.MaxValue, valueLimit(packet))
	if c.Exact {
		return nil
	}
	if c.Weights, err = loadWeights(ctx, q, key.charset, key.collation); err != nil {
		return fmt.Errorf("read how kvData compares keys: %w", err)
	}
	return nil
}

package upstream

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Twin runs operations on two tables, statement by statement: one that nobody else touches, and one that others work
// on, too. What the second answers has to be what the first does.
type Twin struct {
	Alone, In *sql.Conn
	// Rename puts the names of the operations into those that the second table has; nil: they are the same.
	Rename func(text string) string
}

// roots are the keys that a table may have without any operation, so that no operation makes them there.
var roots = []string{"", "/css_meta", "/DBS", "/NODES", "/PARTITIONING"}

var (
	insertOf   = regexp.MustCompile(`^INSERT INTO kvData \(kvKey, kvVal(?:, parentKvId)?\) VALUES \('([^']*)', ''`)
	childrenOf = regexp.MustCompile(`WHERE parentKvId='(\d+)'`)
	parentOf   = regexp.MustCompile(`^INSERT INTO kvData \(kvKey, kvVal, parentKvId\) VALUES .*?, '(\d+)'\)`)
	keyOf      = regexp.MustCompile(`^SELECT kvId FROM kvData WHERE kvKey='([^']*)'$`)
)

// Call runs an operation on both tables. It fails where a statement fails, or is answered otherwise than on the table
// that nobody else touches.
func (tw Twin) Call(ctx context.Context, op Operation) error {
	for _, statement := range op.Statements {
		if err := tw.run(ctx, statement); err != nil {
			return fmt.Errorf("%s: %s: %w", op.Name, statement, err)
		}
	}
	return nil
}

func (tw Twin) run(ctx context.Context, statement string) error {
	translated, shared, err := tw.translate(ctx, statement)
	if err != nil {
		return err
	}
	want, err := one(ctx, tw.Alone, statement)
	if err != nil {
		return err
	}
	if made := insertOf.FindStringSubmatch(statement); made != nil && slices.Contains(roots, made[1]) {
		return nil // it is there already
	}
	have, err := one(ctx, tw.In, translated)
	switch {
	case err != nil:
		return err
	case have.Affected != want.Affected:
		return fmt.Errorf("it changed %d rows instead of %d", have.Affected, want.Affected)
	case !shared && len(have.Rows) != len(want.Rows):
		return fmt.Errorf("it found %d rows instead of %d", len(have.Rows), len(want.Rows))
	}
	return nil
}

// one executes a statement that must not fail.
func one(ctx context.Context, conn *sql.Conn, statement string) (Outcome, error) {
	all, err := Run(ctx, conn, statement)
	if err != nil {
		return Outcome{}, err
	}
	if all[0].Error != 0 {
		return Outcome{}, fmt.Errorf("error %d: %s", all[0].Error, all[0].Text)
	}
	return all[0], nil
}

// translate puts the ids and names of a statement into terms of the second table. Shared says that its answer is about
// what others have there, too.
func (tw Twin) translate(ctx context.Context, statement string) (translated string, shared bool, err error) {
	rename := tw.Rename
	if rename == nil {
		rename = func(text string) string { return text }
	}
	if key := keyOf.FindStringSubmatch(statement); key != nil {
		return rename(statement), slices.Contains(roots, key[1]), nil
	}
	shared = strings.Contains(statement, "'/PARTITIONING/_'") // the ids of all
	at := childrenOf.FindStringSubmatchIndex(statement)
	if at == nil {
		at = parentOf.FindStringSubmatchIndex(statement)
	}
	if at == nil {
		return rename(statement), shared, nil
	}
	key, id := "", ""
	err = tw.Alone.QueryRowContext(ctx, "SELECT kvKey FROM kvData WHERE kvId = ?", statement[at[2]:at[3]]).Scan(&key)
	if err != nil {
		return "", false, fmt.Errorf("look for the row that has an id: %w", err)
	}
	if err := tw.In.QueryRowContext(ctx, "SELECT kvId FROM kvData WHERE kvKey = ?", rename(key)).Scan(&id); err != nil {
		return "", false, fmt.Errorf("look for the id of %s: %w", rename(key), err)
	}
	return rename(statement[:at[2]]) + id + rename(statement[at[3]:]), shared || slices.Contains(roots, key), nil
}

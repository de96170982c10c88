package kvdata

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// own are the mirror's own tables.
var own = []string{"css_mirror_state", "css_mirror_quarantine", "css_mirror_foreign"}

// Grants returns the statements that let a user mirror to a database, and no more: such as 'css-sync'@'%'. With create
// the mirror may make the database and the tables itself; else they have to be there, as the mirror or [Schema] makes
// them.
func Grants(user, database string, create bool) []string {
	if create {
		return []string{"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, REFERENCES ON " + pattern(database) + ".* TO " + user}
	}
	out := []string{}
	for _, table := range append([]string{"kvData", emptyTable}, own...) {
		out = append(out, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+mysqlconn.QuoteName(database)+"."+
			mysqlconn.QuoteName(table)+" TO "+user)
	}
	return out
}

// ReadGrants returns the statement that lets a user look, as check, status and diff do.
func ReadGrants(user, database string) []string {
	return []string{"GRANT SELECT ON " + pattern(database) + ".* TO " + user}
}

// CaptureGrants returns the statements that, beside those of [Grants], let a user capture what others write: install
// it, run its triggers and remove it. A server that logs its changes wants SUPER to install it, or
// log_bin_trust_function_creators.
func CaptureGrants(user, database string) []string {
	on := " ON " + mysqlconn.QuoteName(database) + "."
	out := []string{
		"GRANT LOCK TABLES ON " + pattern(database) + ".* TO " + user,
		"GRANT CREATE, TRIGGER" + on + "kvData TO " + user, // with CREATE also on a table that is not there yet
	}
	for _, table := range captureTables {
		out = append(out, "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP"+on+table+" TO "+user)
	}
	return out
}

// EmptyGrants returns the statement that, beside those of [Grants], lets a user remove the table of the empty chunks of
// a database that goes, or of which it is not known any more which are empty. Such tables have names of their own, so
// that it is about all tables of the database.
func EmptyGrants(user, database string) []string {
	return []string{"GRANT DROP ON " + pattern(database) + ".* TO " + user}
}

// pattern quotes the name of a database where GRANT takes it for a pattern.
func pattern(database string) string {
	return mysqlconn.QuoteName(strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(database))
}

// Schema returns the statements that make the database and the tables, for who lets nobody else make any.
func Schema(database string) []string {
	return []string{createDatabase(database), "USE " + mysqlconn.QuoteName(database), createKvData, createState,
		createQuarantine, createForeign, createEmpty}
}

// missingPrivileges asks the server, with statements that touch no row, what the user may not do; roles count.
func (c *connection) missingPrivileges(ctx context.Context, tables ...string) (missing []string, err error) {
	for _, table := range tables {
		for _, verb := range []struct{ name, statement string }{
			{"SELECT", "SELECT 1 FROM " + table + " WHERE FALSE"},
			{"INSERT", "INSERT INTO " + table + " SELECT * FROM " + table + " WHERE FALSE"},
			{"UPDATE", "UPDATE " + table + " SET " + anyColumn(table) + " WHERE FALSE"},
			{"DELETE", "DELETE FROM " + table + " WHERE FALSE"},
		} {
			switch _, err := c.ExecContext(ctx, verb.statement); {
			case mysqlconn.NotGranted(err):
				missing = append(missing, verb.name+" on "+table)
			case mysqlconn.Is(err, mysqlconn.ErBadField):
				// It may, and the table is another one, which is told of when its columns are read.
			case err != nil:
				return nil, err
			}
		}
	}
	return missing, nil
}

func anyColumn(table string) string {
	column := map[string]string{"kvData": "kvVal", "css_mirror_state": "owner", "css_mirror_quarantine": "detail",
		"css_mirror_foreign": "found", inboxTable: "writer", conflictsTable: "detail", captureTable: "definer"}[table]
	return column + " = " + column
}

// checkPrivileges fails with ErrUnauthorized, and names all that is missing.
func (c *connection) checkPrivileges(ctx context.Context, tables ...string) error {
	missing, err := c.missingPrivileges(ctx, tables...)
	if err != nil || len(missing) == 0 {
		return err
	}
	printed := "css-sync grants"
	if slices.Contains(tables, inboxTable) {
		printed += " --capture"
	}
	return fmt.Errorf("%w %q at %s: it lacks %s; `%s` prints what it needs", ErrUnauthorized, c.target.User,
		c.target.Addr, strings.Join(missing, ", "), printed)
}

package cssetcd_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/testkit"
)

// outcome is what an operation on a database or table came to, as far as a user can tell.
type outcome string

const (
	outcomeOK      outcome = "ok"
	outcomeExists  outcome = "exists"
	outcomeMissing outcome = "missing"
	outcomeInvalid outcome = "invalid"
)

// serverOutcome reads MariaDB's answer.
func serverOutcome(t oracleT, err error) outcome {
	t.Helper()
	switch code := mysqlCode(t, err); code {
	case 0:
		return outcomeOK
	case 1007, 1050: // database exists; table exists
		return outcomeExists
	case 1008, 1049, 1051, 1146: // database to drop; database; table to drop; table
		return outcomeMissing
	// too long; two columns of one name; syntax; name of a database; of a table; not utf8mb3
	case 1059, 1060, 1064, 1102, 1103, 1300,
		1066, 1068, 1072, 1113, 1166, 1291, 4161: // named twice; keys; no columns; name of a column; an enum; a type
		return outcomeInvalid
	case 1044: // what is the server's own
		return outcomeExists
	default:
		t.Fatalf("MariaDB's error %d has no outcome: %v", code, err)
		return ""
	}
}

// ourOutcome reads ours.
func ourOutcome(t oracleT, err error) outcome {
	t.Helper()
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, cssetcd.ErrExists):
		return outcomeExists
	case errors.Is(err, cssetcd.ErrNotFound):
		return outcomeMissing
	case errors.Is(err, cssetcd.ErrInvalid):
		return outcomeInvalid
	}
	t.Fatalf("our error has no outcome: %v", err)
	return ""
}

// ddl is an operation that MariaDB and we have.
type ddl struct {
	text   string
	server func(*sql.DB) error
	ours   func(context.Context, *cssetcd.Client) error
}

// statement is a ddl that is one statement of MariaDB.
func statement(text string, ours func(context.Context, *cssetcd.Client) error) ddl {
	return ddl{text, func(db *sql.DB) error { return ddlExec(db, text) }, ours}
}

func ddlExec(db *sql.DB, text string) error {
	_, err := db.Exec(text)
	return err
}

// ddlOption returns the words of an option of the statement, and ours.
func ddlOption(on bool, words string, ours cssetcd.WriteOption) (string, []cssetcd.WriteOption) {
	if !on {
		return "", nil
	}
	return words + " ", []cssetcd.WriteOption{ours}
}

func ddlCreateDatabase(name string, ifNotExists bool) ddl {
	words, opts := ddlOption(ifNotExists, "IF NOT EXISTS", cssetcd.IfNotExists())
	return statement("CREATE DATABASE "+words+quoted(name), func(ctx context.Context, c *cssetcd.Client) error {
		return errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: name}, opts...))
	})
}

// ddlCreateDatabaseLike: MariaDB has no such statement. What stands for it looks first whether there is something to
// do, as CREATE TABLE LIKE does, and then creates with what SHOW CREATE says of the model.
func ddlCreateDatabaseLike(name, like string, ifNotExists bool) ddl {
	words, opts := ddlOption(ifNotExists, "IF NOT EXISTS", cssetcd.IfNotExists())
	create := "CREATE DATABASE " + words + quoted(name)
	return ddl{
		text: create + " like " + like,
		server: func(db *sql.DB) error {
			var same, model string
			if db.QueryRow("SHOW CREATE DATABASE "+quoted(name)).Scan(&same, &model) == nil {
				return ddlExec(db, create)
			}
			if err := db.QueryRow("SHOW CREATE DATABASE "+quoted(like)).Scan(&same, &model); err != nil {
				return err
			}
			return ddlExec(db, create+strings.TrimPrefix(model, "CREATE DATABASE "+quoted(like)))
		},
		ours: func(ctx context.Context, c *cssetcd.Client) error {
			return errOf(c.CreateDatabaseLike(ctx, name, like, opts...))
		},
	}
}

func ddlDropDatabase(name string, ifExists bool) ddl {
	words, opts := ddlOption(ifExists, "IF EXISTS", cssetcd.IfExists())
	return statement("DROP DATABASE "+words+quoted(name), func(ctx context.Context, c *cssetcd.Client) error {
		return errOf(c.DropDatabase(ctx, name, opts...))
	})
}

func ddlCreateTable(db, table, schema string, ifNotExists bool) ddl {
	words, opts := ddlOption(ifNotExists, "IF NOT EXISTS", cssetcd.IfNotExists())
	return statement(fmt.Sprintf("CREATE TABLE %s%s.%s %s", words, quoted(db), quoted(table), schema),
		func(ctx context.Context, c *cssetcd.Client) error {
			n := cssetcd.TableName{DB: db, Table: table}
			return errOf(c.CreateTable(ctx, cssetcd.Table{Name: n, Schema: schema}, opts...))
		})
}

// ddlCreateTableLike: ours are two steps: reading the model, when the table is not there, and creating it.
func ddlCreateTableLike(db, table, like string, ifNotExists bool) ddl {
	words, opts := ddlOption(ifNotExists, "IF NOT EXISTS", cssetcd.IfNotExists())
	return statement(fmt.Sprintf("CREATE TABLE %s%s.%s LIKE %s.%s", words, quoted(db), quoted(table), quoted(db),
		quoted(like)), func(ctx context.Context, c *cssetcd.Client) error {
		n := cssetcd.TableName{DB: db, Table: table}
		model, err := c.Table(ctx, n)
		if errors.Is(err, cssetcd.ErrNoSuchTable) {
			model, err = c.Table(ctx, cssetcd.TableName{DB: db, Table: like})
		}
		if err != nil {
			return err
		}
		return errOf(c.CreateTable(ctx, cssetcd.Table{Name: n, Schema: model.Schema}, opts...))
	})
}

func ddlDropTable(db, table string, ifExists bool) ddl {
	words, opts := ddlOption(ifExists, "IF EXISTS", cssetcd.IfExists())
	return statement(fmt.Sprintf("DROP TABLE %s%s.%s", words, quoted(db), quoted(table)),
		func(ctx context.Context, c *cssetcd.Client) error {
			return errOf(c.DropTable(ctx, cssetcd.TableName{DB: db, Table: table}, opts...))
		})
}

// both runs an operation on both.
func (d ddl) both(t oracleT, db *sql.DB, c *cssetcd.Client) (server, ours outcome) {
	t.Helper()
	return serverOutcome(t, d.server(db)), ourOutcome(t, d.ours(context.Background(), c))
}

// serverTables returns what is in MariaDB, as the names of databases and "database.table".
func serverTables(t oracleT, db *sql.DB) []string {
	t.Helper()
	const own = "('mysql', 'sys', 'information_schema', 'performance_schema')"
	rows, err := db.Query(`SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ` + own +
		` UNION ALL SELECT concat(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema NOT IN ` +
		own)
	if err != nil {
		t.Fatalf("list what MariaDB has: %v", err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatalf("list what MariaDB has: %v", err)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func ourTables(t oracleT, c *cssetcd.Client) []string {
	t.Helper()
	s, err := c.Snapshot(context.Background(), 0)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	all := []string{}
	for db, err := range s.Databases() {
		if err != nil {
			t.Fatalf("read a database: %v", err)
		}
		all = append(all, db.Name)
		for table, err := range s.Tables(db.Name) {
			if err != nil {
				t.Fatalf("read a table: %v", err)
			}
			all = append(all, table.Name.String())
		}
	}
	slices.Sort(all)
	return all
}

func emptyServer(t oracleT, db *sql.DB) {
	t.Helper()
	for _, name := range serverTables(t, db) {
		if err := ddlExec(db, "DROP DATABASE IF EXISTS "+quoted(name)); err != nil && !strings.Contains(name, ".") {
			t.Fatalf("drop %s: %v", name, err)
		}
	}
}

// columns is a schema for cases in which it does not matter.
const anyColumns = "(a INT, b INT)"

// oracleSame are operations, on a database d with tables t and u, that come to the same in MariaDB and here.
var oracleSame = []struct {
	do   ddl
	want outcome
}{
	{ddlCreateDatabase("new", false), outcomeOK},
	{ddlCreateDatabase("new", true), outcomeOK},
	{ddlCreateDatabase("d", false), outcomeExists},
	{ddlCreateDatabase("d", true), outcomeOK},
	{ddlCreateDatabase("", false), outcomeInvalid},
	{ddlCreateDatabase("ends with a space ", false), outcomeInvalid},
	{ddlCreateDatabase(strings.Repeat("n", 64), false), outcomeOK},
	{ddlCreateDatabase(strings.Repeat("n", 65), false), outcomeInvalid},
	{ddlCreateDatabase("\U0001F600", false), outcomeInvalid},
	{ddlCreateDatabase("new-one", false), outcomeOK},
	{ddlCreateDatabase("7", false), outcomeOK},
	{ddlCreateDatabase("with a space", false), outcomeOK},
	{ddlCreateDatabase("`quoted`", false), outcomeOK},
	{ddlCreateDatabase(`back\slash`, false), outcomeOK},
	{ddlCreateDatabase("100%_*?", false), outcomeOK},
	{ddlCreateDatabaseLike("new", "d", false), outcomeOK},
	{ddlCreateDatabaseLike("new", "d", true), outcomeOK},
	{ddlCreateDatabaseLike("d", "d", false), outcomeExists},
	{ddlCreateDatabaseLike("d", "none", false), outcomeExists},
	{ddlCreateDatabaseLike("d", "none", true), outcomeOK},
	{ddlCreateDatabaseLike("new", "none", false), outcomeMissing},
	{ddlCreateDatabaseLike("new", "none", true), outcomeMissing},
	{ddlCreateDatabaseLike("ends with a space ", "d", false), outcomeInvalid},
	{ddlDropDatabase("d", false), outcomeOK},
	{ddlDropDatabase("d", true), outcomeOK},
	{ddlDropDatabase("D", false), outcomeMissing},
	{ddlDropDatabase("none", false), outcomeMissing},
	{ddlDropDatabase("none", true), outcomeOK},
	{ddlCreateTable("d", "new", anyColumns, false), outcomeOK},
	{ddlCreateTable("d", "new", anyColumns, true), outcomeOK},
	{ddlCreateTable("d", "t", anyColumns, false), outcomeExists},
	{ddlCreateTable("d", "t", anyColumns, true), outcomeOK},
	{ddlCreateTable("none", "new", anyColumns, false), outcomeMissing},
	{ddlCreateTable("none", "new", anyColumns, true), outcomeMissing},
	{ddlCreateTable("D", "new", anyColumns, false), outcomeMissing},
	{ddlCreateTable("d", "", anyColumns, false), outcomeInvalid},
	{ddlCreateTable("d", "ends with a space ", anyColumns, false), outcomeInvalid},
	{ddlCreateTable("d", strings.Repeat("n", 64), anyColumns, false), outcomeOK},
	{ddlCreateTable("d", strings.Repeat("n", 65), anyColumns, false), outcomeInvalid},
	{ddlCreateTable("d", "\U0001F600", anyColumns, false), outcomeInvalid},
	{ddlCreateTable("d", "with a space", anyColumns, false), outcomeOK},
	{ddlCreateTable("d", "t`", anyColumns, false), outcomeOK},
	{ddlCreateTable("d", "select", anyColumns, false), outcomeOK},
	{ddlCreateTable("d", "new", "(a INT, A INT)", false), outcomeInvalid},
	{ddlCreateTable("d", "new", "(a INT, b INT, `a` INT)", true), outcomeInvalid},
	{ddlCreateTable("d", "new", "(`a b` INT, `A B` INT)", false), outcomeInvalid},
	{ddlCreateTable("d", "new", "(a INT, b INT COMMENT ', a INT')", false), outcomeOK},
	{ddlCreateTable("none", "new", "(a INT, a INT)", false), outcomeInvalid},
	{ddlCreateTableLike("d", "new", "t", false), outcomeOK},
	{ddlCreateTableLike("d", "new", "t", true), outcomeOK},
	{ddlCreateTableLike("d", "u", "t", false), outcomeExists},
	{ddlCreateTableLike("d", "u", "t", true), outcomeOK},
	{ddlCreateTableLike("d", "t", "none", false), outcomeExists},
	{ddlCreateTableLike("d", "t", "none", true), outcomeOK},
	{ddlCreateTableLike("d", "new", "none", false), outcomeMissing},
	{ddlCreateTableLike("d", "new", "none", true), outcomeMissing},
	{ddlCreateTableLike("d", "new", "T", false), outcomeMissing},
	{ddlCreateTableLike("none", "new", "t", false), outcomeMissing},
	{ddlDropTable("d", "t", false), outcomeOK},
	{ddlDropTable("d", "t", true), outcomeOK},
	{ddlDropTable("d", "T", false), outcomeMissing},
	{ddlDropTable("d", "T", true), outcomeOK},
	{ddlDropTable("d", "none", false), outcomeMissing},
	{ddlDropTable("d", "none", true), outcomeOK},
	{ddlDropTable("D", "t", false), outcomeMissing},
	{ddlDropTable("none", "t", false), outcomeMissing},
	{ddlDropTable("none", "t", true), outcomeOK},
}

// Why an operation comes to something else here than in MariaDB. Each is a line of docs/SUPPORTED.md.
const (
	whyCase     = "Names that differ in upper and lower case only"
	whyDot      = "A dot in the name of a database or table"
	whySlash    = "A slash in a name"
	whySpace    = "A space at the front of a name"
	whyASCII    = "Characters other than printable ASCII"
	whyPacked   = "The name `.packed.json`"
	whySchema   = "The text of a schema"
	whyFold     = "Letters that are one column's name"
	whyFirst    = "Two columns of one name in a table that exists"
	whyOwn      = "The server's own databases and names"
	whyNever    = "A name that nothing can have"
	whyNotAName = "A name that would be part of another's key"
	whyItself   = "A table like itself"
)

// oracleDifferent are the operations that come to something else here.
var oracleDifferent = []struct {
	do           ddl
	server, ours outcome
	why          string
}{
	{ddlCreateDatabase("D", false), outcomeOK, outcomeExists, whyCase},
	{ddlCreateDatabase("D", true), outcomeOK, outcomeExists, whyCase},
	{ddlCreateDatabaseLike("D", "d", false), outcomeOK, outcomeExists, whyCase},
	{ddlCreateTable("d", "T", anyColumns, false), outcomeOK, outcomeExists, whyCase},
	{ddlCreateTable("d", "T", anyColumns, true), outcomeOK, outcomeExists, whyCase},
	{ddlCreateTableLike("d", "T", "t", false), outcomeOK, outcomeExists, whyCase},
	{ddlCreateDatabase("a.b", false), outcomeOK, outcomeInvalid, whyDot},
	{ddlCreateDatabase("..", false), outcomeOK, outcomeInvalid, whyDot},
	{ddlCreateTable("d", "a.b", anyColumns, false), outcomeOK, outcomeInvalid, whyDot},
	{ddlCreateDatabase("a/b", false), outcomeOK, outcomeInvalid, whySlash},
	{ddlCreateTable("d", "a/b", anyColumns, false), outcomeOK, outcomeInvalid, whySlash},
	{ddlCreateDatabase(" a", false), outcomeOK, outcomeInvalid, whySpace},
	{ddlCreateTable("d", " a", anyColumns, false), outcomeOK, outcomeInvalid, whySpace},
	{ddlCreateDatabase("é", false), outcomeOK, outcomeInvalid, whyASCII},
	{ddlCreateDatabase("a\tb", false), outcomeOK, outcomeInvalid, whyASCII},
	{ddlCreateDatabase("a\x01", false), outcomeOK, outcomeInvalid, whyASCII},
	{ddlCreateTable("d", "é", anyColumns, false), outcomeOK, outcomeInvalid, whyASCII},
	{ddlCreateDatabase(".packed.json", false), outcomeOK, outcomeInvalid, whyPacked},
	{ddlCreateTable("d", ".packed.json", anyColumns, false), outcomeOK, outcomeInvalid, whyPacked},
	{ddlCreateTable("d", "new", "", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "()", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(a INT", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(a NOSUCHTYPE)", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(a INT, KEY (b))", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(a INT PRIMARY KEY, b INT PRIMARY KEY)", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(a ENUM('x','X'))", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(`a ` INT)", false), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "t", "nonsense", true), outcomeInvalid, outcomeOK, whySchema},
	{ddlCreateTable("d", "new", "(`ß` INT, `ẞ` INT)", false), outcomeOK, outcomeInvalid, whyFold},
	{ddlCreateTable("d", "t", "(a INT, A INT)", false), outcomeExists, outcomeInvalid, whyFirst},
	{ddlCreateTable("d", "t", "(a INT, A INT)", true), outcomeOK, outcomeInvalid, whyFirst},
	{ddlCreateDatabase("mysql", false), outcomeExists, outcomeOK, whyOwn},
	{ddlCreateDatabase("information_schema", false), outcomeExists, outcomeOK, whyOwn},
	{ddlCreateDatabase("#mysql50#x", false), outcomeInvalid, outcomeOK, whyOwn},
	{ddlDropDatabase("a ", false), outcomeInvalid, outcomeMissing, whyNever},
	{ddlDropTable("d", "a ", true), outcomeInvalid, outcomeOK, whyNever},
	{ddlDropTable("d", strings.Repeat("n", 65), false), outcomeInvalid, outcomeMissing, whyNever},
	{ddlCreateDatabaseLike("new", "", false), outcomeInvalid, outcomeMissing, whyNever},
	{ddlDropDatabase("a/b", false), outcomeMissing, outcomeInvalid, whyNotAName},
	{ddlDropDatabase(".packed.json", true), outcomeOK, outcomeInvalid, whyNotAName},
	{ddlDropTable("d", "a/b", true), outcomeOK, outcomeInvalid, whyNotAName},
	{ddlCreateTableLike("d", "t", "t", false), outcomeInvalid, outcomeExists, whyItself},
	{ddlCreateTableLike("d", "t", "t", true), outcomeInvalid, outcomeOK, whyItself},
}

func oracleStart(t *testing.T, db *sql.DB) *cssetcd.Client {
	t.Helper()
	emptyServer(t, db)
	c := csstest.New(t)
	for _, d := range []ddl{ddlCreateDatabase("d", false), ddlCreateTable("d", "t", anyColumns, false),
		ddlCreateTable("d", "u", anyColumns, false)} {
		server, ours := d.both(t, db, c)
		require.Equal(t, []outcome{outcomeOK, outcomeOK}, []outcome{server, ours}, d.text)
	}
	return c
}

// TestOutcomesAreThoseOfMariaDB: creating and dropping comes to the same as in MariaDB, and leaves the same databases
// and tables.
func TestOutcomesAreThoseOfMariaDB(t *testing.T) {
	db := oracleServer(t)
	for _, tt := range oracleSame {
		t.Run(tt.do.text, func(t *testing.T) {
			c := oracleStart(t, db)
			server, ours := tt.do.both(t, db, c)
			assert.Equal(t, tt.want, server, "MariaDB")
			assert.Equal(t, tt.want, ours, "ours")
			assert.Equal(t, serverTables(t, db), ourTables(t, c))
		})
	}
}

// TestOutcomesThatDifferFromMariaDB: where they differ, we are the stricter one and the reason is documented, or the
// text of a schema is not ours to judge.
func TestOutcomesThatDifferFromMariaDB(t *testing.T) {
	db := oracleServer(t)
	doc, err := os.ReadFile("../docs/SUPPORTED.md")
	require.NoError(t, err)
	for _, tt := range oracleDifferent {
		t.Run(tt.do.text, func(t *testing.T) {
			c := oracleStart(t, db)
			server, ours := tt.do.both(t, db, c)
			assert.Equal(t, tt.server, server, "MariaDB")
			assert.Equal(t, tt.ours, ours, "ours")
			assert.NotEqual(t, server, ours)
			assert.Contains(t, string(doc), tt.why)
		})
	}
}

// TestRandomOperationsAreThoseOfMariaDB: sequences of operations, each of which comes to the same, and what is there in
// the end.
func TestRandomOperationsAreThoseOfMariaDB(t *testing.T) {
	db := oracleServer(t)
	dbNames, tableNames := []string{"d", "e", "f"}, []string{"t", "u", "v"}
	const twice = "(a INT, A INT)"
	schemas := []string{anyColumns, anyColumns, twice}
	counts := map[outcome]int{}
	rapid.Check(t, func(rt *rapid.T) {
		emptyServer(rt, db)
		c := csstest.New(t)
		if _, err := c.AddNode(context.Background(), cssetcd.Node{Name: "worker"}); err != nil { // makes it a CSS
			rt.Fatalf("%v", err)
		}
		pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(rt, label) }
		for range rapid.IntRange(1, 15).Draw(rt, "operations") {
			name, table, lenient := pick("database", dbNames), pick("table", tableNames), rapid.Bool().Draw(rt, "lenient")
			others := slices.DeleteFunc(slices.Clone(tableNames), func(other string) bool { return other == table })
			d := rapid.SampledFrom([]ddl{
				ddlCreateDatabase(name, lenient), ddlCreateDatabase(name, lenient),
				ddlCreateDatabaseLike(name, pick("like", dbNames), lenient),
				ddlDropDatabase(name, lenient), ddlCreateTable(name, table, pick("schema", schemas), lenient),
				ddlCreateTable(name, table, anyColumns, lenient), ddlCreateTableLike(name, table, pick("like table", others),
					lenient),
				ddlDropTable(name, table, lenient),
			}).Draw(rt, "operation")
			server, ours := d.both(rt, db, c)
			counts[ours]++
			if strings.HasSuffix(d.text, twice) && ours == outcomeInvalid &&
				(server == outcomeExists || lenient && server == outcomeOK) {
				continue // whyFirst
			}
			require.Equal(rt, server, ours, d.text)
		}
		require.Equal(rt, serverTables(rt, db), ourTables(rt, c))
	})
	t.Logf("%v", counts)
	for _, o := range []outcome{outcomeOK, outcomeExists, outcomeMissing, outcomeInvalid} {
		assert.Positive(t, counts[o], o)
	}
}

// whyNameDiffers says why a name that MariaDB takes is refused here or the reverse; "" when both agree.
func whyNameDiffers(name string) string {
	switch {
	case name == ".packed.json":
		return whyPacked
	case strings.HasSuffix(name, " ") || name == "" || len(name) > 64:
		return "" // refused by both
	case strings.Contains(name, "/"):
		return whySlash
	case strings.Contains(name, "."):
		return whyDot
	case strings.HasPrefix(name, " "):
		return whySpace
	}
	return ""
}

// TestRandomNamesAreThoseOfMariaDB: every sign and random names of printable ASCII are taken or refused by both, but
// for the rules.
func TestRandomNamesAreThoseOfMariaDB(t *testing.T) {
	db := oracleServer(t)
	c := csstest.New(t)
	server, ours := ddlCreateDatabase("names", false).both(t, db, c)
	require.Equal(t, []outcome{outcomeOK, outcomeOK}, []outcome{server, ours})
	agreed, differed := 0, 0
	check := func(t oracleT, name string) {
		for _, d := range [][2]ddl{
			{ddlCreateDatabase(name, false), ddlDropDatabase(name, false)},
			{ddlCreateTable("names", name, anyColumns, false), ddlDropTable("names", name, false)},
		} {
			server, ours := d[0].both(t, db, c)
			if server == outcomeOK && d[1].server(db) != nil || ours == outcomeOK && d[1].ours(context.Background(), c) != nil {
				t.Fatalf("%q cannot be dropped", name)
			}
			if whyNameDiffers(name) != "" {
				differed++
				require.Equal(t, []outcome{outcomeOK, outcomeInvalid}, []outcome{server, ours}, "%q", name)
				continue
			}
			agreed++
			require.Equal(t, server, ours, "%q", name)
		}
	}
	for sign := rune(0x20); sign < 0x7f; sign++ {
		check(t, "x"+string(sign)+"y")
		if !unicode.IsLetter(sign) {
			check(t, string(sign))
		}
	}
	printable := rapid.StringOfN(rapid.RuneFrom(nil, &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x20, Hi: 0x7e,
		Stride: 1}}}), 0, 66, -1)
	testkit.Check(t, testkit.Steps(30, 100), func(t *rapid.T) { check(t, printable.Draw(t, "name")) })
	t.Logf("%d names agreed and %d differed by a rule", agreed, differed)
	assert.Greater(t, agreed, 200)
}

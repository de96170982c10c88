package cssetcd_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// oracleServer is the tests' MariaDB, emptied, which says what is right. It has its default settings: the names of
// databases and tables are told apart by case.
func oracleServer(t *testing.T) *sql.DB {
	t.Helper()
	connector := must(mysql.NewConnector(testkit.SharedMariaDB(t).Config("")))(t)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	emptyServer(t, db)
	return db
}

// columnsServer is one with a database o.
func columnsServer(t *testing.T) *sql.DB {
	t.Helper()
	db := oracleServer(t)
	must(db.Exec("CREATE DATABASE o"))(t)
	return db
}

// mysqlCode returns the server's error number, 0 for success.
func mysqlCode(t oracleT, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		t.Fatalf("not an answer of MariaDB: %v", err)
	}
	return int(e.Number)
}

// oracleT is what *testing.T and *rapid.T share.
type oracleT interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	FailNow()
}

// serverColumn is a column as information_schema describes it, but for what keys add.
type serverColumn struct{ Name, Type, Nullable, Default, Collation, Extra, Comment, Generated string }

// createColumns creates a table of the schema and returns its columns as the server knows them, or the server's error.
func createColumns(t oracleT, db *sql.DB, table, schema string) ([]serverColumn, error) {
	t.Helper()
	for _, statement := range []string{"DROP TABLE IF EXISTS o." + table, "CREATE TABLE o." + table + " " + schema} {
		if _, err := db.Exec(statement); err != nil {
			return nil, err
		}
	}
	rows, err := db.Query(`SELECT column_name, column_type, is_nullable, coalesce(column_default, '-'), coalesce(collation_name, '-'), extra,
		column_comment, coalesce(generation_expression, '-') FROM information_schema.columns
		WHERE table_schema = 'o' AND table_name = ? ORDER BY ordinal_position`, table)
	if err != nil {
		t.Fatalf("read the columns of %s: %v", schema, err)
	}
	defer rows.Close()
	var all []serverColumn
	for rows.Next() {
		var c serverColumn
		if err := rows.Scan(&c.Name, &c.Type, &c.Nullable, &c.Default, &c.Collation, &c.Extra, &c.Comment,
			&c.Generated); err != nil {
			t.Fatalf("read the columns of %s: %v", schema, err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("read the columns of %s: %v", schema, err)
	}
	return all, nil
}

func ourColumns(schema string) ([]cssetcd.Column, error) {
	table := cssetcd.Table{Name: cssetcd.TableName{DB: "o", Table: "t"}, Schema: schema}
	return table.Columns()
}

func columnNames[C any](columns []C, name func(C) string) []string {
	names := []string{}
	for _, c := range columns {
		names = append(names, name(c))
	}
	return names
}

func serverNames(columns []serverColumn) []string {
	return columnNames(columns, func(c serverColumn) string { return c.Name })
}

func ourNames(columns []cssetcd.Column) []string {
	return columnNames(columns, func(c cssetcd.Column) string { return c.Name })
}

// quoted returns a name in backticks.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// rebuilt returns a schema of nothing but the columns.
func rebuilt(columns []cssetcd.Column) string {
	var definitions []string
	for _, c := range columns {
		definitions = append(definitions, quoted(c.Name)+" "+c.Type)
	}
	return "(" + strings.Join(definitions, ", ") + ")"
}

// columnSchemas are schemas that MariaDB accepts, each with something that makes it hard to find the columns. Where a
// table can be made of the columns alone, it must be the same.
var columnSchemas = map[string]struct {
	schema    string
	dependent bool // a column needs a key or constraint: it cannot be made alone
}{
	"one column":           {schema: "(a INT)"},
	"blanks of every kind": {schema: " \t\n( \n a\tINT ,\r\n\fb\vINT\n ) \n"},
	"no blanks":            {schema: "(a INT,b INT)"},
	"backticks": {schema: "(`a` INT, `b c` INT, `d``e` INT, `f,g` INT, `(` INT, `'` INT, `\"` " +
		"INT, `#` INT, `--` INT, `/*` INT, `\\` INT)"},
	"reserved words in backticks": {schema: "(`key` INT, `primary` INT, `index` INT, `check` INT, `constraint` " +
		"INT, `select` INT, `like` INT)"},
	"names close to reserved words": {schema: "(keyx INT, primary_id INT, indexes INT, checks INT, uniqueness INT, " +
		"likely INT, selected INT)"},
	"a column named period":     {schema: "(period INT, vector INT, `name` INT)"},
	"names of digits and signs": {schema: "(1a INT, _ INT, $ INT, a$1 INT, `2` INT)"},
	"names beyond ASCII":        {schema: "(é INT, Ω INT, `漢字` INT, 漢 INT, ° INT, `\u00a0` INT)"},
	"the table's name before":   {schema: "(nt INT, `t2` INT)"},
	"types with parentheses":    {schema: "(a DECIMAL(10,2), b FLOAT(7,4), c VARCHAR(20), d BIT(3), e TIME(6))"},
	"enum and set":              {schema: "(a ENUM('x','y,z','w)','it''s','(','`'), b SET('a','b'))"},
	"two quotes side by side":   {schema: `(a VARCHAR(9) DEFAULT 'x' 'y', b INT DEFAULT '1')`},
	"defaults":                  {schema: `(a INT DEFAULT 1, b VARCHAR(9) DEFAULT ',', c VARCHAR(9) DEFAULT ')', d VARCHAR(9) DEFAULT '\'', e VARCHAR(9) DEFAULT "a,b", f VARCHAR(9) DEFAULT '"', g VARCHAR(9) DEFAULT '\\')`},
	"defaults that are computed": {schema: "(a INT, b VARCHAR(20) DEFAULT (concat('a,', 'b)')), c DATETIME " +
		"DEFAULT current_timestamp() ON UPDATE current_timestamp())"},
	"literals with a prefix": {schema: "(a BINARY(2) DEFAULT x'4142', b BIT(4) DEFAULT b'0101', c " +
		"VARCHAR(3) DEFAULT _utf8mb4'a,b', d VARCHAR(3) DEFAULT N'a,b')"},
	"comments of columns": {schema: `(a INT COMMENT 'the first, really', b INT COMMENT "it's (not) b", c INT COMMENT '-- , c INT', d INT COMMENT '/* , */ #')`},
	"generated columns": {schema: "(a INT, b INT AS (a * (1 + 2)) STORED, c INT GENERATED ALWAYS AS " +
		"(mod(a, 10)) VIRTUAL)"},
	"character sets": {schema: "(a CHAR(3) CHARACTER SET latin1, b TEXT CHARSET utf8mb4 COLLATE " +
		"utf8mb4_bin, c VARCHAR(4) BINARY)"},
	"modifiers": {schema: "(a INT UNSIGNED ZEROFILL NOT NULL, b BIGINT NULL, c DOUBLE " +
		"PRECISION, d INT INVISIBLE DEFAULT 3)"},
	"checks of columns":   {schema: "(a INT CHECK (a > 0 AND a < (10)), b INT)"},
	"a primary key":       {schema: "(a INT NOT NULL, b INT, PRIMARY KEY (a), KEY (b))"},
	"keys without blanks": {schema: "(a INT NOT NULL,b INT,PRIMARY KEY(a),KEY(b),INDEX(a,b),UNIQUE(b))"},
	"named keys": {schema: "(a INT NOT NULL, b INT, PRIMARY KEY `pk` (`a`), KEY `k,1` (`b`), " +
		"UNIQUE KEY u (b DESC), UNIQUE INDEX v USING BTREE (a), INDEX i (b) COMMENT 'a, b')"},
	"keys in lower case": {schema: "(a int not null, b int, primary key (a), key k (b), unique (b), index (a))"},
	"keys of a part of a column": {schema: "(a TEXT, b GEOMETRY NOT NULL, KEY (a(10)), FULLTEXT KEY f (a), " +
		"FULLTEXT (a), SPATIAL INDEX s (b))"},
	"constraints": {schema: "(a INT NOT NULL, b INT, CONSTRAINT c CHECK (a > 0), CONSTRAINT " +
		"PRIMARY KEY (a), CONSTRAINT u UNIQUE (b), CHECK (b < a), CONSTRAINT `d,` CHECK (b <> 5))"},
	"foreign keys": {schema: "(a INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES t (a) ON " +
		"DELETE CASCADE, CONSTRAINT f FOREIGN KEY g (b) REFERENCES t (a))", dependent: true},
	"auto increment":  {schema: "(id BIGINT AUTO_INCREMENT, a INT, PRIMARY KEY (id))", dependent: true},
	"a serial column": {schema: "(id SERIAL, a INT)"},
	"options":         {schema: "(a INT, b INT) ENGINE=MyISAM DEFAULT CHARSET=latin1 COMMENT='a table (with, a comment)'"},
	"partitions": {schema: "(a INT, b INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS " +
		"THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"},
	"system versioning": {schema: "(a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e " +
		"TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING", dependent: true},
	"an application's period":      {schema: "(a INT, s DATE, e DATE, PERIOD FOR p(s, e))", dependent: true},
	"comments with dashes":         {schema: "(a INT, -- the first, not the last\n b INT -- , c INT\n, d INT --\n)"},
	"dashes that begin no comment": {schema: "(a INT DEFAULT (1--1), b INT)"},
	"comments with a hash":         {schema: "(a INT # , b INT )\n, c INT#\n)"},
	"comments between stars":       {schema: "(/* a INT, */ b INT /* ( */, c/**/INT, /*,*/ d INT /*'*/)"},
	"comments around":              {schema: "/* before ( */ (a INT) -- after\n /* , b INT) */"},
	"quotes in comments":           {schema: "(a INT, -- it's\n b INT /* \" */, c INT # `\n)"},
	"comments in quotes": {schema: "(a VARCHAR(9) DEFAULT '-- x', b VARCHAR(9) DEFAULT '/*', c " +
		"VARCHAR(9) DEFAULT '#,*/')"},
	"comments that are executed": {schema: "(a INT, /*! b INT, */ c INT /*!40101 NOT NULL */, d INT /*M! " +
		"DEFAULT 3 */, e INT /*M!100100 DEFAULT 4 */)"},
	"comments in executed comments": {schema: "(a INT, /*! b INT, /* c INT, */ d INT, -- e INT,\n */ f INT)"},
	"comments that MySQL would execute": {schema: "(a INT, /*!80000 b INT, */ c INT /*!50700 NOT NULL /* nested */ " +
		"COMMENT 'x' */, d INT)"},
	"a comment in the place of a blank": {schema: "(a INT NOT NULL, b INT, PRIMARY/**/KEY(a), KEY/* k */(b))"},
	"a qualified name":                  {schema: "(t.a INT, `t`.`b` INT, t . c INT, t.key INT)"},
}

// TestColumnsAreThoseOfMariaDB: a table is made of each schema, and what the server then knows of its columns is what
// Columns reads from the text.
func TestColumnsAreThoseOfMariaDB(t *testing.T) {
	db := columnsServer(t)
	for name, tt := range columnSchemas {
		t.Run(name, func(t *testing.T) { compareColumns(t, db, tt.schema, tt.dependent) })
	}
}

func compareColumns(t oracleT, db *sql.DB, schema string, dependent bool) {
	t.Helper()
	want, err := createColumns(t, db, "t", schema)
	require.NoError(t, err, schema)
	got, err := ourColumns(schema)
	require.NoError(t, err, schema)
	require.Equal(t, serverNames(want), ourNames(got), schema)
	if dependent {
		return
	}
	// The rest of each definition is all there: the same columns can be made from it.
	again, err := createColumns(t, db, "t2", strings.ReplaceAll(rebuilt(got), "`t`.", ""))
	require.NoError(t, err, rebuilt(got))
	for i := range again { // a key makes its columns NOT NULL
		assert.Equal(t, want[i].Type, again[i].Type, schema)
		assert.Equal(t, want[i].Comment, again[i].Comment, schema)
		assert.Equal(t, want[i].Generated, again[i].Generated, schema)
		if again[i].Nullable == want[i].Nullable {
			assert.Equal(t, want[i].Default, again[i].Default, schema)
		}
	}
}

// TestColumnsRefuse: texts that MariaDB refuses, or of which the columns are not to be seen, are errors and not a
// guess.
func TestColumnsRefuse(t *testing.T) {
	db := columnsServer(t)
	must(db.Exec("CREATE TABLE o.model (a INT)"))(t)
	for name, tt := range map[string]struct {
		schema  string
		creates bool // MariaDB creates a table all the same
	}{
		"nothing":                        {schema: ""},
		"no parenthesis":                 {schema: "a INT"},
		"no end":                         {schema: "(a INT"},
		"no end of a quote":              {schema: "(a INT DEFAULT '1)"},
		"no end of a backtick":           {schema: "(`a INT)"},
		"no end of a comment":            {schema: "(a INT) /* "},
		"no end of an executed comment":  {schema: "(a INT) /*! "},
		"an executed comment in another": {schema: "(a INT) /*! /*! */", creates: true},
		"no columns":                     {schema: "()"},
		"a comma at the end":             {schema: "(a INT,)"},
		"two commas":                     {schema: "(a INT,,b INT)"},
		"a name in quotes":               {schema: `("a" INT)`},
		"an empty name":                  {schema: "(`` INT)"},
		"a sign for a name":              {schema: "(+ INT)"},
		"a dot without a name":           {schema: "(t. INT)"},
		"no type":                        {schema: "(a)"},
		"like another table":             {schema: "(LIKE o.model)", creates: true},
		"like another, no parenthesis":   {schema: "LIKE o.model", creates: true},
		"a query":                        {schema: "(SELECT 1 AS a)", creates: true},
		"a query after the columns":      {schema: "(a INT) AS SELECT 1 AS b", creates: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := createColumns(t, db, "t", tt.schema)
			assert.Equal(t, tt.creates, err == nil, "MariaDB: %v", err)
			_, err = ourColumns(tt.schema)
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			var e *cssetcd.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "o.t", e.Object)
		})
	}
}

// columnPieces are what random schemas are made of.
var columnPieces = struct{ names, types, options, definitions, comments []string }{
	names: []string{"a", "B", "objectId", "`c d`", "`e,f`", "`g``h`", "é", "period", "_x", "`key`", "`(`", "$y", "`'`"},
	types: []string{
		"INT", "BIGINT(20) UNSIGNED", "DECIMAL(10,2)", "VARCHAR(9)", "ENUM('a','b,c','d)')", "DOUBLE", "TEXT",
		"CHAR(3) CHARACTER SET latin1",
		"SET('x','''')", "DATETIME(6)", "BIT(2)",
	},
	options: []string{
		"", "", "NOT NULL", "NULL", "COMMENT 'x, y'", `COMMENT "it's"`, "COMMENT '(`'", "CHECK (1 = 1 OR (2 > 1))",
		"COMMENT 'a\\'b'",
		"UNIQUE /*, */ KEY", "INVISIBLE",
	},
	definitions: []string{"CHECK (1 < 2)", "CONSTRAINT `x,y` CHECK (('a,b)' <> ')'))", "CONSTRAINT CHECK (1)"},
	comments: []string{"", "", " ", "\n", "/*,*/", "/* ( ' */", "-- it's, b INT\n", "# ) `\n", "/*! */",
		"/*!99999 , z INT ( */", "\t"},
}

// randomSchema draws a schema, and whether it names a column twice by ASCII's upper and lower case.
func randomSchema(t *rapid.T) (schema string, duplicate bool) {
	pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(t, label) }
	between := func() string { return " " + pick("between", columnPieces.comments) }
	var definitions []string
	seen := map[string]bool{}
	for range rapid.IntRange(1, 6).Draw(t, "columns") {
		name := pick("name", columnPieces.names)
		if rapid.IntRange(0, 9).Draw(t, "upper") == 0 {
			name = strings.ToUpper(name)
		}
		duplicate = duplicate || seen[strings.ToLower(name)]
		seen[strings.ToLower(name)] = true
		option := pick("option", columnPieces.options)
		columnType := pick("type", columnPieces.types)
		if columnType == "TEXT" && strings.HasPrefix(option, "UNIQUE") {
			option = ""
		}
		definitions = append(definitions, name+between()+columnType+between()+option)
	}
	visible := slices.ContainsFunc(definitions, func(d string) bool { return !strings.HasSuffix(d, "INVISIBLE") })
	if !visible {
		definitions = append(definitions, "zz INT")
	}
	others := rapid.SliceOfNDistinct(rapid.SampledFrom(columnPieces.definitions), 0, 2, rapid.ID[string]).Draw(t, "others")
	definitions = append(definitions, others...)
	for i := range definitions {
		definitions[i] = between() + definitions[i] + between()
	}
	return between() + "(" + strings.Join(definitions, ",") + ")" + between() + "ENGINE=MyISAM", duplicate
}

// TestColumnsOfRandomSchemas: the same for schemas put together at random, and a column named twice is refused by both.
func TestColumnsOfRandomSchemas(t *testing.T) {
	db := columnsServer(t)
	created, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		schema, duplicate := randomSchema(t)
		if !duplicate {
			created++
			compareColumns(t, db, schema, false)
			return
		}
		refused++
		_, err := createColumns(t, db, "t", schema)
		require.Equal(t, 1060, mysqlCode(t, err), schema)
		require.ErrorIs(t, oracleMemory(t, "t", schema), cssetcd.ErrDuplicateColumn, schema)
	})
	t.Logf("%d schemas created and %d refused", created, refused)
	assert.Greater(t, created, 10)
	assert.Greater(t, refused, 2)
}

// oracleMemory creates a table on a store in memory.
func oracleMemory(t oracleT, table string, schema string) error {
	t.Helper()
	c := emptyStore()
	if _, err := c.CreateDatabase(context.Background(), cssetcd.Database{Name: "o"}); err != nil {
		t.Fatalf("create a database in memory: %v", err)
	}
	_, err := c.CreateTable(context.Background(), cssetcd.Table{Name: cssetcd.TableName{DB: "o", Table: table},
		Schema: schema})
	return err
}

// TestColumnNamesFoldAsInMariaDB: which two names are one column's. MariaDB has the pairs of upper and lower case of an
// old Unicode, we those of today's: so we may refuse two columns that MariaDB tells apart, but never the reverse.
func TestColumnNamesFoldAsInMariaDB(t *testing.T) {
	db := columnsServer(t)
	stricter := map[string]bool{"ß ẞ": true, "ẞ ß": true, "ა Ა": true}
	pairs := [][2]string{
		{"objectId", "OBJECTID"}, {"a", "b"}, {"é", "e"}, {"É", "E"}, {"ß", "s"}, {"ß", "ss"}, {"σ", "ς"}, {"ı", "i"},
		{"s", "ſ"}, {"я", "Я"}, {"Ω", "ω"},
		{"ß", "ẞ"}, {"ა", "Ა"},
	}
	for r := rune('A'); r < 0x180; r++ {
		for _, other := range []rune{unicode.ToLower(r), unicode.ToUpper(r), unicode.SimpleFold(r)} {
			if other != r && unicode.IsLetter(r) {
				pairs = append(pairs, [2]string{string(r), string(other)})
			}
		}
	}
	for _, pair := range pairs {
		schema := fmt.Sprintf("(%s INT, %s INT)", quoted(pair[0]), quoted(pair[1]))
		_, err := createColumns(t, db, "t", schema)
		same := mysqlCode(t, err) == 1060
		if !same {
			require.NoError(t, err, schema)
		}
		refused := errors.Is(oracleMemory(t, "t", schema), cssetcd.ErrDuplicateColumn)
		if stricter[pair[0]+" "+pair[1]] {
			assert.False(t, same, schema)
			assert.True(t, refused, schema)
			continue
		}
		assert.Equal(t, same, refused, schema)
	}
	assert.Greater(t, len(pairs), 300)
}

// FuzzColumns: whatever the text, reading it ends; and the columns that were found are found again in a schema of
// nothing else.
func FuzzColumns(f *testing.F) {
	for _, tt := range columnSchemas {
		f.Add(tt.schema)
	}
	for _, seed := range []string{"", "(", "(a", "(a INT)'", "(a INT /*!", "(a INT /*!99999 /* */", "(`", "(a.b.c d)",
		"(a INT)--", "(a INT) /*!50700*/", "/*M!*/(a b)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		columns, err := ourColumns(schema)
		if err != nil {
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.Empty(t, columns)
			return
		}
		for _, c := range columns {
			assert.NotEmpty(t, c.Name)
			assert.NotEmpty(t, c.Type)
			if strings.Contains(c.Type, "--") { // no type, and with a space after it that is elsewhere a comment
				return
			}
		}
		if len(columns) == 0 { // nothing but keys
			return
		}
		again, err := ourColumns(rebuilt(columns))
		require.NoError(t, err, rebuilt(columns))
		assert.Equal(t, columns, again)
	})
}

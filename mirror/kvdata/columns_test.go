package kvdata_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// wideTables are tables that hold more than Qserv's.
var wideTables = []struct {
	name, key, value string
	compare          string // of two keys, as the unique index does it
	want             plan.Columns
}{
	{"as Qserv makes it", "CHAR(255) CHARSET utf8mb3 COLLATE utf8mb3_general_ci", "TEXT CHARSET utf8mb3",
		"CONVERT(? USING utf8mb3) COLLATE utf8mb3_general_ci = CONVERT(? USING utf8mb3)",
		plan.Columns{MaxKey: 255, MaxValue: 65_535}},
	{"four-byte characters", "CHAR(255) CHARSET utf8mb4 COLLATE utf8mb4_general_ci", "MEDIUMTEXT CHARSET utf8mb4",
		"CONVERT(? USING utf8mb4) COLLATE utf8mb4_general_ci = CONVERT(? USING utf8mb4)",
		plan.Columns{MaxKey: 255, Key: plan.FourBytes, Value: plan.FourBytes}},
	{"a key of variable length", "VARCHAR(500) CHARSET utf8mb4 COLLATE utf8mb4_bin", "LONGTEXT CHARSET utf8mb4",
		"CONVERT(? USING utf8mb4) COLLATE utf8mb4_bin = CONVERT(? USING utf8mb4)",
		plan.Columns{MaxKey: 500, Key: plan.FourBytes, Value: plan.FourBytes, Spaces: plan.SpacesIgnored, Exact: true}},
	{"a key without padding", "VARCHAR(300) CHARSET utf8mb4 COLLATE utf8mb4_general_nopad_ci", "TEXT CHARSET utf8mb3",
		"CONVERT(? USING utf8mb4) COLLATE utf8mb4_general_nopad_ci = CONVERT(? USING utf8mb4)",
		plan.Columns{MaxKey: 300, MaxValue: 65_535, Key: plan.FourBytes, Spaces: plan.SpacesKept}},
	{"a key of bytes", "VARBINARY(600)", "MEDIUMTEXT CHARSET utf8mb4", "BINARY ? = BINARY ?",
		plan.Columns{MaxKey: 600, Key: plan.AnyBytes, Value: plan.FourBytes, Spaces: plan.SpacesKept, Exact: true}},
}

// Rule: limits and the folding of keys follow from what the server says of the columns, and agree with it.
func TestColumnsAreAsTheServerSays(t *testing.T) {
	letters := []string{"a", "A", "á", "Ä", "å", "b", "ß", "s", "S", "ss", "ω", "Ω", "é", "e", "ı", "i", "İ", "ſ", "ÿ",
		"Y", "đ", "d", "Ð", "ø", "o", "ł", "l", "\u00a0", " ", "  ", "\t", "\x00", "/", "／", "\u212a", "k", "я", "Я", "ё",
		"е", "ｱ", "ア", "\u0301", "\u200b", "\uffff", "\ufffd", "字", "😀", "😁"}
	for _, tt := range wideTables {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.exec("CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, kvKey " + tt.key +
				" NOT NULL UNIQUE, kvVal " + tt.value + " NOT NULL, parentKvId INT NULL, " +
				"FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)) ENGINE=InnoDB")
			got, err := kvdata.ReadColumns(t.Context(), s.target)
			require.NoError(t, err)
			want := tt.want
			want.Weights = got.Weights
			if want.MaxValue == 0 { // the packet bounds it
				want.MaxValue = got.MaxValue
				assert.Greater(t, want.MaxValue, 1<<20)
			}
			assert.Equal(t, &want, got)
			for _, a := range letters {
				for _, b := range letters {
					if want.Key == plan.ThreeBytes && strings.ContainsAny(a+b, "😀😁") {
						continue
					}
					var same bool
					require.NoError(t, s.sql.QueryRowContext(t.Context(), "SELECT "+tt.compare, "/x"+a, "/x"+b).Scan(&same))
					assert.Equal(t, same, got.Fold("/x"+a) == got.Fold("/x"+b), "%q and %q", a, b)
				}
			}
		})
	}
}

// Rule: a table that is not made as Qserv makes it is refused, with all that is wrong.
func TestRefusesATableThatIsNotQservs(t *testing.T) {
	const qservs = "CHARSET utf8mb3 COLLATE utf8mb3_general_ci"
	const columns = "kvKey CHAR(255) NOT NULL UNIQUE, kvVal TEXT NOT NULL, parentKvId INT"
	for _, tt := range []struct{ name, create, sentence string }{
		{"another table", "CREATE TABLE kvData (a INT PRIMARY KEY)",
			"the column kvId is missing; the column kvKey is missing"},
		{"engine", "CREATE TABLE kvData (kvId INT PRIMARY KEY, " + columns + ") ENGINE=MyISAM " + qservs, "MyISAM"},
		{"view", "CREATE TABLE t (a INT); CREATE VIEW kvData AS SELECT a FROM t", "it is a view"},
		{"character set", "CREATE TABLE kvData (kvId INT PRIMARY KEY, " + columns + ") CHARSET latin1",
			"the character set latin1"},
		{"collation", "CREATE TABLE kvData (kvId INT PRIMARY KEY, " + columns + ") CHARSET utf8mb3 COLLATE utf8mb3_czech_ci",
			"the collation utf8mb3_czech_ci; it must be utf8mb3_general_ci, as Qserv makes it, or utf8mb3_bin"},
		{"short key", "CREATE TABLE kvData (kvId INT PRIMARY KEY, kvKey CHAR(100) NOT NULL UNIQUE, kvVal TEXT NOT NULL, " +
			"parentKvId INT)" + qservs,
			"the column kvKey is char(100), shorter than 255"},
		{"no unique index", "CREATE TABLE kvData (kvId INT PRIMARY KEY, kvKey CHAR(255) NOT NULL, kvVal TEXT NOT NULL, " +
			"parentKvId INT)" + qservs,
			"the column kvKey has no unique index"},
		{"a unique index of the beginnings of keys", "CREATE TABLE kvData (kvId INT PRIMARY KEY, kvKey CHAR(255) NOT NULL, " +
			"kvVal TEXT NOT NULL, parentKvId INT, UNIQUE k (kvKey(100)))" + qservs, "it has the unique index k of kvKey"},
		{"another unique index", "CREATE TABLE kvData (kvId INT PRIMARY KEY, " + columns + ", UNIQUE v (kvVal(10)))" + qservs,
			"it has the unique index v of kvVal, which Qserv does not make"},
		{"a constraint", "CREATE TABLE kvData (kvId INT PRIMARY KEY, " + columns + ", CONSTRAINT short CHECK (kvVal < 'x'))" +
			qservs, "it has the CHECK constraint short"},
		{"ids without a sign", "CREATE TABLE kvData (kvId INT UNSIGNED PRIMARY KEY, " + columns + ")" + qservs,
			"the column kvId is int(10) unsigned and not int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.exec(tt.create)
			_, err := kvdata.Open(t.Context(), s.target, patience)
			require.ErrorIs(t, err, kvdata.ErrNotKvData)
			assert.ErrorContains(t, err, tt.sentence)
		})
	}
}

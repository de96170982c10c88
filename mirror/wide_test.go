package mirror_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
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

func (w *world) createWide(key, value string) {
	createDatabase(w)
	w.exec("CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, kvKey " + key + " NOT NULL UNIQUE, kvVal " +
		value + " NOT NULL, parentKvId INT NULL, FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)) ENGINE=InnoDB")
}

// Rule: limits and the folding of keys follow from what the server says of the columns, and agree with it.
func TestColumnsAreAsTheServerSays(t *testing.T) {
	letters := []string{"a", "A", "á", "Ä", "å", "b", "ß", "s", "S", "ss", "ω", "Ω", "é", "e", "ı", "i", "İ", "ſ", "ÿ",
		"Y", "đ", "d", "Ð", "ø", "o", "ł", "l", "\u00a0", " ", "  ", "\t", "\x00", "/", "／", "\u212a", "k", "я", "Я", "ё", "е",
		"ｱ", "ア", "\u0301", "\u200b", "\uffff", "\ufffd", "字", "😀", "😁"}
	for _, tt := range wideTables {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.createWide(tt.key, tt.value)
			got, err := mirror.ReadColumns(t.Context(), w.target)
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
					require.NoError(t, w.sql.QueryRowContext(t.Context(), "SELECT "+tt.compare, "/x"+a, "/x"+b).Scan(&same))
					assert.Equal(t, same, got.Fold("/x"+a) == got.Fold("/x"+b), "%q and %q", a, b)
				}
			}
		})
	}
}

// Rule: a table is filled with all that it can hold, and what others than Qserv's can hold is not in quarantine there.
func TestWiderTablesHoldMore(t *testing.T) {
	for _, tt := range wideTables {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.createWide(tt.key, tt.value)
			keys := []string{"/DBS/a", "/DBS/A", "/DBS/á", "/DBS/a ", "/DBS/😀", "/DBS/\xff", "/DBS/" + strings.Repeat("k", 290)}
			for i, key := range keys {
				w.put(key, fmt.Sprint(i))
			}
			w.put("/DBS/emoji", "😀", "/DBS/large", strings.Repeat("v", 100_000))
			w.once()
			w.agree()
			columns, err := mirror.ReadColumns(t.Context(), w.target)
			require.NoError(t, err)
			held, places := w.rows(), map[string]bool{}
			for _, key := range keys {
				places[columns.Fold(key)] = true
			}
			if tt.want.Key == plan.AnyBytes {
				assert.Empty(t, w.quarantine())
				assert.Len(t, places, len(keys))
			}
			assert.Equal(t, tt.want.Value == plan.FourBytes, held["/DBS/emoji"].value == "😀")
			assert.Equal(t, tt.want.MaxValue == 0, len(held["/DBS/large"].value) == 100_000)
			assert.Equal(t, tt.want.MaxKey >= 295, held[keys[6]].value == "6")
			w.run(w.mirror())
			w.await(w.put("/DBS/a", "changed", "/DBS/\xff", "changed"))
			w.await(w.del(keys...))
			w.agree()
		})
	}
}

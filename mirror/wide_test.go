package mirror_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// wideTables are tables that hold more than Qserv's, and what is in them then.
var wideTables = []struct {
	name, key, value               string
	emoji, large, long, everything bool
}{
	{"as Qserv makes it", "CHAR(255) CHARSET utf8mb3 COLLATE utf8mb3_general_ci", "TEXT CHARSET utf8mb3",
		false, false, false, false},
	{"four-byte characters", "CHAR(255) CHARSET utf8mb4 COLLATE utf8mb4_general_ci", "MEDIUMTEXT CHARSET utf8mb4",
		true, true, false, false},
	{"a key of variable length", "VARCHAR(500) CHARSET utf8mb4 COLLATE utf8mb4_bin", "LONGTEXT CHARSET utf8mb4",
		true, true, true, false},
	{"a key without padding", "VARCHAR(300) CHARSET utf8mb4 COLLATE utf8mb4_general_nopad_ci", "TEXT CHARSET utf8mb3",
		false, false, true, false},
	{"a key of bytes", "VARBINARY(600)", "MEDIUMTEXT CHARSET utf8mb4", true, true, true, true},
}

func (w *world) createWide(key, value string) {
	createDatabase(w)
	w.exec("CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, kvKey " + key + " NOT NULL UNIQUE, kvVal " +
		value + " NOT NULL, parentKvId INT NULL, FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)) ENGINE=InnoDB")
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
			held := w.rows()
			if tt.everything {
				assert.Empty(t, w.quarantine())
				for i, key := range keys {
					assert.Equal(t, fmt.Sprint(i), held[key].value, key)
				}
			}
			assert.Equal(t, tt.emoji, held["/DBS/emoji"].value == "😀")
			assert.Equal(t, tt.large, len(held["/DBS/large"].value) == 100_000)
			assert.Equal(t, tt.long, held[keys[6]].value == "6")
			w.run(w.mirror())
			w.await(w.put("/DBS/a", "changed", "/DBS/\xff", "changed"))
			w.await(w.del(keys...))
			w.agree()
		})
	}
}

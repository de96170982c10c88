package kvdata_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// sessions are settings that others may have.
var sessions = map[string][]string{
	"no modes":         {"SET sql_mode = ''"},
	"ANSI":             {"SET sql_mode = 'ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'"},
	"traditional":      {"SET sql_mode = 'TRADITIONAL,IGNORE_SPACE,PIPES_AS_CONCAT'"},
	"Oracle":           {"SET sql_mode = 'ORACLE'"},
	"latin1":           {"SET NAMES latin1", "SET collation_connection = latin1_german2_ci"},
	"ucs2":             {"SET character_set_connection = ucs2"},
	"binary":           {"SET NAMES binary"},
	"far away":         {"SET time_zone = '-12:00'", "SET timestamp = 86400"},
	"no autocommit":    {"SET autocommit = 0", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
	"dirty reads":      {"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"},
	"few rows":         {"SET sql_select_limit = 0", "SET sql_safe_updates = 0", "SET max_statement_time = 5"},
	"no checks":        {"SET foreign_key_checks = 0", "SET unique_checks = 0"},
	"other increments": {"SET auto_increment_increment = 7, auto_increment_offset = 3", "SET insert_id = 1000"},
	"other regexps":    {"SET default_regex_flags = 'EXTENDED,MULTILINE'", "SET div_precision_increment = 0"},
	"another database": {"USE information_schema"},
	"no database":      {"CREATE DATABASE gone_DB", "USE gone_DB", "DROP DATABASE gone_DB"},
	"an old client":    {"SET NAMES utf8mb3", "SET old_mode = 'NO_PROGRESS_INFO'"},
}

// hostile are texts, as hexadecimal digits can say them in any session.
var hostile = []string{"", "'", `\`, `\'; DROP TABLE css_mirror_inbox; -- `, "\x00", "a\x00b", "%s?%", "a'b\"c`d",
	"\n\r\t\x1a", "é", "字", "\uffff", "Ǆ", "ẞ", " leading", "ß", "\x7f", strings.Repeat("é", 100)}

// Rule: whatever a session of others is set to, what it writes is captured byte for byte, with who and when, and its
// drops are refused.
func TestCaptureWhateverTheSession(t *testing.T) {
	t.Parallel()
	for name, settings := range sessions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			kv := w.target.DBName + ".kvData"
			for i := range settings {
				settings[i] = strings.ReplaceAll(settings[i], "gone_DB", "gone_"+w.target.DBName)
			}
			theirs := w.other(settings...)
			for i, text := range hostile {
				key := fmt.Sprintf("/k%d/%s", i, text)
				w.must(theirs, fmt.Sprintf("INSERT INTO %s (kvKey, kvVal, parentKvId) VALUES (CONVERT(X'%X' USING utf8mb3), "+
					"CONVERT(X'%X' USING utf8mb3), 1)", kv, key, text), "COMMIT")
				id := w.answer("SELECT kvId FROM kvData WHERE HEX(kvKey) = ?", fmt.Sprintf("%X", strings.TrimRight(key, " ")))
				w.must(theirs, fmt.Sprintf("UPDATE %s SET kvVal = CONCAT(kvVal, ' ') WHERE kvId = %s", kv, id),
					fmt.Sprintf("DELETE FROM %s WHERE kvId = %s", kv, id), "COMMIT")
				rows := w.emptied()
				require.Len(t, rows, 3)
				for i, want := range [][2]inbox.Value{
					{{}, {There: true, Text: text}},
					{{There: true, Text: text}, {There: true, Text: text + " "}},
					{{There: true, Text: text + " "}, {}},
				} {
					assert.Equal(t, strings.TrimRight(key, " "), rows[i].Key)
					assert.Equal(t, want, [2]inbox.Value{rows[i].Before, rows[i].After})
					assert.Equal(t, "root@localhost", rows[i].Writer)
					assert.EqualValues(t, 1, rows[i].Parent)
					assert.Equal(t, id, fmt.Sprint(rows[i].KvID))
				}
			}
			require.NoError(t, w.mirror.RefuseDrops(t.Context(), true))
			said := w.does(theirs, "DELETE FROM "+kv+" WHERE kvId = 8")[0]
			assert.EqualValues(t, 1644, said.Error)
			assert.Contains(t, said.Text, "run `css-sync table drop a.t` instead")
			assert.Empty(t, w.inbox().Rows)
		})
	}
}

// Rule: columns that hold more are captured as they are, whatever is in them.
func TestCaptureOfWiderTables(t *testing.T) {
	t.Parallel()
	for _, tt := range wideTables {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.exec("CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, kvKey " + tt.key +
				" NOT NULL UNIQUE, kvVal " + tt.value + " NOT NULL, parentKvId INT NULL, " +
				"FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)) ENGINE=InnoDB")
			w := capture(t, s)
			theirs := w.other()
			long := "/" + strings.Repeat("字", tt.want.MaxKey-1)
			if tt.want.Key == plan.AnyBytes {
				long = "/" + strings.Repeat("\xff", tt.want.MaxKey-1)
			}
			keys, values := []string{"/a", long}, []string{"", "é", strings.Repeat("字", 65_535/3)}
			if tt.want.Key != plan.ThreeBytes {
				keys = append(keys, "/😀")
			}
			if tt.want.Value != plan.ThreeBytes {
				values = append(values, "😀", strings.Repeat("v", 2_000_000))
			}
			if tt.want.Spaces != plan.SpacesStripped {
				keys = append(keys, "/b ")
			}
			for _, key := range keys {
				for _, value := range values {
					_, err := theirs.ExecContext(t.Context(), "INSERT INTO kvData (kvKey, kvVal) VALUES (?, ?)", []byte(key), value)
					require.NoError(t, err)
					_, err = theirs.ExecContext(t.Context(), "DELETE FROM kvData")
					require.NoError(t, err)
					rows := w.emptied()
					require.Len(t, rows, 2)
					for _, r := range rows {
						require.Equal(t, key, r.Key)
					}
					require.True(t, rows[0].After == inbox.Value{There: true, Text: value}, "value of %d bytes", len(value))
					require.True(t, rows[1].Before == inbox.Value{There: true, Text: value}, "value of %d bytes", len(value))
				}
			}
			w.must(theirs, "INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/x', 'READY')", "UPDATE kvData SET kvKey = '/dbs/X'")
			if tt.want.Spaces != plan.SpacesStripped {
				w.must(theirs, "UPDATE kvData SET kvKey = '/dbs/X '")
				assert.Equal(t, "IDIDI", kinds(w.inbox().Rows))
			} else {
				assert.Equal(t, "IDI", kinds(w.inbox().Rows))
			}
		})
	}
}

// Rule: the triggers of a table write into the inbox of its own database, wherever the writer is.
func TestCaptureIsOfOneDatabase(t *testing.T) {
	t.Parallel()
	one, two := newCapturing(t, small), newCapturing(t, small)
	one.must(one.other(), "UPDATE "+two.target.DBName+".kvData SET kvVal = 'x' WHERE kvId = 4",
		"CREATE TABLE other LIKE kvData", "INSERT INTO other (kvKey, kvVal) VALUES ('/o', '')")
	assert.Empty(t, one.inbox().Rows)
	assert.Len(t, two.inbox().Rows, 1)
	require.NoError(t, two.mirror.RefuseDrops(t.Context(), true))
	one.must(one.other(), "DELETE FROM kvData WHERE kvId = 8")
	assert.EqualValues(t, 1644, one.does(one.other(), "DELETE FROM "+two.target.DBName+".kvData WHERE kvId = 8")[0].Error)
}

// Rule: what would drop a database or a table is refused where drops are, as a whole statement, with what to run
// instead; anything else goes on, and so does everything while drops are not refused.
func TestDropsAreRefused(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, "INSERT INTO kvData VALUES (1,'','',NULL), (2,'/DBS','',1), (3,'/DBS/a','READY',2), "+
		"(4,'/dbs/b','READY',2), (5,'/DBS/a/TABLES','',3), (6,'/DBS/a/tables/T','READY',5), (7,'/DBS/a/x','READY',3), "+
		"(8,'/DBS/a/TABLES/T/x','READY',6), (9,'/NODES','',1), (10,'/NODES/n','READY',9), (11,'/DBS/é''s','READY',2), "+
		"(12,CONCAT('/DBS/a/TABLES/',REPEAT('é',65)),'READY',5), (13,CONCAT('/DBS/a/TABLES/',REPEAT('t',66)),'READY',5), "+
		"(14,'/DBS/p','PENDING_DROP:1',2), (15,'/DBS/a/TABLES/T/TABLES/y','1',8), (16,'/a/b/TABLES/c','1',1)")
	theirs := w.other()
	for _, tt := range []struct{ statement, name string }{
		{"DELETE FROM kvData WHERE kvId=3", "db drop a"},
		{"DELETE FROM kvData WHERE kvKey='/DBS/B'", "db drop b"},
		{"DELETE FROM kvData WHERE kvId=6", "table drop a.T"},
		{"DELETE FROM kvData WHERE kvId=11", "db drop é's"},
		{"DELETE FROM kvData WHERE kvId=12", "table drop a." + strings.Repeat("é", 65)}, // as long as a text can be
		{"DELETE FROM kvData WHERE kvId=13", "table drop NAME"},                         // one character more
		{"DELETE FROM kvData WHERE kvId IN (10,4)", "db drop b"},
		{"UPDATE kvData SET kvVal='PENDING_DROP:now' WHERE kvId=6", "table drop a.T"},
		{"UPDATE kvData SET kvVal='PENDING_DROP' WHERE kvId=3", "db drop a"},
		{"UPDATE kvData SET kvVal='PENDING_DROP:2' WHERE kvId=14", "db drop p"},
		{"INSERT INTO kvData (kvKey,kvVal) VALUES ('/DBS/A','PENDING_DROP:') ON DUPLICATE KEY UPDATE kvVal='PENDING_DROP:'",
			"db drop a"},
		{"REPLACE INTO kvData VALUES (4,'/DBS/b','READY',2)", "db drop b"},
		{"UPDATE kvData SET kvKey='/DBS/z' WHERE kvId=4", "db drop b"},
		{"UPDATE kvData SET kvKey='/DBS/b' WHERE kvId=4", "db drop b"},
		{"UPDATE kvData SET kvId=99 WHERE kvId=4", "db drop b"},
		{"UPDATE kvData SET kvVal='PENDING_DROP' WHERE kvId=7", ""},
		{"UPDATE kvData SET kvVal='PENDING_DROP' WHERE kvId=10", ""},
		{"UPDATE kvData SET kvVal='PENDING_DROP:1', parentKvId=NULL WHERE kvId=14", ""}, // as it was
		{"UPDATE kvData SET kvVal='PENDING_CREATE:1' WHERE kvId=3", ""},
		{"UPDATE kvData SET kvVal='pending_drop' WHERE kvId=3", ""},
		{"INSERT INTO kvData (kvKey,kvVal) VALUES ('/DBS/new','PENDING_DROP:')", ""},
		{"DELETE FROM kvData WHERE kvId IN (7,10,15,16)", ""},
		{"DELETE FROM kvData WHERE kvId=8", ""},
	} {
		before := w.does(theirs, allRows)
		w.emptied()
		require.NoError(t, w.mirror.RefuseDrops(t.Context(), true))
		said := w.does(theirs, "START TRANSACTION", tt.statement, "COMMIT")[1]
		require.NoError(t, w.mirror.RefuseDrops(t.Context(), false))
		if tt.name == "" {
			assert.Zero(t, said.Error, "%s: %s", tt.statement, said.Text)
			assert.NotEmpty(t, w.inbox().Rows, tt.statement)
			continue
		}
		assert.Equal(t, "Error 1644 (45000): drops go through css-etcd: run `css-sync "+tt.name+"` instead", said.Text,
			tt.statement)
		assert.LessOrEqual(t, len([]rune(strings.TrimPrefix(said.Text, "Error 1644 (45000): "))), 128)
		assert.Equal(t, before, w.does(theirs, allRows), tt.statement)
		assert.Empty(t, w.inbox().Rows, tt.statement)
		w.does(theirs, "START TRANSACTION")
		assert.NotEqualValues(t, 1644, w.does(theirs, tt.statement)[0].Error, tt.statement)
		w.does(theirs, "ROLLBACK")
	}
	require.NoError(t, w.mirror.RefuseDrops(t.Context(), true))
	w.must(w.other("SET @css_mirror = 1"), "DELETE FROM kvData WHERE kvId=11") // a mirror's own
}

// Rule: once drops are refused no transaction is open that was let drop something, and none that began before is let.
func TestRefusingDropsWaitsForDrops(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	short, err := kvdata.Open(t.Context(), w.target, time.Second)
	require.NoError(t, err)
	defer short.Close()
	began := w.other("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "BEGIN", "SELECT * FROM kvData",
		"SELECT * FROM css_mirror_capture")
	dropping := w.other("BEGIN", "DELETE FROM kvData WHERE kvId = 8")
	w.must(w.other("BEGIN"), "UPDATE kvData SET kvVal = 'f' WHERE kvId = 4") // no drop: nobody waits for it
	another := w.other("SET innodb_lock_wait_timeout = 0")
	for range 50 { // and who drops meanwhile does not queue behind the one who waits for drops
		done := make(chan error, 1)
		go func() { done <- short.RefuseDrops(t.Context(), true) }()
		w.must(another, "BEGIN", "DELETE FROM kvData WHERE kvId = 11", "ROLLBACK")
		require.ErrorIs(t, <-done, kvdata.ErrBusy)
	}
	w.must(dropping, "ROLLBACK")
	require.NoError(t, short.RefuseDrops(t.Context(), true))
	assert.EqualValues(t, 1644, w.does(began, "DELETE FROM kvData WHERE kvId = 8")[0].Error)
}

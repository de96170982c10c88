package kvdata

import (
	"fmt"
	"strings"
)

// trigger is one of those by which what others write into kvData is captured or refused. All are silent on connections
// of a mirror, which have @css_mirror set. They run with the rights of who made them, and in the modes and the
// character set of the connection that did, whatever those of the writer are.
type trigger struct{ name, timing, event, body string }

func (t trigger) create() string {
	return fmt.Sprintf("CREATE OR REPLACE TRIGGER %s %s %s ON kvData FOR EACH ROW %s", t.name, t.timing, t.event, t.body)
}

// triggers are made in this order: those that refuse come first, so that what is captured may also be refused.
var triggers = []trigger{
	{"css_mirror_keep_deleted", "BEFORE", "DELETE", unlessMirror(refuse(isName("OLD")))},
	{"css_mirror_keep_updated", "BEFORE", "UPDATE", unlessMirror(refuse(isName("OLD") + " AND (" + moved +
		" OR BINARY OLD.kvVal <> BINARY NEW.kvVal AND BINARY LEFT(NEW.kvVal, 12) = 'PENDING_DROP')"))},
	{"css_mirror_inserted", "AFTER", "INSERT", unlessMirror(came)},
	{"css_mirror_updated", "AFTER", "UPDATE", unlessMirror("IF " + moved + " THEN " + went + " " + came + " " +
		"ELSEIF BINARY OLD.kvVal <> BINARY NEW.kvVal OR NOT (OLD.parentKvId <=> NEW.parentKvId) THEN " + changed +
		" END IF;")},
	{"css_mirror_deleted", "AFTER", "DELETE", unlessMirror(went)},
}

func unlessMirror(statements string) string {
	return "IF @css_mirror IS NULL THEN " + statements + " END IF"
}

// moved is about an UPDATE after which a key, byte for byte, or a kvId is another one.
const moved = "(BINARY OLD.kvKey <> BINARY NEW.kvKey OR OLD.kvId <> NEW.kvId)"

// What is put into the inbox of a row that came, went, or changed in place.
var (
	came    = put("NEW", "NULL", "NEW.kvVal")
	went    = put("OLD", "OLD.kvVal", "NULL")
	changed = put("NEW", "OLD.kvVal", "NEW.kvVal")
)

func put(row, before, after string) string {
	return fmt.Sprintf("INSERT INTO css_mirror_inbox (conn, kv_id, parent, css_key, before_value, after_value, writer, "+
		"written) VALUES (CONNECTION_ID(), %[1]s.kvId, %[1]s.parentKvId, %[1]s.kvKey, %s, %s, COALESCE(USER(), ''), "+
		"UTC_TIMESTAMP(6));", row, before, after)
}

// isName is about a row whose key is the name of a database or of a table, in any case. Keys can be any bytes, and each
// byte is a character of latin1.
func isName(row string) string {
	return strings.NewReplacer("key", "UPPER(CONVERT(CAST("+row+".kvKey AS BINARY) USING latin1)) COLLATE latin1_bin",
		"slashes", slashes(row)).Replace(
		"(slashes = 2 AND key LIKE '/DBS/_%' OR slashes = 4 AND key LIKE '/DBS/_%/TABLES/_%')")
}

func slashes(row string) string {
	return "LENGTH(" + row + ".kvKey) - LENGTH(REPLACE(" + row + ".kvKey, '/', ''))"
}

// refuse fails the statement, with a text of at most the 128 characters that there can be, while drops are refused. The
// lock on the flag keeps it from changing until the writer's transaction has ended. Without a LIMIT of its own the
// SELECT would have the writer's sql_select_limit.
func refuse(drop string) string {
	const advice = "drops go through css-etcd: run `css-sync %s drop %s` instead"
	return "IF " + drop + ` THEN
  BEGIN
    DECLARE refused INT;
    DECLARE kind VARCHAR(8) CHARACTER SET utf8mb3;
    DECLARE name, said TEXT CHARACTER SET utf8mb3;
    SELECT MAX(refuse_drops) INTO refused FROM css_mirror_capture WHERE id = 1 LIMIT 1 LOCK IN SHARE MODE;
    IF refused = 1 THEN
      SET kind = IF(` + slashes("OLD") + ` = 2, 'db', 'table');
      SET name = CONVERT(OLD.kvKey USING utf8mb3);
      SET name = IF(kind = 'db', SUBSTRING_INDEX(name, '/', -1),
        CONCAT(SUBSTRING_INDEX(SUBSTRING_INDEX(name, '/', 3), '/', -1), '.', SUBSTRING_INDEX(name, '/', -1)));
      SET said = CONCAT(` + fmt.Sprintf("'"+advice+"'", "', kind, '", "', name, '") + `);
      IF CHAR_LENGTH(said) > 128 THEN
        SET said = CONCAT(` + fmt.Sprintf("'"+advice+"'", "', kind, '", "NAME") + `);
      END IF;
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = said;
    END IF;
  END;
END IF;`
}

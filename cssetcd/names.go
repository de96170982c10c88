package cssetcd

import (
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// String returns "db.table".
func (n TableName) String() string { return n.DB + "." + n.Table }

// ParseTableName reads "db.table". Neither part may contain a dot.
func ParseTableName(text string) (TableName, error) {
	db, table, ok := strings.Cut(text, ".")
	if !ok {
		return TableName{}, fmt.Errorf("%w: %q is not of the form database.table", ErrInvalidName, text)
	}
	n := TableName{db, table}
	return n, n.check()
}

func (n TableName) check() error {
	if err := checkDBName(n.DB); err != nil {
		return err
	}
	return checkDotless("table", n.Table)
}

func checkDBName(name string) error { return checkDotless("database", name) }

func checkDotless(kind, name string) error {
	if strings.Contains(name, ".") && name != packedName {
		return fmt.Errorf("%w: %s %q: a dot separates database and table", ErrInvalidName, kind, name)
	}
	return checkName(kind, name)
}

// checkName enforces what upstream, MySQL and kvData's collation have in common: see docs/FORMAT.md.
func checkName(kind, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: %s: the name is empty", ErrInvalidName, kind)
	case len(name) > csskey.MaxName:
		return fmt.Errorf("%w: %s %.80q: longer than %d characters", ErrInvalidName, kind, name, csskey.MaxName)
	case name == packedName:
		return fmt.Errorf("%w: %s %q: this name holds packed values", ErrInvalidName, kind, name)
	case strings.Contains(name, "/"):
		return fmt.Errorf("%w: %s %q: a slash separates the parts of a key", ErrInvalidName, kind, name)
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return fmt.Errorf("%w: %s %q: begins or ends with a space", ErrInvalidName, kind, name)
	}
	for i := range len(name) {
		if name[i] < 0x20 || name[i] > 0x7e {
			return fmt.Errorf("%w: %s %q: has a character that is not printable ASCII", ErrInvalidName, kind, name)
		}
	}
	return nil
}

// checkPart refuses what cannot be a name at all because the key made of it would be that of something else. Names that
// break the other rules may have come from elsewhere, and can be read, changed and dropped.
func checkPart(kind, name string) error {
	if name == "" || name == packedName || strings.Contains(name, "/") {
		return checkName(kind, name)
	}
	return nil
}

func (n TableName) checkParts() error {
	if err := checkPart("database", n.DB); err != nil {
		return err
	}
	return checkPart("table", n.Table)
}

// checkKey reports what is wrong with a CSS key: form, length, and what kvData cannot hold.
func checkKey(key string) error {
	switch {
	case !strings.HasPrefix(key, "/"):
		return fmt.Errorf("%w: key %.80q: must begin with a slash", ErrInvalid, key)
	case strings.HasSuffix(key, "/") || strings.Contains(key, "//"):
		return fmt.Errorf("%w: key %.80q: has an empty part", ErrInvalid, key)
	case len(key) > csskey.MaxKey:
		return fmt.Errorf("%w: key %.80q...: has %d bytes and may have %d", ErrInvalid, key, len(key), csskey.MaxKey)
	case strings.HasSuffix(key, " ") || strings.Contains(key, " /"):
		return fmt.Errorf("%w: key %.80q: a part of it ends with a space", ErrInvalid, key)
	case strings.Contains(key, "/"+packedName+"/"):
		return fmt.Errorf("%w: key %.80q: lies below a packed key, where nobody reads it", ErrInvalid, key)
	}
	if reason := csskey.TextFault(key); reason != "" {
		return fmt.Errorf("%w: key %.80q: %s", ErrInvalid, key, reason)
	}
	return nil
}

// checkValue reports what keeps a value from being held by kvData.
func checkValue(key, value string) error {
	if len(value) > csskey.MaxValue {
		return &ValueError{key, fmt.Sprintf("has %d bytes and may have %d", len(value), csskey.MaxValue)}
	}
	if reason := csskey.TextFault(value); reason != "" {
		return &ValueError{key, reason}
	}
	return nil
}

func foldPath(key string) kv.Path { return csskey.Spelling(key) }

// checkSpelling fails with exists when a name that differs from the name key in case only is taken, and with
// ErrDropPending while such a name is still being dropped. It must be able to see the key that the fold key names, and
// its intents; a fold key without either is stale and does not count.
func checkSpelling(have *kv.Snapshot, key string, exists error) error {
	e := have.At(foldPath(key))
	if !e.Exists() || e.Value == key {
		return nil
	}
	need := keys(e.Value)
	for _, intent := range intents(e.Value) {
		need = append(need, kv.Key(intent))
	}
	for _, span := range need {
		if !have.Shows(span) {
			return kv.Need(need)
		}
	}
	if have.At(need[0].From).Exists() {
		return fmt.Errorf("%w: as %s, and names may not differ in upper and lower case only", exists, e.Value)
	}
	for _, intent := range need[1:] {
		if have.At(intent.From).Exists() {
			return fmt.Errorf("%w: it is spelled %s", ErrDropPending, e.Value)
		}
	}
	return nil
}

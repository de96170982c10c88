package plan

import "github.com/qserv/css-etcd/cssetcd"

// Reason says why the table cannot hold a key. The texts are a stable contract: they stand in a table and in JSON.
type Reason string

// The reasons.
const (
	KeyTooLong       Reason = "key_too_long"       // more bytes than the column holds
	KeyEncoding      Reason = "key_encoding"       // with characters that the column does not hold
	KeyMalformed     Reason = "key_malformed"      // with an empty segment
	KeyTrailingSpace Reason = "key_trailing_space" // CHAR would strip it
	KeyCollision     Reason = "key_collision"      // the collation takes it for another key, which has the row
	ValueTooLong     Reason = "value_too_long"     // more bytes than the column holds
	ValueEncoding    Reason = "value_encoding"     // with characters that the column does not hold
	ParentMissing    Reason = "parent"             // the key above it has no row
)

// Quarantined is a key that has no row because the table cannot hold it. Ancestors of keys can be in quarantine without
// being keys themselves. The one exception: /DBS and /NODES with a value that cannot be held do have a row, with an
// empty value.
type Quarantined struct {
	Key        string
	Reason     Reason
	Detail     string           // a sentence
	Mod        cssetcd.Revision // of the key; 0 when it is an ancestor only
	ValueBytes int
}

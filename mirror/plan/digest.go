package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// mostHashed is how long a value can be, in bytes, that is hashed as it is.
const mostHashed = 1024

// Hash returns 60 bits that tell this row from any other: the first of the SHA-256 of its id, its parent's id, the
// length of its value, its key and its value, or the SHA-256 of a long value. [RowHash] is the same in SQL: where a
// value may fill a packet, a server does not make a longer text of it; and it searches a list of numbers fast only if
// none of them needs the sign's bit.
//
// Nobody is expected to look for two rows of one hash: it tells of rows that were changed by mistake.
func (r Row) Hash() uint64 {
	text := make([]byte, 0, 512)
	text = strconv.AppendInt(text, int64(r.ID), 10)
	text = append(text, ',')
	text = strconv.AppendInt(text, int64(r.Parent), 10)
	text = append(text, ',')
	text = strconv.AppendInt(text, int64(len(r.Value)), 10)
	text = append(text, ',')
	text = append(text, r.Key...)
	if len(r.Value) <= mostHashed {
		text = append(text, r.Value...)
	} else {
		value := sha256.Sum256([]byte(r.Value))
		text = hex.AppendEncode(text, value[:])
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:]) >> 4
}

// RowHash is [Row.Hash] as an SQL expression on the columns of kvData.
const RowHash = `CAST(CONV(LEFT(SHA2(CONCAT(kvId, ',', COALESCE(parentKvId, 0), ',', LENGTH(kvVal), ',', ` +
	`CAST(kvKey AS BINARY), IF(LENGTH(kvVal) <= 1024, CAST(kvVal AS BINARY), SHA2(kvVal, 256))), 256), 15), 16, 10) ` +
	`AS SIGNED)`

// Digest returns the hashes of all rows, each added to the others without carry; 0 for an empty table. Two tables with
// the same number of rows and the same digest hold the same rows.
func (t *Table) Digest() uint64 { return t.digest }

// digestAfter returns the table's digest once a plan is applied.
func (p *Plan) digestAfter(before uint64) uint64 {
	d := before
	for _, r := range p.Clear {
		d ^= r.Hash()
	}
	for _, r := range p.Inserts {
		d ^= r.Hash()
	}
	for _, u := range p.Updates {
		d ^= u.Old.Hash() ^ u.New.Hash()
	}
	for _, r := range p.Deletes {
		d ^= r.Hash()
	}
	return d
}

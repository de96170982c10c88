package cssetcd

import (
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Workers keep a chunk of a table T as a table T_<number>, and what overlaps into it as TFullOverlap_<number>.
const overlapName = "FullOverlap"

// tablesWithChunk returns the names of tables of which a worker would keep a chunk under the given name, were they
// partitioned.
func tablesWithChunk(name string) []string {
	base := strings.TrimRight(name, "0123456789")
	if base == name || !strings.HasSuffix(base, "_") || base == "_" {
		return nil
	}
	base = strings.TrimSuffix(base, "_")
	all := []string{base}
	if n := len(base) - len(overlapName); n > 0 && strings.EqualFold(base[n:], overlapName) {
		all = append(all, base[:n])
	}
	return all
}

// chunkSpans are where the spellings of names are kept under which workers keep chunks of a table, among others that
// begin like those.
func chunkSpans(n TableName) []kv.Span {
	key := n.key()
	return []kv.Span{
		{From: foldPath(key + "_0"), To: foldPath(key + "_:")},
		{From: foldPath(key + overlapName + "_0"), To: foldPath(key + overlapName + "_:")},
	}
}

// chunkNameReads are what checkChunkNames reads, as far as that is known before it looks.
func chunkNameReads(t *Table) []kv.Span {
	var reads []kv.Span
	for _, base := range tablesWithChunk(t.Name.Table) {
		reads = append(reads, kv.Key(foldPath(TableName{t.Name.DB, base}.key())))
	}
	if t.partitioned() {
		reads = append(reads, chunkSpans(t.Name)...)
	}
	return reads
}

func (t *Table) partitioned() bool { return t.Partitioning != nil || t.Match != nil }

// checkChunkNames fails when workers would keep a chunk of one table under the name of another: of one that is there
// under this table's name, or of this one under the name of one that is there. The guards keep it true.
func checkChunkNames(have *kv.Snapshot, t *Table) ([]kv.Guard, error) {
	for _, base := range tablesWithChunk(t.Name.Table) {
		key := have.At(foldPath(TableName{t.Name.DB, base}.key())).Value
		other, _, ok := tableOf(cssPath(key))
		if !ok {
			continue
		}
		if err := mustShow(have, partitionedSpans(other)); err != nil {
			return nil, err
		}
		if isPartitioned(have, other) {
			return nil, chunkNameFault(t.Name, other)
		}
	}
	if !t.partitioned() {
		return nil, nil
	}
	var guards []kv.Guard
	for _, span := range chunkSpans(t.Name) {
		for p, e := range have.Range(span) {
			other, _, ok := tableOf(cssPath(e.Value))
			if ok && isChunkOf(other.Table, t.Name.Table) {
				if err := mustShow(have, keys(other.key())); err != nil {
					return nil, err
				}
				if have.At(cssPath(other.key())).Exists() { // else its spelling is a stale one
					return nil, chunkNameFault(other, t.Name)
				}
			}
			if span.From < p {
				guards = append(guards, kv.Guard{Kind: kv.NothingIn, Path: span.From, To: p})
			}
			span.From = p + "\x00"
		}
		guards = append(guards, kv.Guard{Kind: kv.NothingIn, Path: span.From, To: span.To})
	}
	return guards, nil
}

// partitionedSpans are what isPartitioned reads.
func partitionedSpans(n TableName) []kv.Span {
	return spans(keys(n.key(), n.partKey(), n.matchKey()), []kv.Span{kv.Below(cssPath(n.partKey()))})
}

// isPartitioned reports whether a table is there and has chunks.
func isPartitioned(have *kv.Snapshot, n TableName) bool {
	part := cssPath(n.partKey())
	return have.At(cssPath(n.key())).Exists() &&
		(have.At(part).Exists() || !have.Empty(kv.Below(part)) || have.At(cssPath(n.matchKey())).Exists())
}

// isChunkOf reports whether a worker would keep a chunk of a table under a name. Names that differ in case only are
// one.
func isChunkOf(name, table string) bool {
	for _, base := range tablesWithChunk(name) {
		if strings.EqualFold(base, table) {
			return true
		}
	}
	return false
}

func chunkNameFault(chunk, table TableName) error {
	return fmt.Errorf("%w: %s and %s: workers keep the chunks of the second, which is partitioned, "+
		"under such names as that of the first, and dropping it would remove the first", ErrInvalidName, chunk, table)
}

package cssetcd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/packed"
)

// checkInt32 keeps a number in the 32 bits that upstream's readers hold.
func checkInt32(what string, n, least int) error {
	if n < least || n > math.MaxInt32 {
		return fmt.Errorf("%w: %s %d: must be %d to %d", ErrInvalid, what, n, least, math.MaxInt32)
	}
	return nil
}

// rangeFault finds what upstream's readers cannot hold in the key or value of a dump: the id of a chunk, and the
// numbers of a partitioning, a shared scan and a node.
func rangeFault(key, value string) error {
	if id, ok := chunkID(key); ok {
		if _, err := strconv.ParseInt(id, 10, 32); err != nil {
			return fmt.Errorf("%w: key %s: chunk ids end at %d", ErrInvalid, key, math.MaxInt32)
		}
		return nil
	}
	parent := parentKey(key)
	fields := integerFields(parent)
	if fields == nil {
		return nil
	}
	texts := map[string]string{key[len(parent)+1:]: value}
	if key == packedKey(parent) {
		p, err := packed.Parse(value)
		if err != nil {
			return nil // checkPacked tells
		}
		texts = p.Members
	}
	for _, name := range fields {
		if f, ok := parseNumber(texts[name]); ok && math.Abs(f) > math.MaxInt32 {
			return &ValueError{key, fmt.Sprintf("%s %s does not fit into 32 bits", name, texts[name])}
		}
	}
	return nil
}

// chunkID returns the id in a key of a chunk; ok is false for any other key and for what is no number.
func chunkID(key string) (id string, ok bool) {
	id, ok = csskey.Parse(key).Chunk()
	return id, ok && strings.Trim(id, "0123456789") == ""
}

// integerFields are the whole numbers that readers take from below a key.
func integerFields(key string) []string {
	switch k := csskey.Parse(key); {
	case k.Kind == csskey.Partitioning:
		return []string{"nStripes", "nSubStripes"}
	case k.Kind == csskey.Node:
		return []string{"port"}
	case k.Kind == csskey.Table && k.Rest == "/sharedScan":
		return sharedScanFields
	}
	return nil
}

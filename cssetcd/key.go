package cssetcd

import (
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Where things are kept below the prefix.
const (
	cssRoot     = csskey.CSS
	emptyRoot   = csskey.Empty
	historyPath = csskey.History
	foldRoot    = csskey.Fold
	refRoot     = csskey.Ref
	czarRoot    = csskey.Czars
	dropRoot    = csskey.Drops

	lastPartitioning = csskey.LastPartitioning
)

// The CSS keys of which the others are built.
const (
	metaKey         = csskey.Meta
	versionKey      = csskey.Version
	dbsKey          = csskey.Databases
	nodesKey        = csskey.Nodes
	partitioningKey = csskey.Partitionings
	packedName      = csskey.PackedName
)

func cssPath(key string) kv.Path { return csskey.Of(key) }

func cssKey(p kv.Path) string { return csskey.At(p) }

// keyAt takes apart the CSS key that is kept at a path; what is beside the catalogue is a part of nothing.
func keyAt(p kv.Path) csskey.Key {
	key, ok := strings.CutPrefix(string(p), string(cssRoot))
	if !ok {
		return csskey.Key{}
	}
	return csskey.Parse(key)
}

// tableOf returns the table whose key, or a key below it, is kept at a path, and what follows the table's key.
func tableOf(p kv.Path) (n TableName, rest string, ok bool) {
	k := keyAt(p)
	return TableName{k.DB, k.Name}, k.Rest, k.Kind == csskey.Table
}

func dbKey(db string) string              { return csskey.DatabaseKey(db) }
func nodeKey(node string) string          { return nodesKey + "/" + node }
func tablesKey(db string) string          { return csskey.TablesKey(db) }
func (n TableName) key() string           { return csskey.TableKey(n.DB, n.Table) }
func (n TableName) schemaKey() string     { return n.key() + "/schema" }
func (n TableName) partKey() string       { return n.key() + "/partitioning" }
func (n TableName) matchKey() string      { return n.key() + "/match" }
func (n TableName) sharedScanKey() string { return n.key() + "/sharedScan" }
func (n TableName) chunksKey() string     { return csskey.ChunksKey(n.DB, n.Table) }
func (n TableName) chunkKey(id int) string {
	return n.chunksKey() + "/" + strconv.Itoa(id)
}

func dropDBPath(db string) kv.Path      { return csskey.Intent(db, "") }
func dropTablePath(n TableName) kv.Path { return csskey.Intent(n.DB, n.Table) }

func packedKey(key string) string { return csskey.Packed(key) }
func parentKey(key string) string { return csskey.Parent(key) }

// nameKeys returns the name keys that a key is or lies below: of its database, table or node. Their spelling is
// protected.
func nameKeys(key string) []string { return csskey.Parse(key).Names() }

// isNameKey reports whether a key is that of a database, table or node.
func isNameKey(key string) bool { return csskey.Parse(key).IsName() }

// isStatusKey reports whether a key holds the status of a database or table.
func isStatusKey(key string) bool { return csskey.Parse(key).IsStatus() }

// intents returns where the intents to drop are kept that forbid to create a name key: none for a node.
func intents(nameKey string) []kv.Path { return csskey.Parse(nameKey).Intents() }

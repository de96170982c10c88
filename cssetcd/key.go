package cssetcd

import (
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/paths"
)

// Where things are kept below the prefix.
const (
	cssRoot     = paths.CSS
	historyPath = paths.History
	foldRoot    = paths.Fold
	refRoot     = paths.Ref
	czarRoot    = paths.Czars
	dropRoot    = paths.Drops

	lastPartitioning = paths.LastPartitioning
)

// The CSS keys of which the others are built. Upstream's names.
const (
	metaKey         = "/css_meta"
	versionKey      = paths.Version
	dbsKey          = paths.Databases
	nodesKey        = "/NODES"
	partitioningKey = "/PARTITIONING"
	packedName      = ".packed.json"
)

func cssPath(key string) kv.Path { return paths.Of(key) }

func cssKey(p kv.Path) string { return string(p[len(cssRoot):]) }

func dbKey(db string) string              { return paths.Database(db) }
func nodeKey(node string) string          { return nodesKey + "/" + node }
func tablesKey(db string) string          { return paths.Tables(db) }
func (n TableName) key() string           { return paths.Table(n.DB, n.Table) }
func (n TableName) schemaKey() string     { return n.key() + "/schema" }
func (n TableName) partKey() string       { return n.key() + "/partitioning" }
func (n TableName) matchKey() string      { return n.key() + "/match" }
func (n TableName) sharedScanKey() string { return n.key() + "/sharedScan" }
func (n TableName) chunksKey() string     { return n.key() + "/CHUNKS" }
func (n TableName) chunkKey(id int) string {
	return n.chunksKey() + "/" + strconv.Itoa(id)
}

func dropDBPath(db string) kv.Path      { return paths.Intent(db, "") }
func dropTablePath(n TableName) kv.Path { return paths.Intent(n.DB, n.Table) }

func packedKey(key string) string { return key + "/" + packedName }

// intents returns where the intents to drop are kept that forbid to create a name key: none for a node.
func intents(nameKey string) []kv.Path {
	parts := strings.Split(nameKey, "/")
	switch {
	case len(parts) == 5:
		return []kv.Path{dropDBPath(parts[2]), dropTablePath(TableName{parts[2], parts[4]})}
	case strings.HasPrefix(nameKey, dbsKey+"/"):
		return []kv.Path{dropDBPath(parts[2])}
	}
	return nil
}

package cssetcd

import (
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Where things are kept below the prefix. Only what lies below css/ is the catalogue; the rest is beside it.
const (
	cssRoot     kv.Path = "css"     // css + CSS key
	historyPath kv.Path = "history" // random text made with the CSS
	foldRoot    kv.Path = "fold"    // fold + lower-case name key: the exact spelling of the name key
	refRoot     kv.Path = "ref"     // ref/<node>: touched by whatever refers to a node
	czarRoot    kv.Path = "czar"    // registrations of czars
	dropRoot    kv.Path = "drop"    // intents to drop: drop/db/<db>, drop/table/<db>/<table>
)

// The CSS keys of which the others are built. Upstream's names.
const (
	metaKey         = "/css_meta"
	versionKey      = "/css_meta/version"
	dbsKey          = "/DBS"
	nodesKey        = "/NODES"
	partitioningKey = "/PARTITIONING"
	packedName      = ".packed.json"
)

func cssPath(key string) kv.Path { return cssRoot + kv.Path(key) }

func cssKey(p kv.Path) string { return string(p[len(cssRoot):]) }

func dbKey(db string) string              { return dbsKey + "/" + db }
func nodeKey(node string) string          { return nodesKey + "/" + node }
func tablesKey(db string) string          { return dbKey(db) + "/TABLES" }
func (n TableName) key() string           { return tablesKey(n.DB) + "/" + n.Table }
func (n TableName) schemaKey() string     { return n.key() + "/schema" }
func (n TableName) partKey() string       { return n.key() + "/partitioning" }
func (n TableName) matchKey() string      { return n.key() + "/match" }
func (n TableName) sharedScanKey() string { return n.key() + "/sharedScan" }
func (n TableName) chunksKey() string     { return n.key() + "/CHUNKS" }
func (n TableName) chunkKey(id int) string {
	return n.chunksKey() + "/" + strconv.Itoa(id)
}

func dropDBPath(db string) kv.Path { return dropRoot + "/db/" + kv.Path(db) }
func dropTablePath(n TableName) kv.Path {
	return dropRoot + "/table/" + kv.Path(n.DB) + "/" + kv.Path(n.Table)
}

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

// Package paths says where things are kept in etcd, below the prefix. Only what lies below [CSS] is the catalogue; the rest is beside it.
package paths

import (
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// What the prefix has below it.
const (
	CSS     kv.Path = "css"     // css + CSS key: the catalogue
	History kv.Path = "history" // random text made with the CSS
	Config  kv.Path = "config"  // the settings of the deletion protocol
	Fold    kv.Path = "fold"    // fold + lower-case name key: the exact spelling of the name key
	Ref     kv.Path = "ref"     // ref/<node>: touched by whatever refers to a node
	// LastPartitioning holds the id of the partitioning that was created last.
	LastPartitioning kv.Path = "last/PARTITIONING"
	Czars            kv.Path = "czar"        // czar/<id>: registrations of czars
	Alive            kv.Path = "alive"       // alive/<id>: rewritten by each confirmation of a czar, on a lease
	Drops            kv.Path = "drop"        // see below
	Coordinators     kv.Path = "coordinator" // coordinator/<lease>: the election of the coordinator
)

// What [Drops] has below it. Each kind has the table <db>/<table> or the database <db> below it.
const (
	tableIntents kv.Path = Drops + "/table"
	dbIntents    kv.Path = Drops + "/db"
	Acks         kv.Path = Drops + "/ack" // ack/<P>/<id>
	holds        kv.Path = Drops + "/hold"
	requests     kv.Path = Drops + "/request"
	laters       kv.Path = Drops + "/later"
)

// Version is the CSS key of the version of the catalogue.
const Version = "/css_meta/version"

// Databases is the CSS key below which the databases are.
const Databases = "/DBS"

// Database returns the CSS key of a database.
func Database(db string) string { return Databases + "/" + db }

// Tables returns the CSS key below which the tables of a database are.
func Tables(db string) string { return Database(db) + "/TABLES" }

// Table returns the CSS key of a table.
func Table(db, table string) string { return Tables(db) + "/" + table }

// Split returns the names in the key of a table, or of a database, whose table is "". ok is false for any other key.
func Split(key string) (db, table string, ok bool) {
	rest, ok := strings.CutPrefix(key, Databases+"/")
	if !ok {
		return "", "", false
	}
	switch parts := strings.Split(rest, "/"); {
	case len(parts) == 1 && named(parts[0]):
		return parts[0], "", true
	case len(parts) == 3 && parts[1] == "TABLES" && named(parts[0]) && named(parts[2]):
		return parts[0], parts[2], true
	}
	return "", "", false
}

func named(part string) bool { return part != "" && part != ".packed.json" }

// Of returns where a CSS key is kept.
func Of(key string) kv.Path { return CSS + kv.Path(key) }

// Spelling returns where the exact spelling of a name key is kept. Two names that differ in case only share it, as they would
// share a row of kvData.
func Spelling(key string) kv.Path { return Fold + kv.Path(strings.ToLower(key)) }

// Intent returns where the intent to drop a table is kept, or to drop a database when table is "".
func Intent(db, table string) kv.Path {
	if table == "" {
		return dbIntents + "/" + kv.Path(db)
	}
	return TableIntents(db) + "/" + kv.Path(table)
}

// TableIntents returns below what the intents to drop tables of a database are kept.
func TableIntents(db string) kv.Path { return tableIntents + "/" + kv.Path(db) }

// Hold returns where the lease of the agreed delay is; it is gone when the delay is over.
func Hold(db, table string) kv.Path { return below(holds, db, table) }

// Request returns where the request to mark something later is kept.
func Request(db, table string) kv.Path { return below(requests, db, table) }

// Later returns where the lease of such a request is; when it is gone, the mark is due.
func Later(db, table string) kv.Path { return below(laters, db, table) }

// TableRequests returns below what the requests to mark tables of a database are kept.
func TableRequests(db string) kv.Path { return requests + "/" + kv.Path(db) }

func below(root kv.Path, db, table string) kv.Path {
	if table == "" {
		return root + "/" + kv.Path(db)
	}
	return root + "/" + kv.Path(db) + "/" + kv.Path(table)
}

// Dropped returns what a path below [Drops] is about: an intent, or a request.
func Dropped(p kv.Path) (db, table string, request, ok bool) {
	for _, root := range []kv.Path{tableIntents, dbIntents, requests} {
		rest, found := strings.CutPrefix(string(p), string(root)+"/")
		if !found {
			continue
		}
		db, table, _ = strings.Cut(rest, "/")
		if root != requests && (table == "") != (root == dbIntents) {
			break // nobody who keeps to this layout wrote it
		}
		return db, table, root == requests, true
	}
	return "", "", false, false
}

// Forget returns what has to be deleted so that the record of the spelling of a name key is gone, and those of the names in it. Where the
// records are, or may be, those of a name that differs in case only, that one's stay, and with them what is left of this one's: a record
// without its key does no harm. have must show the tree of Spelling(key).
func Forget(have *kv.Snapshot, key string) (deletes []kv.Span) {
	record := Spelling(key)
	if have.At(record).Value == key {
		deletes = append(deletes, kv.Key(record))
	}
	for _, entry := range have.Range(kv.Below(record)) {
		if !strings.HasPrefix(entry.Value, key+"/") {
			return deletes
		}
	}
	return append(deletes, kv.Below(record))
}

package csskey

import (
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Path is a key of etcd below the prefix.
type Path = kv.Path

// What the prefix has below it. Only what lies below [CSS] is kvData's; the rest is beside it.
const (
	CSS     Path = "css"       // css + CSS key: the catalogue
	Empty   Path = "css_empty" // css_empty/<db>: the empty chunks of a database
	History Path = "history"   // random text made with the CSS
	Config  Path = "config"    // the settings of the deletion protocol
	Fold    Path = "fold"      // fold + lower-case name key: the exact spelling of the name key
	Ref     Path = "ref"       // ref/<node>: touched by whatever refers to a node
	// LastPartitioning holds the id of the partitioning that was created last.
	LastPartitioning Path = "last/PARTITIONING"
	Czars            Path = "czar"        // czar/<id>: registrations of czars
	Alive            Path = "alive"       // alive/<id>: rewritten by each confirmation of a czar, on a lease
	Drops            Path = "drop"        // see below
	Coordinators     Path = "coordinator" // coordinator/<lease>: the election of the coordinator
	Imports          Path = "import"      // import/<mirror>: the import of kvData that has not ended, or its export
	Once             Path = "once"        // once/<hash>: notes of requests that are carried out once, on leases
	Inboxes          Path = "inbox"       // inbox/<mirror>: what was taken of what others wrote into kvData
	Inventory        Path = "inventory"   // inventory/<worker>: who publishes; .../<db>: the chunks served, on a lease
	Publishers       Path = "publisher"   // publisher/<worker>/<lease>: the election of who publishes
)

// What [Drops] has below it. Each kind has the table <db>/<table> or the database <db> below it.
const (
	tableIntents Path = Drops + "/table"
	dbIntents    Path = Drops + "/db"
	Acks         Path = Drops + "/ack" // ack/<P>/<id>
	holds        Path = Drops + "/hold"
	requests     Path = Drops + "/request"
	laters       Path = Drops + "/later"
)

// Tops are the first parts of all that a catalogue keeps below its prefix.
var Tops = []string{
	"css", "css_empty", "history", "config", "fold", "ref", "last", "czar", "alive", "drop", "coordinator", "mirror",
	"inbox", "import", "once", "inventory", "publisher", "commit", "fence",
}

// Catalogue is what a view follows: the CSS keys and the empty chunks, in one range, so that one watch tells of both
// and a snapshot shows both at one revision. Nothing else is kept between them.
var Catalogue = kv.Span{From: CSS + "/", To: Empty + "0"}

// EmptyOf returns where the empty chunks of a database are kept.
func EmptyOf(db string) Path { return Empty + "/" + Path(db) }

// EmptyAt returns the database whose empty chunks are kept at a path; ok is false for any other path.
func EmptyAt(p Path) (db string, ok bool) {
	return strings.CutPrefix(string(p), string(Empty)+"/")
}

// InventoryOf returns where it is kept who publishes the inventory of a worker; what it serves of databases is below.
func InventoryOf(worker string) Path { return Inventory + "/" + Path(worker) }

// PublishersOf returns below what the processes are that would publish the inventory of a worker.
func PublishersOf(worker string) Path { return Publishers + "/" + Path(worker) }

// Of returns where a CSS key is kept.
func Of(key string) Path { return CSS + Path(key) }

// At returns the CSS key that is kept at a path below [CSS].
func At(p Path) string { return string(p[len(CSS):]) }

// Spelling returns where the exact spelling of a name key is kept. Two names that differ in case only share it, as they
// would share a row of kvData.
func Spelling(key string) Path { return Fold + Path(strings.ToLower(key)) }

// Intent returns where the intent to drop a table is kept, or to drop a database when table is "".
func Intent(db, table string) Path {
	if table == "" {
		return dbIntents + "/" + Path(db)
	}
	return TableIntents(db) + "/" + Path(table)
}

// TableIntents returns below what the intents to drop tables of a database are kept.
func TableIntents(db string) Path { return tableIntents + "/" + Path(db) }

// Hold returns where the lease of the agreed delay is; it is gone when the delay is over.
func Hold(db, table string) Path { return below(holds, db, table) }

// Request returns where the request to mark something later is kept.
func Request(db, table string) Path { return below(requests, db, table) }

// Later returns where the lease of such a request is; when it is gone, the mark is due.
func Later(db, table string) Path { return below(laters, db, table) }

// TableRequests returns below what the requests to mark tables of a database are kept.
func TableRequests(db string) Path { return requests + "/" + Path(db) }

func below(root Path, db, table string) Path {
	if table == "" {
		return root + "/" + Path(db)
	}
	return root + "/" + Path(db) + "/" + Path(table)
}

// Dropped returns what a path below [Drops] is about: an intent, or a request.
func Dropped(p Path) (db, table string, request, ok bool) {
	for _, root := range []Path{tableIntents, dbIntents, requests} {
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

// Forget returns what has to be deleted beside a name that goes: the record of its spelling, those of the names in it,
// and the empty chunks of a database. Where the records are, or may be, those of a name that differs in case only, that
// one's stay, and with them what is left of this one's: a record without its key does no harm. have must show the tree
// of Spelling(key).
func Forget(have *kv.Snapshot, key string) (deletes []kv.Span) {
	if o := Parse(key).Object; o.Kind == Database {
		deletes = append(deletes, kv.Key(EmptyOf(o.DB)))
	}
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

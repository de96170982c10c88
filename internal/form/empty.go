package form

import "github.com/qserv/css-etcd/cssetcd"

// EmptyChunks is the form of what is known of the empty chunks of a database.
type EmptyChunks struct {
	Database string           `json:"database"`
	Count    int              `json:"count"`
	Chunks   cssetcd.ChunkSet `json:"chunks"`          // as text: "0-311,313"
	Error    string           `json:"error,omitempty"` // why the rest could not be read
}

// OfEmptyChunks returns the form of a set.
func OfEmptyChunks(db string, set cssetcd.ChunkSet) EmptyChunks {
	return EmptyChunks{Database: db, Count: set.Len(), Chunks: set}
}

package plan

import (
	"iter"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// Image is the catalogue at one revision; [cssetcd.Snapshot] is one. Keys begin with a slash.
type Image interface {
	// Key returns what a key holds; ok is false when it is absent.
	Key(key string) (e cssetcd.Entry, ok bool)
	// Below yields the keys below a key, itself not included, in byte order; Below("") yields all.
	Below(key string) iter.Seq2[string, cssetcd.Entry]
}

var _ Image = (*cssetcd.Snapshot)(nil)

// The keys that the plan knows by name.
const (
	rootKey    = ""
	dbsKey     = csskey.Databases
	nodesKey   = csskey.Nodes
	versionKey = csskey.Version
)

// pinned are the keys that always have a row.
var pinned = [...]string{rootKey, dbsKey, nodesKey}

func isPinned(key string) bool { return key == rootKey || key == dbsKey || key == nodesKey }

// parentOf returns the key without its last segment. The root has no parent, and neither has a key without a slash.
func parentOf(key string) (parent string, ok bool) {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return "", false
	}
	return key[:i], true
}

func depthOf(key string) int { return strings.Count(key, "/") }

func anyBelow(im Image, key string) bool {
	for range im.Below(key) {
		return true
	}
	return false
}

// created returns the create revision of a key, or of the first key below it where it is none itself.
func created(im Image, key string) cssetcd.Revision {
	if e, ok := im.Key(key); ok {
		return e.Create
	}
	for _, e := range im.Below(key) {
		return e.Create
	}
	return 0
}

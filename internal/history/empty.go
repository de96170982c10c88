package history

import (
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/cli"
)

// EmptyText says what became of the empty chunks of a database, given the texts of the sets before and after; nil where
// there was none, or it is not known.
func EmptyText(db string, before, after *string) string {
	name := "empty chunks of " + cli.Cell(db)
	if after == nil {
		return name + " forgotten"
	}
	now, err := chunkset.Parse(*after)
	if err != nil {
		return name + " set to what is no set of chunks"
	}
	if before != nil {
		if old, err := chunkset.Parse(*before); err == nil {
			return name + ": " + difference(old, now)
		}
	}
	return fmt.Sprintf("%s set: %s", name, cli.Count(now.Len(), "chunk"))
}

func difference(old, now chunkset.Set) string {
	var parts []string
	if more := now.Difference(old); !more.IsEmpty() {
		parts = append(parts, fmt.Sprintf("%d more (%s)", more.Len(), cli.Shorten(more.String())))
	}
	if fewer := old.Difference(now); !fewer.IsEmpty() {
		parts = append(parts, fmt.Sprintf("%d fewer (%s)", fewer.Len(), cli.Shorten(fewer.String())))
	}
	if parts == nil {
		return "set to the same"
	}
	return strings.Join(parts, ", ")
}

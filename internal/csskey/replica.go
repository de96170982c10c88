package csskey

import (
	"strings"

	"github.com/qserv/css-etcd/internal/packed"
)

// NodeOfReplica returns the node that a key of a replica names, packed or plain, and "" for any other key.
func NodeOfReplica(key, value string) string {
	if !strings.Contains(key, "/REPLICAS/") {
		return ""
	}
	if strings.HasSuffix(key, "/nodeName") {
		return value
	}
	if _, isPacked := CutPacked(key); !isPacked {
		return ""
	}
	p, err := packed.Parse(value)
	if err != nil {
		return ""
	}
	return p.Members["nodeName"]
}

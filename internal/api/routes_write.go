package api

import (
	"net/http"

	"github.com/qserv/css-etcd/deletion"
)

// writeRoutes are the routes that write.
func (a *API) writeRoutes() []route {
	add := func(method, path string, t target, w writer, query ...string) route {
		return route{method, path, query, writing, a.writes(t, w)}
	}
	body, matched := target{}, target{matches: true}
	bare, bareMatched := target{bare: true}, target{bare: true, matches: true}
	drop := []string{paramAfter, paramDelay, paramPolicy, paramForce, paramAtOnce, paramUnsafe, paramIfExists,
		paramIfStatus}
	const empty = "/v1/databases/{db}/empty-chunks"
	const table, chunks = "/v1/tables/{db}/{table}", "/v1/tables/{db}/{table}/chunks"
	return []route{
		add(http.MethodPut, "/v1/databases/{db}", body, putDatabase, paramIfNotExists, paramLike),
		add(http.MethodPatch, "/v1/databases/{db}", matched, patchDatabase, paramIfStatus),
		add(http.MethodDelete, "/v1/databases/{db}", bareMatched, deleteDatabase, drop...),
		add(http.MethodPut, empty, matched, putEmptyChunks),
		add(http.MethodPatch, empty, matched, patchEmptyChunks),
		add(http.MethodDelete, empty, bareMatched, deleteEmptyChunks),
		add(http.MethodPut, table, body, putTable, paramIfNotExists, paramUnqueryable),
		add(http.MethodPatch, table, matched, patchTable, paramIfStatus),
		add(http.MethodDelete, table, bareMatched, deleteTable, drop...),
		add(http.MethodPost, chunks, target{many: true}, postChunks),
		add(http.MethodPut, chunks+"/{id}", body, putChunk),
		add(http.MethodDelete, chunks+"/{id}", bare, deleteChunk),
		add(http.MethodPut, "/v1/nodes/{node}", body, putNode),
		add(http.MethodPatch, "/v1/nodes/{node}", matched, patchNode, paramIfStatus),
		add(http.MethodDelete, "/v1/nodes/{node}", bareMatched, deleteNode, paramIfStatus),
		add(http.MethodPut, "/v1/css/{key...}", matched, putKey, paramIfStatus),
		add(http.MethodDelete, "/v1/css/{key...}", bareMatched, deleteKey, paramRecursive, paramUnsafe, paramIfStatus),
		add(http.MethodPost, "/v1/drops/{name}/cancel", bare, onDrop((*deletion.Client).Undo)),
		add(http.MethodPost, "/v1/drops/{name}/retry", bare, onDrop((*deletion.Client).Retry)),
		add(http.MethodPost, "/v1/drops/{name}/abandon", bare, onDrop((*deletion.Client).Abandon)),
		add(http.MethodDelete, "/v1/czars/{id}", bare, evictCzar),
	}
}

package api

import "net/http"

// route is one path with one method.
type route struct {
	method, path string
	query        []string // the parameters that it takes
	needs        need
	handle       handler
}

// handler answers a request, or returns why not before anything is sent.
type handler func(w http.ResponseWriter, r *http.Request, q *query) error

// need is what a request has to be permitted.
type need int

const (
	nothing need = iota // health and metrics
	reading
	writing
)

// Parameters that several routes take.
const (
	paramRevision = "revision"
	paramBelow    = "below"
)

func (a *API) routes() []route {
	get := func(path string, h handler, query ...string) route {
		return route{http.MethodGet, path, query, reading, h}
	}
	look := func(path string, h reader, query ...string) route {
		return get(path, a.read(h), append(query, paramRevision)...)
	}
	open := func(path string, h handler, query ...string) route {
		return route{http.MethodGet, path, query, nothing, h}
	}
	return append([]route{
		look("/v1/databases", readDatabases),
		look("/v1/databases/{db}", readDatabase),
		look("/v1/databases/{db}/tables", readTables),
		look("/v1/databases/{db}/empty-chunks", readEmptyChunks),
		look("/v1/empty-chunks", readAllEmptyChunks, paramDatabase),
		look("/v1/tables/{db}/{table}", a.readTable),
		look("/v1/tables/{db}/{table}/chunks", readChunks),
		look("/v1/tables/{db}/{table}/chunks/{id}", readChunk),
		get("/v1/tables/{db}/{table}/holders", a.held(readHolders), paramRevision),
		get("/v1/tables/{db}/{table}/holders/{id}", a.held(readHolder), paramRevision),
		get("/v1/inventory", a.held(readWorkers), paramRevision),
		get("/v1/inventory/{worker}", a.held(readWorker), paramRevision),
		get("/v1/gaps", a.held(readGaps), paramDatabase, paramRevision),
		look("/v1/nodes", readNodes),
		look("/v1/nodes/{node}", readNode),
		look("/v1/families", readFamilies),
		look("/v1/names", readNames, paramText, paramDatabase, paramLimit),
		look("/v1/css/{key...}", readKey, paramBelow),
		get("/v1/snapshot", a.readDump, paramBelow, paramRevision),
		get("/v1/watch", a.watch, paramBelow, paramFrom),
		get("/v1/drops", a.readDrops),
		get("/v1/drops/{name}", a.readDrop),
		get("/v1/czars", a.readCzars),
		get("/v1/status", a.readStatus),
		get("/v1/log", a.readLog, paramName, paramLimit, paramFrom, paramAll),
		get("/v1/mirrors/{mirror}", a.readMirror, paramLimit),
		open("/v1/access", a.readAccess),
		get("/v1/openapi.json", serveContract),
		open("/livez", live, paramVerbose),
		open("/readyz", a.ready, paramVerbose, paramExclude),
		open("/healthz", a.ready, paramVerbose, paramExclude),
		open("/metrics", a.metrics.serve),
	}, a.writeRoutes()...)
}

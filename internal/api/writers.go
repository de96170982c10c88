package api

import (
	"context"
	"net/http"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/form"
)

// sameName refuses a body that names another thing than the path; one that names none is fine.
func sameName(what, given, path string) error {
	if given != "" && given != path {
		return badBody("%s is %.100q, and the path says %.100q", what, given, path)
	}
	return nil
}

func putDatabase(r *request) (write, error) {
	name := r.PathValue("db")
	opts := r.options(nil, map[string]func() cssetcd.WriteOption{paramIfNotExists: cssetcd.IfNotExists})
	if r.given(paramLike) {
		if len(r.body) > 0 {
			return nil, badBody("a database like another one has all of that one; leave out the body")
		}
		like := r.text(paramLike)
		return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
			return css.CreateDatabaseLike(ctx, name, like, opts...)
		}), nil
	}
	f, err := parseBody[form.Database](r.body)
	if err == nil {
		err = sameName("name", f.Name, name)
	}
	f.Name = name
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.CreateDatabase(ctx, f.Value(), opts...)
	}), err
}

// statusChange is the form of what can be changed of a database.
type statusChange struct {
	Status cssetcd.Status `json:"status"`
}

func checkStatus(s cssetcd.Status) error {
	if err := form.CheckStatus(s); err != nil {
		return badBody("%v", err)
	}
	return nil
}

func patchDatabase(r *request) (write, error) {
	f, err := parseBody[statusChange](r.body)
	if err == nil {
		err = checkStatus(f.Status)
	}
	name, opts := r.PathValue("db"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.SetDatabaseStatus(ctx, name, f.Status, opts...)
	}), err
}

func deleteDatabase(r *request) (write, error) {
	name := r.PathValue("db")
	if _, err := deletion.ParseName(name); err != nil { // which would take DATABASE.TABLE for a table
		return nil, err
	} else if n, _ := cssetcd.ParseTableName(name); n.Table != "" {
		return nil, refuse(http.StatusBadRequest, "invalid_name", "%.100q is the name of a table", name)
	}
	return r.removal(name, func(ctx context.Context, css *cssetcd.Client, opts []cssetcd.WriteOption) error {
		_, err := css.DropDatabase(ctx, name, opts...)
		return err
	})
}

func putTable(r *request) (write, error) {
	n := tableOf(r.Request)
	f, err := parseBody[form.TableDetails](r.body)
	if err == nil {
		err = sameName("database", f.Database, n.DB)
	}
	if err == nil {
		err = sameName("table", f.Table.Table, n.Table)
	}
	if err == nil && f.Status != "" {
		err = checkStatus(f.Status)
	}
	t := f.Value()
	t.Name = n
	opts := r.options(nil, map[string]func() cssetcd.WriteOption{paramIfNotExists: cssetcd.IfNotExists,
		paramUnqueryable: cssetcd.AllowUnqueryable})
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.CreateTable(ctx, t, opts...)
	}), err
}

// tableChange is the form of what can be changed of a table: what is there of it, all together.
type tableChange struct {
	Status     *cssetcd.Status  `json:"status"`
	Schema     *string          `json:"schema"`
	SharedScan *form.SharedScan `json:"shared_scan"`
}

func patchTable(r *request) (write, error) {
	f, err := parseBody[tableChange](r.body)
	if err == nil && f.Status != nil {
		err = checkStatus(*f.Status)
	}
	if err == nil && f == (tableChange{}) {
		err = badBody("the body changes nothing; it takes status, schema and shared_scan")
	}
	n, opts := tableOf(r.Request), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.Commit(ctx, f.batch(n, opts))
	}), err
}

// batch returns the operations of a change. The first of them takes the conditions: the later ones see a table that has
// changed.
func (f tableChange) batch(n cssetcd.TableName, opts []cssetcd.WriteOption) *cssetcd.Batch {
	var b cssetcd.Batch
	conditions := func() []cssetcd.WriteOption {
		first := opts
		opts = nil
		return first
	}
	if f.Schema != nil {
		b.SetTableSchema(n, *f.Schema, conditions()...)
	}
	if f.SharedScan != nil {
		b.SetSharedScan(n, cssetcd.SharedScan(*f.SharedScan), conditions()...)
	}
	if f.Status != nil {
		b.SetTableStatus(n, *f.Status, conditions()...)
	}
	return &b
}

func deleteTable(r *request) (write, error) {
	n := tableOf(r.Request)
	if _, err := cssetcd.ParseTableName(n.String()); err != nil {
		return nil, err
	}
	return r.removal(n.String(), func(ctx context.Context, css *cssetcd.Client, opts []cssetcd.WriteOption) error {
		_, err := css.DropTable(ctx, n, opts...)
		return err
	})
}

// replicas is the form of the nodes on which a chunk is added.
type replicas struct {
	Nodes []string `json:"nodes"`
}

func putChunk(r *request) (write, error) {
	id, err := chunkOf(r.Request)
	if err != nil {
		return nil, err
	}
	f, err := parseBody[replicas](r.body)
	n := tableOf(r.Request)
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.AddChunk(ctx, n, id, f.Nodes...)
	}), err
}

// postChunks adds chunks in as many transactions as they take, each chunk whole. What is there is passed over, so that
// a repetition does the rest.
func postChunks(r *request) (write, error) {
	forms, err := parseBody[[]form.Chunk](r.body)
	var chunks []cssetcd.Chunk
	for _, f := range forms {
		chunks = append(chunks, f.Value())
	}
	n := tableOf(r.Request)
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.AddChunks(ctx, n, chunks...)
	}), err
}

func deleteChunk(r *request) (write, error) {
	id, err := chunkOf(r.Request)
	n := tableOf(r.Request)
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.DeleteChunk(ctx, n, id)
	}), err
}

func putNode(r *request) (write, error) {
	f, err := parseBody[form.Node](r.body)
	if err == nil {
		err = sameName("name", f.Name, r.PathValue("node"))
	}
	n := f.Value()
	n.Name = r.PathValue("node")
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.AddNode(ctx, n)
	}), err
}

// stateChange is the form of what can be changed of a node.
type stateChange struct {
	State cssetcd.NodeState `json:"state"`
}

func patchNode(r *request) (write, error) {
	f, err := parseBody[stateChange](r.body)
	if err == nil && f.State == "" {
		err = badBody("state is missing, or empty")
	}
	name, opts := r.PathValue("node"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.SetNodeState(ctx, name, f.State, opts...)
	}), err
}

func deleteNode(r *request) (write, error) {
	name, opts := r.PathValue("node"), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.DeleteNode(ctx, name, opts...)
	}), nil
}

// valueChange is the form of what a key is to hold.
type valueChange struct {
	Value string `json:"value"`
}

func putKey(r *request) (write, error) {
	f, err := parseBody[valueChange](r.body)
	key, opts := keyOf(r.Request), r.conditions()
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.Raw().Put(ctx, key, f.Value, opts...)
	}), err
}

func deleteKey(r *request) (write, error) {
	opts := r.options(r.conditions(), map[string]func() cssetcd.WriteOption{paramUnsafe: cssetcd.Unsafe})
	if !r.flag(paramRecursive) {
		opts = append(opts, cssetcd.IfAtMostBelow(0))
	}
	key := keyOf(r.Request)
	return only(func(ctx context.Context, css *cssetcd.Client) (cssetcd.Revision, error) {
		return css.Raw().Delete(ctx, key, opts...)
	}), nil
}

// onDrop makes a writer of what a client of drops does with one.
func onDrop(do func(*deletion.Client, context.Context, string) error) writer {
	return func(r *request) (write, error) {
		name, err := deletion.ParseName(r.PathValue("name"))
		return func(ctx context.Context, with hand) error { return do(with.drops, ctx, name.String()) }, err
	}
}

func evictCzar(r *request) (write, error) {
	id := r.PathValue("id")
	return func(ctx context.Context, with hand) error { return with.drops.Evict(ctx, id) }, nil
}

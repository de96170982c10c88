package batch

import (
	"errors"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
)

// op is what every line has.
type op struct {
	Op string `json:"op"`
}

// conditions are those of a write. What is not there is no condition.
type conditions struct {
	IfStatus   *cssetcd.Status   `json:"if_status"`
	IfRevision *cssetcd.Revision `json:"if_revision"`
}

func (c conditions) options() (opts []cssetcd.WriteOption) {
	if c.IfStatus != nil {
		opts = append(opts, cssetcd.IfStatus(*c.IfStatus))
	}
	if c.IfRevision != nil {
		opts = append(opts, cssetcd.IfRevision(*c.IfRevision))
	}
	return opts
}

// when returns options that are on.
func when(on bool, opt cssetcd.WriteOption) []cssetcd.WriteOption {
	if on {
		return []cssetcd.WriteOption{opt}
	}
	return nil
}

// table names one.
type table struct {
	Database string `json:"database"`
	Table    string `json:"table"`
}

func (t table) name() cssetcd.TableName { return cssetcd.TableName{DB: t.Database, Table: t.Table} }

// The forms of lines.
type (
	createDatabase struct {
		op
		form.Database
		Like        string `json:"like"`
		IfNotExists bool   `json:"if_not_exists"`
	}
	setDatabaseStatus struct {
		op
		conditions
		Name   string         `json:"name"`
		Status cssetcd.Status `json:"status"`
	}
	dropDatabase struct {
		op
		conditions
		Name     string `json:"name"`
		IfExists bool   `json:"if_exists"`
		Force    bool   `json:"force"`
	}
	createTable struct {
		op
		form.TableDetails
		IfNotExists      bool `json:"if_not_exists"`
		AllowUnqueryable bool `json:"allow_unqueryable"`
	}
	setTableStatus struct {
		op
		conditions
		table
		Status cssetcd.Status `json:"status"`
	}
	setTableSchema struct {
		op
		conditions
		table
		Schema string `json:"schema"`
	}
	setSharedScan struct {
		op
		conditions
		table
		form.SharedScan
	}
	dropTable struct {
		op
		conditions
		table
		IfExists bool `json:"if_exists"`
		Force    bool `json:"force"`
	}
	addNode struct {
		op
		form.Node
	}
	setNodeState struct {
		op
		conditions
		Name  string            `json:"name"`
		State cssetcd.NodeState `json:"state"`
	}
	deleteNode struct {
		op
		conditions
		Name string `json:"name"`
	}
	addChunk struct {
		op
		table
		ID    *int     `json:"id"`
		Nodes []string `json:"nodes"`
	}
	deleteChunk struct {
		op
		table
		ID *int `json:"id"`
	}
	emptyChunks struct {
		op
		IfRevision *cssetcd.Revision `json:"if_revision"`
		Database   string            `json:"database"`
		Chunks     *cssetcd.ChunkSet `json:"chunks"`
	}
	forgetEmptyChunks struct {
		op
		IfRevision *cssetcd.Revision `json:"if_revision"`
		Database   string            `json:"database"`
	}
)

// operations are what a line can be, by the words of the command line that do the same alone.
var operations = map[string]func(b *cssetcd.Batch, line []byte) error{
	"db create": as(func(b *cssetcd.Batch, f createDatabase) error {
		opts := when(f.IfNotExists, cssetcd.IfNotExists())
		if f.Like == "" {
			b.CreateDatabase(f.Database.Value(), opts...)
			return checkNew(f.Database.Status)
		}
		if f.Database != (form.Database{Name: f.Name}) {
			return errors.New("a database like another one has all of that one; leave out all but name and like")
		}
		b.CreateDatabaseLike(f.Name, f.Like, opts...)
		return nil
	}),
	"db set-status": as(func(b *cssetcd.Batch, f setDatabaseStatus) error {
		b.SetDatabaseStatus(f.Name, f.Status, f.options()...)
		return form.CheckStatus(f.Status)
	}),
	"db drop": as(func(b *cssetcd.Batch, f dropDatabase) error {
		b.DropDatabase(f.Name, f.removal(f.IfExists, f.Force)...)
		return nil
	}),
	"table create": as(func(b *cssetcd.Batch, f createTable) error {
		b.CreateTable(f.TableDetails.Value(), append(when(f.IfNotExists, cssetcd.IfNotExists()),
			when(f.AllowUnqueryable, cssetcd.AllowUnqueryable())...)...)
		return checkNew(f.Status)
	}),
	"table set-status": as(func(b *cssetcd.Batch, f setTableStatus) error {
		b.SetTableStatus(f.name(), f.Status, f.options()...)
		return form.CheckStatus(f.Status)
	}),
	"table set-schema": as(func(b *cssetcd.Batch, f setTableSchema) error {
		b.SetTableSchema(f.name(), f.Schema, f.options()...)
		return nil
	}),
	"table set-scan": as(func(b *cssetcd.Batch, f setSharedScan) error {
		b.SetSharedScan(f.name(), cssetcd.SharedScan(f.SharedScan), f.options()...)
		return nil
	}),
	"table drop": as(func(b *cssetcd.Batch, f dropTable) error {
		b.DropTable(f.name(), f.removal(f.IfExists, f.Force)...)
		return nil
	}),
	"node add": as(func(b *cssetcd.Batch, f addNode) error {
		b.AddNode(f.Value())
		return nil
	}),
	"node set-state": as(func(b *cssetcd.Batch, f setNodeState) error {
		b.SetNodeState(f.Name, f.State, f.options()...)
		return nil
	}),
	"node delete": as(func(b *cssetcd.Batch, f deleteNode) error {
		b.DeleteNode(f.Name, f.options()...)
		return nil
	}),
	"chunk add": as(func(b *cssetcd.Batch, f addChunk) error {
		if f.ID == nil {
			return errNoID
		}
		b.AddChunk(f.name(), *f.ID, f.Nodes...)
		return nil
	}),
	"chunk delete": as(func(b *cssetcd.Batch, f deleteChunk) error {
		if f.ID == nil {
			return errNoID
		}
		b.DeleteChunk(f.name(), *f.ID)
		return nil
	}),
	"chunk empty set":    onEmpty((*cssetcd.Batch).SetEmptyChunks),
	"chunk empty add":    onEmpty((*cssetcd.Batch).AddEmptyChunks),
	"chunk empty remove": onEmpty((*cssetcd.Batch).RemoveEmptyChunks),
	"chunk empty forget": as(func(b *cssetcd.Batch, f forgetEmptyChunks) error {
		b.ForgetEmptyChunks(f.Database, conditions{IfRevision: f.IfRevision}.options()...)
		return nil
	}),
}

// onEmpty is an operation with a set, which has to be there: what is left out is not the empty set.
func onEmpty(do func(*cssetcd.Batch, string, cssetcd.ChunkSet, ...cssetcd.WriteOption)) func(*cssetcd.Batch,
	[]byte) error {
	return as(func(b *cssetcd.Batch, f emptyChunks) error {
		if f.Chunks == nil {
			return errors.New("it has no chunks")
		}
		do(b, f.Database, *f.Chunks, conditions{IfRevision: f.IfRevision}.options()...)
		return nil
	})
}

func (c conditions) removal(ifExists, force bool) []cssetcd.WriteOption {
	return append(append(c.options(), when(ifExists, cssetcd.IfExists())...), when(force, cssetcd.Unsafe())...)
}

var errNoID = errors.New("it has no id, which is the number of the chunk")

// checkNew is form.CheckStatus for something new, which is READY where nothing is said.
func checkNew(s cssetcd.Status) error {
	if s == "" {
		return nil
	}
	return form.CheckStatus(s)
}

// as makes an operation of what takes a form.
func as[T any](do func(*cssetcd.Batch, T) error) func(*cssetcd.Batch, []byte) error {
	return func(b *cssetcd.Batch, line []byte) error {
		f, err := form.Parse[T](line, "it")
		if err != nil {
			return err
		}
		return do(b, f)
	}
}

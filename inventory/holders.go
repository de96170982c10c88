package inventory

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
)

// Holders returns the nodes on which the catalogue places a chunk of a table and which are alive and serve it, in the
// order of the catalogue; none where no replica can be reached now. It returns cssetcd.ErrNoSuchTable, ErrNoSuchChunk
// where the catalogue does not place the chunk, and a ValueError when what it says of this chunk cannot be read.
func Holders(s *cssetcd.Snapshot, i *State, table cssetcd.TableName, chunk int) ([]string, error) {
	p, err := s.Placement(table)
	if err != nil {
		return nil, err
	}
	nodes, err := p.Nodes(chunk)
	if err != nil {
		return nil, err
	}
	var alive []string
	for _, node := range nodes {
		if i.Serves(node, table.DB, chunk) {
			alive = append(alive, node)
		}
	}
	return alive, nil
}

// DummyChunk is the chunk that each worker of Qserv has of each partitioned table, without rows: it is served, and
// placed nowhere.
const DummyChunk = 1234567890

// Gap is where what a worker serves of a database is not what the catalogue places there.
type Gap struct {
	Worker, DB string
	Alive      bool         // somebody publishes for the worker
	Missing    chunkset.Set // placed, not served
	Extra      chunkset.Set // served, not placed
	Err        error        // why what it serves cannot be read; both sets are empty then
}

// Gaps returns where inventory and catalogue differ, by worker and database, sorted. A database that the catalogue has
// and of which it places no chunk at all is left out: that it does not say. So is [DummyChunk]. What cannot be read of
// the catalogue is placed nowhere, and is in the error, beside the gaps that there are without it.
func Gaps(s *cssetcd.Snapshot, i *State) ([]Gap, error) {
	placed, unplaced, err := placements(s)
	for _, worker := range i.Workers() {
		for _, db := range i.Databases(worker) {
			if at := (spot{worker, db}); !unplaced[db] && placed[at] == nil {
				placed[at] = []int{}
			}
		}
	}
	var gaps []Gap
	for at, ids := range placed {
		if g := gapOf(i, at, ids); !g.Missing.IsEmpty() || !g.Extra.IsEmpty() || g.Err != nil {
			gaps = append(gaps, g)
		}
	}
	slices.SortFunc(gaps, func(a, b Gap) int {
		return cmp.Or(strings.Compare(a.Worker, b.Worker), strings.Compare(a.DB, b.DB))
	})
	return gaps, err
}

// spot is a database on a worker.
type spot struct{ worker, db string }

// placements returns the chunks that are placed, with repeats, and the databases of which none is.
func placements(s *cssetcd.Snapshot) (placed map[spot][]int, unplaced map[string]bool, faults error) {
	placed, unplaced = map[spot][]int{}, map[string]bool{}
	for d, err := range s.Databases() {
		if err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		unplaced[d.Name] = true
		for t, err := range s.Tables(d.Name) {
			if err != nil {
				faults = errors.Join(faults, err)
				continue
			}
			for c, err := range s.Chunks(t.Name) {
				faults = errors.Join(faults, err)
				for _, node := range c.Nodes {
					at := spot{node, d.Name}
					placed[at] = append(placed[at], c.ID)
					unplaced[d.Name] = false
				}
			}
		}
	}
	return placed, unplaced, faults
}

func gapOf(i *State, at spot, ids []int) Gap {
	g := Gap{Worker: at.worker, DB: at.db}
	_, err := i.Process(at.worker)
	g.Alive = err == nil
	placed, err := chunkset.Of(ids...)
	if err == nil {
		var serves chunkset.Set
		serves, err = i.Chunks(at.worker, at.db)
		if errors.Is(err, cssetcd.ErrNotFound) {
			err = nil
		}
		g.Missing, g.Extra = placed.Difference(serves).Difference(dummy), serves.Difference(placed).Difference(dummy)
	}
	if err != nil {
		g.Missing, g.Extra, g.Err = chunkset.Set{}, chunkset.Set{}, err
	}
	return g
}

var dummy = chunkset.MustParse(strconv.Itoa(DummyChunk))

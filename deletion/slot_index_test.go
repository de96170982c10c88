package deletion

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// The index agrees with a map, whatever is added and removed, while others read it.
func TestSlotIndexIsAMap(t *testing.T) {
	index, model := newSlotIndex(), map[slotKey]*slot{}
	always := &slot{key: slotKey{cssetcd.TableName{DB: "d", Table: "always"}, 7}}
	index.add(always)
	model[always.key] = always
	stop, readers := make(chan struct{}), sync.WaitGroup{}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if index.find(always.key) != always || index.find(slotKey{}) != nil {
					t.Error("a slot that is always there was not found, or one that never was")
					return
				}
			}
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		at := slotKey{cssetcd.TableName{DB: "d", Table: string(rune('a' + random.IntN(5)))},
			cssetcd.Revision(8 + random.IntN(100))}
		switch known := model[at]; {
		case known == nil:
			model[at] = &slot{key: at}
			index.add(model[at])
		case random.IntN(2) == 0:
			delete(model, at)
			index.remove(at)
		default:
			require.Same(t, known, index.find(at))
		}
	}
	close(stop)
	readers.Wait()
	found := 0
	for s := range index.all() {
		assert.Same(t, model[s.key], s)
		found++
	}
	assert.Len(t, model, found)
	assert.LessOrEqual(t, len(*index.cells.Load()), 8*len(model))
	for at := range cssetcd.Revision(200) {
		key := slotKey{cssetcd.TableName{DB: "d", Table: "a"}, at}
		assert.Same(t, model[key], index.find(key))
	}
}

// However alike the names are that one transaction created, a slot is found after a few steps.
func TestSlotIndexHasShortWays(t *testing.T) {
	const slots = 10_000
	for what, name := range map[string][2]string{ // database and table
		"tables that end alike":        {"d", "T%d_2026"},
		"one table of many databases":  {"d%d_x", "Object"},
		"tables of one letter or none": {"%d", "T"},
	} {
		index := newSlotIndex()
		key := func(i int) slotKey {
			number := func(name string) string { return strings.Replace(name, "%d", strconv.Itoa(i), 1) }
			return slotKey{cssetcd.TableName{DB: number(name[0]), Table: number(name[1])}, 7}
		}
		for i := range slots {
			index.add(&slot{key: key(i)})
		}
		steps, most := 0, 0
		for i := range slots {
			k := key(i)
			found, _, n := index.search(&k)
			require.Equal(t, k, found.key)
			steps, most = steps+n, max(most, n)
		}
		assert.Less(t, steps, 4*slots, what)
		assert.Less(t, most, 200, what)
	}
}

// A slot fills a cache line, and begins with one: queries on different tables do not wait for each other.
func TestSlotFillsACacheLine(t *testing.T) {
	require.Equal(t, uintptr(64), unsafe.Sizeof(slot{}))
}

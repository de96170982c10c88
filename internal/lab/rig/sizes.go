package rig

import "time"

// Sizes say how much is measured.
type Sizes struct {
	Rounds                  int   // blocks of each side, after one of each that is thrown away
	LoadRows                []int // rows of the catalogues that are loaded
	ChangeRows              int   // keys of the catalogue that changes at once
	EqualRows               int   // rows of a table that is right
	LagKeys                 int   // keys of the catalogue that changes
	LagEvents               int   // changes in a block
	InboundRows, ImportRows int   // that others commit at once, and of a kvData that is imported
	DropKeys                int   // keys of the catalogue from which a table is dropped

	ReadKeys, ReadDatabases int // of the catalogue that is read from
	ReadBatches, ReadPeer   int // our batches of reads and the peer's reads in a block

	SpreadKeys   int   // keys of the catalogue that changes before views and watchers
	SpreadEvents []int // changes in a block, by the number of views
	SpreadViews  []int

	HTTPReads                    int // in a block
	FanoutWatchers, FanoutEvents int // over HTTP, and changes in a block

	LatencyCzars, LatencyDrops int           // idle czars, and drops in a block
	WritingCzars               int           // registered czars
	WritingDrops               int           // drops of which writes are counted
	WritingTime                time.Duration // for which the writes of idle czars are counted
	AtOnce, AtOnceCzars        int           // drops at once, and idle czars
	BeginTables                int           // of the database whose drop begins
	BeginOthers, BeginChunks   int           // other tables then, and chunks of each

	InventoryEvents           int // changes in a block of what a worker serves
	PlacedChunks, EmptyChunks int // chunks of a table, and those that are empty

	Family int // databases of one schema
	// keys of catalogues, each larger than the one before; the last is that whose loading and memory are measured
	Growth      []int
	GrownRounds int // Rounds for these
	NamesKeys   int // of the catalogue whose names are asked for
}

// The sizes to choose from.
var (
	Normal = Sizes{Rounds: 5, InventoryEvents: 400, LoadRows: []int{100_000}, ChangeRows: 100_000, EqualRows: 300_000,
		LagKeys: 10_000, LagEvents: 800, InboundRows: 10_000, ImportRows: 1_000_000, DropKeys: 6_629,
		ReadKeys: 100_000, ReadDatabases: 300, ReadBatches: 8_000, ReadPeer: 300,
		SpreadKeys: 10_000, SpreadViews: []int{1, 50}, SpreadEvents: []int{600, 200},
		HTTPReads: 10_000, FanoutWatchers: 1000, FanoutEvents: 40,
		LatencyCzars: 5, LatencyDrops: 8, WritingCzars: 20, WritingDrops: 3, WritingTime: 10 * time.Second,
		AtOnce: 10_000, AtOnceCzars: 20, BeginTables: 2_000, BeginOthers: 8_000, BeginChunks: 100,
		Family: 500, PlacedChunks: 150_000, EmptyChunks: 150_000,
		Growth: []int{10_000, 100_000, 300_000}, GrownRounds: 3, NamesKeys: 1_000_000}
	Long = Sizes{Rounds: 5, InventoryEvents: 2000,
		LoadRows: []int{100_000, 1_000_000}, ChangeRows: 500_000, EqualRows: 1_000_000,
		LagKeys: 100_000, LagEvents: 1000, InboundRows: 100_000, ImportRows: 1_000_000, DropKeys: 6_629,
		ReadKeys: 100_000, ReadDatabases: 300, ReadBatches: 40_000, ReadPeer: 2_000,
		SpreadKeys: 100_000, SpreadViews: []int{1, 50}, SpreadEvents: []int{2000, 400},
		HTTPReads: 50_000, FanoutWatchers: 1000, FanoutEvents: 100,
		LatencyCzars: 5, LatencyDrops: 20, WritingCzars: 20, WritingDrops: 10, WritingTime: 30 * time.Second,
		AtOnce: 10_000, AtOnceCzars: 20, BeginTables: 2_000, BeginOthers: 8_000, BeginChunks: 100,
		Family: 500, PlacedChunks: 150_000, EmptyChunks: 150_000,
		Growth: []int{10_000, 100_000, 1_000_000}, GrownRounds: 5, NamesKeys: 1_000_000}
	// Quick shows that everything works. Its figures mean nothing.
	Quick = Sizes{Rounds: 1, InventoryEvents: 5, LoadRows: []int{300}, ChangeRows: 300, EqualRows: 300,
		LagKeys: 100, LagEvents: 5, InboundRows: 300, ImportRows: 300, DropKeys: 100,
		ReadKeys: 300, ReadDatabases: 2, ReadBatches: 8, ReadPeer: 3,
		SpreadKeys: 150, SpreadViews: []int{1, 3}, SpreadEvents: []int{4, 4},
		HTTPReads: 10, FanoutWatchers: 5, FanoutEvents: 3,
		LatencyCzars: 1, LatencyDrops: 2, WritingCzars: 2, WritingDrops: 1, WritingTime: time.Second, AtOnce: 20,
		AtOnceCzars: 2,
		BeginTables: 5, BeginOthers: 20, BeginChunks: 3,
		Family: 3, PlacedChunks: 1000, EmptyChunks: 1000,
		Growth: []int{300, 1200, 20_000}, GrownRounds: 1, NamesKeys: 20_000}
)

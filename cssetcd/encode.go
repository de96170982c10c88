package cssetcd

import (
	"fmt"
	"math"
	"strconv"

	"github.com/qserv/css-etcd/internal/packed"
)

// row is a CSS key and its value, as upstream would write them.
type row struct{ key, value string }

func encodeStriping(s *Striping) string {
	return packed.Format(map[string]string{
		"nStripes": strconv.Itoa(s.Stripes), "nSubStripes": strconv.Itoa(s.SubStripes), "overlap": formatFloat(s.Overlap),
	})
}

func encodeDatabase(db *Database, partitioningID string) []row {
	members := map[string]string{"releaseStatus": db.ReleaseStatus, "storageClass": db.StorageClass}
	if partitioningID != "" {
		members["partitioningId"] = partitioningID
	}
	return []row{
		{dbKey(db.Name), string(db.Status)},
		{packedKey(dbKey(db.Name)), packed.Format(members)},
	}
}

func encodeTable(t *Table) []row {
	n := t.Name
	rows := []row{{n.key(), string(t.Status)}, {n.schemaKey(), t.Schema}}
	if t.Match != nil {
		rows = append(rows, row{n.matchKey(), "1"}, row{packedKey(n.matchKey()), encodeMatch(t.Match)})
	}
	if p := t.Partitioning; p != nil || t.Match != nil {
		rows = append(rows, row{n.partKey(), ""})
		if p != nil && *p != (Partitioning{}) {
			rows = append(rows, row{packedKey(n.partKey()), encodePartitioning(p)})
		}
	}
	if members := sharedScanMembers(t.SharedScan); len(members) > 0 {
		rows = append(rows, row{n.sharedScanKey(), ""}, row{packedKey(n.sharedScanKey()), packed.Format(members)})
	}
	return rows
}

func encodePartitioning(p *Partitioning) string {
	members := map[string]string{
		"dirDb": p.DirDB, "dirTable": p.DirTable, "dirColName": p.DirColumn,
		"latColName": p.LatColumn, "lonColName": p.LonColumn, "subChunks": formatBool(p.SubChunks),
	}
	if p.Overlap != 0 {
		members["overlap"] = formatFloat(p.Overlap)
	}
	return packed.Format(members)
}

func encodeMatch(m *Match) string {
	return packed.Format(map[string]string{
		"dirTable1": m.DirTable1, "dirColName1": m.DirColumn1,
		"dirTable2": m.DirTable2, "dirColName2": m.DirColumn2,
		"flagColName": m.FlagColumn, "angSep": formatFloat(m.AngSep),
	})
}

// sharedScanMembers is what a created table gets: upstream leaves out what is zero.
func sharedScanMembers(s *SharedScan) map[string]string {
	members := map[string]string{}
	if s == nil {
		return members
	}
	if s.LockInMem {
		members["lockInMem"] = "1"
	}
	if s.Rating != 0 {
		members["scanRating"] = strconv.Itoa(s.Rating)
	}
	return members
}

func encodeNode(n *Node) []row {
	return []row{
		{nodeKey(n.Name), string(n.State)},
		{packedKey(nodeKey(n.Name)), packed.Format(map[string]string{"type": n.Type, "host": n.Host,
			"port": strconv.Itoa(n.Port)})},
	}
}

// checkRows finds keys and values that kvData cannot hold, before anything is planned.
func checkRows(rows []row) error {
	for _, r := range rows {
		if err := checkKey(r.key); err != nil {
			return err
		}
		if err := checkValue(r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

func checkFinite(what string, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return fmt.Errorf("%w: %s %v: must be a number of degrees, 0 or more", ErrInvalid, what, f)
	}
	const smallest = 0x1p-1022 // that is normal: C++ fails to read those below, and upstream throws
	if f != 0 && f < smallest {
		return fmt.Errorf("%w: %s %v: is so small that Qserv cannot read it; the least above 0 is %v", ErrInvalid, what, f,
			smallest)
	}
	return nil
}

// formatFloat writes a number as upstream does, with six decimals, where that loses nothing, and else in the shortest
// form that reads back equal: upstream's six decimals turn 1e-7 into 0.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', 6, 64)
	if back, err := strconv.ParseFloat(s, 64); err == nil && back == f {
		return s
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func formatBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

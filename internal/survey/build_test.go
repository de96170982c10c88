package survey

import (
	"context"

	"github.com/qserv/css-etcd/cssetcd"
)

// The striping of the family, and what the ids of chunks follow from.
const (
	stripes    = 85
	subStripes = 12
	overlap    = 0.01667 // degrees
)

// The schemas that only the sample has.
const (
	detectionSchema = "(detectionId BIGINT NOT NULL, objectId BIGINT NOT NULL, exposureId BIGINT NOT NULL, bandId " +
		"TINYINT NOT NULL, " +
		"ra_deg DOUBLE NOT NULL, dec_deg DOUBLE NOT NULL, flux_nJy DOUBLE, fluxErr_nJy DOUBLE, flags INT UNSIGNED NOT " +
		"NULL, " +
		"PRIMARY KEY (detectionId), KEY byObject (objectId)) ENGINE=MyISAM"
	lightCurveSchema = "(objectId BIGINT NOT NULL, bandId TINYINT NOT NULL, mjd DOUBLE NOT NULL, flux_nJy DOUBLE, " +
		"fluxErr_nJy DOUBLE, " +
		"KEY byObject (objectId)) ENGINE=MyISAM"
	refStarSchema = "(refStarId BIGINT NOT NULL, ra_deg DOUBLE NOT NULL, dec_deg DOUBLE NOT NULL, pmRa_masyr FLOAT, " +
		"pmDec_masyr FLOAT, " +
		"gMag FLOAT, PRIMARY KEY (refStarId)) ENGINE=MyISAM"
	matchSchema = "(objectId BIGINT, refStarId BIGINT, separation_arcsec FLOAT, matchFlags INT, " +
		"KEY byObject (objectId), KEY byRefStar (refStarId)) ENGINE=MyISAM"
	bandSchema = "(bandId TINYINT NOT NULL, name CHAR(1) NOT NULL, centre_nm FLOAT, width_nm FLOAT, PRIMARY KEY " +
		"(bandId)) ENGINE=MyISAM"
	exposureSchema = "(exposureId BIGINT NOT NULL, bandId TINYINT NOT NULL, mjd DOUBLE NOT NULL, seconds FLOAT, " +
		"seeing_arcsec FLOAT, " +
		"PRIMARY KEY (exposureId)) ENGINE=MyISAM"
)

// tableOf is a table of the sample and the columns of its patch that it has chunks of; 0: it is not partitioned.
type tableOf struct {
	cssetcd.Table
	columns int
}

// build writes the sample into an empty catalogue, through the operations that everybody uses. The file of the sample
// is a dump of what it writes.
func build(ctx context.Context, c *cssetcd.Client) error {
	for i, name := range workers {
		node := cssetcd.Node{Name: name, Type: "worker", Host: name + ".meridian.example", Port: 5012}
		if i == len(workers)-1 {
			node.Host = "192.0.2.13"
		}
		if _, err := c.AddNode(ctx, node); err != nil {
			return err
		}
	}
	_, err := c.CreateDatabase(ctx, cssetcd.Database{
		Name: Year1, StorageClass: "L2", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: stripes, SubStripes: subStripes, Overlap: overlap},
	})
	if err != nil {
		return err
	}
	if _, err := c.CreateDatabaseLike(ctx, Year2, Year1); err != nil {
		return err
	}
	for _, t := range tables() {
		if err := addTable(ctx, c, t); err != nil {
			return err
		}
	}
	return nil
}

func addTable(ctx context.Context, c *cssetcd.Client, t tableOf) error {
	if _, err := c.CreateTable(ctx, t.Table); err != nil {
		return err
	}
	for i, chunk := range patch(t.columns) {
		first, second := workers[i%len(workers)], workers[(i+1)%len(workers)]
		if _, err := c.AddChunk(ctx, t.Name, chunk, first, second); err != nil {
			return err
		}
	}
	return nil
}

// patch returns the chunks of a piece of sky at the equator: four stripes high and some chunks wide. A chunk's id is
// the stripe times twice the number of stripes, plus its place in the stripe.
func patch(columns int) []int {
	const firstStripe, lastStripe, firstColumn = 41, 44, 20
	var ids []int
	for stripe := firstStripe; stripe <= lastStripe; stripe++ {
		for column := range columns {
			ids = append(ids, stripe*2*stripes+firstColumn+column)
		}
	}
	return ids
}

func tables() []tableOf {
	return []tableOf{
		plain(Year1, "Band", bandSchema),
		plain(Year1, "Exposure", exposureSchema),
		director(Year1, "Object", objectSchema, "objectId", 6),
		child(Year1, "Detection", detectionSchema, "dec_deg", "ra_deg", 2, 6),
		child(Year1, "LightCurve", lightCurveSchema, "", "", 3, 6),
		plain(Year2, "Band", bandSchema),
		director(Year2, "Object", objectSchema, "objectId", 3),
		director(Year2, "RefStar", refStarSchema, "refStarId", 3),
		match(),
	}
}

func plain(db, name, schema string) tableOf {
	return tableOf{Table: cssetcd.Table{Name: cssetcd.TableName{DB: db, Table: name}, Schema: schema}}
}

func director(db, name, schema, key string, columns int) tableOf {
	t := plain(db, name, schema)
	t.Partitioning = &cssetcd.Partitioning{
		DirDB: db, DirTable: name, DirColumn: key, LatColumn: "dec_deg", LonColumn: "ra_deg", Overlap: overlap,
		SubChunks: true,
	}
	t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: 1}
	t.columns = columns
	return t
}

func child(db, name, schema, lat, lon string, rating, columns int) tableOf {
	t := plain(db, name, schema)
	t.Partitioning = &cssetcd.Partitioning{DirDB: db, DirTable: "Object", DirColumn: "objectId", LatColumn: lat,
		LonColumn: lon}
	t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: rating}
	t.columns = columns
	return t
}

func match() tableOf {
	t := plain(Year2, "ObjectRefStar", matchSchema)
	t.Match = &cssetcd.Match{
		DirTable1: "Object", DirColumn1: "objectId", DirTable2: "RefStar", DirColumn2: "refStarId",
		FlagColumn: "matchFlags", AngSep: 0.00028,
	}
	return t
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/survey"
)

// inDatabase puts the name of the database before the table of a query: the demo's connections are of no database,
// because the mirror makes it.
func inDatabase(query string) string {
	return strings.Replace(query, " kvData ", " "+cli.DefaultDatabase+".kvData ", 1)
}

// shownKey is a key beside its row.
type shownKey struct {
	depth              int // below the table
	name               string
	value              string
	id, parent, rowVal string // "" without a row
}

// compare shows a table's keys in etcd beside its rows in kvData.
func (d *demo) compare(ctx context.Context) error {
	table := cssetcd.TableName{DB: survey.Year2, Table: "RefStar"}
	root := "/DBS/" + table.DB + "/TABLES/" + table.Table
	if d.maria == nil {
		d.step("Look at one table in etcd")
	} else {
		d.step("Look at one table on both sides")
	}
	list, chunks, err := d.keysOf(ctx, table, root)
	if err != nil {
		return err
	}
	d.text(fmt.Sprintf("All of %s/css%s, but for %d more chunks.", d.css.Prefix(), root, chunks-1))
	if d.maria != nil {
		d.text("Each key is a row: kvKey is the key without " + d.css.Prefix() +
			"/css, parentKvId the kvId of the row above.")
	}
	d.columns(list)
	return nil
}

// keysOf returns the keys of a table, of its chunks only the first one's, and the number of chunks.
func (d *demo) keysOf(ctx context.Context, table cssetcd.TableName, root string) (list []shownKey, chunks int,
	err error) {
	s := d.view.Snapshot()
	first := ""
	for chunk, err := range s.Chunks(table) {
		if err != nil {
			return nil, 0, err
		}
		if chunks++; chunks == 1 {
			first = root + "/CHUNKS/" + strconv.Itoa(chunk.ID)
		}
	}
	shown := []string{root}
	for key := range s.Below(root) {
		if !strings.HasPrefix(key, root+"/CHUNKS/") || key == first || strings.HasPrefix(key, first+"/") {
			shown = append(shown, key)
		}
	}
	for _, key := range shown {
		e, _ := s.Key(key)
		one := shownKey{
			depth: strings.Count(key, "/") - strings.Count(root, "/"),
			name:  key[strings.LastIndexByte(key, '/')+1:], value: e.Value,
		}
		if err := d.row(ctx, key, &one); err != nil {
			return nil, 0, err
		}
		list = append(list, one)
	}
	return list, chunks, nil
}

// row looks up the row of a key.
func (d *demo) row(ctx context.Context, key string, into *shownKey) error {
	if d.maria == nil {
		return nil
	}
	err := d.db.QueryRowContext(ctx, inDatabase("SELECT kvId, parentKvId, kvVal FROM kvData WHERE kvKey = ?"), key).
		Scan(&into.id, &into.parent, &into.rowVal)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("kvData has no row %s", key)
	}
	return err
}

// The widths of the columns. The last takes what is left of the page; on one that is narrow it shares that with the
// value.
const (
	nameWidth   = 24
	valueWidth  = 19
	idWidth     = 4
	parentWidth = len("parentKvId")
	keyWidth    = len(".../0000000001.") + 1
)

// columns writes keys on the left and rows on the right.
func (d *demo) columns(list []shownKey) {
	line := func(name, value, id, parent, key, rowVal string) string {
		text := margin + pad(name, nameWidth) + pad(value, valueWidth-(pageWidth-d.width)/2)
		if d.maria != nil {
			text += " | " + pad(id, idWidth) + " " + pad(parent, parentWidth) + " " + pad(key, keyWidth) + " "
			text += clip(rowVal, d.width-len(text))
		}
		return strings.TrimRight(text, " ")
	}
	fmt.Fprintln(d.out, d.paint(bold, line("KEY IN ETCD", "VALUE", "kvId", "parentKvId", "kvKey", "kvVal")))
	for _, k := range list {
		fmt.Fprintln(d.out, line(strings.Repeat("  ", k.depth)+k.name, k.value, k.id, k.parent, ".../"+k.name, k.rowVal))
	}
}

package api

import (
	"sync"

	"github.com/qserv/css-etcd/cssetcd"
)

// texts are the answers that tables have in JSON, each made once. A table in memory never changes: another one takes
// its place. The zero texts is ready to use.
type texts struct {
	mu    sync.Mutex
	of    map[*cssetcd.Table][]byte
	bytes int
}

// mostTexts is how many bytes are kept. When they are more, all go: those of tables that are no more are among them.
const mostTexts = 16 << 20

// get returns the text of a table, which make makes where it is not there.
func (t *texts) get(table *cssetcd.Table, make func() ([]byte, error)) ([]byte, error) {
	t.mu.Lock()
	text, ok := t.of[table]
	t.mu.Unlock()
	if ok {
		return text, nil
	}
	text, err := make()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil || t.bytes+len(text) > mostTexts {
		t.of, t.bytes = map[*cssetcd.Table][]byte{}, 0
	}
	if _, ok := t.of[table]; !ok {
		t.of[table] = text
		t.bytes += len(text)
	}
	return text, nil
}

package daemon

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSlowClientsDoNotHoldTheDaemonUp: one that reads nothing has to leave when the daemon begins again, however much
// time its handler gives it.
func TestSlowClientsDoNotHoldTheDaemonUp(t *testing.T) {
	t.Parallel()
	d := &door{}
	full := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		for written := 0; ; written += 1 << 20 {
			if written == 64<<20 { // more than sockets hold, so that it is never reached
				t.Error("the client read all")
				return
			}
			if written == 1<<20 {
				close(full)
			}
			_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	d.change(handler) // also while the daemon begins, when nobody leads
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	resp, err := http.Get(server.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	<-full
	ended := make(chan struct{})
	go func() { defer close(ended); d.lead(HTTP{}, http.NotFoundHandler())() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the door waits for a client that reads nothing")
	}
	_, err = io.Copy(io.Discard, resp.Body)
	assert.Error(t, err, "what it did not read in time is cut off")
}

// TestNobodyIsGivenMoreTimeWhoHasToLeave, also where that is tried after it was told.
func TestNobodyIsGivenMoreTimeWhoHasToLeave(t *testing.T) {
	t.Parallel()
	rec := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w := &leavingWriter{ResponseWriter: rec, c: http.NewResponseController(rec)}
	late := time.Now().Add(time.Hour)
	require.NoError(t, w.SetWriteDeadline(late))
	assert.Equal(t, late, rec.write)
	w.leave()
	require.NoError(t, http.NewResponseController(w).SetWriteDeadline(late))
	require.NoError(t, http.NewResponseController(w).SetReadDeadline(late))
	assert.True(t, rec.write.Before(late))
	assert.True(t, rec.read.Before(late))
}

type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error  { d.read = at; return nil }
func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

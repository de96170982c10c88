package catalogue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// answering is an API of a catalogue behind a server, on a port of this machine.
type answering struct {
	url    string
	client *http.Client
}

// newAnswering serves a view until the benchmark has ended.
func newAnswering(ctx context.Context, r *rig.Rig, css *cssetcd.Client, view *cssetcd.View) (*answering, error) {
	a, err := api.New(api.Config{Catalogue: css, View: view})
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { _ = a.Run(running) }) // ends with its context
	r.OnClose(func() error {
		end()
		ended.Wait()
		return nil
	})
	return serveHTTP(r, a)
}

// serveHTTP serves a handler.
func serveHTTP(r *rig.Rig, h http.Handler) (*answering, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	r.OnClose(func() error {
		transport.CloseIdleConnections()
		err := server.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	return &answering{"http://" + l.Addr().String(), &http.Client{Transport: transport}}, nil
}

// get sends a request whose answer is to be read and closed.
func (a *answering) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp, err
}

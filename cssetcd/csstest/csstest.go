// Package csstest gives tests a CSS on a real etcd, and has the conformance suite of the catalogue.
//
// # An etcd for tests
//
// One embedded etcd serves all tests of a package; each test gets a prefix of its own in it, so that tests can run in
// any order and at the same time. A package that uses it has
//
//	func TestMain(m *testing.M) { csstest.Main(m) }
//
// which stops that etcd and fails the package when goroutines are left over, those of a view that is not closed for
// instance. Tests that stop etcd, compact it or look at its whole key space need one of their own.
//
// # Conformance
//
// [TestClient] and [TestWriters] show that a catalogue does what it promises on the cluster, or on the store, that a
// [Harness] opens. For an etcd of one's own that is
//
//	func TestCatalogue(t *testing.T) {
//		h := csstest.Harness{Open: func(t *testing.T) *cssetcd.Client {
//			prefix := "/test/" + rand.Text()
//			t.Cleanup(func() { etcd.Delete(context.Background(), prefix+"/", clientv3.WithPrefix()) })
//			c, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(prefix))
//			require.NoError(t, err)
//			return c
//		}}
//		t.Run("client", func(t *testing.T) { csstest.TestClient(t, h) })
//		t.Run("writers", func(t *testing.T) { csstest.TestWriters(t, h) })
//	}
package csstest

import (
	"fmt"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

var prefixes atomic.Int64

// Main runs the tests of a package, stops the shared etcd and fails the package when goroutines are left over. It is
// for TestMain and does not return.
func Main(m *testing.M) { testkit.Main(m) }

// New returns a client on an etcd without a CSS, that is, on a prefix that no other test uses. Options come after that
// of the prefix.
func New(t testing.TB, opts ...cssetcd.Option) *cssetcd.Client {
	t.Helper()
	return At(t, NewPrefix(), opts...)
}

// At returns another client at the prefix of a first one.
func At(t testing.TB, prefix string, opts ...cssetcd.Option) *cssetcd.Client {
	t.Helper()
	c, err := cssetcd.New(t.Context(), Etcd(), append([]cssetcd.Option{cssetcd.WithPrefix(prefix)}, opts...)...)
	if err != nil {
		t.Fatalf("open a CSS for the test: %v", err)
	}
	return c
}

// NewPrefix returns a prefix of the shared etcd that nothing else uses.
func NewPrefix() string { return fmt.Sprintf("/test-%d", prefixes.Add(1)) }

// Etcd returns the client of the shared etcd, which is started when it is needed first. Nobody but Main may close it.
// It panics when etcd does not start: examples have no test to fail.
func Etcd() *clientv3.Client { return testkit.SharedEtcdClient() }

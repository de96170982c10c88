package embedetcd

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
)

// TestFatal: where etcd cannot go on, whoever runs it learns why, and the goroutine does not go on.
func TestFatal(t *testing.T) {
	full := zap.Error(errors.New("no space left on device"))
	for name, call := range map[string]func(*zap.Logger){
		"fatal": func(l *zap.Logger) { l.Fatal("failed to commit tx", full, zap.Int("n", 1)) },
		"panic": func(l *zap.Logger) { l.Panic("failed to commit tx", full) },
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan string, 2)
			done := make(chan struct{})
			go func() {
				defer close(done)
				call(newZap(nil, func(reason string) {
					told <- reason
					runtime.Goexit()
				}, t.Context()))
				told <- "it went on"
			}()
			<-done
			assert.Equal(t, "failed to commit tx: no space left on device", <-told)
			assert.Empty(t, told)
			assert.PanicsWithValue(t, "failed to commit tx: no space left on device",
				func() { call(newZap(nil, nil, t.Context())) })
		})
	}
}

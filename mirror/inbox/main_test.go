package inbox

import (
	"testing"

	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

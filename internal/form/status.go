package form

import (
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
)

// CheckStatus refuses a text that means nothing to Qserv: a mistyped READY takes a database from its users.
func CheckStatus(s cssetcd.Status) error {
	if s.State() == cssetcd.StateOther {
		return fmt.Errorf("status %.100q is none of READY, DO_NOT_USE, PENDING_CREATE:..., PENDING_DROP:... and FAILED:..., "+
			"which Qserv knows", string(s))
	}
	return nil
}

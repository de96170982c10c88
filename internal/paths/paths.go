// Package paths is what [csskey] is, under its old names, until all use that.
package paths

import "github.com/qserv/css-etcd/internal/csskey"

// See csskey.
const (
	CSS              = csskey.CSS
	History          = csskey.History
	Config           = csskey.Config
	Fold             = csskey.Fold
	Ref              = csskey.Ref
	LastPartitioning = csskey.LastPartitioning
	Czars            = csskey.Czars
	Alive            = csskey.Alive
	Drops            = csskey.Drops
	Coordinators     = csskey.Coordinators
	Acks             = csskey.Acks
	Version          = csskey.Version
	Databases        = csskey.Databases
)

// See csskey.
var (
	Database      = csskey.DatabaseKey
	Tables        = csskey.TablesKey
	Table         = csskey.TableKey
	Split         = csskey.Split
	Of            = csskey.Of
	Spelling      = csskey.Spelling
	Intent        = csskey.Intent
	TableIntents  = csskey.TableIntents
	Hold          = csskey.Hold
	Request       = csskey.Request
	Later         = csskey.Later
	TableRequests = csskey.TableRequests
	Dropped       = csskey.Dropped
	Forget        = csskey.Forget
)

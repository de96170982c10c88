package main

import (
	"github.com/spf13/cobra"
)

func inventoryCommand(p *program) *cobra.Command {
	g := catalogueGroup("inventory", "Show and publish which chunks workers serve at this moment",
		inventoryList(p), inventoryShow(p), inventoryMissing(p), inventoryPublish(p), inventoryServeShm(p))
	g.Long = `Show and publish which chunks workers serve at this moment.

The catalogue says where chunks are placed. Beside each worker "css-sync inventory publish" says what it can serve now. When that process or
the machine dies, all of it is gone from etcd within --ttl: a worker is alive while somebody publishes for it. Workers have the names of
their nodes.`
	g.Example = "  css-sync inventory list\n  css-sync inventory missing\n" +
		"  css-sync inventory publish --worker worker-1 --from-dsn-file /etc/css-sync/worker.dsn"
	return g
}

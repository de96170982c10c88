package main

import (
	"github.com/spf13/cobra"
)

func nodeCommand(p *program) *cobra.Command {
	return catalogueGroup("node", "List, show, add, change and delete worker nodes",
		nodeList(p), nodeShow(p), nodeAdd(p), nodeSetState(p), nodeDelete(p))
}

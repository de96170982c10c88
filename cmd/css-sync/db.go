package main

import (
	"github.com/spf13/cobra"
)

func dbCommand(p *program) *cobra.Command {
	return catalogueGroup("db", "List, show, create, change and drop databases",
		dbList(p), dbShow(p), dbFamilies(p), dbCreate(p), dbSetStatus(p), dbDrop(p))
}

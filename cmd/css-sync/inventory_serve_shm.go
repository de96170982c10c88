package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/inventory"
)

func inventoryServeShm(p *program) *cobra.Command {
	config := daemon.SharedMemory{Version: version}
	cmd := &cobra.Command{
		Use: "serve-shm --worker NAME", Short: "Keep the inventory of a worker in shared memory, for its other processes",
		Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Run beside a worker, until SIGTERM or SIGINT, and keep a file in shared memory equal to what etcd says that the worker serves. Programs
that do not speak etcd, such as cmsd and xrootd, map that file and look chunks up in it, without a system call and without waiting for anybody.
docs/SHM.md says what lies where, and examples/shm-reader reads it in C.

One process writes a file. While etcd cannot be reached the file says what it said last; it holds when it was last known to be true.`,
		Example: "  css-sync inventory serve-shm --worker worker-1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Worker == "" {
				return cli.InvalidUse(cmd, "say with --worker whose inventory")
			}
			if err := inventory.CheckWorker(config.Worker); err != nil {
				return cli.InvalidUse(cmd, "%w", err)
			}
			if config.File == "" {
				config.File = "/dev/shm/css-inventory-" + config.Worker
			}
			if !filepath.IsAbs(config.File) {
				return cli.InvalidUse(cmd, "--file is %q and must begin with a slash", config.File)
			}
			return daemon.RunSharedMemory(cmd.Context(), p.Program, config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Worker, "worker", "", "name of the worker, which is that of its node")
	flags.StringVar(&config.File, "file", "",
		"path of the file; without it /dev/shm/css-inventory- and the name of the worker")
	return cmd
}

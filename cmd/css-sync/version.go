package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// version is set by the build.
var version = "unknown"

type versionView struct {
	Program string `json:"css_sync"`
	Go      string `json:"go"`
	CSS     string `json:"css_version"`
	Etcd    string `json:"etcd_client"`
}

func versionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the versions of the program, of the CSS and of its etcd client", GroupID: groupFiles,
		Args: cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			v := versionView{version, runtime.Version(), cssetcd.Version, moduleVersion("go.etcd.io/etcd/client/v3")}
			return p.Print(v, func(w io.Writer) {
				cli.Facts{{"css-sync", v.Program}, {"Go", v.Go}, {"CSS", v.CSS}, {"etcd client", v.Etcd}}.Write(w)
			})
		},
	}
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == path {
				return dep.Version
			}
		}
	}
	return "unknown"
}

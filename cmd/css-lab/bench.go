package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/lab"
	"github.com/qserv/css-etcd/internal/lab/drops"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

type benchFlags struct {
	long, quick bool
	profiles    string
	czar        string
}

func benchCommand(p *program) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: "bench [NAME...]", Short: "Measure how fast everything is, each figure against a peer", GroupID: groupLab,
		Long: "Measure on an etcd and a MariaDB that are started for it and gone afterwards, some minutes. Every figure " +
			"is a ratio:\n" +
			"the peer does the same work in the plainest way, on the same servers, in the same run, in turns with our side. " +
			"A goal\n" +
			"that is missed is a result and no error. -w json has all samples. The beginning of a name will do.\n\n" +
			benchList(),
		Example:   "  css-lab bench\n  css-lab bench drop-vs-statements -w json",
		ValidArgs: lab.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.czar != "" {
				return drops.RunCzar(cmd.Context(), f.czar, p.Stdin, p.Stdout)
			}
			if f.long && f.quick {
				return cli.InvalidUse(cmd, "--long and --quick exclude each other")
			}
			if _, err := lab.Select(args); err != nil {
				return cli.InvalidUse(cmd, "%w", err)
			}
			return p.bench(cmd.Context(), args, f)
		},
	}
	cmd.Flags().BoolVar(&f.long, "long", false,
		"measure larger catalogues, of a million keys, and more often; takes many minutes")
	cmd.Flags().BoolVar(&f.quick, "quick", false, "only see that everything works: tiny sizes, figures that mean nothing")
	cmd.Flags().StringVar(&f.profiles, "profile", "",
		"write CPU profiles of our side into the directory `DIR`, for go tool pprof")
	cmd.Flags().StringVar(&f.czar, asCzar, "", "be an idle czar on the etcd at `ENDPOINT`; a benchmark starts itself so")
	_ = cmd.Flags().MarkHidden(asCzar)
	return cmd
}

const asCzar = "as-czar"

func benchList() string {
	var b strings.Builder
	b.WriteString("Benchmarks:")
	for _, one := range lab.All() {
		fmt.Fprintf(&b, "\n  %s\n      %s", one.Name, one.Summary)
	}
	return b.String()
}

func (f benchFlags) sizes() rig.Sizes {
	switch {
	case f.long:
		return rig.Long
	case f.quick:
		return rig.Quick
	}
	return rig.Normal
}

// bench prints what was measured, also when it was interrupted or failed.
func (p *program) bench(ctx context.Context, names []string, f benchFlags) error {
	ctx, stop := outlivingTerminal(ctx)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	results, err := lab.Run(ctx, lab.Options{
		Names: names, Sizes: f.sizes(), Czar: []string{self, "bench", "--" + asCzar}, Profiles: f.profiles,
		Progress: func(line string) { p.Say("%s", line) },
	})
	if err != nil && len(results) == 0 {
		return err
	}
	return errors.Join(err, p.printBench(results))
}

func (p *program) printBench(results []measure.Result) error {
	if p.Output.JSON() {
		return measure.WriteJSON(p.Stdout, results)
	}
	return p.Print(nil, func(w io.Writer) { _ = measure.WriteTable(w, results) }) // the writer keeps its error
}

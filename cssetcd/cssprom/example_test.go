package cssprom_test

import (
	"context"
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/cssprom"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// A czar registers its view where it keeps its own metrics.
func ExampleNewCollector() {
	ctx := context.Background()
	// a czar has clientv3.New here
	client, err := cssetcd.New(ctx, csstest.Etcd(), cssetcd.WithPrefix(csstest.NewPrefix()))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.CreateDatabase(ctx, cssetcd.Database{Name: "lsst"}); err != nil {
		log.Fatal(err)
	}
	view, err := cssetcd.OpenView(ctx, client)
	if err != nil {
		log.Fatal(err)
	}
	defer view.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(cssprom.NewCollector(view))

	families, err := registry.Gather() // promhttp.HandlerFor(registry, ...) does this for each scrape
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "css_view_databases" {
			fmt.Println(family.GetName(), family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: css_view_databases 1
}

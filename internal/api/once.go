package api

import clientv3 "go.etcd.io/etcd/client/v3"

type leases struct{ etcd *clientv3.Client }

package docs_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdctl does what the documents use etcdctl for, on a machine that does not have it. It returns an exit code.
func etcdctl(args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Getenv("ETCDCTL_ENDPOINTS")}, Logger: zap.NewNop()})
	if err == nil {
		defer etcd.Close()
		err = execute(ctx, etcd, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcdctl:", strings.Join(args, " ")+":", err)
		return 1
	}
	return 0
}

func execute(ctx context.Context, etcd *clientv3.Client, args []string) (err error) {
	command, rest := strings.Join(args[:min(2, len(args))], " "), args[min(2, len(args)):]
	switch {
	case command == "user add" && len(rest) == 1:
		name, password, _ := strings.Cut(rest[0], ":")
		_, err = etcd.UserAdd(ctx, name, password)
	case command == "user grant-role" && len(rest) == 2:
		_, err = etcd.UserGrantRole(ctx, rest[0], rest[1])
	case command == "role add" && len(rest) == 1:
		_, err = etcd.RoleAdd(ctx, rest[0])
	case command == "role grant-permission" && len(rest) == 4 && rest[1] == "--prefix=true":
		permission, err := clientv3.StrToPermissionType(rest[2])
		if err != nil {
			return err
		}
		_, err = etcd.RoleGrantPermission(ctx, rest[0], rest[3], clientv3.GetPrefixRangeEnd(rest[3]), permission)
		return err
	case command == "role grant-permission" && (len(rest) == 3 || len(rest) == 4):
		permission, err := clientv3.StrToPermissionType(rest[1])
		if err != nil {
			return err
		}
		end := strings.Join(rest[3:], "")
		_, err = etcd.RoleGrantPermission(ctx, rest[0], rest[2], end, permission)
		return err
	case command == "auth enable" && len(rest) == 0:
		_, err = etcd.AuthEnable(ctx)
	default:
		return fmt.Errorf("this stand-in does not know the command")
	}
	return err
}

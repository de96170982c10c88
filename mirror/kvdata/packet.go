package kvdata

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// leastPacket is what the server must take for every row: a value of 65,535 bytes of which each is escaped, its key,
// and a full batch of small rows around it.
const leastPacket = 256 << 10

// maxPacket returns how many bytes one statement may have.
func maxPacket(ctx context.Context, q querier) (packet int, err error) {
	if err := q.QueryRowContext(ctx, "SELECT @@max_allowed_packet").Scan(&packet); err != nil {
		return 0, fmt.Errorf("read max_allowed_packet: %w", err)
	}
	return packet, nil
}

// sufficientPacket is maxPacket that fails with ErrPacket where some row would not fit.
func (c *connection) sufficientPacket(ctx context.Context) (int, error) {
	packet, err := maxPacket(ctx, c)
	if err == nil && packet < leastPacket {
		err = smallPacket(c.target, fmt.Errorf("it is %d", packet))
	}
	return packet, err
}

// statementBytes returns how many bytes of keys and values to put into a statement. Escaped, a byte can become two, and
// the rest of the statement needs room, too.
func statementBytes(packet int) int {
	const most = 4 << 20
	return min(packet, most) / 4
}

// valueLimit returns how large a value may be so that a statement of its row alone fits.
func valueLimit(packet int) int { return (packet - leastPacket/4) / 2 }

func packetTooLarge(err error) bool {
	return errors.Is(err, mysql.ErrPktTooLarge) || mysqlconn.Is(err, mysqlconn.ErPacketTooLarge) ||
		mysqlconn.Is(err, mysqlconn.ErUnknown) && strings.Contains(err.Error(), "max_allowed_packet")
}

// smallPacket says what to set to how much.
func smallPacket(target *mysql.Config, cause error) error {
	return fmt.Errorf("%w: max_allowed_packet at %s must be at least %d; "+
		"say `SET GLOBAL max_allowed_packet = %d`, and write it into the server's configuration: %w",
		ErrPacket, target.Addr, leastPacket, leastPacket, cause)
}

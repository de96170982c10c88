package status

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
)

var raised = regexp.MustCompile(`\balarm: ?(\w+)`)

// alarmsOf returns the kinds of the alarms among what a member says is wrong, such as "memberID:81 alarm:NOSPACE ".
func alarmsOf(wrong []string) []string {
	var kinds []string
	for _, text := range wrong {
		if m := raised.FindStringSubmatch(text); m != nil {
			kinds = append(kinds, m[1])
		}
	}
	return kinds
}

// alarms returns the kinds of alarms that any member tells of, each once.
func alarms(members []Endpoint) []string {
	kinds := []string{}
	for _, m := range members {
		kinds = append(kinds, m.alarms...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// Alarm returns what the first alarm means to an operator, nil where there is none.
func (e Etcd) Alarm() error {
	kinds := e.Alarms
	switch {
	case len(kinds) == 0:
		return nil
	case slices.Contains(kinds, "NOSPACE"):
		return cssetcd.ErrNoSpace
	case slices.Contains(kinds, "CORRUPT"):
		return fmt.Errorf("%w: its members hold different data (alarm CORRUPT): replace the member that etcd's log names, "+
			"and then `etcdctl alarm disarm`",
			cssetcd.ErrUnavailable)
	}
	return fmt.Errorf("etcd has raised the alarm %s: see etcd's documentation", kinds[0])
}

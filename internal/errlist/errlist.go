// Package errlist writes several errors as one.
package errlist

import (
	"strings"

	"github.com/hashicorp/go-multierror"
)

// OneLine is the text of several errors, in one line. It stands in for multierror's own format, a list with headings.
func OneLine(all []error) string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Join returns the errors as one whose text is [OneLine]; nil where there are none.
func Join(all *multierror.Error) error {
	if all == nil {
		return nil
	}
	all.ErrorFormat = OneLine
	return all.ErrorOrNil()
}

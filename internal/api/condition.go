package api

import "strings"

// matches reports whether one of the tags of If-None-Match is that of what would be sent. A weak tag is as good as a
// strong one there.
func matches(headers []string, tag string) bool {
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}

package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

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

// ifMatch reads the revision that If-Match names; ok is false without the header.
func ifMatch(h http.Header) (rev cssetcd.Revision, ok bool, err error) {
	if h.Get("If-None-Match") != "" {
		return 0, false, refuse(http.StatusBadRequest, "bad_condition", "a write takes no If-None-Match").
			hinted(`If-Match: "0" is for a key that must not be there; PUT of other things makes only what is not there`)
	}
	values := h.Values("If-Match")
	if len(values) == 0 {
		return 0, false, nil
	}
	text, quoted := unquote(strings.TrimSpace(values[0]))
	n, perr := strconv.ParseInt(text, 10, 64)
	if len(values) > 1 || !quoted || perr != nil || n < 0 || tagOf(cssetcd.Revision(n)) != strconv.Quote(text) {
		return 0, false, refuse(http.StatusBadRequest, "bad_if_match",
			"If-Match takes the ETag of one thing as it was read, a revision in double quotes, and not %.100q",
			strings.Join(values, ", ")).hinted("a listing has another ETag, to which no write can be bound")
	}
	return cssetcd.Revision(n), true, nil
}

func unquote(text string) (string, bool) {
	inner, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return text, false
	}
	return strings.CutSuffix(inner, `"`)
}

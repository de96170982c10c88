package api

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/qserv/css-etcd/internal/form"
)

// largestBody is as large as any body of a write may be; a value of a key is far smaller.
const largestBody = 4 << 20

// readBody reads the body of a write. One that is no JSON by its type is refused: a web page elsewhere could send it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, refuse(http.StatusRequestEntityTooLarge, "body_too_large", "the body has more than %d bytes", largestBody)
	case err != nil:
		return nil, badBody("the body cannot be read: %v", err)
	case len(body) == 0:
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != contentJSON {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_json", "the body has the type %.100q and must have %s",
			r.Header.Get("Content-Type"), contentJSON)
	}
	return body, nil
}

func badBody(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "bad_body", format, args...)
}

// parseBody reads JSON of a form.
func parseBody[T any](body []byte) (v T, err error) {
	if len(body) == 0 {
		return v, badBody("the request has no body")
	}
	if v, err = form.Parse[T](body, "the body"); err != nil {
		return v, badBody("%v", err)
	}
	return v, nil
}

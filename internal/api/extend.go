package api

import (
	"net/http"
	"strconv"
)

// Route is a route of who serves more than the API does. It is refused, counted and told of like the API's own.
type Route struct {
	Method, Path string
	Query        []string // the parameters that it takes
	// Handle answers a request, or returns why not before anything is sent. The error has a code as those of the API do.
	Handle func(w http.ResponseWriter, r *http.Request) error
}

func (a *API) extended() []route {
	all := a.routes()
	for _, more := range a.More {
		all = append(all, route{more.Method, more.Path, more.Query, reading,
			func(w http.ResponseWriter, r *http.Request, _ *query) error { return more.Handle(w, r) }})
	}
	return all
}

// Refuse makes an error with a code of its own.
func Refuse(status int, code, format string, args ...any) error {
	return refuse(status, code, format, args...)
}

// ReadForm reads a body in JSON of the form T. What T does not have is refused.
func ReadForm[T any](w http.ResponseWriter, r *http.Request) (form T, err error) {
	body, err := readBody(w, r)
	if err != nil {
		return form, err
	}
	return parseBody[T](body)
}

// WriteForm answers with JSON that nobody keeps.
func WriteForm(w http.ResponseWriter, status int, form any) error {
	body, err := encode(form)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
	return nil
}

// ProblemOf is the form of an error, as an answer would tell it.
func ProblemOf(err error) any { return problemOf(err) }

// Stored marks an error of reading the catalogue, where the same fault of a request would be the client's.
func Stored(err error) error { return stored(err) }

package page_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/page"
	"github.com/qserv/css-etcd/internal/testkit"
)

// browser is one process for all tests of the package; each has a tab of its own. It ends with TestMain.
var browser struct {
	once sync.Once
	ctx  context.Context
	err  error
	stop func() error
}

func TestMain(m *testing.M) { testkit.Main(runner{m}) }

// runner stops the browser before it is looked whether anything is left over.
type runner struct{ m *testing.M }

func (r runner) Run() int {
	code := r.m.Run()
	if browser.stop == nil {
		return code
	}
	if err := browser.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the browser did not end:", err)
		code = max(code, 1)
	}
	return code
}

// chromium starts the browser, or says what is missing.
func chromium(t *testing.T) context.Context {
	t.Helper()
	browser.once.Do(func() {
		path, err := exec.LookPath("chromium")
		if err != nil {
			browser.err = fmt.Errorf("the page is tested in Chromium, which is not installed; `make deps` installs it: %w", err)
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
			chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true))
		allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(allocator)
		browser.ctx, browser.err = ctx, chromedp.Do(ctx)
		browser.stop = func() error {
			err := chromedp.Cancel(ctx)
			cancel()
			end()
			return err
		}
	})
	require.NoError(t, browser.err)
	return browser.ctx
}

// tab is a page that is open.
type tab struct {
	*testing.T
	ctx    context.Context
	mu     sync.Mutex
	faults []string // of the page, as its console has them
	expect []string // parts of faults that belong to the test
}

// screen is what a tab is shown on.
type screen struct {
	width, height int64
	dark          bool
}

var (
	desktop = screen{1280, 900, false}
	night   = screen{1280, 900, true}
	phone   = screen{390, 844, false}
)

// open opens a tab. At its end the test fails if the page had any fault: an error of a script, or what its policy
// forbids.
func open(t *testing.T, server *httptest.Server, on screen) *tab {
	t.Helper()
	return openAt(t, server.URL+"/", on)
}

// modules opens a tab that has the modules of the page at hand, and not the page.
func modules(t *testing.T) *tab {
	t.Helper()
	server := httptest.NewServer(page.Handler())
	t.Cleanup(server.Close)
	return openAt(t, server.URL+"/page/icon.svg", desktop)
}

func openAt(t *testing.T, url string, on screen) *tab {
	t.Helper()
	one := &tab{T: t, expect: []string{"/favicon.ico"}} // which a browser asks for by itself
	ctx, cancel := chromedp.NewContext(chromium(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(one.hear))
	t.Cleanup(func() {
		one.mu.Lock()
		assert.Empty(t, one.faults, "faults of the page")
		one.mu.Unlock()
		cancel()
	})
	one.ctx = ctx
	require.NoError(t, chromedp.Do(ctx))
	_, err := chromedp.Call(ctx, log.Enable, struct{}{})
	require.NoError(t, err)
	one.on(on)
	one.do(chromedp.Navigate(url))
	return one
}

// on changes the screen.
func (o *tab) on(s screen) {
	o.Helper()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(o.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}}})
	require.NoError(o, err)
	o.do(chromedp.EmulateViewport(s.width, s.height))
}

func (o *tab) hear(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			text = e.Entry.Text + " " + e.Entry.URL
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, part := range o.expect {
		if strings.Contains(text, part) {
			return
		}
	}
	if text != "" {
		o.faults = append(o.faults, text)
	}
}

// expects says that a fault belongs to the test.
func (o *tab) expects(part string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expect = append(o.expect, part)
}

func (o *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	require.NoError(o, chromedp.Do(ctx, actions...))
}

// ask evaluates an expression, or the promise of it.
func ask[T any](o *tab, expression string) T {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(o, err, expression)
	return v
}

// await waits until an expression is true.
func (o *tab) await(expression string) {
	o.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(tick) {
		if ask[bool](o, "!!("+expression+")") {
			return
		}
		if time.Now().After(end) {
			o.Log(ask[string](o, "document.body.innerText"))
			require.FailNow(o, "the page never showed it", expression)
		}
	}
}

// awaitText waits until an element has a text in it.
func (o *tab) awaitText(selector, text string) {
	o.Helper()
	o.await(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, text))
}

// keys presses keys, one after the other.
func (o *tab) keys(keys ...string) {
	o.Helper()
	for _, key := range keys {
		o.do(chromedp.KeyEvent(key))
	}
}

// focused returns what has the focus: its id, or its text.
func (o *tab) focused() string {
	o.Helper()
	return ask[string](o, "document.activeElement.id || document.activeElement.textContent.trim()")
}

// shoot leaves a picture of the whole page in the folder that PAGE_SHOTS names, if it names one.
func (o *tab) shoot(name string) {
	o.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(o, err)
	require.NoError(o, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// shootPart is shoot of one element, or of what the screen shows.
func (o *tab) shootPart(name, selector string) {
	o.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	action := chromedp.CaptureScreenshot()
	if selector != "" {
		action = chromedp.Screenshot(chromedp.CSS(selector))
	}
	png, err := chromedp.Run(o.ctx, action)
	require.NoError(o, err)
	require.NoError(o, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

const (
	patience = 20 * time.Second
	tick     = 20 * time.Millisecond
)

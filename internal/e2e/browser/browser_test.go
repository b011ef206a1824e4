package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A browser is a headless Chromium, driven over its DevTools pipe: messages of
// JSON that end with a zero byte.
type browser struct {
	t   *testing.T
	out io.WriteCloser

	mu       sync.Mutex
	next     int
	answers  map[int]chan message
	session  string
	requests []string // URLs that were asked for
	problems []string // what the console complained of
}

type message struct {
	ID        int                       `json:"id,omitempty"`
	Method    string                    `json:"method,omitempty"`
	Params    json.RawMessage           `json:"params,omitempty"`
	Result    json.RawMessage           `json:"result,omitempty"`
	SessionID string                    `json:"sessionId,omitempty"`
	Error     *struct{ Message string } `json:"error,omitempty"`
}

// patience is how long something may take to happen. It is long, since nothing
// is learnt from a machine that is busy.
const patience = 30 * time.Second

// program finds Chromium.
func program() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// open starts the browser with an empty page.
func open(t *testing.T) *browser {
	t.Helper()
	path := program()
	if path == "" {
		t.Skip("LEFT OUT: there is no Chromium here; .ci/setup-chromium installs it")
	}
	toR, toW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromR, fromW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--window-size=1360,860", "about:blank")
	cmd.ExtraFiles = []*os.File{toR, fromW}
	if err := cmd.Start(); err != nil {
		t.Skipf("LEFT OUT: Chromium does not start: %v", err)
	}
	_ = toR.Close()
	_ = fromW.Close()
	b := &browser{t: t, out: toW, answers: map[int]chan message{}}
	var wg sync.WaitGroup
	wg.Go(func() { b.listen(fromR) })
	t.Cleanup(func() {
		b.mu.Lock()
		b.session = ""
		b.mu.Unlock()
		_, _ = b.send("Browser.close", nil) // it may be gone before it answers
		_ = toW.Close()
		_ = cmd.Wait()
		_ = fromR.Close()
		wg.Wait()
	})
	b.attach()
	return b
}

// attach opens the page and asks to be told of what it does.
func (b *browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.mu.Lock()
	b.session = attached.SessionID
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Network", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1360, "height": 860, "deviceScaleFactor": 1, "mobile": false}, nil)
}

func (b *browser) listen(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			for _, c := range b.answers {
				close(c)
			}
			b.answers = nil
			b.mu.Unlock()
			return
		}
		var m message
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			continue // the browser's slip, not the page's
		}
		b.mu.Lock()
		if c := b.answers[m.ID]; m.ID != 0 && c != nil {
			c <- m
			delete(b.answers, m.ID)
		}
		b.note(m)
		b.mu.Unlock()
	}
}

// note keeps what the tests ask for at the end; mu is held.
func (b *browser) note(m message) {
	switch m.Method {
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		_ = json.Unmarshal(m.Params, &p)
		b.requests = append(b.requests, p.Request.URL)
	case "Runtime.exceptionThrown", "Log.entryAdded":
		b.problems = append(b.problems, string(m.Params))
	case "Runtime.consoleAPICalled":
		if strings.Contains(string(m.Params), `"type":"error"`) || strings.Contains(string(m.Params), `"type":"warning"`) {
			b.problems = append(b.problems, string(m.Params))
		}
	}
}

// send gives the channel for the answer, which is closed where none comes.
func (b *browser) send(method string, params any) (chan message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answers == nil {
		return nil, io.ErrClosedPipe
	}
	b.next++
	text, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	if params == nil {
		text = []byte("{}")
	}
	m, err := json.Marshal(message{ID: b.next, Method: method, Params: text, SessionID: b.session})
	if err != nil {
		return nil, err
	}
	c := make(chan message, 1)
	b.answers[b.next] = c
	_, err = b.out.Write(append(m, 0))
	return c, err
}

func (b *browser) call(method string, params, into any) {
	b.t.Helper()
	c, err := b.send(method, params)
	if err != nil {
		b.t.Fatal(err)
	}
	select {
	case m, ok := <-c:
		if !ok {
			b.t.Fatal("the browser has gone")
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if into != nil {
			if err := json.Unmarshal(m.Result, into); err != nil {
				b.t.Fatal(err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer", method)
	}
}

// eval gives the value of an expression, or of the promise that it is.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s %s", expression, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value
}

// wait waits until an expression is true; as long as what it speaks of is not
// there, it is not.
func (b *browser) wait(expression string) {
	b.t.Helper()
	for start := time.Now(); time.Since(start) < patience; time.Sleep(20 * time.Millisecond) {
		if b.eval("(() => { try { return Boolean("+expression+") } catch { return false } })()") == true {
			return
		}
	}
	b.t.Fatalf("it never came true: %s\nthe page says:\n%v\nthe console says: %v", expression, b.eval("document.body.innerText"), b.problems)
}

func (b *browser) goTo(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// write types a text as a person would, letter for letter.
func (b *browser) write(text string) {
	b.t.Helper()
	for _, r := range text {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "char", "text": string(r)}, nil)
	}
}

// The modifiers of keys.
const (
	ctrl  = 2
	shift = 8
)

var codes = map[string]int{"Enter": 13, "Tab": 9, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "a": 65, " ": 32, "Backspace": 8}

// press presses one key.
func (b *browser) press(key string, modifiers int) {
	b.t.Helper()
	code := codes[key]
	if code == 0 {
		b.t.Fatalf("no key %q", key)
	}
	p := map[string]any{"type": "keyDown", "key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code}
	if len(key) > 1 {
		p["code"] = key
	}
	if key == "Enter" && modifiers == 0 {
		p["text"] = "\r"
	}
	if key == " " && modifiers == 0 {
		p["text"] = " "
	}
	if key == "a" && modifiers == ctrl {
		p["commands"] = []string{"selectAll"}
	}
	b.call("Input.dispatchKeyEvent", p, nil)
	delete(p, "text")
	p["type"] = "keyUp"
	b.call("Input.dispatchKeyEvent", p, nil)
}

// picture saves what the page looks like where QUAESTOR_PICTURES names a folder.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("QUAESTOR_PICTURES")
	if dir == "" {
		return
	}
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(fmt.Sprintf("%s/%s.png", dir, name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

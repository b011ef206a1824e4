package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// named gives one of the modules.
func named(t testing.TB, name string) modules.Module {
	t.Helper()
	for _, m := range Modules() {
		if m.Schema().Name == name {
			return m
		}
	}
	t.Fatalf("there is no module %s", name)
	return nil
}

// listen has somebody at a port of TCP, who takes every connection.
func listen(t testing.TB) (port int, taken func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n++
			c.Close()
		}
	}()
	stop := func() int {
		l.Close()
		<-done
		return n
	}
	t.Cleanup(func() { stop() })
	return l.Addr().(*net.TCPAddr).Port, stop
}

// speak has somebody at a port of UDP who answers what say gives; nil is
// silence.
func speak(t testing.TB, say func([]byte) [][]byte) (port int) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			for _, answer := range say(b[:n]) {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c.LocalAddr().(*net.UDPAddr).Port
}

// nobody gives a port of TCP and of UDP at which nobody is.
func nobody(testing.TB) int {
	return 1 // that of tcpmux: a free one of the others may be somebody's next
}

func TestContract(t *testing.T) {
	port, _ := listen(t)
	moduletest.Run(t, named(t, "reach"), "", fmt.Sprintf("tcp:127.0.0.1:%d?count=1", port), fmt.Sprintf("tcp:127.0.0.1:%d?count=1", nobody(t)))
	moduletest.Run(t, named(t, "clock"), "", fmt.Sprintf("127.0.0.1:%d?count=1", honest(t)))
}

func TestReach(t *testing.T) {
	port, _ := listen(t)
	closed := nobody(t)
	echo := speak(t, func(b []byte) [][]byte { return [][]byte{b} })
	silent := speak(t, func([]byte) [][]byte { return nil })
	for _, x := range []struct{ target, want, skip string }{
		{fmt.Sprintf("tcp:127.0.0.1:%d", port), "true | open | 3 | 3", ""},
		{fmt.Sprintf("tcp:127.0.0.1:%d?count=1", closed), "false | refused | 1 | 0", ""},
		{fmt.Sprintf("tcp:localhost:%d?count=1", port), "true | open | 1 | 1", ""},
		{fmt.Sprintf("udp:127.0.0.1:%d?count=2", echo), "true | open | 2 | 2", ""},
		{fmt.Sprintf("udp:127.0.0.1:%d?count=2", closed), "false | refused | 2 | 0", ""},
		{fmt.Sprintf("udp:127.0.0.1:%d?count=2&wait=20ms", silent), "null | timeout | 2 | 0", "unsupported"},
		{"udp:[::ffff:127.0.0.1]:" + fmt.Sprint(closed) + "?count=1", "false | refused | 1 | 0", ""},
		{"tcp:quaestor.invalid:80", "false | unresolved | 0 | 0", ""},
	} {
		t.Run(x.target, func(t *testing.T) {
			rows, rec := moduletest.Rows(t, named(t, "reach"), "", strings.Fields("reachable outcome sent received rtt error"), []string{x.target})
			if len(rows) == 0 && strings.Contains(x.target, "invalid") {
				t.Skip("LEFT OUT: there is no resolver here that knows what is not there")
			}
			if len(rows) != 1 || !strings.HasPrefix(rows[0], x.want+" | ") {
				t.Fatalf("%q, not %q; %+v", rows, x.want, rec.Skips())
			}
			came := strings.HasPrefix(x.want, "true")
			if f := strings.Split(rows[0], " | "); (f[4] != "null") != came || (f[5] == "null") != came {
				t.Errorf("a time and an error in %q", rows[0])
			}
			kinds := ""
			for _, s := range rec.Skips() {
				kinds += string(s.Kind)
			}
			if kinds != x.skip {
				t.Errorf("skipped %+v, not %q", rec.Skips(), x.skip)
			}
		})
	}
}

// Rows come in the order of the targets, and a target that is named twice is
// asked once.
func TestOrder(t *testing.T) {
	port, taken := listen(t)
	slow := fmt.Sprintf("udp:127.0.0.1:%d?count=1&wait=50ms", speak(t, func([]byte) [][]byte { return nil }))
	quick := fmt.Sprintf("tcp:127.0.0.1:%d?count=1", port)
	rows, _ := moduletest.Rows(t, named(t, "reach"), "", []string{"target", "port", "protocol", "name", "address"}, []string{slow, quick, slow, quick})
	if len(rows) != 2 || !strings.HasPrefix(rows[0], slow) || rows[1] != fmt.Sprintf("%s | %d | tcp | null | 127.0.0.1", quick, port) {
		t.Errorf("%q", rows)
	}
	if n := taken(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestTargets(t *testing.T) {
	for text, want := range map[string]string{
		"tcp:10.0.0.1:443":                        "tcp 10.0.0.1 443 3 5s",
		"udp:[2001:db8::1]:53":                    "udp 2001:db8::1 53 3 5s",
		"icmp:2001:db8::1":                        "icmp 2001:db8::1 0 3 5s",
		"icmp:[2001:db8::1]":                      "icmp 2001:db8::1 0 3 5s",
		"tcp:Example.ORG:80":                      "tcp example.org 80 3 5s",
		"icmp:10.22.75.57?count=10":               "icmp 10.22.75.57 0 10 5s",
		"icmp:10.22.75.57?wait=2s&count=1":        "icmp 10.22.75.57 0 1 2s",
		"icmp:10.22.75.57?count=11":               "!1 to 10",
		"icmp:10.22.75.57?wait=1h":                "!up to 30s",
		"icmp:10.22.75.57?wait=-1s":               "!up to 30s",
		"icmp:10.22.75.57?tries=1":                "!not \"tries\"",
		"icmp:10.0.0.0/8":                         "!no network",
		"icmp:10.0.0":                             "!neither an address nor a name",
		"tcp:10.0.0.1":                            "!needs a host and a port",
		"tcp:10.0.0.1:0":                          "!no port",
		"tcp:10.0.0.1:https":                      "!no port",
		"tcp:10.0.0.1:70000":                      "!no port",
		"sctp:10.0.0.1:80":                        "!is no target",
		"10.0.0.1":                                "!is no target",
		"icmp:":                                   "!is no target",
		"icmp:224.0.0.251":                        "!multicast",
		"udp:255.255.255.255:9":                   "!broadcast",
		"udp:[::ffff:255.255.255.255]:9":          "!broadcast",
		"icmp:ff02::1":                            "!multicast",
		"icmp:0.0.0.0":                            "!nobody",
		"icmp:[::]":                               "!nobody",
		"tcp:-rf:80":                              "!neither",
		"tcp:" + strings.Repeat("a", 254) + ":80": "!neither",
	} {
		u, err := readReach(text)
		got := fmt.Sprint(err)
		if err == nil {
			who := u.host
			if who == "" {
				who = u.address.String()
			}
			got = fmt.Sprint(u.protocol, " ", who, " ", u.port, " ", u.count, " ", u.wait)
		}
		if w, bad := strings.CutPrefix(want, "!"); got != want && !(bad && err != nil && strings.Contains(got, w)) {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"ntp.example.org": "123", "10.0.0.1:1123": "1123", "2001:db8::1": "123", "[2001:db8::1]:124": "124", "[::1": "no server"} {
		u, err := readClock(text)
		if got := fmt.Sprint(u.port, err); !strings.Contains(got, want) {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
}

// Nothing goes to many at once, by whatever way an address came.
func TestCrowds(t *testing.T) {
	in := []netip.Prefix{netip.MustParsePrefix("10.1.2.3/23"), netip.MustParsePrefix("192.0.2.0/31"), netip.MustParsePrefix("192.0.2.9/32"), netip.MustParsePrefix("2001:db8::1/64")}
	for text, many := range map[string]bool{
		"10.1.3.255": true, "10.1.2.255": false, "10.1.2.3": false, "192.0.2.1": false, "192.0.2.9": false,
		"224.0.0.1": true, "ff02::1": true, "2001:db8::ffff:ffff:ffff:ffff": false, "255.255.255.255": true,
	} {
		if err := crowd(netip.MustParseAddr(text), in); (err != nil) != many {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A query asks so many targets and no more, in whatever FINDs they are.
func TestTooManyTargets(t *testing.T) {
	m := named(t, "reach")
	ask := func(memory *modules.Memory, n int) (int, error) {
		req, rec := moduletest.Request(t, m, "", []string{"outcome"})
		req.Memory = memory
		req.Permit = func(string) modules.SkipKind { return modules.SkipPolicy } // none is sent
		for i := range n {
			req.Locators = append(req.Locators, fmt.Sprintf("tcp:127.0.0.1:%d", i+1))
		}
		err := m.Scan(t.Context(), req, func(modules.Row) error { return errors.New("a row came") })
		return len(rec.Skips()), err
	}
	if n, err := ask(nil, maxTargets); n != maxTargets || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := ask(nil, maxTargets+1); err == nil || !strings.Contains(err.Error(), "256 targets") {
		t.Errorf("%v", err)
	}
	run := &modules.Memory{}
	if n, err := ask(run, maxTargets-1); n != maxTargets-1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := ask(run, 2); err == nil {
		t.Error("the second FIND of a query had targets of its own")
	}
}

// The policy is asked before anything is sent, about the address behind a name.
func TestNothingIsSentUnpermitted(t *testing.T) {
	port, taken := listen(t)
	m := named(t, "reach")
	req, rec := moduletest.Request(t, m, "", []string{"outcome"})
	req.Locators = []string{fmt.Sprintf("tcp:localhost:%d", port), fmt.Sprintf("tcp:127.0.0.1:%d", port)}
	var asked []string
	places := make(chan string, len(req.Locators))
	req.Permit = func(place string) modules.SkipKind {
		places <- place
		return modules.SkipPolicy
	}
	if err := m.Scan(t.Context(), req, func(modules.Row) error { return errors.New("a row came") }); err != nil {
		t.Fatal(err)
	}
	close(places)
	for p := range places {
		asked = append(asked, strings.Replace(p, "::1", "127.0.0.1", 1))
	}
	want := fmt.Sprintf("/tcp/127.0.0.1/%d", port)
	if len(asked) != 2 || asked[0] != want || asked[1] != want {
		t.Errorf("%q, not %q", asked, want)
	}
	if len(rec.Skips()) != 2 || rec.Skips()[0].Kind != modules.SkipPolicy {
		t.Errorf("%+v", rec.Skips())
	}
	if n := taken(); n != 0 {
		t.Errorf("%d connections came all the same", n)
	}
}

// An image of a machine sends nothing, and says so.
func TestTree(t *testing.T) {
	for module, where := range map[string]string{"reach": "icmp:127.0.0.1", "clock": "127.0.0.1"} {
		rows, rec := moduletest.Rows(t, named(t, module), t.TempDir(), nil, []string{where})
		if len(rows) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipUnsupported {
			t.Errorf("%s: %q, %+v", module, rows, rec.Skips())
		}
	}
}

// Whoever asks, one packet goes after the other.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, begin := &pacer{}, time.Now()
		done := make(chan error)
		const askers, each = 4, 25
		for range askers {
			go func() {
				for range each {
					if err := p.turn(t.Context()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range askers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != (askers*each-1)*gap {
			t.Errorf("%d packets took %s", askers*each, took)
		}
	})
}

// What says that nobody could be asked is no outcome.
func TestOutcomes(t *testing.T) {
	if o, told := outcomeOf(errors.New("a fault")); told {
		t.Errorf("%q", o)
	}
	r := &reached{target: target{protocol: "icmp"}}
	if err := r.take(0, errors.New("no right to ask")); err == nil || r.sent != 0 || r.outcome != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

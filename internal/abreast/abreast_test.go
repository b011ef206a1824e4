package abreast

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// asked is how many tests a process of this test is to run at once.
const asked = "QUAESTOR_TEST_ABREAST"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(asked)); err == nil {
		if err := AtLeast(n); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// What is asked for holds, unless there is more room, or the command says
// otherwise.
func TestAtLeast(t *testing.T) {
	if at := os.Getenv(asked); at != "" {
		t.Log("parallel: " + flag.Lookup("test.parallel").Value.String() + ".")
		return
	}
	for _, c := range []struct {
		processors, asked string
		args              []string
		want              string
	}{
		{"2", "4", nil, "4"}, {"8", "4", nil, "8"}, {"2", "4", []string{"-test.parallel=1"}, "1"}, {"2", "4", []string{"-test.parallel=2"}, "2"},
	} {
		cmd := exec.Command(os.Args[0], append(c.args, "-test.v", "-test.run", "^TestAtLeast$")...)
		cmd.Env = append(os.Environ(), asked+"="+c.asked, "GOMAXPROCS="+c.processors)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "parallel: "+c.want+".") {
			t.Errorf("%+v: %v\n%s", c, err, out)
		}
	}
}

// Many that want ports at once get each their own, where nobody listens, and
// none that a system lends.
func TestPorts(t *testing.T) {
	var p Ports
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := map[string]bool{}
	for range 50 {
		all.Go(func() {
			port, err := p.Next()
			l, busy := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil || busy != nil {
				t.Errorf("%s: %v, %v", port, err, busy)
				return
			}
			defer l.Close()
			n, _ := strconv.Atoi(port)
			mu.Lock()
			defer mu.Unlock()
			if seen[port] || n < firstPort || n >= 32768 {
				t.Errorf("port %s, given before: %v", port, seen[port])
			}
			seen[port] = true
		})
	}
	all.Wait()
	// One that somebody listens on is passed over.
	next := firstPort + int((p.begin.Load()+p.given.Load()+1)%manyPorts)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(next))
	if err != nil {
		t.Skip("somebody else listens there: ", err)
	}
	defer l.Close()
	if port, err := p.Next(); err != nil || port == strconv.Itoa(next) {
		t.Errorf("port %s, %v", port, err)
	}
}

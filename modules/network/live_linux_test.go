package network

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// What the kernel says over netlink is what its tables of text say.
func TestKernelAgainstText(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	rows, _ := moduletest.Rows(t, sockets(), "", strings.Fields("state address port remote_port process uid"), []string{":" + port})
	_, from, _ := net.SplitHostPort(c.LocalAddr().String())
	who := strconv.Itoa(os.Getpid()) + " | " + strconv.Itoa(os.Getuid())
	for _, want := range []string{
		"listen | 127.0.0.1 | " + port + " | null | " + who,
		"established | 127.0.0.1 | " + from + " | " + port + " | " + who,
	} {
		if !slices.Contains(rows, want) {
			t.Errorf("%q is not in %q", want, rows)
		}
	}
	file := socketFile{"tcp", "tcp", "ipv4"}
	var asked, read []string
	describe := func(k *socket) string {
		return strings.Join([]string{k.state, k.local.String(), k.remote.String(), strconv.FormatUint(k.inode, 10), strconv.FormatInt(k.uid, 10)}, " ")
	}
	ok, err := askKernel("tcp", func(k *socket) error {
		if k.family != "ipv4" {
			return nil
		}
		if strings.HasSuffix(k.local.String(), ":"+port) || strings.HasSuffix(k.remote.String(), ":"+port) {
			asked = append(asked, describe(k))
		}
		return nil
	})
	if !ok || err != nil {
		t.Skip("LEFT OUT: the kernel cannot be asked over netlink here")
	}
	text, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		k, ok := parseInternet(line, file)
		if ok && (k.local.Port() == uint16(l.Addr().(*net.TCPAddr).Port) || k.remote.Port() == uint16(l.Addr().(*net.TCPAddr).Port)) {
			read = append(read, describe(&k))
		}
	}
	slices.Sort(asked)
	slices.Sort(read)
	if !slices.Equal(asked, read) || len(asked) == 0 {
		t.Errorf("over netlink %q\nas text %q", asked, read)
	}
}

// Listeners as ss has them, with the processes of this user.
func TestAgainstSS(t *testing.T) {
	ss, err := exec.LookPath("ss")
	if err != nil {
		t.Skip("LEFT OUT: ss is not installed")
	}
	for range 3 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
	}
	out, err := exec.CommandContext(t.Context(), ss, "-Hlntup").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := "pid=" + strconv.Itoa(os.Getpid()) + ","
	var want []string
	for line := range strings.Lines(string(out)) {
		if w := strings.Fields(line); len(w) >= 5 && strings.Contains(line, own) {
			want = append(want, w[0]+" "+w[4][strings.LastIndexByte(w[4], ':')+1:])
		}
	}
	rows, _ := moduletest.Rows(t, sockets(), "", []string{"protocol", "port", "state", "process"}, nil)
	var got []string
	for _, row := range rows {
		f := strings.Split(row, " | ")
		if f[3] == strconv.Itoa(os.Getpid()) && (f[2] == "listen" || f[2] == "unconnected") && f[0] != "unix" {
			got = append(got, f[0]+" "+f[1])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(got) < 6 {
		t.Errorf("%q, and ss has %q", got, want)
	}
}

func TestAgainstIP(t *testing.T) {
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("LEFT OUT: ip is not installed")
	}
	out, err := exec.CommandContext(t.Context(), ip, "-j", "addr").Output()
	var list []struct {
		Name      string `json:"ifname"`
		MTU       int    `json:"mtu"`
		Addresses []struct {
			Local  string `json:"local"`
			Length int    `json:"prefixlen"`
		} `json:"addr_info"`
	}
	if err != nil || json.Unmarshal(out, &list) != nil {
		t.Skip("LEFT OUT: ip writes no JSON here")
	}
	var want []string
	for _, i := range list {
		var all []string
		for _, a := range i.Addresses {
			all = append(all, a.Local+"/"+strconv.Itoa(a.Length))
		}
		name, _, _ := strings.Cut(i.Name, "@")
		want = append(want, name+" | "+strconv.Itoa(i.MTU)+" | ["+strings.Join(all, ", ")+"]")
	}
	got, _ := moduletest.Rows(t, interfaces(), "", []string{"name", "mtu", "addresses"}, nil)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nnot %q", got, want)
	}
}

// BenchmarkSockets has 1,500 sockets, as the figure of bench wants them.
func BenchmarkSockets(b *testing.B) {
	for range 750 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
	}
	for b.Loop() {
		moduletest.Rows(b, sockets(), "", []string{"protocol", "port", "remote_port", "process"}, nil)
	}
}

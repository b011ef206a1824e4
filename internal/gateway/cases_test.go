package gateway_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/gateway"
)

// shelf is a shelf of one case.
type shelf struct{}

func (shelf) List() ([]gateway.Case, error) {
	return []gateway.Case{{Name: "shop-2026", Questions: 3, Notes: 1, Size: 4096}}, nil
}

func (shelf) Report(_ context.Context, w io.Writer, name string) error {
	if name != "shop-2026" {
		return fmt.Errorf("no such case: %s", name)
	}
	_, err := io.WriteString(w, "<!doctype html><title>shop</title><script>alert(1)</script>")
	return err
}

func TestCases(t *testing.T) {
	s := open(t, gateway.Options{Cases: shelf{}})
	_, c := s.ask("GET", "/v1/cases", "")
	if got := quoted(c["cases"]); !strings.Contains(got, `"name":"shop-2026"`) || !strings.Contains(got, `"questions":3`) {
		t.Errorf("the cases are %s", got)
	}
	resp, err := s.http.Do(s.request("GET", "/v1/cases/shop-2026/report", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// Whatever stands in a report, it runs nothing.
	csp := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != 200 || !strings.HasPrefix(csp, "default-src 'none'; style-src 'unsafe-inline';") || !strings.HasSuffix(csp, "; sandbox") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, name := range []string{"nobody", "..%2f..%2fetc%2fpasswd", "%00"} {
		if status, e := s.ask("GET", "/v1/cases/"+name+"/report", ""); status != 502 || e["kind"] != "error" {
			t.Errorf("%s: %d %s", name, status, quoted(e))
		}
	}
}

func TestNoCases(t *testing.T) {
	s := open(t, gateway.Options{})
	if _, c := s.ask("GET", "/v1/cases", ""); quoted(c) != `{"cases":[]}` {
		t.Errorf("%s", quoted(c))
	}
	if status, e := s.ask("GET", "/v1/cases/x/report", ""); status != 404 || e["code"] != "not-found" {
		t.Errorf("%d %s", status, quoted(e))
	}
}

package asking

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara"
)

func request(columns []int, rules ...string) *modules.Request {
	req := &modules.Request{Columns: columns, Host: modules.Host{Now: func() time.Time { return time.Unix(5, 0) }}}
	for _, text := range rules {
		req.Questions = append(req.Questions, modules.Question{Rules: &modules.Rules{Name: "r", Text: text}, Show: true})
	}
	return req
}

func TestNoRules(t *testing.T) {
	req := request(nil)
	req.Questions = []modules.Question{{}}
	s, err := Compile(req, 0)
	if s != nil || err != nil {
		t.Fatal(s, err)
	}
	c := s.NewScanner()
	c.Forget()
	if v, err := c.Column(Rule); c.Asks(0) || !v.IsNull() || err != nil {
		t.Error("a scanner without rules asks", v, err)
	}
}

func TestBadRules(t *testing.T) {
	_, err := Compile(request(nil, "rule r { condition: $a }"), 0)
	var wrong *yara.Error
	if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), "rules r: r:1:21: ") {
		t.Error(err)
	}
}

// A content in blocks that did not come whole leaves what was still open
// without an answer, and keeps what was known.
func TestCutContent(t *testing.T) {
	s, err := Compile(request([]int{Strings}, `rule a { strings: $a = "one" condition: $a }`, `rule b { strings: $b = "two" condition: $b }`), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := s.NewScanner()
	for range 2 {
		c.Forget()
		for q := range 2 {
			c.Start(q, yara.Content{Size: -1})
		}
		c.Feed(context.Background(), 0, []byte("one\x00line"))
		for q := range 2 {
			if err := c.End(context.Background(), q, false); err != nil {
				t.Fatal(err)
			}
		}
		if v := c.Answer(1); !v.IsNull() {
			t.Errorf("of what was not read it is known: %v", v)
		}
		rows := 0
		if err := c.Shown(func() error { rows++; return nil }); err != nil || rows > 1 {
			t.Error(rows, err)
		}
	}
}

func TestStringsAreShown(t *testing.T) {
	s, err := Compile(request([]int{Strings}, `rule a { strings: $a = { 01 5c ff 41 } condition: $a }`), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := s.NewScanner()
	if err := c.Whole(context.Background(), 0, []byte("..\x01\\\xffA..")); err != nil {
		t.Fatal(err)
	}
	err = c.Shown(func() error {
		v, err := c.Column(Strings)
		if got := v.String(); got != `[0x2:$a: \x01\\xFFA]` {
			t.Errorf("%s", got)
		}
		return err
	})
	if err != nil || !c.Answer(0).Bool() || c.Doubt(0) != "" || c.Cut(0) != "" {
		t.Error(err, c.Answer(0), c.Doubt(0), c.Cut(0))
	}
}

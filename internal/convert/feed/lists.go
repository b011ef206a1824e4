package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// headLines is how many lines are looked at to tell what a text is.
const headLines = 50

// head gives the first lines of a text that say something.
func head(data []byte) []string {
	var lines []string
	for line := range bytes.Lines(data[:min(len(data), 64<<10)]) {
		if s := strings.TrimSpace(string(line)); s != "" && !isComment(s) {
			lines = append(lines, s)
		}
		if len(lines) == headLines {
			break
		}
	}
	return lines
}

func isComment(s string) bool { return s[0] == '#' || strings.HasPrefix(s, "//") || s[0] == ';' }

// isList says whether most of the first lines are indicators.
func isList(_ string, data []byte) bool {
	lines := head(data)
	if len(lines) == 0 || !utf8.Valid(data[:min(len(data), 64<<10)/2]) {
		return false
	}
	good := 0
	for _, l := range lines {
		if newCollector(convert.Input{}).guess(indicator{value: firstWord(l)}) {
			good++
		}
	}
	return 2*good > len(lines)
}

// firstWord gives a line without the comment behind it. Paths may hold blanks.
func firstWord(line string) string {
	for _, sign := range [...]string{" #", "\t#", " //"} {
		if i := strings.Index(line, sign); i > 0 {
			line = line[:i]
		}
	}
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "/") || winPath.MatchString(line) || hiveForm.MatchString(line) {
		return line
	}
	word, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return strings.Trim(word, `,;"'`)
}

// readList reads one indicator a line. What follows a blank or # is taken for
// a comment, as sha256sum and people write it.
func readList(_ context.Context, in convert.Input) (*convert.Result, error) {
	if !utf8.Valid(in.Data) {
		return nil, &convert.Error{File: in.Name, Message: "it is not UTF-8", Hint: "iconv -t UTF-8 makes it so"}
	}
	c := newCollector(in)
	sc := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(in.Data, []byte("\xef\xbb\xbf"))))
	sc.Buffer(nil, 1<<20)
	n := 0
	for sc.Scan() {
		n++
		line := strings.TrimSpace(sc.Text())
		if line == "" || isComment(line) {
			continue
		}
		if word := firstWord(line); !c.guess(indicator{value: word, line: n}) {
			c.cannot("lines that are no indicator, such as "+shorten(word), n)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, &convert.Error{File: in.Name, Line: n + 1, Message: "the line is longer than an indicator can be"}
	}
	return c.done(), nil
}

func shorten(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

// The names of columns that feeds as CSV use, in lower case.
var (
	valueNames   = []string{"indicator", "value", "ioc", "ioc_value", "observable", "indicator_value", "artifact", "data"}
	typeNames    = []string{"type", "indicator_type", "ioc_type", "kind", "observable_type", "category"}
	expiryNames  = []string{"expires", "expiration", "valid_until", "expiration_date", "expiry", "expires_at"}
	forDetection = []string{"to_ids", "for_detection"}
	columnFields = map[string]string{
		"md5": "md5", "md5_hash": "md5", "sha1": "sha1", "sha1_hash": "sha1", "sha256": "sha256", "sha256_hash": "sha256", "sha512": "sha512",
		"ip": "ip-dst", "ip_address": "ip-dst", "dst_ip": "ip-dst", "c2": "ip-dst", "domain": "domain", "hostname": "domain", "host": "domain",
		"url": "url", "filename": "filename", "file_name": "filename", "path": "path", "file_path": "path", "email": "email",
	}
)

func isCSV(name string, data []byte) bool {
	lines := head(data)
	if len(lines) < 2 || !strings.Contains(lines[0], ",") && !strings.Contains(lines[0], ";") && !strings.Contains(lines[0], "\t") {
		return false
	}
	t := newTable(csvReader(data))
	return t != nil
}

// csvReader reads a text whose fields are cut by what its first line has most of.
func csvReader(data []byte) *csv.Reader {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	line, _, _ := bytes.Cut(data, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace, r.Comment = -1, true, true, '#'
	for _, comma := range [...]rune{';', '\t'} {
		if bytes.Count(line, []byte(string(comma))) > bytes.Count(line, []byte(string(r.Comma))) {
			r.Comma = comma
		}
	}
	return r
}

// A csvTable knows what the columns of a feed are.
type csvTable struct {
	csv                        *csv.Reader
	value, kind, until, detect int            // columns, or -1
	typed                      map[int]string // columns of one kind
}

// newTable reads the line of names. It is nil where that names no indicators.
func newTable(r *csv.Reader) *csvTable {
	names, err := r.Read()
	if err != nil {
		return nil
	}
	t := &csvTable{csv: r, value: -1, kind: -1, until: -1, detect: -1, typed: map[int]string{}}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(strings.NewReplacer(" ", "_", "-", "_").Replace(name)))
		switch {
		case slices.Contains(valueNames, name) && t.value < 0:
			t.value = i
		case slices.Contains(typeNames, name) && t.kind < 0:
			t.kind = i
		case slices.Contains(expiryNames, name):
			t.until = i
		case slices.Contains(forDetection, name):
			t.detect = i
		case columnFields[name] != "":
			t.typed[i] = columnFields[name]
		}
	}
	if t.value < 0 && len(t.typed) == 0 {
		return nil
	}
	return t
}

func readCSV(_ context.Context, in convert.Input) (*convert.Result, error) {
	if !utf8.Valid(in.Data) {
		return nil, &convert.Error{File: in.Name, Message: "it is not UTF-8", Hint: "iconv -t UTF-8 makes it so"}
	}
	t := newTable(csvReader(in.Data))
	if t == nil {
		return nil, &convert.Error{File: in.Name, Line: 1, Message: "no column is one of indicators", Hint: "the first line names the columns: type,value or md5,sha256,domain,ip,url,filename"}
	}
	c := newCollector(in)
	for {
		row, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			return c.done(), nil
		}
		line, _ := t.csv.FieldPos(0)
		if err != nil {
			return nil, &convert.Error{File: in.Name, Line: line, Message: err.Error()}
		}
		t.row(c, row, line)
	}
}

func (t *csvTable) row(c *collector, row []string, line int) {
	at := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	x := indicator{line: line, expires: moment(at(t.until))}
	switch strings.ToLower(at(t.detect)) {
	case "0", "false", "no":
		x.context = true
	}
	if v := at(t.value); v != "" {
		x.value = v
		c.typed(at(t.kind), x)
	}
	for i, kind := range t.typed {
		if v := at(i); v != "" {
			x.value = v
			c.typed(kind, x)
		}
	}
}

// moment reads a time as feeds write it; what is none, is none.
func moment(s string) time.Time {
	for _, form := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

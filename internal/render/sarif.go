package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// sarif writes SARIF 2.1.0 (OASIS): a rule for each table, a result for each
// row, located where the row has a path. What was left out stands among the
// notifications of the invocation, which is no success then: a scan that could
// not look is not clean.
//
// Results are written as they come; go-sarif would hold all of them.
type sarif struct {
	out
	tables []Table
	ids    []string // of the rules
	any    bool     // a result was written
}

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID               string     `json:"id"`
	Name             string     `json:"name"`
	ShortDescription sarifText  `json:"shortDescription"`
	FullDescription  *sarifText `json:"fullDescription,omitempty"`
	HelpURI          string     `json:"helpUri,omitempty"`
	Default          struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties *sarifTags `json:"properties,omitempty"`
}

type sarifTags struct {
	Tags     []string `json:"tags,omitempty"`
	Severity string   `json:"severity,omitempty"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   json.RawMessage   `json:"properties"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	} `json:"physicalLocation"`
}

type sarifRegion struct {
	StartLine int64 `json:"startLine"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

func newSarif(w io.Writer, _ Options) Sink { return &sarif{out: out{w: w}} }

// Begin implements Sink.
func (s *sarif) Begin(tables []Table) error {
	s.tables, s.ids = tables, titles(tables)
	rules := make([]sarifRule, len(tables))
	for i, t := range tables {
		r := sarifRule{ID: s.ids[i], Name: s.ids[i], ShortDescription: sarifText{s.ids[i]}, HelpURI: helpURI(t.About.Reference)}
		if t.About.Description != "" {
			r.FullDescription = &sarifText{t.About.Description}
		}
		r.Default.Level = sarifLevel(t.About.Severity)
		if len(t.About.Tags) > 0 || t.About.Severity != "" {
			r.Properties = &sarifTags{t.About.Tags, t.About.Severity}
		}
		rules[i] = r
	}
	text, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	s.buf = fmt.Appendf(s.buf, "{\"$schema\":%q,\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"Quaestor\",\"informationUri\":\"https://github.com/quaestor-engine/quaestor\",\"rules\":%s}},\n\"results\":[", sarifSchema, text)
	return nil
}

// helpURI gives a reference that is an address.
func helpURI(reference string) string {
	if u, err := url.Parse(reference); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return reference
	}
	return ""
}

// sarifLevel translates a query's severity.
func sarifLevel(severity string) string {
	switch strings.ToLower(severity) {
	case "critical", "high":
		return "error"
	case "low", "info", "informational":
		return "note"
	}
	return "warning"
}

// Row implements Sink.
func (s *sarif) Row(table int, values []value.Value) error {
	t := s.tables[table]
	row := newJSONRow(Table{Columns: t.Columns}, false).append(nil, values)
	print := sha256.Sum256(append([]byte(s.ids[table]+"\n"), row...))
	r := sarifResult{
		RuleID: s.ids[table], RuleIndex: table, Level: sarifLevel(t.About.Severity), Message: sarifText{sarifWords(sentence(s.ids[table], t, values))},
		Fingerprints: map[string]string{"row/v1": hex.EncodeToString(print[:16])}, Properties: row,
	}
	if l, ok := location(t, values); ok {
		r.Locations = []sarifLocation{l}
	}
	if s.any {
		s.buf = append(s.buf, ',')
	}
	s.any = true
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.buf = append(append(s.buf, '\n'), text...)
	return s.drain()
}

// sentence says a row in words.
func sentence(title string, t Table, values []value.Value) string {
	var parts []string
	for i, v := range values {
		if !v.IsNull() {
			parts = append(parts, value.EscapeText(t.Columns[i].Name)+" "+v.String())
		}
	}
	return value.EscapeText(title) + ": " + strings.Join(parts, ", ")
}

// sarifWords gives text that a viewer shows and makes no link of: a link is
// words in brackets with an address in round ones right behind.
func sarifWords(s string) string { return strings.ReplaceAll(s, "](", "] (") }

// location finds the path of a row, and the line.
func location(t Table, values []value.Value) (l sarifLocation, ok bool) {
	for i, c := range t.Columns {
		switch {
		case c.Name == "path" && values[i].Type() == value.Text:
			l.Physical.Artifact.URI = fileURI(values[i].Text())
			ok = true
		case c.Name == "line_number" && values[i].Type() == value.Int && values[i].Int() > 0:
			l.Physical.Region = &sarifRegion{values[i].Int()}
		}
	}
	return l, ok
}

// fileURI gives a path as an address of RFC 8089.
func fileURI(path string) string {
	path = strings.ReplaceAll(path, `\`, "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// End implements Sink.
func (s *sarif) End(sum answer.Summary) error {
	inv := sarifInvocation{Successful: sum.Outcome == answer.Complete}
	if !inv.Successful {
		inv.Notifications = append(inv.Notifications, sarifNotification{"error", sarifText{"the answer is " + sum.Outcome.String() + ": " + sarifWords(value.EscapeText(sum.Reason))}})
	}
	for _, k := range sum.Skipped {
		level := "warning"
		if k.Kind.Informative() {
			level = "note"
		}
		inv.Notifications = append(inv.Notifications, sarifNotification{level, sarifText{"not looked at: " + sarifWords(skipped(k, 0))}})
	}
	text, err := json.Marshal([]sarifInvocation{inv})
	if err != nil {
		return err
	}
	s.buf = append(append(append(s.buf, "\n],\n\"invocations\":"...), text...), "}]}\n"...)
	return s.Flush()
}

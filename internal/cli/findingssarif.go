package cli

import (
	"path/filepath"
	"slices"
)

// The parts of SARIF 2.1.0 (OASIS) that a linter needs. Sources are named as
// they were given, so that relative ones are those of the repository.
type (
	lintLog struct {
		Schema  string    `json:"$schema"`
		Version string    `json:"version"`
		Runs    []lintRun `json:"runs"`
	}
	lintRun struct {
		Tool struct {
			Driver lintDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string       `json:"columnKind"`
		Results    []lintResult `json:"results"`
	}
	lintDriver struct {
		Name           string     `json:"name"`
		InformationURI string     `json:"informationUri"`
		Rules          []lintRule `json:"rules"`
	}
	lintRule struct {
		ID string `json:"id"`
	}
	lintText struct {
		Text string `json:"text"`
	}
	lintResult struct {
		RuleID    string         `json:"ruleId"`
		RuleIndex int            `json:"ruleIndex"`
		Level     string         `json:"level"`
		Message   lintText       `json:"message"`
		Locations []lintLocation `json:"locations"`
	}
	lintLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region lintRegion `json:"region"`
		} `json:"physicalLocation"`
	}
	lintRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
)

func (a *app) reportSARIF(found []finding) error {
	run := lintRun{ColumnKind: "unicodeCodePoints", Results: []lintResult{}}
	run.Tool.Driver = lintDriver{Name: "Quaestor", InformationURI: "https://github.com/quaestor-engine/quaestor", Rules: []lintRule{}}
	for _, f := range found {
		rule := slices.IndexFunc(run.Tool.Driver.Rules, func(r lintRule) bool { return r.ID == f.Code })
		if rule < 0 {
			rule = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, lintRule{f.Code})
		}
		text := f.Message
		if f.Hint != "" {
			text += ": " + f.Hint
		}
		var l lintLocation
		l.Physical.Artifact.URI = filepath.ToSlash(f.File)
		l.Physical.Region = lintRegion{f.Line, f.Column, f.EndLine, max(f.EndColumn, f.Column)}
		run.Results = append(run.Results, lintResult{f.Code, rule, f.Severity, lintText{text}, []lintLocation{l}})
	}
	return a.writeJSON(lintLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []lintRun{run}}, "")
}

package feed

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

func isOpenIOC(_ string, data []byte) bool {
	head := data[:min(len(data), 4<<10)]
	return bytes.Contains(head, []byte("<ioc")) || bytes.Contains(head, []byte("<OpenIOC")) || bytes.Contains(head, []byte(":ioc"))
}

// maxIOCDepth bounds how Indicators stand in one another.
const maxIOCDepth = 50

// An ioc reads a document of OpenIOC as its tokens come, so that each has its
// line.
type ioc struct {
	file string
	dec  *xml.Decoder
	c    *collector
	head convert.Rule
	name string
}

func readOpenIOC(_ context.Context, in convert.Input) (*convert.Result, error) {
	r := &ioc{file: in.Name, dec: xml.NewDecoder(bytes.NewReader(in.Data)), c: newCollector(in)}
	r.dec.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("the character set %q: iconv -t UTF-8 makes it readable", charset)
	}
	found := false
	for {
		tok, err := r.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, r.wrong(err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "short_description":
			r.name, err = r.text(start)
		case "description":
			r.head.Description, err = r.text(start)
		case "Indicator":
			found = true
			err = r.top(start)
		}
		if err != nil {
			return nil, r.wrong(err)
		}
	}
	if !found {
		return nil, &convert.Error{File: in.Name, Message: "there is no Indicator in it"}
	}
	return r.c.done(), nil
}

func (r *ioc) wrong(err error) error {
	line, _ := r.dec.InputPos()
	var known *convert.Error
	if errors.As(err, &known) {
		return err
	}
	return &convert.Error{File: r.file, Line: line, Message: "this is not OpenIOC: " + strings.TrimPrefix(err.Error(), "XML syntax error on ")}
}

func (r *ioc) text(start xml.StartElement) (string, error) {
	var s string
	err := r.dec.DecodeElement(&s, &start)
	return strings.TrimSpace(s), err
}

// top takes an outermost Indicator.
func (r *ioc) top(start xml.StartElement) error {
	line, _ := r.dec.InputPos()
	x, err := r.indicator(start, 0)
	if err != nil {
		return err
	}
	header := r.head
	header.Line = line
	name := r.name
	if name == "" {
		name = r.c.base
	}
	r.c.take(x, name, header)
	return nil
}

func attr(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

// indicator reads what an Indicator joins, up to its end.
func (r *ioc) indicator(start xml.StartElement, depth int) (*expr, error) {
	line, _ := r.dec.InputPos()
	if depth > maxIOCDepth {
		return nil, &convert.Error{File: r.file, Line: line, Message: fmt.Sprintf("Indicators stand in one another over %d times", maxIOCDepth)}
	}
	x := &expr{op: '|'}
	if strings.EqualFold(attr(start, "operator"), "AND") {
		x.op = '&'
	}
	for {
		tok, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.EndElement:
			if len(x.subs) == 1 {
				return x.subs[0], nil
			}
			return x, nil
		case xml.StartElement:
			var sub *expr
			switch t.Name.Local {
			case "Indicator":
				sub, err = r.indicator(t, depth+1)
			case "IndicatorItem":
				sub, err = r.item(t)
			default:
				err = r.dec.Skip()
			}
			if err != nil {
				return nil, err
			}
			if sub != nil {
				x.subs = append(x.subs, sub)
			}
		}
	}
}

// item reads one comparison.
func (r *ioc) item(start xml.StartElement) (*expr, error) {
	line, _ := r.dec.InputPos()
	var it struct {
		Context struct {
			Search string `xml:"search,attr"`
		} `xml:"Context"`
		Content string `xml:"Content"`
	}
	if err := r.dec.DecodeElement(&it, &start); err != nil {
		return nil, err
	}
	negated := strings.EqualFold(attr(start, "negate"), "true")
	op, ok := iocOps[strings.ToLower(attr(start, "condition"))]
	if strings.HasSuffix(strings.ToLower(attr(start, "condition")), "not") {
		negated = !negated
	}
	search := it.Context.Search
	if !ok {
		return &expr{op: 't', term: term{bad: fmt.Sprintf("the condition %q of %s is not known", attr(start, "condition"), search), line: line}}, nil
	}
	k := iocNames[strings.ToLower(search)]
	if k.column == "key" && op == "contains" {
		it.Content, op = "**"+it.Content+"**", "="
	}
	return &expr{op: 't', term: comparison{known: k, name: search, op: op, value: strings.TrimSpace(it.Content), negated: negated, fold: true, line: line}.term()}, nil
}

var iocOps = map[string]string{
	"is": "=", "isnot": "=", "contains": "contains", "containsnot": "contains", "matches": "matches",
	"starts-with": "starts", "ends-with": "ends", "greater-than": ">", "less-than": "<",
}

// iocNames are the terms of OpenIOC that something here knows, in lower case.
var iocNames = map[string]known{
	"fileitem/md5sum": kMD5, "fileitem/sha1sum": kSHA1, "fileitem/sha256sum": kSHA256,
	"fileitem/filename": kName, "fileitem/fullpath": kPath, "fileitem/filepath": kDir, "fileitem/fileextension": kExt, "fileitem/sizeinbytes": kSize,
	"fileitem/username": kOwner, "fileitem/stringlist/string": kContent,
	"processitem/name": kProcess, "processitem/path": kProcPath, "processitem/arguments": kProcLine, "processitem/username": kProcUser, "processitem/pid": kPID,
	"processitem/stringlist/string":          kMemory,
	"processitem/portlist/portitem/remoteip": kRemote, "processitem/portlist/portitem/remoteport": kRPort, "processitem/portlist/portitem/localport": kLPort,
	"portitem/remoteip": kRemote, "portitem/remoteport": kRPort, "portitem/localip": kLocal, "portitem/localport": kLPort, "portitem/protocol": kProtocol,
	"portitem/process": {module: "socket", column: "process.name"},
	"network/dns":      kHost, "network/uri": kHost, "network/useragent": kHost, "network/string": kHost, "dnsentryitem/recordname": kHost, "dnsentryitem/host": kHost,
	"urlhistoryitem/url": kURL, "email/from": kHost, "dnsentryitem/recorddata/ipv4address": kRemote, "routeentryitem/destination": kRemote,
	"registryitem/keypath": kKey, "registryitem/path": kKey, "registryitem/valuename": kValue, "registryitem/value": kData, "registryitem/text": kData,
	"useritem/username": kUser, "serviceitem/name": kService, "serviceitem/path": kSvcPath, "arpentryitem/physicaladdress": kMAC,
}

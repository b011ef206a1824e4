package mig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// ping converts the question whether another host can be reached. MIG counted
// the silence of UDP as an answer, since the port may be open.
func (o *operation) ping(p *document.Node) {
	o.unknown(p, "destination", "destinationport", "protocol", "count", "timeout")
	protocol, host := p.Get("protocol").Text(), p.Get("destination").Text()
	port := p.Get("destinationport").Text()
	if protocol == "" {
		protocol = "icmp"
	}
	target := protocol + ":" + host
	switch {
	case host == "" || protocol != "icmp" && protocol != "tcp" && protocol != "udp":
		o.not("it names no destination, or a protocol that MIG did not know")
		return
	case protocol != "icmp":
		target = protocol + ":" + net.JoinHostPort(host, port)
	}
	var how []string
	if n := atoi(p.Get("count")); n > 0 {
		how = append(how, fmt.Sprintf("count=%d", n))
	}
	if n := atoi(p.Get("timeout")); n > 0 {
		how = append(how, fmt.Sprintf("wait=%ds", n))
	}
	if len(how) > 0 {
		target += "?" + strings.Join(how, "&")
	}
	found := "reachable"
	if protocol == "udp" {
		found = "reachable OR reachable IS NULL"
	}
	o.Note(p.Line(), "it sends packets: the policy must name module reach")
	o.ask([]string{"FIND reach " + convert.Quote(target) + " WHERE " + found + " RETURN target, address, outcome, rtt, error"})
}

// migServer is the first that MIG asked for the time where a host had no
// ntp.conf.
const migServer = "time.nist.gov"

func (o *operation) timedrift(p *document.Node) {
	o.unknown(p, "drift")
	drift := p.Get("drift")
	if drift.Text() == "" {
		o.ask([]string{"FIND host RETURN hostname, now() AS local_time"})
		return
	}
	d, err := time.ParseDuration(drift.Text())
	if err != nil || d <= 0 {
		o.not(fmt.Sprintf("drift %q is no duration", drift.Text()))
		return
	}
	o.Note(p.Line(), "it sends packets: the policy must name module clock")
	o.Lose(p.Line(), "MIG asked the servers of each host's /etc/ntp.conf first; here it is %s", migServer)
	o.ask([]string{fmt.Sprintf("FIND clock %q WHERE abs(drift) > %dms RETURN server, drift, round_trip, stratum", migServer, d.Milliseconds())})
}

// yara converts rules over the files that options of module file choose, in
// the form of its command line.
func (o *operation) yara(p *document.Node) {
	o.unknown(p, "yara", "filesearch")
	flags := p.Get("filesearch").Text()
	search, err := searchOf(flags)
	if err != nil {
		o.not(fmt.Sprintf("its filesearch %q: %s", flags, err))
		return
	}
	find, with := o.search("files", search)
	if find == "" {
		o.not("no file is searched by it")
		return
	}
	name := "action-rules.yar"
	if n := len(o.result.Lists); n > 0 {
		name = fmt.Sprintf("action-rules-%d.yar", n+1)
	}
	o.result.Lists = append(o.result.Lists, convert.List{Name: name, Text: []byte(p.Get("yara").Text())})
	find = strings.Replace(find, " RETURN path, size, mode, mtime", " AND YARA @"+name+" RETURN path, yara.rule", 1)
	o.ask([]string{find}, strings.Split(with, "\n")...)
}

// flagKeys are the options of module file on its command line, and what each
// is in a search.
var flagKeys = map[string]string{
	"path": "paths", "name": "names", "size": "sizes", "mode": "modes", "mtime": "mtimes", "content": "contents",
	"md5": "md5", "sha1": "sha1", "sha2": "sha2", "sha3": "sha3",
}

// searchOf makes a search of flags, as MIG's own parser of them did: all
// conditions have to hold unless -matchany says otherwise.
func searchOf(flags string) (*document.Node, error) {
	words, err := shellWords(flags)
	if err != nil {
		return nil, err
	}
	search, options := map[string]any{}, map[string]any{"matchall": true}
	for i := 0; i < len(words); i++ {
		name := strings.TrimLeft(words[i], "-")
		switch name {
		case "matchall", "macroal", "returnsha256", "decompress":
			options[name] = true
			continue
		case "matchany":
			options["matchall"] = false
			continue
		case "verbose":
			continue
		}
		if i++; i >= len(words) || !strings.HasPrefix(words[i-1], "-") {
			return nil, fmt.Errorf("%q is no option with a value", name)
		}
		switch key := flagKeys[name]; {
		case key != "":
			list, _ := search[key].([]string)
			search[key] = append(list, words[i])
		case name == "mismatch":
			list, _ := options[name].([]string)
			options[name] = append(list, words[i])
		case name == "maxdepth", name == "matchlimit", name == "maxerrors":
			options[name] = json.Number(words[i])
		default:
			return nil, fmt.Errorf("MIG knows no option %q", name)
		}
	}
	search["options"] = options
	text, err := json.Marshal(search)
	if err != nil {
		return nil, errors.New("a number is none")
	}
	docs, err := document.JSON("filesearch", text)
	if err != nil {
		return nil, err
	}
	return docs[0], nil
}

// shellWords cuts a text at blanks outside of quotes.
func shellWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	begun := false
	for _, c := range s {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is left open")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

package feed

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// A known is what a name of a property, in STIX or OpenIOC, is here.
type known struct {
	module, column string
	form           form
	simple         field // where an equality may stand in a list; "" for none
	guess          bool  // an equality is an indicator whose kind its value tells
}

// A form says how values of a column are written.
type form uint8

const (
	asText form = iota
	asHash
	asNumber
	asSize
	asAddress
	asContent
	asNothing // there is no such thing here
)

// Properties that both formats have.
var (
	kName     = known{module: "file", column: "name", simple: fileName}
	kPath     = known{module: "file", column: "path", simple: filePath}
	kDir      = known{module: "file", column: "dir"}
	kSize     = known{module: "file", column: "size", form: asSize}
	kExt      = known{module: "file", column: "extension"}
	kOwner    = known{module: "file", column: "owner"}
	kMD5      = known{module: "file", column: "md5", form: asHash, simple: fileMD5}
	kSHA1     = known{module: "file", column: "sha1", form: asHash, simple: fileSHA1}
	kSHA256   = known{module: "file", column: "sha256", form: asHash, simple: fileSHA256}
	kSHA384   = known{module: "file", column: "sha384", form: asHash, simple: fileSHA384}
	kSHA512   = known{module: "file", column: "sha512", form: asHash, simple: fileSHA512}
	kSHA3     = known{module: "file", column: "sha3_256", form: asHash, simple: fileSHA3}
	kContent  = known{module: "file", form: asContent, simple: fileContent}
	kMemory   = known{module: "memory", form: asContent, simple: memoryString}
	kRemote   = known{module: "socket", column: "remote_address", form: asAddress, simple: remote}
	kRPort    = known{module: "socket", column: "remote_port", form: asNumber}
	kLPort    = known{module: "socket", column: "port", form: asNumber}
	kLocal    = known{module: "socket", column: "address", form: asAddress}
	kProtocol = known{module: "socket", column: "protocol"}
	kProcess  = known{module: "process", column: "name", simple: processName}
	kProcPath = known{module: "process", column: "path"}
	kProcLine = known{module: "process", column: "cmdline"}
	kProcUser = known{module: "process", column: "user"}
	kPID      = known{module: "process", column: "pid", form: asNumber}
	kKey      = known{module: "registry", column: "key", simple: registryKey}
	kValue    = known{module: "registry", column: "name"}
	kData     = known{module: "registry", column: "value"}
	kUser     = known{module: "user", column: "name", simple: userName}
	kCert1    = known{module: "certificate", column: "sha1", form: asHash, simple: certSHA1}
	kCert256  = known{module: "certificate", column: "sha256", form: asHash, simple: certSHA256}
	kSubject  = known{module: "certificate", column: "subject"}
	kIssuer   = known{module: "certificate", column: "issuer"}
	kSerial   = known{module: "certificate", column: "serial"}
	kHost     = known{form: asNothing, simple: networkText}
	kURL      = known{form: asNothing, guess: true}
	kMAC      = known{module: "neighbour", column: "mac"}
	kService  = known{module: "service", column: "name"}
	kSvcPath  = known{module: "service", column: "image"}
)

// A comparison is one as a source writes it.
type comparison struct {
	known
	name    string // as the source calls the property
	op      string // =, !=, <, <=, >, >=, like, matches, contains, starts or ends
	value   string
	negated bool
	fold    bool // texts are compared without regard to case
	line    int
}

// term makes the term of a comparison.
func (x comparison) term() term {
	t := term{module: x.module, line: x.line}
	if x.op == "!=" {
		x.op, x.negated = "=", !x.negated
	}
	if x.op == "=" && !x.negated && (x.simple != "" || x.guess) {
		t.simple, t.plain = true, indicator{field: x.simple, value: x.value, line: x.line}
	}
	cond, err := x.condition()
	switch {
	case x.form == asNothing && t.simple:
		t.bad = x.name + " is asked for where it stands alone, and not together with other things"
	case x.module == "" || x.form == asNothing:
		t.bad = "no module of an endpoint knows " + x.name
	case err != nil:
		t.bad = fmt.Sprintf("%s: %s", x.name, err)
	case x.negated:
		t.cond = "NOT (" + cond + ")"
	default:
		t.cond = cond
	}
	return t
}

// condition gives the comparison in the language.
func (x comparison) condition() (string, error) {
	if x.form == asContent {
		return contentCondition(x.op, x.value)
	}
	quoted, err := x.quoted()
	if err != nil {
		return "", err
	}
	word, isText := textOps[x.op]
	switch {
	case x.form == asAddress && x.op == "=":
		return x.column + " IN (" + quoted + ")", nil
	case !isText:
		return x.column + " " + x.op + " " + quoted, nil
	case x.form != asText:
		return "", fmt.Errorf("it cannot be compared by %s", x.op)
	}
	if x.op == "matches" {
		if _, err := regexp.Compile(x.value); err != nil {
			return "", err
		}
	}
	if x.fold {
		quoted += " NOCASE"
	}
	return x.column + " " + word + " " + quoted, nil
}

// quoted writes the value as the column has it.
func (x comparison) quoted() (string, error) {
	switch x.form {
	case asHash:
		return convert.Quote(strings.ToLower(strings.ReplaceAll(x.value, ":", ""))), nil
	case asNumber, asSize:
		n := quoteNumber(x.value)
		if n == "" {
			return "", fmt.Errorf("%q is no number", x.value)
		}
		if x.form == asSize {
			n += "B"
		}
		return n, nil
	case asAddress:
		a := quoteAddress(x.value)
		if a == "" {
			return "", fmt.Errorf("%q is no address and no network", x.value)
		}
		return a, nil
	}
	return convert.Quote(x.value), nil
}

// textOps are the words of the language for what compares texts.
var textOps = map[string]string{"like": "LIKE", "matches": "MATCHES", "contains": "CONTAINS", "starts": "STARTS WITH", "ends": "ENDS WITH"}

func contentCondition(op, value string) (string, error) {
	switch op {
	case "=", "contains":
		return "CONTAINS " + quoteContent(value), nil
	case "matches":
		_, err := regexp.Compile(value)
		return "MATCHES " + convert.Quote(value), err
	}
	return "", fmt.Errorf("content cannot be compared by %s", op)
}

package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Rules say who may come in.
type Rules struct {
	// Hosts are the names by which it may be called, each with its port. A
	// page elsewhere that has its own name lead here is refused by it.
	Hosts []string
	// Origins are the pages that may ask, as in "http://127.0.0.1:7480".
	// Others are refused; programs send no origin.
	Origins []string
	// Known says whether a request proves who asks.
	Known func(*http.Request) bool
	// Unknown answers those who do not; nil: with 401.
	Unknown http.Handler
}

// Guard lets in what the rules allow, and nothing else.
func Guard(next http.Handler, rules Rules) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case !slices.ContainsFunc(rules.Hosts, func(name string) bool { return strings.EqualFold(name, r.Host) }):
			fail(w, &Problem{Code: CodeForbidden, Message: "it is not called by that name", Hint: "use the address that it wrote when it started"})
		case !fromHere(r, rules.Origins):
			fail(w, &Problem{Code: CodeForbidden, Message: "another page may not ask here"})
		case rules.Known(r):
			next.ServeHTTP(w, r)
		case rules.Unknown != nil:
			rules.Unknown.ServeHTTP(w, r)
		default:
			h.Set("WWW-Authenticate", "Bearer")
			fail(w, &Problem{Code: CodeUnauthorised, Message: "the token is missing or wrong", Hint: "send it as Authorization: Bearer TOKEN"})
		}
	})
}

// fromHere says whether a request comes from a program, from the address bar,
// or from an own page.
func fromHere(r *http.Request, origins []string) bool {
	if o := r.Header.Get("Origin"); o != "" && !slices.ContainsFunc(origins, func(own string) bool { return strings.EqualFold(own, o) }) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none":
		return true
	case "same-origin":
		return len(origins) > 0
	}
	return false
}

// A Secret is what proves who asks.
type Secret struct{ sum [sha256.Size]byte }

// NewToken draws a token of 256 bits.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewSecret takes a token, of which it keeps a hash.
func NewSecret(token string) Secret { return Secret{sha256.Sum256([]byte(token))} }

// Is compares in a time that says nothing about the secret. The zero Secret
// is nothing's.
func (s Secret) Is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return s != Secret{} && subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}

// Bearer knows those who send the token as RFC 6750 has it.
func (s Secret) Bearer(r *http.Request) bool {
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return ok && strings.EqualFold(kind, "Bearer") && s.Is(strings.TrimSpace(token))
}

// Names gives the names by which a listener may be called: its address, and
// localhost where that means it; and those that are given beside it.
func Names(addr net.Addr, more ...string) []string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return more
	}
	if !net.ParseIP(host).IsUnspecified() {
		more = append(slices.Clone(more), host)
	}
	if host == "127.0.0.1" || host == "::1" {
		more = append(more, "localhost")
	}
	var names []string
	for _, name := range more {
		names = append(names, net.JoinHostPort(name, port))
		if port == "443" { // the port that https leaves out
			names = append(names, name)
		}
	}
	return names
}

// The bounds of a connection.
const (
	headerTime = 5 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 16 << 10 // bytes
)

// NewServer makes a server whose connections are bounded. Answers may stream
// for long; each write of theirs has a bound of its own.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader}
}

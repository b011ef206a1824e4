package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/ecdh"
	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// A secret is something that must be nowhere but where it is kept.
type secret struct {
	name string
	raw  []byte
	kept []string // the files, or outputs, that hold it and must
}

// A life is a fleet from its first key to its last crash, with secrets planted
// wherever there is one. What programs write becomes a file of the stage.
type life struct {
	*stage
	secrets []secret
	said    int
	phrase  string // locks Ada's key
	open    string // her key without a lock, as QUAESTOR_KEY has it
	running []*process
}

// What is planted: distinctive, and drawn anew for each run.
func draw() string { return strings.ReplaceAll(signing.NewID().String(), "0", "z") }

// TestPlantedSecrets lives through a fleet's life, then looks for each secret
// in all that was written, in arguments, and in the memory of who must not
// have it. A secret that is not found where it is kept would be found nowhere:
// that is an error, too.
func TestPlantedSecrets(t *testing.T) {
	l := &life{stage: &stage{t: t, dir: t.TempDir(), port: freePort(t)}, phrase: "phrase-" + draw()}
	l.letCoresBe()
	l.env = append(os.Environ(), "QUAESTOR_HOME="+filepath.Join(l.dir, "home"), "GOTRACEBACK=crash")
	l.setUp()
	l.ask()
	l.serve()
	l.fail()
	l.children()
	l.lookAtProcesses()
	l.crash()
	l.lookAtFiles()
}

// says runs a program, keeps what it writes in files, and gives standard
// output. It may fail where may is set.
func (l *life) says(may bool, cmd *exec.Cmd) string {
	l.t.Helper()
	l.said++
	name := filepath.Join(l.dir, fmt.Sprintf("said-%02d-%s", l.said, filepath.Base(cmd.Path)))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	l.write(name+".out", out.Bytes())
	l.write(name+".err", append(errs.Bytes(), fmt.Sprintf("\n%q: %v\n", cmd.Args, err)...))
	if (err != nil) != may {
		l.t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &out, &errs)
	}
	return out.String()
}

func (l *life) write(name string, text []byte) {
	l.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(l.dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) read(name string) []byte {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// asks is quaestor as Ada runs it.
func (l *life) asks(args ...string) *exec.Cmd {
	return l.command("quaestor", append(args, "--passphrase-file", "phrase")...)
}

// with adds variables to a command's environment.
func with(cmd *exec.Cmd, env ...string) *exec.Cmd {
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func (l *life) plant(name string, raw []byte, kept ...string) {
	l.t.Helper()
	if len(raw) < 16 {
		l.t.Fatalf("%s is no secret: %q", name, raw)
	}
	l.secrets = append(l.secrets, secret{name, bytes.Clone(raw), kept})
}

// setUp makes keys, a policy that lets content out, a relay and an agent.
func (l *life) setUp() {
	l.write("phrase", []byte(l.phrase+"\n"))
	l.plant("the passphrase", []byte(l.phrase), "phrase")
	l.says(false, l.asks("keys", "new", "Ada"))
	l.openKey()
	l.says(false, l.command("quaestor", "policy", "new", "--name", "secrets"))
	const closed = "content = []\ncontent_weight = 2"
	text := string(l.read("policy.toml"))
	if !strings.Contains(text, closed) {
		l.t.Fatal("a new policy has another form")
	}
	l.write("policy.toml", []byte(strings.Replace(text, closed, "content = [\"content\"]\ncontent_weight = 1", 1)))
	l.says(false, l.asks("policy", "sign"))
	l.says(false, l.command("quaestor-relay", "init", "relay", "--policy", "policy.env", "--listen", "127.0.0.1:"+l.port, "--host", "127.0.0.1"))
	l.begin("quaestor-relay", "serve", "--verbose", "relay")
	pin := strings.TrimSpace(l.says(false, l.command("quaestor-relay", "pin", "relay")))
	l.until("the relay", func() bool {
		return l.asks("setup", "--relay", "127.0.0.1:"+l.port, "--pin", pin).Run() == nil
	})
	l.plantPEM("the key of the relay's CA", "relay/ca.key")
	note := strings.SplitN(strings.TrimSpace(string(l.read("relay/log.key"))), "+", 5) // PRIVATE, KEY, name, hash, key
	l.plant("the key of the log", []byte(note[len(note)-1]), "relay/log.key")
	token := l.says(false, l.asks("token", "new"))
	l.write("token", []byte(token))
	l.plantToken(token, fmt.Sprintf("said-%02d-quaestor.out", l.said))
	evidence := draw() + draw()
	l.write("data/"+draw(), []byte(evidence))
	l.says(false, l.command("quaestor-agent", "--dir", "agent", "enroll", "--relay", "127.0.0.1:"+l.port, "--token-file", "token"))
	l.begin("quaestor-agent", "--dir", "agent", "run")
	l.plantPEM("the agent's identity", "agent/identity.pem")
	l.plantPEM("the agent's key of TLS", "agent/tls.pem")
	l.until("the agent", func() bool {
		out, err := l.asks("fleet", "--format", "jsonl").Output()
		return err == nil && strings.Contains(string(out), `"online"`)
	})
	l.plant("evidence", []byte(evidence))
}

// openKey takes the lock off Ada's key, as only this test does.
func (l *life) openKey() {
	names, err := filepath.Glob(filepath.Join(l.dir, "home", "keys", "*.asc"))
	if err != nil || len(names) != 1 {
		l.t.Fatal(names, err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		l.t.Fatal(err)
	}
	k, err := signing.ReadPrivateKey(text)
	if err != nil || !k.Locked() {
		l.t.Fatal("the key is not locked: ", err)
	}
	if err := k.Unlock([]byte(l.phrase)); err != nil {
		l.t.Fatal(err)
	}
	if text, err = k.Armor(nil); err != nil {
		l.t.Fatal(err)
	}
	l.open = string(text)
	block, err := armor.Decode(strings.NewReader(l.open))
	if err != nil {
		l.t.Fatal(err)
	}
	raw, err := io.ReadAll(block.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("open.key", raw) // where it is looked for, so that one that is not found is seen
	for all := packet.NewReader(bytes.NewReader(raw)); ; {
		p, err := all.Next()
		if err == io.EOF {
			break
		}
		private, ok := p.(*packet.PrivateKey)
		if err != nil || !ok {
			continue
		}
		switch key := private.PrivateKey.(type) {
		case *eddsa.PrivateKey:
			l.plant("the key that signs", key.D, "open.key")
		case *ecdh.PrivateKey:
			l.plant("the key that opens", key.D)
			turned := slices.Clone(key.D)
			slices.Reverse(turned)
			l.plant("the key that opens, turned round", turned, "open.key")
		}
	}
}

func (l *life) plantPEM(name, file string) {
	l.t.Helper()
	for rest := l.read(file); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return
		}
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			// The secret is at the end of PKCS #8 of Ed25519, and in the
			// middle of that of other curves, after the head.
			const seed = 32
			raw := b.Bytes[len(b.Bytes)-seed:]
			if len(b.Bytes) > 64 {
				raw = b.Bytes[36 : 36+seed]
			}
			l.plant(name, raw, file)
		}
	}
}

// plantToken looks for the seed, which is base64 in JSON in base64.
func (l *life) plantToken(token, file string) {
	l.t.Helper()
	_, text, _ := strings.Cut(strings.TrimSpace(token), "quaestor-token-")
	b, err := base64.RawURLEncoding.DecodeString(text)
	m := regexp.MustCompile(`"seed":"([^"]+)"`).FindSubmatch(b)
	if err != nil || m == nil {
		l.t.Fatal("the token has another form: ", err)
	}
	l.plant("the token, as text", []byte(text[:60]), "token", file)
	l.plant("the token's seed, as text", m[1], "token", file)
	seed, err := base64.StdEncoding.DecodeString(string(m[1]))
	if err != nil {
		l.t.Fatal(err)
	}
	l.plant("the token's seed", seed)
}

// begin starts a program that goes on.
func (l *life) begin(name string, args ...string) *process {
	p := l.start(name, args...)
	l.running = append(l.running, p)
	return p
}

// question has content come out of the agent.
func (l *life) question() string {
	return fmt.Sprintf("FROM fleet FIND file %s/data/* RETURN path, content", l.dir)
}

// ask has answers come, in each form, and keeps them in a case.
func (l *life) ask() {
	evidence := &l.secrets[len(l.secrets)-1]
	for _, format := range []string{"table", "jsonl", "sarif"} {
		out := l.says(false, l.asks("run", "--format", format, "--case", "shop", "--agents", l.question()))
		file := fmt.Sprintf("said-%02d-quaestor.out", l.said)
		if !evidence.holds([]byte(out)) {
			l.t.Fatalf("no evidence came:\n%s", out)
		}
		evidence.kept = append(evidence.kept, file)
	}
	ci := with(l.command("quaestor", "run", "--format", "jsonl", "--require", "complete", l.question()), "QUAESTOR_KEY="+l.open)
	l.says(false, ci)
	l.write("key.asc", []byte(l.open))
	key, err := os.Open(filepath.Join(l.dir, "key.asc"))
	if err != nil {
		l.t.Fatal(err)
	}
	handed := l.command("quaestor", "investigations", "--key-fd", "3")
	handed.ExtraFiles = []*os.File{key}
	l.says(false, handed)
	if err := errors.Join(key.Close(), os.Remove(key.Name())); err != nil {
		l.t.Fatal(err)
	}
	l.says(false, l.command("quaestor", "case", "export", "shop", "--format", "html", "-o", "report.html"))
	l.says(false, l.command("quaestor", "case", "verify", "shop"))
	l.says(false, l.command("quaestor-agent", "--dir", "agent", "history"))
	l.says(false, l.command("quaestor-agent", "--dir", "agent", "status"))
	replies, err := filepath.Glob(filepath.Join(l.dir, "home", "replies", "*.key"))
	if err != nil || len(replies) == 0 {
		l.t.Fatal("no reply key is kept: ", err)
	}
	for _, r := range replies {
		name, _ := filepath.Rel(l.dir, r)
		seed, err := hex.DecodeString(strings.TrimSpace(string(l.read(name))))
		if err != nil {
			l.t.Fatal(err)
		}
		l.plant("a reply key", seed, name)
		k, err := sealing.ParseReplyKey(seed)
		if err != nil {
			l.t.Fatal(err)
		}
		l.plant("what cancels", k.CancelSecret())
	}
}

// serve runs the gateway and the page, with a client of each.
func (l *life) serve() {
	bearer := "bearer-" + draw()
	l.write("bearer", []byte(bearer))
	l.plant("the gateway's token", []byte(bearer), "bearer")
	at := "127.0.0.1:" + freePort(l.t)
	l.begin("quaestor", "serve", "--listen", at, "--token-file", "bearer", "--passphrase-file", "phrase")
	get := func(url string, edit func(*http.Request)) (*http.Response, error) {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		edit(r)
		tr := &http.Transport{DisableKeepAlives: true}
		res, err := tr.RoundTrip(r)
		if err == nil {
			body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
			res.Body.Close()
			l.said++
			l.write(fmt.Sprintf("said-%02d-http.out", l.said), body)
		}
		return res, err
	}
	l.until("the gateway", func() bool {
		res, err := get("http://"+at+"/v1/fleet", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer) })
		return err == nil && res.StatusCode == http.StatusOK
	})
	for _, edit := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer[1:]) },
		func(r *http.Request) { r.URL.RawQuery = "token=" + bearer },
		func(r *http.Request) { r.Header.Set("Authorization", "Basic "+bearer) },
		func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("Authorization", "Bearer "+bearer) },
	} {
		if res, err := get("http://"+at+"/v1/fleet", edit); err != nil || res.StatusCode < 400 {
			l.t.Errorf("it is let in: %v %v", res, err)
		}
	}
	whole := l.env
	l.env = append(slices.Clip(whole), "QUAESTOR_HOME="+filepath.Join(l.dir, "nobody"))
	l.begin("quaestor", "serve", "--listen", "127.0.0.1:0", "--token-file", "bearer") // opens no key
	l.env = whole
	web := l.begin("quaestor", "web", "--passphrase-file", "phrase")
	var link string
	l.until("the page", func() bool {
		text, _ := os.ReadFile(web.log.Name())
		link = regexp.MustCompile(`http://\S+key=\S+`).FindString(string(text))
		return link != ""
	})
	_, key, _ := strings.Cut(link, "key=")
	l.plant("the link of the page", []byte(key), filepath.Base(web.log.Name()))
	res, err := get(link, func(*http.Request) {})
	if err != nil {
		l.t.Fatal(err)
	}
	if len(res.Cookies()) != 1 {
		l.t.Fatalf("the page gives %d cookies", len(res.Cookies()))
	}
	l.plant("the page's cookie", []byte(res.Cookies()[0].Value))
}

// fail makes mistakes of each kind, with secrets at hand.
func (l *life) fail() {
	l.write("wrong", []byte("wrong"+l.phrase+"\n"))
	l.says(true, l.command("quaestor", "fleet", "--passphrase-file", "wrong"))
	broken := strings.Replace(l.open, "\n\n", "\n\nAAAA", 1)
	for _, key := range []string{broken, l.open[:len(l.open)/2], strings.ReplaceAll(l.open, "-", "="), "x" + l.open} {
		l.says(true, with(l.command("quaestor", "fleet"), "QUAESTOR_KEY="+key))
	}
	l.says(true, with(l.command("quaestor", "fleet"), "QUAESTOR_KEY="+l.open, "QUAESTOR_HOME="+filepath.Join(l.dir, "nobody")))
	token := strings.TrimSpace(string(l.read("token")))
	for i, bad := range []string{token, token[:len(token)-9], token + token, strings.ToUpper(token), token[20:]} {
		l.says(true, with(l.command("quaestor-agent", "--dir", fmt.Sprint("other", i), "enroll", "--relay", "127.0.0.1:"+l.port), "QUAESTOR_TOKEN="+bad))
	}
	l.says(true, with(l.command("quaestor-agent", "--dir", "third", "enroll", "--relay", "127.0.0.1:1", "--proxy", "env", "--token-file", "token"),
		"HTTPS_PROXY=http://ada:"+l.phrase+"@127.0.0.1:1"))
	l.says(true, l.asks("run", "--require", "complete", fmt.Sprintf("FROM fleet FIND line %s/data/* RETURN text", l.dir))) // refused: no rule
	l.says(true, l.asks("run", "FROM fleet FIND file /x WHERE nothing = 1"))
	l.says(true, with(l.command("quaestor", "serve", "--listen", "127.0.0.1:0"), "QUAESTOR_TOKEN="+l.phrase[:12]))
	l.says(true, l.asks("setup", "--relay", "127.0.0.1:"+l.port, "--pin", "sha256:"+strings.Repeat("0", 64)))
	for _, damaged := range []string{"agent/identity.pem", "relay/ca.key", "relay/log.key", "agent/tls.pem"} {
		text := string(l.read(damaged))
		dir := "damaged-" + strings.ReplaceAll(damaged, "/", "-")
		from, name, _ := strings.Cut(damaged, "/")
		if err := os.CopyFS(filepath.Join(l.dir, dir), os.DirFS(filepath.Join(l.dir, from))); err != nil {
			l.t.Fatal(err)
		}
		l.write(dir+"/"+name, []byte(text[:len(text)/2]+"!"+text[len(text)/2:]))
		if from == "agent" {
			l.says(true, l.command("quaestor-agent", "--dir", dir, "once", "--timeout", "2s"))
		} else {
			l.says(true, l.command("quaestor-relay", "serve", "--verbose", dir))
		}
	}
}

// children starts what these programs start: an editor and gpg, each of which
// writes down what it was given.
func (l *life) children() {
	const spy = "#!/bin/sh\n{ env; tr '\\0' ' ' </proc/$$/cmdline; } >\"$0.saw\"\nexit 3\n"
	for _, name := range []string{"editor", "gpg"} {
		l.write("spies/"+name, []byte(spy))
		if err := os.Chmod(filepath.Join(l.dir, "spies", name), 0o700); err != nil {
			l.t.Fatal(err)
		}
	}
	env := []string{"QUAESTOR_KEY=" + l.open, "QUAESTOR_KEY_PASSPHRASE=" + l.phrase, "QUAESTOR_TOKEN=" + string(l.read("token")),
		"VISUAL=" + filepath.Join(l.dir, "spies", "editor"), "PATH=" + filepath.Join(l.dir, "spies") + ":" + os.Getenv("PATH")}
	l.says(true, with(l.command("quaestor", "policy", "edit"), env...))
	l.says(true, with(l.command("quaestor", "fleet", "--signer", "gpg:"+strings.Repeat("A", 40)), env...))
	for _, name := range []string{"editor", "gpg"} {
		if len(l.read("spies/"+name+".saw")) == 0 {
			l.t.Errorf("%s was not started", name)
		}
	}
}

package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

// Facts are looked up again after factsEvery, and sent again when one of them
// changed, or after factsAnyway, since those that always change do not count.
const (
	factsEvery  = 10 * time.Minute
	factsAnyway = 6 * time.Hour
	maxTags     = 64       // in the file
	maxTag      = 256      // bytes of a value
	maxTagsFile = 64 << 10 // bytes
)

// What was told of this machine: a relay that has the statement still is not
// told again when the agent comes back.
type told struct {
	facts plan.Facts
	at    time.Time
	sum   translog.Sum // of the statement
}

// still says whether what was told still holds: nothing changed but what always
// does, for so long, or how much memory is free, for as long as an agent that
// stays connected does not tell it either.
func (t *told) still(f plan.Facts, now time.Time) bool {
	switch age := now.Sub(t.at); {
	case t.facts == nil || age >= factsAnyway:
		return false
	case age < factsEvery:
		return sameFacts(calm(t.facts), calm(f))
	}
	return sameFacts(t.facts, f)
}

// calm leaves out how much memory is free.
func calm(f plan.Facts) plan.Facts {
	f = maps.Clone(f)
	maps.DeleteFunc(f, func(name string, _ value.Value) bool {
		return strings.HasPrefix(name, "memory_") || strings.HasPrefix(name, "swap_")
	})
	return f
}

// ownFacts are those that the machine does not know of itself: tags, and the
// versions of the agent and of the policy that it obeys.
func (a *Agent) ownFacts() plan.Facts {
	f := plan.Facts{"sandbox": value.Value{}}
	if word := a.sandboxed(); word != sandboxUnknown {
		f["sandbox"] = value.NewText(word)
	}
	if a.opts.Software != "" {
		f["agent_version"] = value.NewVersion(a.opts.Software, value.AnyScheme)
	}
	f["policy_version"] = value.NewInt(a.Policy().Version())
	maps.Copy(f, a.upgradeFacts())
	tags, err := a.tags.read(filepath.Join(a.opts.Dir, tagsFile))
	if err != nil {
		a.log.Warn("tags are not read", "error", err)
	}
	// The administrator's word comes last.
	for _, tags := range []map[string]string{tags, a.member().Tags} {
		for k, v := range tags {
			f["tags."+k] = value.NewText(v)
		}
	}
	return f
}

// Facts gives what targets can say of this machine. One that could not be
// looked at is null.
func (a *Agent) Facts(ctx context.Context) (plan.Facts, error) {
	f, err := a.runner.Facts(ctx)
	if err != nil {
		return nil, err
	}
	maps.Copy(f, a.ownFacts())
	return f, nil
}

// sameFacts says whether facts are the same but for those that always change.
func sameFacts(a, b plan.Facts) bool {
	return bytes.Equal(plan.EncodeFacts(steady(a)), plan.EncodeFacts(steady(b)))
}

func steady(f plan.Facts) plan.Facts {
	f = maps.Clone(f)
	delete(f, "uptime")
	return f
}

// tagsSettle is how long a file of tags must have been as it is before it is not
// read again while it looks the same. The times of files go by steps, of two
// seconds where they are longest: who edits it twice within one may leave
// another text behind the same time, and length.
const tagsSettle = 5 * time.Second

// A tagsRead is a file of tags as it was read last.
type tagsRead struct {
	mu   sync.Mutex
	info fs.FileInfo // nil: it must be read
	tags map[string]string
	err  error
}

// read gives what stands in the file, which need not be there. It opens it where
// another one stands there, or it was written since, or just before it was read.
func (t *tagsRead) read(name string) (map[string]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(name)
	if err != nil {
		t.info = nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	if t.info != nil && info.Size() == t.info.Size() && info.ModTime().Equal(t.info.ModTime()) && os.SameFile(info, t.info) {
		return t.tags, t.err
	}
	now := time.Now()
	t.info = nil
	t.tags, t.err = readTags(name)
	// A time that lies ahead says nothing of what comes next.
	if age := now.Sub(info.ModTime()); age > tagsSettle {
		t.info = info
	}
	return t.tags, t.err
}

// readTags reads the file of tags, which need not be there.
func readTags(name string) (map[string]string, error) {
	tags := map[string]string{}
	b, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return tags, nil
	}
	if err != nil {
		return tags, err
	}
	if len(b) > maxTagsFile {
		return tags, fmt.Errorf("%s has %d bytes, and %d are allowed", name, len(b), maxTagsFile)
	}
	var errs []error
	for n, line := 1, bufio.NewScanner(bytes.NewReader(b)); line.Scan(); n++ {
		text := strings.TrimSpace(line.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		k, v, err := parseTag(text)
		if err == nil && len(tags) >= maxTags {
			err = fmt.Errorf("there are more than %d", maxTags)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		tags[k] = v
	}
	return tags, errors.Join(errs...)
}

var tagName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`) })

// parseTag reads "key = value".
func parseTag(text string) (k, v string, err error) {
	k, v, found := strings.Cut(text, "=")
	k, v = strings.TrimSpace(k), strings.TrimSpace(v)
	switch {
	case !found:
		return "", "", fmt.Errorf("%q is no tag: write key=value", text)
	case !tagName().MatchString(k):
		return "", "", fmt.Errorf("a tag's key is lower-case letters, digits and _, not %q", k)
	case len(v) > maxTag:
		return "", "", fmt.Errorf("the value of tag %s has %d bytes, and %d are allowed", k, len(v), maxTag)
	}
	return k, strings.ToValidUTF8(v, "?"), nil
}

// parseTags makes the text of the file from tags that were given.
func parseTags(tags []string) ([]byte, error) {
	var b []byte
	for _, t := range tags {
		k, v, err := parseTag(t)
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "%s = %s\n", k, v)
	}
	return b, nil
}

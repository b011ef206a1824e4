package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// knownFleet is what completion knows of the fleet. Its slices and maps are
// replaced as a whole and never changed.
type knownFleet struct {
	hosts   []string
	facts   map[string][]string
	answers []string
	cases   []string
}

// An agent is one of the fleet.
type agent struct {
	Agent    signing.ID        `json:"agent"`
	Host     string            `json:"host"` // the name that it gave itself
	Online   bool              `json:"online"`
	Seen     time.Time         `json:"seen"`
	Facts    map[string]string `json:"facts"` // what it says of itself
	Tags     map[string]string `json:"tags"`  // what an administrator said of it
	Software string            `json:"software,omitempty"`
	Policy   int64             `json:"policy"`
	Enrolled *time.Time        `json:"enrolled,omitempty"`
	Problem  string            `json:"problem,omitempty"` // why it is none of the fleet's
}

// agents answers GET /v1/fleet.
func (g *Gateway) agents(w http.ResponseWriter, r *http.Request) {
	f, err := g.connected(r.Context())
	if err != nil {
		fail(w, problem(err))
		return
	}
	all, err := f.Fleet(r.Context())
	if err != nil {
		fail(w, problem(err))
		return
	}
	out := []agent{}
	online := 0
	for _, one := range all {
		out = append(out, newAgent(one))
		if one.Online && one.Problem == nil {
			online++
		}
	}
	g.learn(all)
	doubts := []string{}
	if d, ok := f.(interface{ Doubts() []string }); ok {
		doubts = append(doubts, d.Doubts()...)
	}
	write(w, http.StatusOK, map[string]any{"agents": out, "online": online, "doubts": doubts})
}

func newAgent(f client.FleetAgent) agent {
	a := agent{Agent: f.ID, Host: f.Host, Online: f.Online, Seen: f.Seen, Software: f.Software, Policy: f.Policy,
		Facts: map[string]string{}, Tags: map[string]string{}}
	if f.Problem != nil {
		a.Problem = value.EscapeText(f.Problem.Error())
		return a
	}
	for name, v := range f.Facts {
		a.Facts[name] = v.String()
	}
	maps.Copy(a.Tags, f.Member.Tags)
	if !f.Member.Enrolled.IsZero() {
		a.Enrolled = &f.Member.Enrolled
	}
	return a
}

// mostValues is how many values of a fact completion is told of: more are
// names of single machines, which nobody picks from a list.
const mostValues = 200

// learn keeps what completion can use.
func (g *Gateway) learn(all []client.FleetAgent) {
	seen := map[string]map[string]bool{}
	var hosts []string
	for _, f := range all {
		if f.Problem != nil {
			continue
		}
		hosts = append(hosts, f.Host)
		for name, v := range f.Facts {
			if seen[name] == nil {
				seen[name] = map[string]bool{}
			}
			if s := v.Text(); v.Type() == value.Text && s != "" && len(seen[name]) < mostValues {
				seen[name][s] = true
			}
		}
	}
	facts := map[string][]string{}
	for name, values := range seen {
		facts[name] = slices.Sorted(maps.Keys(values))
	}
	slices.Sort(hosts)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known.hosts, g.known.facts = slices.Compact(hosts), facts
}

// An investigation is a plan that was submitted.
type investigation struct {
	ID        signing.ID        `json:"id"`
	Query     string            `json:"query"`
	Params    map[string]string `json:"params,omitempty"`
	Purpose   string            `json:"purpose,omitempty"`
	State     string            `json:"state"` // open, done, cancelled or expired
	Submitted time.Time         `json:"submitted"`
	Expires   time.Time         `json:"expires"`
	Agents    int               `json:"agents"`
	Reached   int               `json:"reached"`
	Done      int               `json:"done"`
	Bytes     int64             `json:"bytes"`
	Signers   []string          `json:"signers"`
	Problem   string            `json:"problem,omitempty"`
}

func newInvestigation(i client.Investigation, now time.Time) investigation {
	out := investigation{ID: i.Plan, State: stateOf(i, now), Submitted: i.Submitted, Expires: i.Expires,
		Agents: i.Agents, Reached: i.Reached, Done: i.Done, Bytes: i.Bytes, Signers: []string{}}
	if i.Problem != nil {
		out.Problem = value.EscapeText(i.Problem.Error())
	}
	if i.Signed != nil {
		out.Query, out.Params, out.Purpose = i.Signed.Payload.Query, i.Signed.Payload.Params, i.Signed.Payload.Purpose
		for _, fp := range i.Signed.Signers {
			out.Signers = append(out.Signers, string(fp))
		}
	}
	return out
}

func stateOf(i client.Investigation, now time.Time) string {
	switch {
	case i.Cancelled:
		return "cancelled"
	case !now.Before(i.Expires):
		return "expired"
	case i.Agents > 0 && i.Done >= i.Agents:
		return "done"
	}
	return "open"
}

// asked lists what was asked of the fleet.
func (g *Gateway) asked(ctx context.Context) ([]investigation, error) {
	f, err := g.connected(ctx)
	if err != nil {
		return nil, err
	}
	all, err := f.Investigations(ctx)
	if err != nil {
		return nil, err
	}
	out := []investigation{}
	var ids []string
	for _, i := range all {
		out = append(out, newInvestigation(i, g.opts.Now()))
		ids = append(ids, i.Plan.String())
	}
	g.mu.Lock()
	g.known.answers = ids
	g.mu.Unlock()
	return out, nil
}

// investigations answers GET /v1/investigations.
func (g *Gateway) investigations(w http.ResponseWriter, r *http.Request) {
	all, err := g.asked(r.Context())
	if err != nil {
		fail(w, problem(err))
		return
	}
	write(w, http.StatusOK, map[string]any{"investigations": all})
}

// named reads the investigation that a path names.
func named(r *http.Request) (signing.ID, error) {
	id, err := signing.ParseID(r.PathValue("id"))
	if err != nil {
		return signing.ID{}, fmt.Errorf("%w: an investigation's ID has 32 hex digits", errRequest)
	}
	return id, nil
}

// investigation answers GET /v1/investigations/{id}.
func (g *Gateway) investigation(w http.ResponseWriter, r *http.Request) {
	id, err := named(r)
	if err != nil {
		fail(w, problem(err))
		return
	}
	all, err := g.asked(r.Context())
	if err != nil {
		fail(w, problem(err))
		return
	}
	i := slices.IndexFunc(all, func(i investigation) bool { return i.ID == id })
	if i < 0 {
		fail(w, problem(fmt.Errorf("%w: the relay keeps no investigation %s", errNotFound, id)))
		return
	}
	write(w, http.StatusOK, all[i])
}

// results answers GET /v1/investigations/{id}/results: what is stored, and
// with ?follow=true what comes.
func (g *Gateway) results(w http.ResponseWriter, r *http.Request) {
	id, err := named(r)
	if err != nil {
		fail(w, problem(err))
		return
	}
	o, err := followOptions(r)
	if err != nil {
		fail(w, problem(err))
		return
	}
	g.stream(w, r, func(ctx context.Context, _ *stream) (*quaestor.Rows, func(), error) {
		f, err := g.connected(ctx)
		if err != nil {
			return nil, func() {}, err
		}
		rows, err := f.Follow(ctx, id, o)
		return rows, func() {}, err
	})
}

func followOptions(r *http.Request) (client.FollowOptions, error) {
	o := client.FollowOptions{Stored: true}
	for name, values := range r.URL.Query() {
		switch {
		case name == "follow" && (values[0] == "true" || values[0] == "false"):
			o.Stored = values[0] != "true"
		case name == "wait":
			var d duration
			if err := d.UnmarshalText([]byte(values[0])); err != nil {
				return o, fmt.Errorf("%w: wait: %w", errRequest, err)
			}
			if o.Wait = time.Duration(d); o.Wait > MaxWait {
				return o, fmt.Errorf("%w: wait is over %s", errBound, MaxWait)
			}
		default:
			return o, fmt.Errorf("%w: ?%s=%q means nothing here", errRequest, name, values[0])
		}
	}
	return o, nil
}

// cancel answers POST /v1/investigations/{id}/cancel.
func (g *Gateway) cancel(w http.ResponseWriter, r *http.Request) {
	id, err := named(r)
	if err != nil {
		fail(w, problem(err))
		return
	}
	f, err := g.connected(r.Context())
	if err == nil {
		err = f.Cancel(r.Context(), id)
	}
	if err != nil {
		fail(w, problem(err))
		return
	}
	write(w, http.StatusOK, map[string]any{"cancelled": true})
}

package signing

import (
	"fmt"
	"strings"
)

// A PolicySpec is what a new policy begins with.
type PolicySpec struct {
	Fleet          ID
	Name           string
	Administrators []PrincipalSpec
	Investigators  []PrincipalSpec
}

// A PrincipalSpec is a person in it. The weight of 0 is 1; administrators have
// none.
type PrincipalSpec struct {
	Name   string
	Key    *PublicKey
	Weight int
}

// NewPolicyText gives a complete policy, version 1, with comments, for an
// administrator to read, change and sign.
func NewPolicyText(s PolicySpec) string {
	var b strings.Builder
	fmt.Fprintf(&b, policyHead, quoted(s.Fleet.String()), quoted(s.Name))
	for _, q := range s.Administrators {
		b.WriteString("\n" + AdministratorText(q))
	}
	b.WriteString(policyInvestigators)
	for _, q := range s.Investigators {
		b.WriteString("\n" + InvestigatorText(q))
	}
	b.WriteString(policyRules)
	return b.String()
}

// AdministratorText gives the lines of an administrator in a policy's text.
func AdministratorText(q PrincipalSpec) string {
	return fmt.Sprintf("[[administrator]]\nname = %s\n# retired = 2030-01-01T00:00:00Z\n%s", quoted(q.Name), keyText(q.Key))
}

// InvestigatorText gives the lines of an investigator in a policy's text.
func InvestigatorText(q PrincipalSpec) string {
	return fmt.Sprintf("[[investigator]]\nname = %s\nweight = %d\n%s", quoted(q.Name), max(1, q.Weight), keyText(q.Key))
}

func keyText(k *PublicKey) string {
	return fmt.Sprintf("# %s, %s\nkey = '''\n%s'''\n", k.Fingerprint(), k.Algorithm(), k.Armor())
}

// quoted writes a string as TOML has it. What cannot be shown is left out.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "?") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !isLine(string(r), 4):
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

const policyHead = `# The policy of a fleet: who may ask what. Every agent obeys it, and nothing
# else. Raise version with each change; agents never go back to a lower one.
format = 1
fleet = %s
name = %s
version = 1

# So many administrators must sign the next version. With two of them or more,
# let it be 2: then one stolen key changes nothing.
threshold = 1

# "signed": agents install releases that so many administrators sign, on the
# machines that these name. "never", as without this line: no agent installs
# anything. The owner of a machine can say never for his own.
upgrade = "never"

# Administrators sign policies and enrolment tokens. With retired, what one
# signed before that time stays good, and nothing that he signs after it; leave
# him out, and the agents enrolled with his tokens are members no more.
`

const policyInvestigators = `
# Investigators sign plans. The weights of those who sign one plan are added up,
# and the sum must reach what the rule of every module in the plan asks for.
`

const policyRules = `
# The rule of modules that have none of their own.
[default]
weight = 1

# Content is what a file or a log says, not what is known about it. A column
# with content leaves an endpoint only where it is named here, and where the
# signers weigh content_weight. Globs: * and ? within a part of a path, ** for
# any number of parts. What deny matches, and all below it, is never looked at;
# with allow, only what that matches is. Both hold for each other module that
# finds files, such as line and elf. What deny matches no module reads, whatever
# it wants it for: with /etc/passwd denied no users are listed either, and the
# answer names what was left out.
[module.file]
weight = 1
content = []
content_weight = 2
allow = []
deny = []
follow_links = false
# A plan with EVERY is repeated by the agents themselves within its window, and
# stands only where each of its modules says how often it may be looked with:
# standing = "1h"
# One with WATCH tells of changes as they happen, where its module says
# watch = true

# Modules that send packets to others (reach, clock) run only where a rule names
# them; the default one does not count for them. Their places are
# /PROTOCOL/ADDRESS/PORT, with the address that a name stands for:
# [module.reach]
# weight = 2
# allow = ["/icmp/10.*", "/tcp/10.*/443"]

# The most that a plan may ask for, and how many an agent runs at once.
[ceilings]
timeout = "10m"
window = "7d"
rows = 1000000
bytes = "1 GiB"
memory = "256 MiB"
workers = 4
concurrent = 4
# Percent of one processor that a plan may use over time; without it, any:
# cpu = 50
# Bytes of content that a plan may read on one endpoint; without it, any:
# read = "100 GiB"
# Files that a plan may have open at once, of the 1024 that agents let it:
# open_files = 256
# When a plan may want the disk: "idle", when nobody else does; "low", behind
# others; "normal", as others do. Without it, idle:
# io = "low"
# What a plan does that reads or hashes contents while a machine lives on its
# battery: "wait" for mains, or "run". Without it, run:
# on_battery = "wait"

# A log of every plan and policy, which the relay keeps and anybody who may ask
# can audit. With required, agents run nothing that is not proved to be in it by
# a checkpoint that so many of the witnesses signed. quaestor-relay log prints
# the key of the log, and quaestor log witness new that of a witness.
# [log]
# required = true
# key = "quaestor-log/…"
# witnesses = ["witness.example/one+…", "witness.example/two+…"]
# threshold = 2

# Those who are members no more: agents by ID, and all agents of a token. Those
# of the agents that wipe names, too, remove their keys when they learn of it.
[revoked]
agents = []
tokens = []
wipe = []
`

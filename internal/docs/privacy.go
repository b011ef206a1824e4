package docs

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
)

// Privacy prints what each module can reveal, and how a policy narrows it.
func Privacy(mods []modules.Module) string {
	var b strings.Builder
	b.WriteString(privacyHead)
	for _, m := range mods {
		s := m.Schema()
		var about, inside []string
		for _, c := range s.Columns {
			if c.Content {
				inside = append(inside, code(c.Name))
			} else {
				about = append(about, code(c.Name))
			}
		}
		content := strings.Join(inside, ", ")
		if content == "" {
			content = "–"
		}
		fmt.Fprintf(&b, "| [%s](modules.md#%s) | %s | %s |\n", s.Name, s.Name, content, strings.Join(about, ", "))
	}
	return b.String()
}

const privacyHead = "# What can leave a machine\n\n" + printed + `An administrator who installs the agent should know what it can tell, and to whom.

## Who sees what

- **The investigator** who asked opens the rows; so do those whom he names with ` + "`--share`" + `. Whoever only adds a signature does not.
- **The relay** sees who asks whom, when, how much comes back, the question's text, and the facts by which it routes: all columns of ` + "`host`" + `, among them the name, addresses, hardware addresses and serial numbers of the machine; tags; the versions of agent and policy, and how upgrades and the sandbox stand; and what the firmware says of a cloud. It opens no row.
- **The owner of the machine** sees each question, its purpose, who signed it and how much left: ` + "`quaestor-agent history`" + `.
- **Other users of the machine** see nothing: the agent's folder is for its own user, and no row is ever written outside of it.

## Metadata and content

Every column is one of two kinds. *Metadata* is about a thing: a name, a time, an owner. *Content* is what is inside: a line of a log, the value of a variable. Content leaves a machine only where all of these hold: RETURN names the column; the rule of its module in the policy names it in ` + "`content`" + `; the signers weigh ` + "`content_weight`" + `. No rule for all modules can allow content.

Four things are to be known:

- **A condition reveals a bit.** ` + "`CONTAINS`" + ` and ` + "`MATCHES`" + ` return no content, but whoever may ask them often can find out a short text by asking. Names, too, can be telling: of files, of commands with their arguments, of hosts that were spoken to. What must not be asked about belongs in ` + "`deny`" + `, which no module opens and no condition reaches.
- **A path that leads nowhere is reported**, but where it would lead into what is denied: there nobody learns what is not there either.
- **Hashes** of short or well-known contents say what the content is.
- **Lengths and times tell.** What an answer says is sealed, and how long it is, how many chunks it has and when they come is not: one with rows is longer than one without, so that a relay can guess where something was found. Rows are compressed before they are sealed. Whoever sees lengths, and can put text of his own beside a secret on that machine, could learn of the secret bit by bit from questions that return both again and again.

## A policy that narrows it

Anyone of weight 1 asks how machines are set up; lines of logs need two people, files of people are closed to all, and processes tell nothing of their memory.

` + "```toml" + `
[default]
weight = 1

[module.file]
weight = 1
deny = ["/home/**", "/root/**", "/Users/**", "/srv/mail/**", "/etc/shadow"]

[module.log]
weight = 1
content = ["message"]
content_weight = 2

[module.memory]
weight = 1000

[module.environment]
weight = 1000

[module.shell_history]
weight = 1000
` + "```" + `

A weight that nobody reaches closes a module. What ` + "`deny`" + ` of ` + "`[module.file]`" + ` matches is closed to every module, whatever it is wanted for and by whatever link it is reached, and answers name the glob that left something out, not what that was. A hard link to a file, or a second place at which a disk is mounted, is another path, and has to be denied, too. With ` + "`allow`" + `, rows are of the files that a glob matches and of no others, by their names and by where they are: a link that leads out of an allowed folder is shown as a link, and what is behind it is not looked at, and told by its name, unless the rule has ` + "`follow_links`" + `. A glob that itself begins with a link, as ` + "`/bin/*`" + ` does on many systems, allows what is there. ` + "`allow`" + ` says nothing of what modules read for themselves, such as ` + "`/etc/passwd`" + ` for users. Without a rule for ` + "`reach`" + ` and ` + "`clock`" + `, no agent sends a packet to anyone.

## What each module can tell

| module | content | metadata |
|---|---|---|
`

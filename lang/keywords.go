package lang

// A Keyword is a word that the language keeps for itself.
type Keyword struct {
	Text    string // in upper case; of two words, with a blank between
	Doc     string // one sentence
	Example string // a whole query, or a part of one that begins with …
}

// Keywords lists the keywords, in the order in which a query has them. Every
// keyword of the grammar is there, and no other.
func Keywords() []Keyword { return keywords[:] }

var keywords = [...]Keyword{
	{"EXPLAIN", "Draw how the query would be answered, and ask nobody.", `EXPLAIN FIND file /etc/** WHERE size > 1MB`},
	{"ANALYZE", "Run the query, throw its rows away and show what was measured, beside the plan.", `EXPLAIN ANALYZE FIND file /etc/** WHERE size > 1MB`},
	{"PARAM", "Declare a parameter with its type, and perhaps a default; it is used as $name.", `PARAM since duration = 7d FIND file /etc/** WHERE mtime > now - $since`},
	{"LET", "Name a value, to use it as $name.", `LET big = 10MB FIND file /var/log/** WHERE size > $big`},
	{"FROM", "Say who is asked: fleet, local, host, hits, misses or case. Without it this machine is.", `FROM fleet FIND host`},
	{"WHERE", "Keep only what a condition is true of: hosts behind FROM, rows behind FIND.", `FROM fleet WHERE os = linux FIND file /etc/* WHERE size > 1MB`},
	{"FIND", "Say what to look for: a module, and where it is to look.", `FIND file /etc/*`},
	{"WATCH", "Report changes as they happen, in the place of FIND.", `WATCH file /etc/**`},
	{"NOT", "Turn a condition around; behind FIND, be true of hosts where nothing is found.", `FIND NOT file /etc/ssh/sshd_config CONTAINS "PermitRootLogin no"`},
	{"AS", "Name a scan, or a column of the answer.", `FIND file /etc/* AS f RETURN f.path AS name`},
	{"AND", "Both must be true; before FIND, both must find something on the same host.", `FIND file /etc/* WHERE suid AND size > 1MB`},
	{"OR", "One of both must be true; before FIND, one must find something on the host.", `FIND file /etc/* WHERE suid OR sgid`},
	{"IS", "Ask whether there is a value: IS NULL, IS NOT NULL, IS MISSING.", `FIND file /home/* WHERE owner IS NULL`},
	{"NULL", "No value: it is not there, or does not apply. Compared with anything it is neither true nor false.", `FIND file /home/* WHERE owner IS NULL`},
	{"MISSING", "What a link leads to is not there any more, as a program that was deleted.", `… WHERE exe IS MISSING`},
	{"TRUE", "The truth value.", `FIND file /etc/* WHERE executable = TRUE`},
	{"FALSE", "The other truth value.", `FIND file /etc/* WHERE executable = FALSE`},
	{"IN", "Is it one of a list, of the lines of a @file, of the rows of a subquery, or inside a network?", `FIND file /etc/* WHERE name IN ("passwd", "shadow")`},
	{"BETWEEN", "Is it in a range? Both ends count.", `FIND file /etc/* WHERE size BETWEEN 1KB AND 1MB`},
	{"LIKE", "Compare text with a pattern: % is any text, _ one character.", `FIND file /etc/* WHERE name LIKE "host%"`},
	{"GLOB", "Compare text with a glob: * ? [a-z] {a,b}, and ** over levels of a path.", `FIND file /etc/** WHERE path GLOB /etc/**/*.conf`},
	{"MATCHES", "Search for a regular expression (RE2), in a column or in the content.", `FIND file /etc/* MATCHES 'root:[^:]*:0'`},
	{"CONTAINS", "Search for a text or for bytes, in a column or in the content.", `FIND file /etc/* CONTAINS "ioc"`},
	{"STARTS WITH", "Does the text begin with another?", `FIND file /etc/* WHERE name STARTS WITH "host"`},
	{"ENDS WITH", "Does the text end with another?", `FIND file /etc/* WHERE name ENDS WITH ".conf"`},
	{"YARA", "Search the content with YARA rules.", `… YARA @rules.yar`},
	{"ANY LINE", "True where one line of the content passes the test behind it.", `FIND file /etc/passwd ANY LINE MATCHES '^[^:]+:[^:]*:0:'`},
	{"EVERY LINE", "True where all lines of the content pass the test behind it.", `FIND file /etc/hosts EVERY LINE MATCHES '^(#|127|::|$)'`},
	{"NOCASE", "Let upper and lower case be the same in the test before it.", `FIND file /etc/* CONTAINS "Error" NOCASE`},
	{"RETURN", "Say which columns and expressions come back.", `FIND file /etc/* RETURN path, size, mtime`},
	{"DISTINCT", "Give equal rows, or count equal values, once.", `FIND file /etc/** RETURN DISTINCT owner`},
	{"STACK", "Count on how many hosts and rows each value is, rarest first.", `FIND file /etc/* STACK mode`},
	{"STACK BY", "The same as STACK.", `FIND file /etc/* STACK BY mode`},
	{"GROUP BY", "Put rows with equal values together, for count(), sum() and their like.", `FIND file /etc/** RETURN owner, count() AS n GROUP BY owner`},
	{"HAVING", "Keep only the groups that a condition is true of.", `FIND file /etc/** RETURN owner, count() AS n GROUP BY owner HAVING n > 9`},
	{"ORDER BY", "Sort the rows; null comes last.", `FIND file /etc/* RETURN path, size ORDER BY size DESC`},
	{"ASC", "Sort from the least to the greatest, as is done anyway.", `FIND file /etc/* RETURN path, size ORDER BY size ASC`},
	{"DESC", "Sort from the greatest to the least.", `FIND file /etc/* RETURN path, size ORDER BY size DESC`},
	{"LIMIT", "Give only so many rows, of all hosts together.", `FIND file /etc/* RETURN path, size ORDER BY size DESC LIMIT 3`},
	{"PER HOST", "Give so many rows of each host.", `FROM fleet FIND file /var/log/* RETURN path, size ORDER BY size DESC LIMIT 1 PER HOST`},
	{"EVERY", "Ask again and again, with so much time between.", `FROM fleet FIND file /etc/** RETURN path, sha256 EVERY 1h`},
	{"WITH", "Set limits and ways of looking: timeout, depth, archives and others.", `FIND file /srv/** CONTAINS "ioc" WITH archives = on, timeout = 5m`},
}

// A SourceName is a word that may stand behind FROM.
type SourceName struct {
	Text    string // in lower case
	Doc     string // one sentence
	Example string
}

// SourceNames lists them.
func SourceNames() []SourceName { return sourceNames[:] }

var sourceNames = [...]SourceName{
	{"fleet", "Every agent, or those that WHERE is true of.", `FROM fleet WHERE os = linux FIND host`},
	{"local", "This machine, without any relay; what is meant without FROM, too.", `FROM local FIND host`},
	{"host", "The agents of hosts with these names.", `FROM host "web-1", "web-2" FIND host`},
	{"hits", "The hosts where an earlier investigation found something.", `FROM hits("01J9Z3") FIND host`},
	{"misses", "The hosts where an earlier investigation looked at everything and found nothing.", `FROM misses("01J9Z3") FIND host`},
	{"case", "The answers that are kept in a case.", `FROM case("shop-2026") FIND answer`},
}

" Query files of Quaestor, *.qst: save as syntax/quaestor.vim.
" Printed by go run ./internal/docs/gen. Do not edit.
if exists("b:current_syntax")
  finish
endif
syn case ignore

syn match quaestorKeyword +\<\%(EXPLAIN\|ANALYZE\|PARAM\|LET\|FROM\|WHERE\|FIND\|WATCH\|NOT\|AS\|AND\|OR\|IS\|NULL\|MISSING\|TRUE\|FALSE\|IN\|BETWEEN\|LIKE\|GLOB\|MATCHES\|CONTAINS\|STARTS\s\+WITH\|ENDS\s\+WITH\|YARA\|ANY\s\+LINE\|EVERY\s\+LINE\|NOCASE\|RETURN\|DISTINCT\|STACK\|STACK\s\+BY\|GROUP\s\+BY\|HAVING\|ORDER\s\+BY\|ASC\|DESC\|LIMIT\|PER\s\+HOST\|EVERY\|WITH\)\>+
syn match quaestorModule +\%(\<\%(FIND\|WATCH\)\s\+\%(NOT\s\+\)\?\)\@<=\%(agent\|authorized_key\|bpf\|browser_extension\|certificate\|clock\|container\|cron\|csv\|disk\|dns\|elf\|environment\|eventlog\|file\|firewall\|group\|group_member\|host\|image\|ini\|interface\|interface_address\|json\|kernel\|kernel_extension\|kernel_module\|known_host\|launchd\|line\|log\|login\|macho\|mapping\|memory\|mount\|neighbour\|open_file\|package\|package_file\|pci\|pe\|plist\|prefetch\|preload\|process\|reach\|registry\|repository\|route\|scheduled_task\|service\|session\|shell_history\|socket\|sqlite\|ssh_config\|ssh_key\|startup\|sudo_rule\|sysctl\|thread\|timer\|unit\|usb\|user\|verify\|xml\|yaml\)\>+
syn match quaestorFunction +\<\%(abs\|all\|any\|avg\|base64_decode\|basename\|bit_and\|bit_or\|coalesce\|cocoa_time\|concat\|contains\|count\|dirname\|entropy\|escape_glob\|extension\|extract\|field\|format_time\|hex\|hosts\|if\|in_cidr\|int\|is_private\|join\|len\|list\|lower\|max\|min\|number\|permissions\|replace\|split\|substr\|sum\|trim\|truncate\|unix_time\|upper\|value_of\|webkit_time\|windows_time\)\>\ze\s*(+
syn match quaestorSetting +\<\%(archives\|bytes\|context\|cpu\|decompress\|depth\|errors\|follow_links\|io\|max_file\|memory\|one_filesystem\|open_files\|rows\|sent\|timeout\|workers\)\>\ze\s*=+
syn match quaestorNumber +\<\d[0-9.]*\%([kmgtp]\?i\?b\|[wdhmsun]\+\)\?\>+
syn match quaestorNumber +\<\d\{4}-\d\d-\d\d\%(T[0-9:.]\+\%(Z\|[+-]\d\d:\d\d\)\?\)\?+
syn match quaestorMember +\.\h\w*+
syn match quaestorPath +\%(\a:\\\|\\\\\|\~\?/\)[^ \t,;()]\++
syn match quaestorParam +\$\w\++
syn match quaestorList +@\%("\%(\\.\|[^"\\]\)*"\?\|[^ \t,;()]\+\)+
syn region quaestorText start=+"+ skip=+\\.+ end=+"+ end=+$+ oneline
syn region quaestorText start=+'+ skip=+''+ end=+'+ end=+$+ oneline
syn match quaestorComment +--.*+

hi def link quaestorKeyword Statement
hi def link quaestorModule Type
hi def link quaestorFunction Function
hi def link quaestorSetting Identifier
hi def link quaestorText String
hi def link quaestorPath String
hi def link quaestorList Include
hi def link quaestorParam PreProc
hi def link quaestorNumber Number
hi def link quaestorComment Comment

let b:current_syntax = "quaestor"

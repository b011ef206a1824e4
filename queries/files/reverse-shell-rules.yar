// Scripts that connect to somewhere and hand a shell over.

rule shell_connects_back : reverse_shell {
  meta:
    description = "a script of the shell that reads its commands from a connection"
    severity = "critical"
  strings:
    $dev = /\/dev\/(tcp|udp)\/[\w.:-]{3,80}\/\d{1,5}/
    $sh = /\b(ba|z|k|da)?sh\s+-i\b/
    $fifo = /mk(fifo|nod)\s[^\n]{1,200}\b(nc|ncat|telnet|openssl)\b/
    $nc = /\bn(c|cat)(\.\w+)?\s[^\n]{0,80}-(e|c)\s*\/?(usr\/)?(bin\/)?(ba)?sh\b/
  condition:
    filesize < 1MB and ($dev and $sh or $fifo or $nc)
}

rule script_connects_back : reverse_shell {
  meta:
    description = "Python, Perl, Ruby or PHP that puts a shell on a socket"
    severity = "critical"
  strings:
    $py1 = "socket.socket("
    $py2 = /os\.dup2\(\s*\w+\.fileno\(\)\s*,\s*0\s*\)/
    $py3 = /pty\.spawn\(/
    $perl1 = /socket\(\s*S\s*,\s*PF_INET/
    $perl2 = /open\(\s*STDIN\s*,\s*["']>&S["']\s*\)/
    $ruby = /TCPSocket\.(new|open)\([^\n]{1,80}\b(exec|spawn|IO\.popen)\b/
    $php = /fsockopen\([^\n]{1,200}\b(exec|proc_open|shell_exec|system)\s*\(/
  condition:
    filesize < 1MB and ($py1 and ($py2 or $py3) or all of ($perl*) or $ruby or $php)
}

// What scripts on web servers have in common that run what they are sent.

private rule script {
  strings:
    $php = "<?php" nocase
    $short = "<?="
    $jsp = "<%"
  condition:
    filesize < 2MB and any of them
}

rule php_runs_input : webshell {
  meta:
    description = "PHP that evaluates or executes what a request holds"
    severity = "critical"
  strings:
    $direct = /\b(eval|assert|system|shell_exec|passthru|popen|proc_open|exec)\s*\(\s*@?\$_(GET|POST|REQUEST|COOKIE|SERVER)\b/ nocase
    $variable = /\$_(GET|POST|REQUEST|COOKIE)\[[^\]]{1,40}\]\s*\(\s*\$_(GET|POST|REQUEST|COOKIE)/ nocase
  condition:
    script and any of them
}

rule php_decodes_and_runs : webshell {
  meta:
    description = "PHP that unpacks its own code in several steps, and runs it"
    severity = "high"
  strings:
    $run = /\b(eval|assert|create_function)\s*\(/ nocase
    $unpack1 = "base64_decode" nocase
    $unpack2 = "gzinflate" nocase
    $unpack3 = "str_rot13" nocase
    $unpack4 = "gzuncompress" nocase
    $unpack5 = "hex2bin" nocase
  condition:
    script and $run and 2 of ($unpack*)
}

rule picture_with_code : webshell {
  meta:
    description = "a picture that goes on as a script"
    severity = "high"
  strings:
    $gif = "GIF8"
    $jpg = { ff d8 ff }
    $png = { 89 50 4e 47 0d 0a 1a 0a }
    $open = "<?php" nocase
    $call = /(eval|system|assert|passthru|\$_(GET|POST|REQUEST))\s*[\(\[]/ nocase
  condition:
    ($gif at 0 or $jpg at 0 or $png at 0) and $open and $call
}

rule jsp_runs_input : webshell {
  meta:
    description = "a page of Java that starts what a request names"
    severity = "critical"
  strings:
    $start1 = "Runtime.getRuntime().exec("
    $start2 = "ProcessBuilder("
    $input = "request.getParameter("
  condition:
    script and $input and any of ($start*)
}

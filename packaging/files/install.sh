#!/bin/sh
# Runs once the files are there. It works without a running systemd, too: in
# a container, a chroot, or while an image is made.
set -e

if [ @FORMAT@ = deb ] && [ "${1:-}" != configure ]; then
	exit 0
fi
if [ @OWNER@ != root ] && ! grep -q '^@OWNER@:' /etc/passwd; then
	if command -v useradd >/dev/null; then
		useradd --system --user-group --no-create-home --home-dir @STATE@ --shell /usr/sbin/nologin @OWNER@
	else
		addgroup -S @OWNER@
		adduser -S -D -H -h @STATE@ -s /sbin/nologin -G @OWNER@ @OWNER@
	fi
fi
if [ ! -d @STATE@ ]; then
	mkdir -p -m 0700 @STATE@
	chown @OWNER@:@OWNER@ @STATE@
fi
if ! command -v systemctl >/dev/null; then
	exit 0
fi
case "@FORMAT@ ${1:-} ${2:-}" in
"deb configure "?* | "rpm 2 " | "archlinux "*" "?*) next=restart ;; # an upgrade: whoever switched it off wants it off
*) next=begin ;;
esac
# Debian calls it an upgrade, too, where the package was removed in between and
# its folder kept.
if [ -e @STATE@/.removed ]; then
	rm @STATE@/.removed
	next=begin
fi
# Who masked it, be it before the package came, wants it off.
if [ "$(systemctl is-enabled @PROGRAM@.service 2>/dev/null)" = masked ]; then
	next=nothing
fi
if [ "$next" = begin ]; then
	systemctl enable --quiet @PROGRAM@.service
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	case "$next" in
	begin) systemctl start @PROGRAM@.service ;; # does nothing before there are settings
	restart) systemctl try-restart @PROGRAM@.service ;;
	esac
fi

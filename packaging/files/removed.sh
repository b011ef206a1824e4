#!/bin/sh
# Runs when the files are gone. Keys and answers stay, unless everything is to
# go, which only Debian's purge says.
set -e

if [ "@FORMAT@ ${1:-}" = "deb purge" ]; then
	rm -rf @STATE@
	if [ @OWNER@ != root ] && command -v userdel >/dev/null && grep -q '^@OWNER@:' /etc/passwd; then
		userdel @OWNER@
	fi
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi

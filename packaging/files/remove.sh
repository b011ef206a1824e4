#!/bin/sh
# Runs while the files are still there. An upgrade changes nothing here.
set -e

case "@FORMAT@ ${1:-}" in
"deb upgrade" | "deb failed-upgrade" | "deb deconfigure" | "rpm 1") exit 0 ;;
esac
if command -v systemctl >/dev/null; then
	if [ -d /run/systemd/system ]; then
		systemctl stop @PROGRAM@.service
	fi
	# Who installs it again wants it as it was.
	if [ "@FORMAT@" = deb ] && [ -d @STATE@ ] && systemctl is-enabled --quiet @PROGRAM@.service; then
		: >@STATE@/.removed
	fi
	systemctl disable --quiet @PROGRAM@.service
fi

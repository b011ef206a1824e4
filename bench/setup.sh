#!/bin/sh
# Installs the peers of bench/peers on Debian or Ubuntu. grep, find, xargs and
# sha256sum are there already.
set -eu
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update
$sudo apt-get install -y --no-install-recommends ripgrep fd-find ugrep vmtouch hashdeep rhash openssl

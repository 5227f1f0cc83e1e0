#!/bin/sh
set -e

file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
state=/var/lib/telegraf/wolkvox_ivr.state
case "$1 ${2:+again}" in
remove* | "abort-install again")
	# Telegraf refuses to start if a program in its configuration is missing.
	if [ -e $file ]; then
		mv $file $file.removed
	fi
	;;
purge*)
	rm -f $file.removed $state $state.lock $state.tmp $state.rejected-*
	# Telegraf's own, if it is there.
	[ -e /usr/bin/telegraf ] || rmdir /var/lib/telegraf 2>/dev/null || true
	echo "telegraf-wolkvox-ivr: what stays is not the package's alone: the user and the group telegraf, and what was copied into /etc/telegraf."
	;;
esac

#!/bin/sh
set -e

file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
state=/var/lib/telegraf/wolkvox_ivr.state
case "$1 ${2:+again}" in
remove* | "abort-install again")
	# Telegraf refuses to start if a program in its configuration is missing. A folder is not the package's; -T: nor is one moved into.
	if [ -L $file ] || { [ -e $file ] && [ ! -d $file ]; }; then
		mv -T $file $file.removed || echo "telegraf-wolkvox-ivr: Telegraf does not start until $file is moved away."
	fi
	;;
purge*)
	# rm names what it leaves, with what a name could do to a terminal escaped.
	rm -f $file.removed $state $state.lock $state.tmp $state.rejected-* ||
		echo "telegraf-wolkvox-ivr: it stays: a folder in the place of a file is not the package's."
	# Telegraf's own, if it is there.
	[ -e /usr/bin/telegraf ] || rmdir /var/lib/telegraf 2>/dev/null || true
	echo "telegraf-wolkvox-ivr: what stays is not the package's alone: the user and the group telegraf, and what was copied into /etc/telegraf."
	;;
esac

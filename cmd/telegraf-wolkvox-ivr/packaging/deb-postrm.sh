#!/bin/sh
set -e

file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
state=/var/lib/telegraf/wolkvox_ivr.state
case "$1 ${2:+again}" in
remove* | "abort-install again")
	# Telegraf doesn't start if a program in its configuration is missing. Leave a folder alone, because the package didn't install it.
	# With -T, mv fails rather than move the file into a folder.
	if [ -L $file ] || { [ -e $file ] && [ ! -d $file ]; }; then
		mv -T $file $file.removed || echo "telegraf-wolkvox-ivr: Telegraf will not start until you move $file away."
	fi
	;;
purge*)
	# rm names the files it leaves and escapes terminal sequences in their names.
	rm -f $file.removed $state $state.lock $state.tmp $state.rejected-* ||
		echo "telegraf-wolkvox-ivr: not removed, because the package does not own a folder."
	# The folder belongs to Telegraf, if that is installed.
	[ -e /usr/bin/telegraf ] || rmdir /var/lib/telegraf 2>/dev/null || true
	echo "telegraf-wolkvox-ivr: not removed, because others may use them: the user and the group telegraf, and files copied into /etc/telegraf."
	;;
esac

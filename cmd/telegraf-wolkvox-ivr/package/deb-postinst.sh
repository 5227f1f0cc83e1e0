#!/bin/sh
set -e
[ "$1" = configure ] || exit 0

# All as Telegraf's own package has it, whichever of the two comes first.
getent group telegraf >/dev/null || groupadd -r telegraf
getent passwd telegraf >/dev/null || useradd -r -M -g telegraf -d /etc/telegraf -s /bin/false telegraf
if [ ! -d /var/lib/telegraf ]; then
	mkdir /var/lib/telegraf
	chown root:telegraf /var/lib/telegraf
	chmod 770 /var/lib/telegraf
fi

if [ -n "$2" ]; then
	echo "telegraf-wolkvox-ivr: to run the new version, restart Telegraf."
else
	# Only the first time: from then on it is the administrator's.
	chgrp telegraf /etc/telegraf/wolkvox_ivr.conf
	echo "telegraf-wolkvox-ivr: set server and token in /etc/telegraf/wolkvox_ivr.conf, then restart Telegraf."
fi

#!/bin/sh
set -e
[ "$1" = configure ] || exit 0

# Create the same user, group and folder as Telegraf's own package, because either package may be installed first.
getent group telegraf >/dev/null || groupadd -r telegraf
getent passwd telegraf >/dev/null || useradd -r -M -g telegraf -d /etc/telegraf -s /bin/false telegraf
if [ ! -e /var/lib/telegraf ] && [ ! -L /var/lib/telegraf ]; then
	install -d -o root -g telegraf -m 770 /var/lib/telegraf
fi

if [ -n "$2" ]; then
	echo "telegraf-wolkvox-ivr: to run the new version: sudo systemctl restart telegraf"
else
	# Only at the first installation: afterwards the file is the administrator's. -h: the user telegraf may have put a link there.
	chgrp -h telegraf /etc/telegraf/wolkvox_ivr.conf
	cat <<-'END'
		telegraf-wolkvox-ivr: from here to metrics, set server and token, see whether they work, and restart Telegraf:
		  sudoedit /etc/telegraf/wolkvox_ivr.conf
		  sudo -u telegraf telegraf-wolkvox-ivr --config /etc/telegraf/wolkvox_ivr.conf --check
		  sudo systemctl restart telegraf
	END
fi

#!/bin/sh
[ -e /var/lib/telegraf ] || [ -L /var/lib/telegraf ] || install -d -o root -g telegraf -m 770 /var/lib/telegraf
[ "$1" != 1 ] || cat <<'END'
telegraf-wolkvox-ivr: from here to metrics, set server and token, see whether they work, and restart Telegraf:
  sudoedit /etc/telegraf/wolkvox_ivr.conf
  sudo -u telegraf telegraf-wolkvox-ivr --config /etc/telegraf/wolkvox_ivr.conf --check
  sudo systemctl restart telegraf
END

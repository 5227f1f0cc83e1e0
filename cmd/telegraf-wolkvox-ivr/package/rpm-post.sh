#!/bin/sh
if [ ! -d /var/lib/telegraf ]; then
	mkdir /var/lib/telegraf
	chown root:telegraf /var/lib/telegraf
	chmod 770 /var/lib/telegraf
fi

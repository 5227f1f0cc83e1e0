#!/bin/sh
[ -d /var/lib/telegraf ] || install -d -o root -g telegraf -m 770 /var/lib/telegraf

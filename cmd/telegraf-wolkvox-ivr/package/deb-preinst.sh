#!/bin/sh
set -e

# Comes back after a removal: so does what postrm moved away then.
file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
if [ "$1" = install ] && [ -e $file.removed ] && [ ! -e $file ]; then
	mv $file.removed $file
fi

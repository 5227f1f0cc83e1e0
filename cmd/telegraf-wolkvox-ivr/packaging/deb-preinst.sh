#!/bin/sh
set -e

# Comes back after a removal: so does what postrm moved away then.
file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
if [ "$1" = install ] && [ ! -e $file ] && [ ! -L $file ]; then
	# A file, a link to one, or one to nothing: over all else dpkg would not install.
	if [ -f $file.removed ] || { [ -L $file.removed ] && [ ! -e $file.removed ]; }; then
		mv -T $file.removed $file
	fi
fi

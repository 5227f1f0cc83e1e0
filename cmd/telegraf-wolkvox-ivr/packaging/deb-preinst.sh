#!/bin/sh
set -e

# After a removal, the package restores the file that postrm moved away.
file=/etc/telegraf/telegraf.d/wolkvox_ivr.conf
if [ "$1" = install ] && [ ! -e $file ] && [ ! -L $file ]; then
	# Only a file, a link to a file, or a dangling link: dpkg can't install over anything else.
	if [ -f $file.removed ] || { [ -L $file.removed ] && [ ! -e $file.removed ]; }; then
		mv -T $file.removed $file
	fi
fi

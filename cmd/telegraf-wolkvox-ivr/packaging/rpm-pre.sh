#!/bin/sh
# The same as Telegraf's own package, whichever is installed first. The configuration belongs to this group.
getent group telegraf >/dev/null || groupadd -r telegraf
getent passwd telegraf >/dev/null || useradd -r -M -g telegraf -d /etc/telegraf -s /bin/false telegraf

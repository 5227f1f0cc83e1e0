#!/bin/sh
# As Telegraf's own package does, whichever of the two comes first. The configuration belongs to the group.
getent group telegraf >/dev/null || groupadd -r telegraf
getent passwd telegraf >/dev/null || useradd -r -M -g telegraf -d /etc/telegraf -s /bin/false telegraf

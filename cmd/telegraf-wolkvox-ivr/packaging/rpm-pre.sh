#!/bin/sh
# Create the same user and group as Telegraf's own package, because either may be installed first. The group owns the configuration.
getent group telegraf >/dev/null || groupadd -r telegraf
getent passwd telegraf >/dev/null || useradd -r -M -g telegraf -d /etc/telegraf -s /bin/false telegraf

#!/bin/sh
# Prints the packages' version for what git describes: 1.2.3-rc.1-4-gabcdef0-dirty becomes 1.2.3-rc.1+4.gabcdef0.dirty, a
# semantic version that comes after 1.2.3-rc.1 and before 1.2.3, as a .deb and an .rpm see it too. Without a tag it is 0.0.0.
case $1 in
[0-9]*.[0-9]*.[0-9]*) echo "$1" | sed -E 's/-([0-9]+)-g([0-9a-f]+)/+\1.g\2/; /\+/s/-dirty$/.dirty/; s/-dirty$/+dirty/' ;;
'') echo 0.0.0 ;;
*) echo "0.0.0+git.$1" | tr -c '[:alnum:]+\n' . ;;
esac

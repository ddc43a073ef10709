#!/bin/sh
# Runs a command with the name of a new ordinary user in $AS, and removes that user when the command has ended: accounts change
# before and after, never while tests look at the host. Needs root.
# Usage: scripts/with_user.sh COMMAND [ARGUMENTS]
set -eu
AS=overnight-attacks-$$
export AS
useradd --create-home --shell /bin/sh "$AS"
remove() { # what ends a killed run's processes lives a moment longer than the run; what stays for good is a fault
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        userdel --remove "$AS" >/dev/null 2>&1 && return
        sleep 1
    done
    echo "processes of $AS stayed behind:" >&2
    ps -u "$AS" -o pid,ppid,etimes,args >&2
    exit 1
}
trap remove EXIT
"$@"

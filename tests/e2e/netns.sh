# shellcheck shell=bash
# netns.sh - network namespaces without root, for the tests that need routers,
# neighbours and addresses that are not ours.  Sourced behind lib.sh, before
# e2e_begin: netns_enter starts the test anew inside a namespace of its own.

netns_enter() { # NAME ARGUMENT...
	[ "${2:-}" != --inside ] || return 0
	if ! unshare -rn true 2>/dev/null || ! command -v ip nsenter >/dev/null; then
		echo "$1: skipped, this kernel gives a user no network namespaces"
		exit 77
	fi
	exec unshare -rn "$E2E_HERE/$1.sh" --inside
}

namespace() { # NAME: a network namespace that lives as long as its process
	unshare -n sleep 600 &
	PID[$1]=$!
	wait_for 5 is_elsewhere "${PID[$1]}"
}

is_elsewhere() { # PID
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

in_namespace() { # NAME COMMAND...
	local pid=${PID[$1]}
	shift
	nsenter -t "$pid" -n "$@"
}

link() { # NAME OURS THEIRS: a veth pair between here and there
	ip link add "to-$1" type veth peer name far &&
		ip link set dev far netns "${PID[$1]}" &&
		ip addr add "$2/24" dev "to-$1" && ip link set "to-$1" up &&
		in_namespace "$1" ip addr add "$3/24" dev far &&
		in_namespace "$1" ip link set dev far up &&
		in_namespace "$1" ip link set lo up &&
		in_namespace "$1" ip route add default via "$2"
}

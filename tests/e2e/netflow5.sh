# shellcheck shell=bash
# netflow5.sh - a NetFlow v5 datagram by hand, for tests that want no generator of
# ours between the bytes and the collector.  Offsets: Cisco's white paper.
#
#	v5_header COUNT SEQUENCE [SAMPLING]   uptime 100 s, export time now
#	v5_record SRC DST IN OUT PACKETS OCTETS [PROTO]
#	v5_send PORT RECORD...                one datagram to 127.0.0.1

be() { # VALUE BYTES -> \xNN...
	local i out=
	for ((i = $2 - 1; i >= 0; i--)); do
		out+=$(printf '\\x%02x' $((($1 >> (8 * i)) & 255)))
	done
	printf '%s' "$out"
}

be_addr() {
	local IFS=.
	# shellcheck disable=SC2086
	set -- $1
	printf '\\x%02x\\x%02x\\x%02x\\x%02x' "$1" "$2" "$3" "$4"
}

v5_header() {
	printf '%s' "$(be 5 2)$(be "$1" 2)$(be 100000 4)$(be "${V5_TIME:-$(date +%s)}" 4)$(be 0 4)$(be "$2" 4)$(be 0 2)$(be "${3:-0}" 2)"
}

v5_record() {
	printf '%s' "$(be_addr "$1")$(be_addr "$2")$(be 0 4)$(be "$3" 2)$(be "$4" 2)$(be "$5" 4)$(be "$6" 4)$(be 99000 4)$(be 99500 4)$(be 0 2)$(be 0 2)$(be 0 1)$(be 0 1)$(be "${7:-17}" 1)$(be 0 1)$(be 0 8)"
}

V5_SEQUENCE=0
v5_send() {
	local port=$1 dgram
	shift
	dgram=$(v5_header $# "$V5_SEQUENCE" "${V5_SAMPLING:-0}")
	V5_SEQUENCE=$((V5_SEQUENCE + $#))
	local r
	for r in "$@"; do
		dgram+=$r
	done
	# One write is one datagram.
	# shellcheck disable=SC2059
	printf "$dgram" >"/tmp/.v5.$$"
	dd if="/tmp/.v5.$$" bs=65507 count=1 status=none >"/dev/udp/127.0.0.1/$port"
	rm -f "/tmp/.v5.$$"
}

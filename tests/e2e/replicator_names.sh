#!/usr/bin/env bash
# replicator_names.sh - receivers by name: a reload follows the name, a name that
# cannot be looked up keeps its address, and a resolver that is slow holds
# nothing up.  In namespaces of its own, with its own hosts file and a name
# server that never answers.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${1:-}" != --inside ]; then
	if ! unshare -rnm true 2>/dev/null || ! command -v ip >/dev/null; then
		echo "replicator_names: skipped, this kernel gives a user no namespaces"
		exit 77
	fi
	exec unshare -rnm "$HERE/$(basename "$0")" --inside
fi
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
e2e_begin replicator_names

ip link set lo up
echo "127.0.0.2 collector.test" >"$TMP/hosts"
echo "hosts: files dns" >"$TMP/nsswitch.conf"
printf 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n' >"$TMP/resolv.conf"
for file in hosts nsswitch.conf resolv.conf; do
	# A file that is a link to nowhere here cannot be covered.
	if ! [ -f "/etc/$file" ] || ! mount --bind "$TMP/$file" "/etc/$file" 2>"$TMP/mount.log"; then
		e2e_skip "/etc/$file cannot be replaced: $(cat "$TMP/mount.log" 2>/dev/null)"
	fi
done
[ "$(getent ahosts collector.test | awk 'NR == 1 { print $1 }')" = 127.0.0.2 ] ||
	e2e_skip "names are not looked up in /etc/hosts"

received() { # NUMBER
	[ "$(stat_value "$TMP/tee.tsv" received_datagrams)" = "$1" ] 2>/dev/null
}
datagram() {
	printf x >/dev/udp/127.0.0.1/2055
}
logged() { # NUMBER TEXT
	[ "$(grep -c "$2" "$TMP/tee.log")" -ge "$1" ]
}
sent_to() { # ADDRESS
	stat_value "$TMP/tee.tsv" "receiver_sent{receiver=\"$1:3000\",pool=\"0.0.0.0\"}"
}

# Who takes questions and never answers.
must start_daemon resolver 53 "$REPLICATOR" -p 53 127.0.0.1/9
echo "0.0.0.0: collector.test/3000" >"$TMP/receivers"
must start_daemon tee 2055 "$REPLICATOR" -p 2055 -c "$TMP/receivers" --workers 2 --stats "$TMP/tee.tsv"
datagram
check "one datagram" wait_for 5 received 1
check_equal "to the address of the name" 1 "$(sent_to 127.0.0.2)"

echo "127.0.0.3 collector.test" >"$TMP/hosts"
kill -HUP "${PID[tee]}"
check "a reload" wait_for 5 logged 1 'reload: 1 receivers'
datagram
check "two datagrams" wait_for 5 received 2
check_equal "follows the name" 1 "$(sent_to 127.0.0.3)"

: >"$TMP/hosts"
start=$(date +%s%N)
kill -HUP "${PID[tee]}"
for ((i = 0; i < 20; i++)); do
	datagram
	sleep .02
done
check "nothing waits for the resolver" wait_for 5 received 22
asked=$(grep -c 'reload: 1 receivers' "$TMP/tee.log")
during=$(date +%s%N)
# It is given two seconds to answer.
if [ $(((during - start) / 1000000)) -lt 1900 ]; then
	check "which is asked still" test "$asked" -eq 1
else
	echo "     which is asked still: not known, this machine is too busy"
fi
check "the name that cannot be looked up keeps its address" \
	wait_for 10 logged 1 'name: "collector.test": cannot be looked up now, stays 127.0.0.3'
check "and the reload is one" wait_for 5 logged 2 'reload: 1 receivers'
end=$(date +%s%N)
check_equal "told once, however many workers" 1 "$(grep -c 'cannot be looked up now' "$TMP/tee.log")"
check_equal "21 datagrams to it" 21 "$(sent_to 127.0.0.3)"
echo "     the lookup took $(((end - start) / 1000000)) ms, the datagrams had arrived after $(((during - start) / 1000000)) ms"

# Looked up again without being asked.  Files are not: what is half written stays there.
stop_daemon tee
echo "127.0.0.2 collector.test" >"$TMP/hosts"
echo "0.0.0.0: collector.test/3000" >"$TMP/receivers"
must start_daemon tee 2055 "$REPLICATOR" -p 2055 -c "$TMP/receivers" --workers 2 --stats "$TMP/tee.tsv" \
	--names-refresh 1
datagram
check "a second life: one datagram" wait_for 5 received 1
echo "0.0.0.0: somebody" >"$TMP/receivers"
echo "127.0.0.4 collector.test" >"$TMP/hosts"
check "a name that moved is followed" wait_for 5 logged 1 'name "collector.test": was 127.0.0.2, is 127.0.0.4 now'
check "the receivers are others" wait_for 5 logged 1 'names: 1 receivers'
datagram
check "another datagram" wait_for 5 received 2
check_equal "to the new address" 1 "$(sent_to 127.0.0.4)"
check_equal "what the old one had is not forgotten" 1 "$(stat_value "$TMP/tee.tsv" 'receiver_sent{receiver="(removed)",pool="(removed)"}')"
# Of several addresses the one that it has stays, wherever it stands.
printf '127.0.0.5 collector.test\n127.0.0.4 collector.test\n' >"$TMP/hosts"
changed() { # NUMBER
	[ "$(stat_value "$TMP/tee.tsv" names_changed)" = "$1" ]
}
stale() { # NUMBER
	[ "$(stat_value "$TMP/tee.tsv" names_stale)" = "$1" ]
}
asked=$(date +%s%N)
asked_since() {	# two intervals: it was looked up once for sure
	[ $(($(date +%s%N) - asked)) -gt 2100000000 ]
}
wait_for 5 asked_since
check "of several addresses the one that it had stays" changed 1
echo "127.0.0.9 nobody.test" >"$TMP/hosts"
echo "hosts: files" >"$TMP/nsswitch.conf"
check "a name that is gone is counted" wait_for 10 stale 1
check "and told" logged 1 'name: "collector.test": cannot be looked up now, stays 127.0.0.4'
echo "127.0.0.4 collector.test" >"$TMP/hosts"
check "until it is back" wait_for 5 stale 0
check_equal "told once" 1 "$(grep -c 'cannot be looked up now' "$TMP/tee.log")"
check_equal "nothing of this was a reload" "0 0" "$(stat_value "$TMP/tee.tsv" reloads) $(stat_value "$TMP/tee.tsv" reloads_failed)"
echo "hosts: files dns" >"$TMP/nsswitch.conf"

# A new name that nobody knows is an error, and changes nothing; the end does not wait for a lookup.
echo "0.0.0.0: nobody.test/3000" >"$TMP/receivers"
kill -HUP "${PID[tee]}"
check "a new name that is not known" wait_for 10 logged 1 'the receivers stay as they were'
# A lookup that nobody would wait for: a process that is not gone after ten seconds is killed, and no order.
printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n' >"$TMP/resolv.conf"
kill -HUP "${PID[tee]}"
check "ends in order, in the middle of a lookup" stop_daemon tee
stop_daemon resolver

e2e_end

#!/usr/bin/env bash
# replicator_chaos.sh [SECONDS] [SEED] - under load a receiver is killed and
# started again at random: double entry holds for every receiver at every
# moment that is looked at, and the others get everything.  Without SECONDS it
# ends when the receiver was killed a few times.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_chaos
LENGTH=${1:-} SEED=${2:-1} RATE=10000
RANDOM=$SEED

IN=$(free_udp_port) ONE=$(free_udp_port) TWO=$(free_udp_port) VICTIM=$(free_udp_port)
replicator_scenario "${LENGTH:-60}" "$RATE" ipfix 8 "cycle: 64" >"$TMP/scenario.yaml"

for name in one two victim; do
	port=${name^^}
	start_collector "$name" "${!port}"
done
# The victim stands first, last, and alone in a pool of which a tenth is wanted.
cat >"$TMP/receivers" <<END
0.0.0.0: 127.0.0.1/$VICTIM 127.0.0.1/$ONE
0.0.0.0: 127.0.0.1/$TWO 127.0.0.1/$VICTIM
127.0.3.1: 127.0.0.1/$VICTIM
END
must start_daemon tee "$IN" "$REPLICATOR" -p "$IN" -c "$TMP/receivers" --workers 2 --stats "$TMP/tee.tsv"

"$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" --late 5000 >"$TMP/craft.tsv" 2>"$TMP/craft.log" &
PID[craft]=$!
kills=0 looks=0 wrong=0
while ! is_gone "${PID[craft]}"; do
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	if [ -n "${PID[victim]:-}" ]; then
		kill -9 "${PID[victim]}"
		wait "${PID[victim]}" 2>/dev/null
		unset 'PID[victim]'
		kills=$((kills + 1))
	else
		"$REPLICATOR" -p "$VICTIM" 127.0.0.1/9 2>/dev/null &
		PID[victim]=$!
	fi
	looks=$((looks + 1))
	adds_up "$TMP/tee.tsv" 5 || wrong=$((wrong + 1))
	[ -n "$LENGTH" ] || [ $kills -lt 8 ] || kill -INT "${PID[craft]}" 2>/dev/null
done
wait "${PID[craft]}"
status=$?
[ -z "$LENGTH" ] || check_equal "the generator kept its schedule" 0 $status
unset 'PID[craft]'
sent=$(stat_value "$TMP/craft.tsv" datagrams)
for port in $IN $ONE $TWO; do
	wait_udp_drained "$port"
done
for name in tee one two; do
	check "$name ends in order" stop_daemon "$name"
done
check "the victim was killed, $kills times" test "$kills" -ge 3
check_equal "every look at the counters added up ($looks)" 0 "$wrong"
check "and so does the last" adds_up "$TMP/tee.tsv" 5
unless_dropped "$(dropped tee)" "the tee received all" "$sent" "$(stat_value "$TMP/tee.tsv" received_datagrams)"
for name in one two; do
	port=${name^^}
	# Templates that it was told beside the datagrams arrive too.
	unless_dropped "$(dropped $name)" "receiver $name has all that came" "$(($(stat_value "$TMP/tee.tsv" received_datagrams) +
		$(stat_sum "$TMP/tee.tsv" "^receiver_told.receiver=\"127.0.0.1:${!port}\"")))" \
		"$(stat_value "$TMP/$name.tsv" received_datagrams)"
	check_equal "and was sent all that came" "$(stat_value "$TMP/tee.tsv" received_datagrams)" \
		"$(stat_sum "$TMP/tee.tsv" "^receiver_sent.receiver=\"127.0.0.1:${!port}\"")"
done
refused=$(stat_sum "$TMP/tee.tsv" "^receiver_(refused|icmp_errors).receiver=\"127.0.0.1:$VICTIM")
check "what the dead one did not get has a name" test "$refused" -gt 0
echo "     $sent datagrams, $kills kills, $refused refusals heard of"

e2e_end

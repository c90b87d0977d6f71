#!/usr/bin/env bash
# replicator_pmacct.sh - one configuration file, tags and all, for Debian's
# nfacctd as a tee and for replicator: every receiver counts the same.

# Functions are called by name.
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.sh
. "$HERE/lib.sh"
# shellcheck source=tests/e2e/replicator_parts.sh
. "$HERE/replicator_parts.sh"
e2e_begin replicator_pmacct
[ -x /usr/sbin/nfacctd ] || e2e_skip "Debian's pmacct is not installed"

IN=$(free_udp_port)
RECEIVERS=5
for ((i = 1; i <= RECEIVERS; i++)); do
	OUT[i]=$(free_udp_port)
done

# Routers 127.0.3.1 to .8; NetFlow v5 has no templates, which the two treat differently.
replicator_scenario 2 400 netflow5 8 >"$TMP/scenario.yaml"
cat >"$TMP/tags.map" <<END
! first full match wins
set_tag=10 ip=127.0.3.1
set_tag=11 ip=127.0.3.2
set_tag=20 ip=127.0.3.3 jeq=more
set_tag=30 ip=127.0.3.4
set_tag=99 ip=127.0.3.5 engine_id=200
set_tag=21 ip=127.0.3.3 label=more
END
cat >"$TMP/receivers.map" <<END
id=1 ip=127.0.0.1:${OUT[1]} tag=10-11
id=2 ip=127.0.0.1:${OUT[2]} tag=21,30
id=3 ip=127.0.0.1:${OUT[3]} tag=-10
id=4 ip=127.0.0.1:${OUT[4]},127.0.0.1:${OUT[5]} balance-alg=hash-tag
END
cat >"$TMP/tee.conf" <<END
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: $IN
nfacctd_pipe_size: 4194304
plugins: tee[all]
tee_receivers[all]: $TMP/receivers.map
pre_tag_map: $TMP/tags.map
END

all_quiet() { # what every receiver counted has not changed since the last look
	local now
	now=$(cat "$TMP"/receiver-*.tsv | awk -F'\t' '$1 == "received_datagrams" { print $2 }' | tr '\n' ' ')
	[ "$now" = "${before:-}" ] && return 0
	before=$now
	sleep 1.1	# the counters are written once a second
	return 1
}

# The counts of all receivers behind whoever listens on IN, in $counts.
run() {
	counts="" before=""
	for ((i = 1; i <= RECEIVERS; i++)); do
		start_collector "receiver-$i" "${OUT[i]}"
	done
	must "$PCAPGEN" craft --scenario "$TMP/scenario.yaml" --to "127.0.0.1:$IN" >"$TMP/craft.tsv"
	wait_for 10 all_quiet
	drops=$(udp_drops "$IN")
	for ((i = 1; i <= RECEIVERS; i++)); do
		stop_daemon "receiver-$i"
		counts+="$(stat_value "$TMP/receiver-$i.tsv" received_datagrams) "
		drops=$((drops + $(dropped "receiver-$i")))
	done
}

# Once more where the kernel dropped something before anybody saw it.
for ((try = 0; try < 3; try++)); do
	must start_daemon ours "$IN" "$REPLICATOR" --config "$TMP/tee.conf"
	run
	ours=$counts
	check "replicator ends in order" stop_daemon ours
	[ "$drops" -gt 0 ] || break
done
[ "$drops" -eq 0 ] || e2e_skip "the kernel dropped $drops buffers, three times: this machine is too busy"
# Two processes with a pipe between them may lose something on a busy machine: once more, then.
for ((try = 0; try < 3; try++)); do
	must peer_start tee "$IN" nfacctd "$TMP/tee.conf"
	run
	theirs=$counts
	peer_stop tee "$IN" 3
	[ "$theirs" != "$ours" ] || break
done
sent=$(stat_value "$TMP/craft.tsv" datagrams)
check "datagrams were sent" test "$sent" -ge 700
check_equal "every receiver counts what it counts behind pmacct's tee" "$theirs" "$ours"
# Of eight routers: two, two (jeq found 21), and all but the first.
check_equal "which is literally" "$((sent / 4)) $((sent / 4)) $((sent * 7 / 8))" "$(cut -d' ' -f1-3 <<<"$ours")"

e2e_end

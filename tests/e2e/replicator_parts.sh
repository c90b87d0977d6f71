# shellcheck shell=bash
# replicator_parts.sh - what the tests of replicator share; sourced behind lib.sh.

# Exporters from 127.0.3.1 on, for SECONDS at RATE datagrams a second, as a scenario on stdout.
replicator_scenario() { # SECONDS RATE PROTOCOL EXPORTERS [LINE-OF-YAML]
	cat <<-END
		seed: 1
		duration: ${1}s
		rate: $2 datagrams/s
		${5:-}
		exporters:
		  - { name: router, address: 127.0.3.1, protocol: $3, count: $4 }
		customers:
		  - { prefix: 10.0.0.0/16, as: 64496, interface: 10 }
		remotes:
		  - { prefix: 198.18.0.0/15, hosts: 1000, as: 64510, interface: 1, next_hop: 192.0.2.1 }
		applications:
		  - { proto: tcp, port: 443, weight: 1 }
		flows:
		  octets: { kind: lognormal, min: 64, max: 100M, median: 3000, sigma: 2 }
	END
}

# A collector is a replicator with a receiver that does not matter: it counts into $TMP/NAME.tsv.
start_collector() { # NAME PORT [OPTION...]
	must start_daemon "$1" "$2" "$REPLICATOR" -b 67108864 -p "$2" --stats "$TMP/$1.tsv" "${@:3}" 127.0.0.1/9
}

has_received() { # FILE NUMBER
	[ "$(stat_value "$1" received_datagrams)" -ge "$2" ] 2>/dev/null
}

# For every receiver, received is the sum of what became of it; there are at least so many.
adds_up() { # FILE RECEIVERS
	awk -F'\t' -v least="$2" '
		match($1, /^receiver_[a-z]+\{/) {
			what = substr($1, 10, RLENGTH - 10); who = substr($1, RLENGTH)
			if (what == "received") { in_[who] = $2; n++ }
			else if (what ~ /^(filtered|balanced|sampled|merged|unscaled|family|sent|spooled|eagain|emsgsize|refused|unreachable|other)$/)
				out[who] += $2
		}
		END { for (who in in_) if (in_[who] != out[who]) { print "     " who " " in_[who] " " out[who]; bad = 1 }
			exit bad || n < least }' "$1"
}

# What the kernel dropped at the sockets of programs of ours before they saw it.  Only root may have
# receive buffers beyond net.core.rmem_max, and a machine may be too busy for any: that is loss, told
# and counted, and not what is asked here.  What GRO joined is dropped and counted as one.
dropped() { # NAME...
	local name n=0
	for name; do
		n=$((n + $(stat_value "$TMP/$name.tsv" kernel_drops)))
	done
	echo "$n"
}

# As check_equal where nothing was dropped; else there is no more than there should be.
unless_dropped() { # DROPS NAME WANT GOT
	if [ "$1" -eq 0 ]; then
		check_equal "$2" "$3" "$4"
	else
		echo "     $2: $4 of $3, the kernel dropped $1 buffers"
		check "$2: no more than that" test "$4" -le "$3"
	fi
}

# Datagrams that a replicator has received up to this moment; its files are written once a second.
received_now() { # CONTROL-SOCKET
	"$REPLICATOR" --top --control "$1" 2>/dev/null | sed -n 's/^received .*, \([0-9]*\) in all;.*/\1/p'
}

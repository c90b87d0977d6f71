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

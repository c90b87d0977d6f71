#!/usr/bin/env bash
# TLS to the database: a CA of our own, a server with a certificate of it, a client
# with one; a certificate that does not fit is refused, and nothing ever goes in
# clear text when TLS was asked for.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin tls
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
command -v openssl >/dev/null || e2e_skip "no openssl"

# ---- certificates -----------------------------------------------------------------
new_ca() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$TMP/$1.key" -out "$TMP/$1.pem" 2>/dev/null
}
new_cert() { # NAME CA SUBJECT NAMES
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" \
		-keyout "$TMP/$1.key" -out "$TMP/$1.csr" 2>/dev/null
	printf 'subjectAltName=%s\n' "$4" >"$TMP/$1.ext"
	openssl x509 -req -in "$TMP/$1.csr" -CA "$TMP/$2.pem" -CAkey "$TMP/$2.key" -CAcreateserial -days 2 \
		-extfile "$TMP/$1.ext" -out "$TMP/$1.pem" 2>/dev/null
}
must new_ca ours
must new_ca strange
must new_cert here ours 127.0.0.1 IP:127.0.0.1,DNS:localhost
must new_cert elsewhere ours db.example.net DNS:db.example.net
must new_cert client ours pmacct DNS:nfacctd
must new_cert stranger strange pmacct DNS:nfacctd

free_tcp_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		grep -q "$(printf ':%04X' "$port") " /proc/net/tcp || break
	done
	echo "$port"
}

config() { # TYPE PORT KEYS
	cat <<END
plugins: $1
aggregate: src_host
sql_host: 127.0.0.1
sql_port: $2
sql_user: pm
sql_passwd: secret
sql_db: tls
sql_refresh_time: 60
sql_history: 1h
sql_history_roundoff: h
$3
END
}
try() { # NAME TYPE KEYS: status in $status, log in $TMP/said
	config "$2" "$dbport" "$3" >"$TMP/n.conf"
	"$NFACCTD" -f "$TMP/n.conf" --check >"$TMP/said" 2>&1
	status=$?
	# What verify reads over the same kind of connection: nothing was sent, no row is there.
	"$PCAPGEN" verify --truth "$TMP/nothing.tsv" --conf "$TMP/n.conf" >"$TMP/verify" 2>&1
	read_status=$?
}
must "$PCAPGEN" craft --scenario "$ROOT/conf/scenario-protocols.yaml" --write "$TMP/x.pcap" --truth "$TMP/x.tsv" >/dev/null 2>&1
head -n 1 "$TMP/x.tsv" >"$TMP/nothing.tsv"
goes() { # NAME TYPE KEYS
	try "$@"
	check "$2: $1: goes" test "$status" -eq 0 || cat "$TMP/said"
	check "$2: $1: for verify, too" test "$read_status" -eq 0 || cat "$TMP/verify"
}
refused() { # NAME TYPE KEYS WORDS
	try "$@"
	check "$2: $1: refused" test "$status" -eq 2 || cat "$TMP/said"
	check "$2: $1: says why" grep -qiE "$4" "$TMP/said" || cat "$TMP/said"
	[ -n "${5:-}" ] || check "$2: $1: to verify, too" test "$read_status" -eq 3 || cat "$TMP/verify"
}
ca="sql_conn_ca_file: $TMP/ours.pem"
cert="sql_conn_cert_file: $TMP/client.pem
sql_conn_key_file: $TMP/client.key"

# What holds for both databases.
same_for() { # TYPE
	goes "certificate fits" "$1" "$ca"
	goes "and so does ours" "$1" "$ca
$cert"
	refused "a CA that did not make it" "$1" "sql_conn_ca_file: $TMP/strange.pem" "certificate"
	goes "the same, unchecked" "$1" "sql_conn_ca_file: $TMP/strange.pem
sql_conn_verify: false"
	refused "a CA file that is not there" "$1" "sql_conn_ca_file: $TMP/nowhere.pem" "nowhere|no such file"
	refused "our certificate of another CA" "$1" "$ca
sql_conn_cert_file: $TMP/stranger.pem
sql_conn_key_file: $TMP/stranger.key" "cannot connect as .*(TLS|SSL|lost connection|gone away)"
	refused "a key without its certificate" "$1" "$ca
sql_conn_key_file: $TMP/client.key" "sql_conn_cert_file and sql_conn_key_file need each other" "the collector's to say"
	refused "a certificate without a CA" "$1" "$cert" "needs sql_conn_ca_file" "the collector's to say"
}
other_name() { # TYPE
	refused "the certificate of another host" "$1" "$ca" "host|Validation of SSL server certificate failed"
	goes "the same, unchecked" "$1" "$ca
sql_conn_verify: false"
}
no_tls() { # TYPE
	goes "clear text, when nothing else was asked" "$1" ""
	refused "a server without TLS" "$1" "$ca" "TLS|SSL"
	refused "the same, unchecked" "$1" "$ca
sql_conn_verify: false" "TLS|SSL"
}

# ---- MariaDB ------------------------------------------------------------------------
mariadb_tls() { # [OPTION...]
	dbport=$(free_tcp_port)
	mariadb_start --skip-networking=0 --port="$dbport" --bind-address=127.0.0.1 "$@"
}
server() { # CERTIFICATE
	printf '%s\n' "--ssl-ca=$TMP/ours.pem" "--ssl-cert=$TMP/$1.pem" "--ssl-key=$TMP/$1.key"
}
mapfile -t here < <(server here)
mapfile -t elsewhere < <(server elsewhere)
mariadb_tls "${here[@]}"
sql "create database tls; create user pm@'127.0.0.1' identified by 'secret';
	create user x509@'127.0.0.1' identified by 'secret' require x509;
	grant select, insert, update on tls.* to pm@'127.0.0.1', x509@'127.0.0.1'"
sql_file tls "$ROOT/sql/pmacct-create-table_v1.mysql"
sql_file tls "$ROOT/sql/flow_ledger.mysql"
same_for mysql
goes "a user who must show a certificate, with it" mysql "$ca
$cert
sql_user: x509"
refused "and without" mysql "$ca
sql_user: x509" "Access denied"
mariadb_stop
mariadb_tls "${elsewhere[@]}"
other_name mysql
mariadb_stop
mariadb_tls --skip-ssl
no_tls mysql
mariadb_stop

# ---- PostgreSQL -----------------------------------------------------------------------
if pgsql_find; then
	pgsql_tls() { # [CERTIFICATE]
		local tls=(-c ssl=off)
		dbport=$(free_tcp_port)
		PG_PORT=$dbport	# of the socket, too
		if [ -n "${1:-}" ]; then
			mkdir -p "$TMP/pgtls"
			cp "$TMP/ours.pem" "$TMP/$1.pem" "$TMP/$1.key" "$TMP/pgtls/"
			chmod 755 "$TMP/pgtls"
			chmod 600 "$TMP/pgtls/$1.key"
			[ "$(id -u)" -ne 0 ] || chown -R nobody "$TMP/pgtls"
			tls=(-c ssl=on -c ssl_ca_file="$TMP/pgtls/ours.pem"
				-c ssl_cert_file="$TMP/pgtls/$1.pem" -c ssl_key_file="$TMP/pgtls/$1.key")
		fi
		pgsql_start -c listen_addresses=127.0.0.1 -c port="$dbport" "${tls[@]}"
	}
	chmod 711 "$TMP"
	pgsql_tls here
	pg postgres "create user pm password 'secret'"
	pg postgres "create user x509 password 'secret'"
	pg postgres "create database tls"
	sed 's/TO pmacct/TO pm, x509/' "$ROOT/sql/pmacct-create-table_v1.pgsql" >"$TMP/t.sql"
	pg_file tls "$TMP/t.sql"
	sed 's/TO pmacct/TO pm, x509/' "$ROOT/sql/flow_ledger.pgsql" >"$TMP/t.sql"
	pg_file tls "$TMP/t.sql"
	printf 'local all all trust\nhostssl all x509 all password clientcert=verify-ca\nhost all all all password\n' \
		>"$TMP/hba"
	cat "$TMP/hba" >"$PG_HOST/data/pg_hba.conf"
	pg postgres "select pg_reload_conf()" >/dev/null
	same_for pgsql
	goes "a user who must show a certificate, with it" pgsql "$ca
$cert
sql_user: x509"
	refused "and without" pgsql "$ca
sql_user: x509" "certificate"
	pgsql_stop
	pgsql_tls elsewhere
	other_name pgsql
	pgsql_stop
	pgsql_tls
	no_tls pgsql
	refused "TLS over a UNIX socket" pgsql "$ca
sql_host: $PG_HOST" "does not speak over a UNIX socket"
	pgsql_stop
else
	echo "tls: no PostgreSQL server here: MariaDB alone"
fi
e2e_end

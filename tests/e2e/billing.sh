#!/usr/bin/env bash
# The billing views: literal rows in, literal bills out.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_begin billing
command -v mariadbd >/dev/null || e2e_skip "no mariadbd"
# shellcheck disable=SC2119 # its arguments are the server's
mariadb_start

load() { # DATABASE TABLES USAGE
	sql "create database $1"
	sed -e "/^CREATE DATABASE/d; /^USE /d" "$ROOT/sql/$2.mysql" >"$TMP/tables.sql"
	check "$1: tables" sql_file "$1" "$TMP/tables.sql"
	check "$1: what is billed" sql_file "$1" "$ROOT/sql/billing-usage-$3.mysql"
	check "$1: the views" sql_file "$1" "$ROOT/sql/billing.mysql"
	sql "insert into $1.billing_customers values ('ACME', '192.0.2.0', '192.0.2.127'),
		('ACME', '2001:db8::', '2001:db8::ffff'), ('Beta', '192.0.2.128', '192.0.2.255'),
		('Quiet', '198.51.100.7', '198.51.100.7')"
}

load pairs pmacct-create-table_v1 pairs
pair() { # SRC DST BYTES PACKETS STAMP
	echo "('0:0:0:0:0:0','0:0:0:0:0:0','$1','$2',0,0,'0',$4,$3,'$5',NULL)"
}
insert() { # ROW...
	local IFS=,
	sql "insert into pairs.acct values $*"
}
# January: to ACME over both families, from it, between the two, and to nobody's address.
insert "$(pair 203.0.113.1 192.0.2.1 1000 10 '2026-01-01 00:00:00')" \
	"$(pair 203.0.113.1 2001:db8::5 500 5 '2026-01-31 23:55:00')" \
	"$(pair 192.0.2.127 203.0.113.1 70 7 '2026-01-15 12:00:00')" \
	"$(pair 192.0.2.1 192.0.2.128 9 1 '2026-01-15 12:05:00')" \
	"$(pair 203.0.113.1 203.0.113.2 4 1 '2026-01-15 12:05:00')" \
	"$(pair 203.0.113.1 192.0.2.1 1 1 '2026-02-01 00:00:00')"
check_equal "volume a customer and month, in and out apart" "ACME 2026-01 1500 79 15 8
ACME 2026-02 1 0 1 0
Beta 2026-01 9 0 1 0" "$(sql "select concat_ws(' ', customer, month, bytes_in, bytes_out, packets_in, packets_out)
	from pairs.billing_month order by customer, month")"
# in: 1000 + 500 + 9 billed, 4 to 203.0.113.2 and 70 to .1 not; out: 79 billed, 1000 + 500 + 4 not
check_equal "and what nobody is billed for" "in 74
out 1504" "$(sql "select concat_ws(' ', direction, bytes) from pairs.billing_unclaimed where month = '2026-01'
	order by direction")"
check_equal "nobody claims the same address" 0 "$(sql 'select count(*) from pairs.billing_overlaps')"
refused() { # STATEMENT
	sql "$1" 2>&1 | grep -q 'another entry has some of these addresses'
}
check "who would is refused" refused "insert into pairs.billing_customers values ('Gamma', '192.0.2.100', '192.0.2.140')"
check "one address, too" refused "insert into pairs.billing_customers values ('Gamma', '192.0.2.127', '192.0.2.127')"
check "a change, too" refused "update pairs.billing_customers set last_address = '192.0.2.128'
	where first_address = '192.0.2.0'"
check "another name is no other address" sql "update pairs.billing_customers set customer = 'Calm' where customer = 'Quiet'"
sql "update pairs.billing_customers set customer = 'Quiet' where customer = 'Calm';
	drop trigger pairs.billing_customers_insert;
	insert into pairs.billing_customers values ('Gamma', '192.0.2.100', '192.0.2.140')"
check_equal "who came past that is shown" "ACME Gamma
Beta Gamma" "$(sql "select concat_ws(' ', least(customer, other_customer), greatest(customer, other_customer))
	from pairs.billing_overlaps order by 1")"
check "a range from high to low is refused" test -n \
	"$(sql "insert into pairs.billing_customers values ('X', '10.0.0.9', '10.0.0.1')" 2>&1)"

# Stamps 300 s apart, at the least, are not of bins of 200 s; they may be of bins of 300 s.
check_equal "bins as long as the settings say" "" "$(sql 'select * from pairs.billing_wrong_bins')"
sql "update pairs.billing_settings set bin_seconds = 200"
check_equal "bins longer than that are shown" "200 300" \
	"$(sql 'select bin_seconds, apart from pairs.billing_wrong_bins' | tr '\t' ' ')"

# 95th percentile.  January 2026 has 31 * 288 = 8928 bins of 5 minutes; 446 are struck off.
load rate mx80-in-out in-out
check_equal "no traffic yet" 0 "$(sql 'select count(*) from rate.billing_p95')"
fill() { # TABLE COLUMN ADDRESS BINS BYTES: bin number i holds BYTES * (i + 1), from January's start
	sql "insert into rate.$1 (agent_id, class_id, mac_src, mac_dst, vlan, iface_in, iface_out, ip_src, ip_dst,
		src_port, dst_port, ip_proto, tos, packets, bytes, flows, stamp_inserted)
		select 0, 'unknown', '', '', 0, 0, 0, if('$2' = 'ip_src', '$3', '0.0.0.0'),
		if('$2' = 'ip_dst', '$3', '0.0.0.0'), 0, 0, '0', 0, 1, $5 * (seq + 1), 0,
		'2026-01-01' + interval seq * 300 second from rate.numbers where seq < $4"
}
sql "create table rate.numbers (seq int primary key)"
sql "set max_recursive_iterations = 10000; insert into rate.numbers with recursive n as (select 0 as seq union all select seq + 1 from n where seq < 8927)
	select seq from n"
# Every bin in: the 447th from the top of 1..8928 is 8482; 8482 * 375000 bytes * 8 / 300 s.
fill mx80_INTL_in ip_dst 192.0.2.1 8928 375000
# Out in 447 bins only: the lowest of them, 375000 bytes in 300 s, is what is left.
fill mx80_INTL_out ip_src 192.0.2.1 447 375000
# In 446 bins: all are struck off, and 0 is left.
fill mx80_INTL_in ip_dst 192.0.2.200 446 1000000
check_equal "95th percentile: in, out, the higher" "ACME 84820000 10000 84820000
Beta 0 0 0" "$(sql "select concat_ws(' ', customer, p95_in_bps, p95_out_bps, p95_bps) from rate.billing_p95
	where month = '2026-01' order by customer")"
# In: 375000 * 8928 * 8929 / 2 = 14947146000000 bytes; out: 375000 * 447 * 448 / 2 = 37548000000;
# together 14984.694 GB, less 100 GB, begun: 14885 * 0.02.  85 Mbit/s begun, 1.50 each.
check_equal "an invoice" "ACME 2026-01 14947146000000 37548000000 84820000 297.70 127.50" "$(
	{ echo "set @month = '2026-01';" && cat "$ROOT/sql/billing-invoice.mysql"; } |
		mariadb --no-defaults -S "$DB_SOCKET" -uroot -N -B rate | grep ACME | tr '\t' ' '
)"
mariadb_stop
e2e_end

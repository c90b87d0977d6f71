/*
 * settings_roff.c - what the manual pages say about keys, from the one table of
 * them: the key list of nfacctd.conf(5) and the page nfacctd-compat(7).  A test
 * compares both with the pages.
 */
#include <string.h>
#include "nfacctd/settings.h"

/* ---- nfacctd.conf(5) ---- */

static const char first_own[] = "nfacctd_time_limit";

static const char *type_text(const struct conf_key *k)
{
	static const char *const text[] = {
		[CONF_BOOL] = "true or false", [CONF_U32] = "number", [CONF_U64] = "number",
		[CONF_STRING] = "text",	       [CONF_CUSTOM] = "",    [CONF_ACCEPTED] = "",
	};

	return text[k->type];
}

/* A backslash of the text is one on the page. */
static void print_roff_text(FILE *to, const char *text)
{
	for (; *text; text++)
		fputs(*text == '\\' ? "\\e" : (const char[]){ *text, '\0' }, to);
}

static void print_key(FILE *to, const struct conf_key *k)
{
	bool open = false;

	fprintf(to, ".TP\n.B %s\n", k->name);
	if (*type_text(k)) {
		fprintf(to, "(%s", type_text(k));
		open = true;
	}
	if (k->fallback && *k->fallback) {
		fprintf(to, "%sdefault \\fI%s\\fP", open ? "; " : "(", k->fallback);
		open = true;
	}
	if (k->scope == CONF_GLOBAL) {
		fprintf(to, "%sglobal", open ? "; " : "(");
		open = true;
	}
	fputs(open ? ")\n" : "", to);
	print_roff_text(to, k->help);
	fputs(".\n", to);
	if (k->aliases)
		fprintf(to, "Also \\fI%s\\fP.\n", k->aliases);
}

static void print_accepted(FILE *to)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		const struct conf_key *k = &settings_keys[i];

		if (k->type == CONF_ACCEPTED)
			fprintf(to, ".TP\n.B %s%s%s\n%s.\n", k->name, k->aliases ? ", " : "",
				k->aliases ? k->aliases : "", k->help);
	}
}

void settings_print_roff(FILE *to)
{
	bool own = false;

	fputs(".SS Keys of pmacct\n", to);
	for (size_t i = 0; i < settings_nkeys; i++) {
		if (strcmp(settings_keys[i].name, first_own) == 0) {
			fputs(".SS Keys of ours\n", to);
			own = true;
		}
		if (settings_keys[i].type != CONF_ACCEPTED)
			print_key(to, &settings_keys[i]);
	}
	fputs(own ? ".SS Keys that are known and have no effect\nOne notice each.\n" : "", to);
	print_accepted(to);
}

/* ---- nfacctd-compat(7) ---- */

/* Keys of pmacct whose effect is another one here, on purpose: collector.md 14. */
static const struct {
	const char *key, *text;
} different[] = {
	{ "aggregate", "an unknown primitive ends the start; sum_net counts both ends; ip_proto "
		       "names that a column "
		       "cannot hold are written as numbers" },
	{ "daemonize",
	  "detaches after everything that can fail was tried, so the exit status tells the truth" },
	{ "nfacctd_disable_checks",
	  "gaps are counted in any case; the key is about log lines only" },
	{ "nfacctd_ext_sampling_rate",
	  "nfacctd_ext_sampling_rate_mode: default lets exporters speak first" },
	{ "nfacctd_pro_rating", "sums stay exact" },
	{ "nfacctd_renormalize",
	  "an interval of 0 or none never multiplies, and such records are counted; ratios are "
	  "kept as fractions" },
	{ "nfacctd_templates_file",
	  "samplers and clocks are kept, too; a format of its own, and a file of pmacct's is "
	  "left alone" },
	{ "nfacctd_time_new",
	  "the arrival at the socket counts, not the moment a plugin handles the record" },
	{ "networks_file", "a missing file ends the start; lines that cannot be used are named; "
			   "IPv6 prefixes work" },
	{ "networks_file_filter", "absent: decided by what the plugin aggregates and whether "
				  "nfacctd_net or nfacctd_as ask for a file, and logged; IPv6 "
				  "addresses outside become ::, which 1.7.7 leaves as they are" },
	{ "protos_file", "in effect; 1.7.7 does not know it" },
	{ "tos_file", "in effect; 1.7.7 does not know it" },
	{ "tos_encode_as_dscp", "in effect; 1.7.7 does not know it" },
	{ "pidfile", "one process, so one file; locked" },
	{ "plugins", "kafka, amqp and tee are not known, and left out; a second plugin of a name, too" },
	{ "pre_tag_label_filter", "labels are compared whole" },
	{ "pre_tag_map", "return=true is refused" },
	{ "print_history_roundoff", "w: Mondays, whatever the day of the start" },
	{ "sql_dont_try_update", "a row that is there is added to, not dropped" },
	{ "sql_history", "bins are half-open; flows on an edge are in the bin they start" },
	{ "sql_history_roundoff", "w: Mondays, whatever the day of the start" },
	{ "sql_multi_values", "one bad row costs that row only" },
	{ "sql_preprocess", "plugin print knows all of it (1.7.7's: lower bounds and qnum alone), and where it "
			    "leaves no row there is no file (1.7.7: the head)" },
	{ "sql_table", "the table is compared with what will be written, at start" },
};

static const char *difference(const char *key)
{
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		if (strcmp(different[i].key, key) == 0)
			return different[i].text;
	return NULL;
}

enum { EQUAL, DIFFERENT, ACCEPTED, LATER_ON, STANDS };

static int standing(const struct conf_key *k)
{
	if (k->type == CONF_ACCEPTED)
		return strstr(k->help, "not in this version") ? LATER_ON : ACCEPTED;
	return difference(k->name) ? DIFFERENT : EQUAL;
}

static void print_names(FILE *to, const struct conf_key *k)
{
	fprintf(to, ".B %s\n", k->name);
	if (k->aliases)
		fprintf(to, "(%s)\n", k->aliases);
}

static void print_standing(FILE *to, int which)
{
	for (size_t i = 0; i < settings_nkeys && strcmp(settings_keys[i].name, first_own) != 0;
	     i++) {
		const struct conf_key *k = &settings_keys[i];

		if (standing(k) != which)
			continue;
		fputs(which == EQUAL ? ".br\n" : ".TP\n", to);
		print_names(to, k);
		if (which == DIFFERENT)
			fprintf(to, ".br\n%s.\n", difference(k->name));
		else if (which == ACCEPTED)
			fprintf(to, ".br\n%s.\n", k->help);
	}
}

/* Primitives whose values differ from those of 1.7.7 on purpose. */
static const struct {
	const char *name, *text;
} values[] = {
	{ "class", "always unknown" },
	{ "fw_event", "firewallEvent (IE 233, or 40005 of Cisco's ASA); in 1.7.7 nat_event's value" },
	{ "in_iface, out_iface", "numbers of any length; of sFlow the index alone, 0 for \"several\" "
				 "and \"dropped\"" },
	{ "mpls_vpn_rd", "the VRF's ID where there is one, as vrfid:7 (IE 234 or, when flowDirection says "
			 "egress, 235; else the other one), of any length (1.7.7: of four octets); else "
			 "IE 90" },
	{ "mpls_pw_id, sampling_direction, nat_event", "Elements of any length are read; a direction "
						       "that sFlow does not say is u; JSON has "
						       "mpls_pw_id (1.7.7 ends by a signal)" },
	{ "peer_dst_ip", "a BGP next hop of zeros is none, so use_ip_next_hop gives the "
			 "other; NetFlow v5 has one, too, where use_ip_next_hop or networks_file says it; "
			 "::ffff:192.0.2.1 is 192.0.2.1; that of an IPv4 flow may be IPv6 (1.7.7: "
			 "nothing)" },
	{ "proto", "numbers without a name are numbers; the client of 1.7.7 prints what the memory held" },
	{ "src_net, dst_net", "of an address that nobody named 0.0.0.0 (1.7.7: in some records ::)" },
	{ "sum_net", "both ends count" },
	{ "tos, tunnel_tos", "sFlow: the whole traffic class of IPv6" },
	{ "tcpflags", "sFlow: those of samples in IPv4 and IPv6 form, too; NetFlow v5: those that an "
		      "exporter sets for other protocols than TCP (1.7.7: 0)" },
	{ "vlan", "sFlow: 0 where a switch says \"unknown\" (65535 in 1.7.7), and where the packet came "
		  "in without (1.7.7: the VLAN on its way out); NetFlow and "
		  "IPFIX: IE 58 of egress records, too (1.7.7: IE 59 there, 0 without)" },
	{ "vxlan", "IE 351: the last three octets (1.7.7 reads one too far); sFlow: the VNI" },
	{ "src_port, dst_port", "NetFlow v1, v5, v7: those of SCTP, too; as in 1.7.7 ICMP has none of its "
				"source, and other protocols have none" },
	{ "in_vlan, out_vlan, flow_label, fwd_status", "not in 1.7.7" },
};

/*
 * Where rows differ, or 1.7.7 has none to compare, beside what keys and primitives say above:
 * what tests/e2e/random_configs.sh keeps away from, "law:" there.
 */
static const struct {
	const char *about, *text;
} laws[] = {
	{ "jeq", "next in the last rule of a map is without effect; 1.7.7 goes round for ever, and "
		 "some maps with jumps end it by a signal" },
	{ "rules of maps", "a rule sets several things, and needs no ip=; src_as= and dst_as= are "
			   "the exporter's, whatever nfacctd_as says; bgp_nexthop= and nexthop= "
			   "compare IPv6, too; a key that does not fit the protocol is not passed "
			   "over" },
	{ "aggregate_filter, filter=", "labels of MPLS are in front of IP only where the expression "
				       "says mpls (1.7.7: always, unused ones too, so that ip and net "
				       "match no record of such a template), the VLAN tag of NetFlow "
				       "and IPFIX where it says vlan (1.7.7: always from VLAN 256 on, "
				       "never below); that of IE 243 is seen" },
	{ "sampling_map", "one that multiplies leaves labels and tags alone (1.7.7: no label is left, and "
			  "in sfacctd no tag)" },
	{ "networks_file", "an empty file matches nothing, with and without filter; longest leaves the "
			   "exporter's AS number where the file has no match (1.7.7: 0 if its mask is 0); "
			   "a next hop may "
			   "be of the other family; longest takes next hops of the file for all "
			   "primitives" },
	{ "nfacctd_net", "mask needs no primitive src_mask or dst_mask for the nets to be masked; file and "
			 "longest no primitive of the destination for peer_dst_ip" },
	{ "sampling_rate", "with nfacctd_ext_sampling_rate that rate, or 1 once it was multiplied "
			   "in" },
	{ "samplers", "an interval by size and population (IE 309, 310), by probability (311), or "
		      "without its space (305 without 306) is one; a record that names no sampler takes its "
		      "domain's only one, whatever its scope; Set IDs of NetFlow v9 mean nothing in IPFIX" },
	{ "nfacctd_as: longest", "compares with the exporter's mask under nfacctd_net: file, too (1.7.7: the file "
				 "always wins there); an AS number with a mask of 0 and no entry stays (1.7.7: 0)" },
	{ "times", "v5 headers count to the nanosecond; nfacctd_time_secs and timestamp_* of "
		   "uptimes to the millisecond; timestamp_arrival of a capture is the capture's" },
	{ "bins of months", "are written when they are over, too" },
	{ "bins without round-off", "count from the start, here the first datagram's of a capture" },
	{ "sFlow", "a packet is 1.7.7's for labels, Ethernet types and ICMP, too; interval by the "
		   "pool: sfacctd gives each plugin another one" },
	{ "print", "formatted rows have labels; an address that nobody named is 0.0.0.0 there, and "
		   "nothing in csv and JSON, as one of zeros is; purges of a capture by its own clock, "
		   "several times where it is long" },
	{ "memory", "a sum of AS 0 and a key that is all zeros are rows; -n all ends behind the "
		    "number of entries; JSON names sums; an address that nobody named is 0.0.0.0; questions "
		    "find rows of all primitives, and sums of IPv6 hosts, and no row is there that nobody "
		    "sent; numbers of aggregate_primitives are whole, not their lower 32 bits" },
	{ "aggregate_primitives", "values of every length are read, and an Element may be named "
				  "twice" },
	{ "captures", "of NetFlow v1, v7, v8, of v5 with octets behind, of biflows, of NSEL, of "
		      "v9 with a wrong count and of packets in records count in full" },
};

static void print_primitives(FILE *to)
{
	fputs(".SH PRIMITIVES\nEach word that 1.7.7 knows in\n.I aggregate\nis known.\n"
	      "Tunnel primitives are of sFlow; those of Elements of NetFlow v9 and IPFIX.\n"
	      "Different on purpose:\n", to);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		fprintf(to, ".TP\n.B %s\n%s.\n", values[i].name, values[i].text);
	fputs(".PP\nNot in this version, and an error that says so:\n", to);
	for (size_t i = 0; i < nlater_words; i++)
		fprintf(to, "%s%s", later_words[i].word, i + 1 < nlater_words ? ",\n" : ".\n");
}

static void print_laws(FILE *to)
{
	fputs(".SH \"WHERE ROWS DIFFER\"\nBeside the above, found by comparing random "
	      "configurations with 1.7.7.\n", to);
	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++)
		fprintf(to, ".TP\n.B %s\n%s.\n", laws[i].about, laws[i].text);
}

void settings_print_compat(FILE *to)
{
	static const char *const heads[STANDS] = {
		[EQUAL] = ".SH \"EQUAL\"\nThe same values, defaults and effect; what each one does "
			  "is in nfacctd.conf(5).\n",
		[DIFFERENT] = ".SH \"DIFFERENT ON PURPOSE\"\n",
		[ACCEPTED] = ".SH \"ACCEPTED, NOT NEEDED\"\nOne notice each; a name that ends in * "
			     "is all that begin so.\n",
		[LATER_ON] = ".SH \"ACCEPTED, LATER\"\nThe feature is missing in this version; one "
			     "notice each.\n",
	};

	fputs(".\\\" Made by: nfacctd --compat-roff\n"
	      ".TH NFACCTD-COMPAT 7 \"\" \"flowledger\" \"flowledger\"\n"
	      ".SH NAME\nnfacctd-compat \\- keys of pmacct's nfacctd and sfacctd, and what they "
	      "are here\n"
	      ".SH DESCRIPTION\nA configuration of pmacct's nfacctd or sfacctd is taken as it is.\n"
	      "Each key of pmacct 1.7.7 stands in one of the lists below, with its other spellings "
	      "in parentheses.\n",
	      to);
	for (int i = 0; i < STANDS; i++) {
		fputs(heads[i], to);
		print_standing(to, i);
	}
	print_primitives(to);
	print_laws(to);
	fputs(".SH \"SEE ALSO\"\n.BR nfacctd (8),\n.BR nfacctd.conf (5)\n", to);
}

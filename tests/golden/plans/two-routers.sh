# The lab two-routers by hand, as root. netlab needs neither root nor these programs:
# it says the same to the kernel over netlink, inside namespaces of its own.

# The fabric is the namespace in which the switches stand. Each switch is a bridge,
# which sends multicast to every port, as a cheap one does; it is silent in IPv6.
ip netns add fabric
ip netns exec fabric sysctl -w net.ipv6.conf.default.addr_gen_mode=1
ip netns exec fabric sysctl -e -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0
ip -n fabric link add name br-left address 02:4e:4c:dd:cf:58 type bridge mcast_snooping 0
ip -n fabric link set dev br-left up
ip -n fabric link add name br-between address 02:4e:4c:04:6b:0e type bridge mcast_snooping 0 ageing_time 0
ip -n fabric link set dev br-between up
ip -n fabric link add name br-right address 02:4e:4c:72:08:e5 type bridge mcast_snooping 0
ip -n fabric link set dev br-right up

# client: a host is a network namespace.
ip netns add client
ip -n client link set dev lo up
# Its cable is a veth pair: one end in the node, the other a port of the switch.
ip -n fabric link add name client address 02:4e:4c:bf:0b:2a type veth peer name eth0 address 02:4e:4c:8d:00:9d netns client
ip -n fabric link set dev client master br-left up
# The sender fills in checksums itself, so that a capture shows true ones; it hands down TCP's
# segments one at a time, not in bursts that depend on the moment.
ip netns exec client ethtool -K eth0 tx off
ip -n client link set dev eth0 gso_max_segs 1
# IPv6: a link-local address of the MAC; no router is asked for, and no address doubted.
ip netns exec client sysctl -e -w net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
ip -n client address add 10.1.0.10/24 brd + dev eth0 noprefixroute
ip -n client address add fd00:1::10/64 dev eth0 noprefixroute nodad
ip -n client link set dev eth0 up
# The address alone would bring this route; by hand it gets RFC 6298's minimum of one
# second before TCP sends again (Linux takes 0.2 s), which a slow script does not provoke.
ip -n client route add 10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.10 rto_min 1000ms
ip -n client -6 route add fd00:1::/64 dev eth0 proto kernel metric 256 rto_min 1000ms
ip -n client route add 10.9.0.0/30 via 10.1.0.1 dev eth0 proto static rto_min 1000ms
ip -n client route add 10.2.0.0/24 via 10.1.0.1 dev eth0 proto static rto_min 1000ms
ip -n client -6 route add fd00:9::/64 via fd00:1::1 dev eth0 proto static rto_min 1000ms
ip -n client -6 route add fd00:2::/64 via fd00:1::1 dev eth0 proto static rto_min 1000ms
# What the host has tuned, and timers that fire when the machine is slow, would alter a trace
# (-e passes over what an older kernel does not have).
ip netns exec client sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
# `ip netns exec` shows the files of /etc/netns/NAME in place of those of /etc.
mkdir -p /etc/netns/client
cat > /etc/netns/client/hosts <<'END'
127.0.0.1 localhost
::1 localhost
10.1.0.10 client
fd00:1::10 client
10.1.0.1 r1
fd00:1::1 r1
10.9.0.1 r1
fd00:9::1 r1
10.2.0.1 r2
fd00:2::1 r2
10.9.0.2 r2
fd00:9::2 r2
10.2.0.53 dns
fd00:2::53 dns
10.2.0.80 web
fd00:2::80 web
END
cat > /etc/netns/client/resolv.conf <<'END'
search lab.test
nameserver 10.2.0.53
options timeout:1 attempts:2
END

# r1: a host is a network namespace.
ip netns add r1
ip -n r1 link set dev lo up
ip -n fabric link add name r1 address 02:4e:4c:b8:1e:3c type veth peer name eth0 address 02:4e:4c:d5:24:18 netns r1
ip -n fabric link set dev r1 master br-left up
ip netns exec r1 ethtool -K eth0 tx off
ip -n r1 link set dev eth0 gso_max_segs 1
ip netns exec r1 sysctl -e -w net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
ip -n r1 address add 10.1.0.1/24 brd + dev eth0 noprefixroute
ip -n r1 address add fd00:1::1/64 dev eth0 noprefixroute nodad
ip -n r1 link set dev eth0 up
ip -n r1 route add 10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.1 rto_min 1000ms
ip -n r1 -6 route add fd00:1::/64 dev eth0 proto kernel metric 256 rto_min 1000ms
ip -n fabric link add name r1.1 address 02:4e:4c:39:65:8b type veth peer name eth1 address 02:4e:4c:46:2f:85 netns r1
ip -n fabric link set dev r1.1 master br-between up
ip netns exec r1 ethtool -K eth1 tx off
ip -n r1 link set dev eth1 gso_max_segs 1
ip netns exec r1 sysctl -e -w net.ipv6.conf.eth1.disable_ipv6=0 net.ipv6.conf.eth1.addr_gen_mode=0 net.ipv6.conf.eth1.accept_ra=0 net.ipv6.conf.eth1.router_solicitations=0 net.ipv6.conf.eth1.accept_dad=0 net.ipv6.conf.eth1.dad_transmits=0 net.ipv6.conf.eth1.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth1.delay_first_probe_time=60
ip -n r1 address add 10.9.0.1/30 brd + dev eth1 noprefixroute
ip -n r1 address add fd00:9::1/64 dev eth1 noprefixroute nodad
ip -n r1 link set dev eth1 up
ip -n r1 route add 10.9.0.0/30 dev eth1 proto kernel scope link src 10.9.0.1 rto_min 1000ms
ip -n r1 -6 route add fd00:9::/64 dev eth1 proto kernel metric 256 rto_min 1000ms
ip -n r1 route add 10.2.0.0/24 via 10.9.0.2 dev eth1 proto static rto_min 1000ms
ip -n r1 -6 route add fd00:2::/64 via fd00:9::2 dev eth1 proto static rto_min 1000ms
ip netns exec r1 sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=1 net.ipv4.icmp_ratelimit=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60 net.ipv4.conf.eth1.rp_filter=0 net.ipv4.neigh.eth1.delay_first_probe_time=60 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60 net.ipv6.conf.eth1.disable_ipv6=0 net.ipv6.conf.eth1.addr_gen_mode=0 net.ipv6.conf.eth1.accept_ra=0 net.ipv6.conf.eth1.router_solicitations=0 net.ipv6.conf.eth1.accept_dad=0 net.ipv6.conf.eth1.dad_transmits=0 net.ipv6.conf.eth1.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth1.delay_first_probe_time=60
mkdir -p /etc/netns/r1
cp /etc/netns/client/hosts /etc/netns/r1/
cp /etc/netns/client/resolv.conf /etc/netns/r1/

# r2: a host is a network namespace.
ip netns add r2
ip -n r2 link set dev lo up
ip -n fabric link add name r2 address 02:4e:4c:c6:f6:ec type veth peer name eth0 address 02:4e:4c:1c:fd:36 netns r2
ip -n fabric link set dev r2 master br-right up
ip netns exec r2 ethtool -K eth0 tx off
ip -n r2 link set dev eth0 gso_max_segs 1
ip netns exec r2 sysctl -e -w net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
ip -n r2 address add 10.2.0.1/24 brd + dev eth0 noprefixroute
ip -n r2 address add fd00:2::1/64 dev eth0 noprefixroute nodad
ip -n r2 link set dev eth0 up
ip -n r2 route add 10.2.0.0/24 dev eth0 proto kernel scope link src 10.2.0.1 rto_min 1000ms
ip -n r2 -6 route add fd00:2::/64 dev eth0 proto kernel metric 256 rto_min 1000ms
ip -n fabric link add name r2.1 address 02:4e:4c:2e:ea:c1 type veth peer name eth1 address 02:4e:4c:2f:19:46 netns r2
ip -n fabric link set dev r2.1 master br-between up
ip netns exec r2 ethtool -K eth1 tx off
ip -n r2 link set dev eth1 gso_max_segs 1
ip netns exec r2 sysctl -e -w net.ipv6.conf.eth1.disable_ipv6=0 net.ipv6.conf.eth1.addr_gen_mode=0 net.ipv6.conf.eth1.accept_ra=0 net.ipv6.conf.eth1.router_solicitations=0 net.ipv6.conf.eth1.accept_dad=0 net.ipv6.conf.eth1.dad_transmits=0 net.ipv6.conf.eth1.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth1.delay_first_probe_time=60
ip -n r2 address add 10.9.0.2/30 brd + dev eth1 noprefixroute
ip -n r2 address add fd00:9::2/64 dev eth1 noprefixroute nodad
ip -n r2 link set dev eth1 up
ip -n r2 route add 10.9.0.0/30 dev eth1 proto kernel scope link src 10.9.0.2 rto_min 1000ms
ip -n r2 -6 route add fd00:9::/64 dev eth1 proto kernel metric 256 rto_min 1000ms
ip -n r2 route add 10.1.0.0/24 via 10.9.0.1 dev eth1 proto static rto_min 1000ms
ip -n r2 -6 route add fd00:1::/64 via fd00:9::1 dev eth1 proto static rto_min 1000ms
ip netns exec r2 sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=1 net.ipv4.icmp_ratelimit=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60 net.ipv4.conf.eth1.rp_filter=0 net.ipv4.neigh.eth1.delay_first_probe_time=60 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60 net.ipv6.conf.eth1.disable_ipv6=0 net.ipv6.conf.eth1.addr_gen_mode=0 net.ipv6.conf.eth1.accept_ra=0 net.ipv6.conf.eth1.router_solicitations=0 net.ipv6.conf.eth1.accept_dad=0 net.ipv6.conf.eth1.dad_transmits=0 net.ipv6.conf.eth1.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth1.delay_first_probe_time=60
mkdir -p /etc/netns/r2
cp /etc/netns/client/hosts /etc/netns/r2/
cp /etc/netns/client/resolv.conf /etc/netns/r2/

# dns: a host is a network namespace.
ip netns add dns
ip -n dns link set dev lo up
ip -n fabric link add name dns address 02:4e:4c:ad:c5:68 type veth peer name eth0 address 02:4e:4c:5e:30:a2 netns dns
ip -n fabric link set dev dns master br-right up
ip netns exec dns ethtool -K eth0 tx off
ip -n dns link set dev eth0 gso_max_segs 1
ip netns exec dns sysctl -e -w net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
ip -n dns address add 10.2.0.53/24 brd + dev eth0 noprefixroute
ip -n dns address add fd00:2::53/64 dev eth0 noprefixroute nodad
ip -n dns link set dev eth0 up
ip -n dns route add 10.2.0.0/24 dev eth0 proto kernel scope link src 10.2.0.53 rto_min 1000ms
ip -n dns -6 route add fd00:2::/64 dev eth0 proto kernel metric 256 rto_min 1000ms
ip -n dns route add 10.1.0.0/24 via 10.2.0.1 dev eth0 proto static rto_min 1000ms
ip -n dns route add 10.9.0.0/30 via 10.2.0.1 dev eth0 proto static rto_min 1000ms
ip -n dns -6 route add fd00:1::/64 via fd00:2::1 dev eth0 proto static rto_min 1000ms
ip -n dns -6 route add fd00:9::/64 via fd00:2::1 dev eth0 proto static rto_min 1000ms
ip netns exec dns sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/dns
cp /etc/netns/client/hosts /etc/netns/dns/
cp /etc/netns/client/resolv.conf /etc/netns/dns/
# Here netlab starts the dns service (builtin) in dns.

# web: a host is a network namespace.
ip netns add web
ip -n web link set dev lo up
ip -n fabric link add name web address 02:4e:4c:77:c4:2d type veth peer name eth0 address 02:4e:4c:a1:af:6a netns web
ip -n fabric link set dev web master br-right up
ip netns exec web ethtool -K eth0 tx off
ip -n web link set dev eth0 gso_max_segs 1
ip netns exec web sysctl -e -w net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
ip -n web address add 10.2.0.80/24 brd + dev eth0 noprefixroute
ip -n web address add fd00:2::80/64 dev eth0 noprefixroute nodad
ip -n web link set dev eth0 up
ip -n web route add 10.2.0.0/24 dev eth0 proto kernel scope link src 10.2.0.80 rto_min 1000ms
ip -n web -6 route add fd00:2::/64 dev eth0 proto kernel metric 256 rto_min 1000ms
ip -n web route add 10.1.0.0/24 via 10.2.0.1 dev eth0 proto static rto_min 1000ms
ip -n web route add 10.9.0.0/30 via 10.2.0.1 dev eth0 proto static rto_min 1000ms
ip -n web -6 route add fd00:1::/64 via fd00:2::1 dev eth0 proto static rto_min 1000ms
ip -n web -6 route add fd00:9::/64 via fd00:2::1 dev eth0 proto static rto_min 1000ms
ip netns exec web sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0 net.ipv6.conf.eth0.mldv2_unsolicited_report_interval=1 net.ipv6.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/web
cp /etc/netns/client/hosts /etc/netns/web/
cp /etc/netns/client/resolv.conf /etc/netns/web/
# Here netlab starts the http service (builtin) in web.

# To try it:
#   ip netns exec client ip address
# To undo it:
#   ip netns del client
#   ip netns del r1
#   ip netns del r2
#   ip netns del dns
#   ip netns del web
#   ip netns del fabric
#   rm -r /etc/netns/client
#   rm -r /etc/netns/r1
#   rm -r /etc/netns/r2
#   rm -r /etc/netns/dns
#   rm -r /etc/netns/web

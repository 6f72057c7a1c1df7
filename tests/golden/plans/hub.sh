# The lab hub by hand, as root. netlab needs neither root nor these programs:
# it says the same to the kernel over netlink, inside namespaces of its own.

# The fabric is the namespace in which the switches stand. Each switch is a bridge,
# which sends multicast to every port, as a cheap one does; it is silent in IPv6.
ip netns add fabric
ip netns exec fabric sysctl -w net.ipv6.conf.default.addr_gen_mode=1
ip netns exec fabric sysctl -e -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0
ip -n fabric link add name br-lan address 02:4e:4c:28:f6:b1 type bridge mcast_snooping 0 ageing_time 0
ip -n fabric link set dev br-lan up

# alice: a host is a network namespace.
ip netns add alice
ip -n alice link set dev lo up
# Its cable is a veth pair: one end in the node, the other a port of the switch.
ip -n fabric link add name alice address 02:4e:4c:31:46:e6 type veth peer name eth0 address 02:4e:4c:d7:0e:1a netns alice
ip -n fabric link set dev alice master br-lan up
# The sender fills in checksums itself, so that a capture shows true ones; it hands down TCP's
# segments one at a time, not in bursts that depend on the moment; and it is silent in IPv6.
ip netns exec alice ethtool -K eth0 tx off
ip -n alice link set dev eth0 gso_max_segs 1
ip -n alice link set dev eth0 addrgenmode none
ip -n alice address add 10.0.0.1/24 brd + dev eth0 noprefixroute
ip -n alice link set dev eth0 up
# The address alone would bring this route; by hand it gets RFC 6298's minimum of one
# second before TCP sends again (Linux takes 0.2 s), which a slow script does not provoke.
ip -n alice route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 rto_min 1000ms
# What the host has tuned, and timers that fire when the machine is slow, would alter a trace
# (-e passes over what an older kernel does not have).
ip netns exec alice sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
# `ip netns exec` shows the files of /etc/netns/NAME in place of those of /etc.
mkdir -p /etc/netns/alice
cat > /etc/netns/alice/hosts <<'END'
127.0.0.1 localhost
10.0.0.1 alice
10.0.0.2 bob
10.0.0.3 eve
END
cat > /etc/netns/alice/resolv.conf <<'END'
# this lab has no name server
END

# bob: a host is a network namespace.
ip netns add bob
ip -n bob link set dev lo up
ip -n fabric link add name bob address 02:4e:4c:ee:9d:e3 type veth peer name eth0 address 02:4e:4c:cd:92:12 netns bob
ip -n fabric link set dev bob master br-lan up
ip netns exec bob ethtool -K eth0 tx off
ip -n bob link set dev eth0 gso_max_segs 1
ip -n bob link set dev eth0 addrgenmode none
ip -n bob address add 10.0.0.2/24 brd + dev eth0 noprefixroute
ip -n bob link set dev eth0 up
ip -n bob route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 rto_min 1000ms
ip netns exec bob sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/bob
cp /etc/netns/alice/hosts /etc/netns/bob/
cp /etc/netns/alice/resolv.conf /etc/netns/bob/
# Here netlab starts the http service (builtin) in bob.

# eve: a host is a network namespace.
ip netns add eve
ip -n eve link set dev lo up
ip -n fabric link add name eve address 02:4e:4c:48:72:08 type veth peer name eth0 address 02:4e:4c:9f:62:62 netns eve
ip -n fabric link set dev eve master br-lan up
ip netns exec eve ethtool -K eth0 tx off
ip -n eve link set dev eth0 gso_max_segs 1
ip -n eve link set dev eth0 addrgenmode none
ip -n eve address add 10.0.0.3/24 brd + dev eth0 noprefixroute
ip -n eve link set dev eth0 up
ip -n eve route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.3 rto_min 1000ms
ip netns exec eve sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/eve
cp /etc/netns/alice/hosts /etc/netns/eve/
cp /etc/netns/alice/resolv.conf /etc/netns/eve/

# To try it:
#   ip netns exec alice ip address
# To undo it:
#   ip netns del alice
#   ip netns del bob
#   ip netns del eve
#   ip netns del fabric
#   rm -r /etc/netns/alice
#   rm -r /etc/netns/bob
#   rm -r /etc/netns/eve

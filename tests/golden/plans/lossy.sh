# The lab lossy by hand, as root. netlab needs neither root nor these programs:
# it says the same to the kernel over netlink, inside namespaces of its own.

# The fabric is the namespace in which the switches stand. Each switch is a bridge,
# which sends multicast to every port, as a cheap one does; it is silent in IPv6.
ip netns add fabric
ip netns exec fabric sysctl -w net.ipv6.conf.default.addr_gen_mode=1
ip netns exec fabric sysctl -e -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0
ip -n fabric link add name br-lan address 02:4e:4c:28:f6:b1 type bridge mcast_snooping 0
ip -n fabric link set dev br-lan up

# client: a host is a network namespace.
ip netns add client
ip -n client link set dev lo up
# Its cable is a veth pair: one end in the node, the other a port of the switch.
ip -n fabric link add name client address 02:4e:4c:bf:0b:2a type veth peer name eth0 address 02:4e:4c:8d:00:9d netns client
ip -n fabric link set dev client master br-lan up
# The sender fills in checksums itself, so that a capture shows true ones; it hands down TCP's
# segments one at a time, not in bursts that depend on the moment; and it is silent in IPv6.
ip netns exec client ethtool -K eth0 tx off
ip -n client link set dev eth0 gso_max_segs 1
ip -n client link set dev eth0 addrgenmode none
ip -n client address add 10.0.0.10/24 brd + dev eth0 noprefixroute
ip -n client link set dev eth0 up
# The address alone would bring this route; by hand it gets RFC 6298's minimum of one
# second before TCP sends again (Linux takes 0.2 s), which a slow script does not provoke.
ip -n client route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.10 rto_min 1000ms
# What the host has tuned, and timers that fire when the machine is slow, would alter a trace
# (-e passes over what an older kernel does not have).
ip netns exec client sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
ip netns exec client nft add table inet netlab
ip netns exec client nft 'add chain inet netlab output { type filter hook output priority filter; policy accept; }'
# hold-back-rst: The kernel knows no connection for a segment that a script asked for, and answers it with RST.
ip netns exec client nft 'add rule inet netlab output tcp flags & rst == rst counter drop'
# `ip netns exec` shows the files of /etc/netns/NAME in place of those of /etc.
mkdir -p /etc/netns/client
cat > /etc/netns/client/hosts <<'END'
127.0.0.1 localhost
10.0.0.10 client
10.0.0.53 dns
10.0.0.80 web
END
cat > /etc/netns/client/resolv.conf <<'END'
search lab.test
nameserver 10.0.0.53
options timeout:1 attempts:2
END

# dns: a host is a network namespace.
ip netns add dns
ip -n dns link set dev lo up
ip -n fabric link add name dns address 02:4e:4c:ad:c5:68 type veth peer name eth0 address 02:4e:4c:5e:30:a2 netns dns
ip -n fabric link set dev dns master br-lan up
ip netns exec dns ethtool -K eth0 tx off
ip -n dns link set dev eth0 gso_max_segs 1
ip -n dns link set dev eth0 addrgenmode none
ip -n dns address add 10.0.0.53/24 brd + dev eth0 noprefixroute
ip -n dns link set dev eth0 up
ip -n dns route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.53 rto_min 1000ms
ip netns exec dns sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/dns
cp /etc/netns/client/hosts /etc/netns/dns/
cp /etc/netns/client/resolv.conf /etc/netns/dns/
# Here netlab starts the dns service (builtin) in dns.

# web: a host is a network namespace.
ip netns add web
ip -n web link set dev lo up
ip -n fabric link add name web address 02:4e:4c:77:c4:2d type veth peer name eth0 address 02:4e:4c:a1:af:6a netns web
ip -n fabric link set dev web master br-lan up
ip netns exec web ethtool -K eth0 tx off
ip -n web link set dev eth0 gso_max_segs 1
# Here netlab carries each packet between eth0 and the switch itself:
# delay 1st tcp syn to web by 100 ms; drop 1st tcp data from web; sent: delay 20 ms; received: loss 20%, delay 20 ms ± 5 ms; seed 168.
ip -n web link set dev eth0 addrgenmode none
ip -n web address add 10.0.0.80/24 brd + dev eth0 noprefixroute
ip -n web link set dev eth0 up
ip -n web route add 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.80 rto_min 1000ms
ip netns exec web sysctl -e -w 'net.ipv4.ip_local_port_range=32768 49151' 'net.ipv4.tcp_rmem=4096 131072 6291456' 'net.ipv4.tcp_wmem=4096 16384 4194304' net.ipv4.tcp_congestion_control=reno net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_autocorking=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_backlog_ack_defer=0 net.ipv4.tcp_no_metrics_save=1 net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.neigh.eth0.delay_first_probe_time=60
mkdir -p /etc/netns/web
cp /etc/netns/client/hosts /etc/netns/web/
cp /etc/netns/client/resolv.conf /etc/netns/web/
# Here netlab starts the http service (builtin) in web.

# To try it:
#   ip netns exec client ip address
# To undo it:
#   ip netns del client
#   ip netns del dns
#   ip netns del web
#   ip netns del fabric
#   rm -r /etc/netns/client
#   rm -r /etc/netns/dns
#   rm -r /etc/netns/web

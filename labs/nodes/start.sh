#!/bin/sh
# What a node of the reference network runs from its start: start.sh router | appliance | gslb | server | mobile, or one
# part of that: routing | dhcp | manager | service | agent. And what a switch runs once it has its links: start.sh switch.
# containerlab adds the links and their addresses after that, so each role waits for them first.
set -eu

# CLAB_INTFS, the number of links, is set by containerlab.
addressed() {
  while [ "$(ip -4 -oneline address show scope global | awk '$2 != "lo" { print $2 }' | sort -u | wc -l)" -lt "${CLAB_INTFS:-1}" ]; do
    sleep 0.05
  done
}

routing() {
  install -d -o frr -g frr -m 755 /run/frr
  daemons='zebra staticd bfdd ospfd'
  if grep -q '^ ip pim' /etc/frr/frr.conf; then daemons="$daemons pimd"; fi
  for daemon in $daemons; do
    /usr/lib/frr/$daemon --daemon --log file:/var/log/$daemon.log --log-level warnings -A 127.0.0.1
  done
  vtysh -b
}

# The cell's DHCP server, where it is not the manager's own.
dhcp() {
  if [ -e /lab/dnsmasq.conf ]; then dnsmasq --conf-file=/lab/dnsmasq.conf --user=root; fi
  if [ -e /lab/dhcpd.conf ]; then
    : > /run/dhcpd.leases
    dhcpd -4 -q -cf /lab/dhcpd.conf -lf /run/dhcpd.leases -pf /run/dhcpd.pid eth2
  fi
}

# What the node runs beside FRR; its process id is for whoever wants to end it.
manager() {
  echo $$ > /run/manager.pid
  exec bivouac run --config /etc/bivouac/bivouac.json
}

agent() {
  echo $$ > /run/agent.pid
  exec bivouac agent --config /etc/bivouac/agent.json
}

switch() {
  ip link add br0 type bridge
  ip link set br0 up
  for port in /sys/class/net/eth*; do ip link set "${port##*/}" master br0; done
}

# One more mobile server within this node: start.sh member NAME. It has a network namespace, a host name and mounts of its own;
# its files are in /run/members/NAME, and NAME is also the end of its cable.
member() {
  ip netns add "$1"
  ip link add name "$1" type veth peer name eth1 netns "$1"
  ip -n "$1" link set lo up
  ip -n "$1" link set eth1 up
  exec ip netns exec "$1" unshare --uts /lab/start.sh within "$1"
}

within() {
  hostname "$1"
  for own in /run/dhcpcd /var/lib/dhcpcd /var/lib/bivouac-agent; do
    install -d $own
    mount -t tmpfs member $own
  done
  dhcpcd --config /lab/dhcpcd.conf --background --quiet
  exec bivouac agent --config "/run/members/$1/agent.json"
}

service() {
  echo $$ > /run/service.pid
  case "$SERVICE" in
    web) exec node /lab/apps/web.mjs --name "$(hostname)" --port 80 ;;
    mcu) exec node /lab/apps/mcu.mjs --name "$(hostname)" ;;
    *) echo "start.sh: there is no service '$SERVICE': web or mcu" >&2; exit 2 ;;
  esac
}

case "${1:-}" in
  router)
    addressed
    routing
    exec sleep infinity
    ;;
  appliance)
    addressed
    routing
    dhcp
    manager
    ;;
  gslb)
    addressed
    manager
    ;;
  server)
    addressed
    "$0" service &
    agent
    ;;
  mobile) # its links are followed by the DHCP client, and its addresses by the agent
    install -d /var/lib/dhcpcd
    dhcpcd --config /lab/dhcpcd.conf --background --quiet
    "$0" service &
    agent
    ;;
  routing) addressed; routing ;;
  dhcp) dhcp ;;
  member | within) "$1" "$2" ;;
  switch) switch ;;
  service) service ;;
  manager) manager ;;
  agent) agent ;;
  *) echo 'start.sh: router, appliance, gslb, server, mobile, routing, dhcp, manager, service, agent or switch' >&2; exit 2 ;;
esac

# SPDX-License-Identifier: MIT
"""A card in QEMU's user network: set up by itself, reached from both sides, and its driver and server killed."""
import hashlib
import socket
import threading
import urllib.request

from guest import free_port, network
from session import Session, boot, holds, lacks, main_alone, same, test
from web import random_file, serve


def guest(*forwards):
    s = Session(boot(extra=network(*forwards)))
    s.must("until ip route | grep -q default; do sleep 0.1; done")
    return s


@test("the card is set up by DHCP; the gateway answers")
def dhcp(_):
    s = guest()
    holds("inet addr:10.0.2.15 +Bcast:10.0.2.255 +Mask:255.255.255.0", s.must("ifconfig eth0"))
    holds(r"0.0.0.0 +10.0.2.2 +0.0.0.0 +UG", s.must("route -n"))
    same(s.must("cat /etc/resolv.conf"), "nameserver 10.0.2.3\n")
    holds("3 packets transmitted, 3 packets received", s.must("ping -c 3 10.0.2.2"))
    holds("2 packets received", s.must("ping -c 2 127.0.0.1"))
    holds("default via 10.0.2.2 dev eth0", s.must("ip route"))
    holds("10.0.2.2 .*eth0|10.0.2.2.*REACHABLE", s.must("ip neigh; arp -n"))
    holds("ether 52:54:00:12:34:56", s.must("ip link show dev eth0"))
    s.guest.close()


@test("files come from the host, whatever dies meanwhile")
def wget(disks):
    whole = random_file(disks, "whole", 3 << 20)
    port = serve(disks)
    s = guest()
    same(s.must(f"wget -q -O - http://10.0.2.2:{port}/whole | md5sum"), f"{whole}  -\n")
    s.must("for i in 1 2 3 4 5; do sleep 0.3; service kill virtio_net; done & "
           f"for i in 1 2 3; do wget -q -O - http://10.0.2.2:{port}/whole | md5sum; done >/tmp/sums; wait")
    same(s.must("cat /tmp/sums"), f"{whole}  -\n" * 3)
    holds("virtio_net +running +6 ", s.must("service"))
    holds("can't connect to remote host|Connection refused", s.guest.run("wget -O - http://10.0.2.2:9/")[1])
    s.guest.close()


@test("the host fetches from httpd")
def httpd(_):
    port = free_port()
    s = guest((port, 80))
    s.must("mkdir /tmp/www; cp /bin/busybox /tmp/www/page; httpd -h /tmp/www")
    want = s.must("md5sum </bin/busybox").split()[0]
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=60) as page:
            same(hashlib.md5(page.read()).hexdigest(), want)
    holds(r"(?m)^tcp6? .*:80 .* LISTEN", s.must("netstat -ltn"))
    s.guest.close()


@test("an idle network server is killed: connections and listeners are still there")
def server_killed(_):
    port = free_port()
    s = guest((port, 5000))
    s.must("cat /dev/null >/tmp/heard; nc -l -p 5000 >/tmp/heard & until netstat -ltn | grep -q :5000; do sleep 0.1; done")
    s.must("service kill net")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        peer.sendall(b"before\n")
        s.must("until grep -q before /tmp/heard; do sleep 0.1; done; sleep 0.5; service kill net")
        peer.sendall(b"after\n")
        s.must("until grep -q after /tmp/heard; do sleep 0.1; done")
    s.must("wait")
    same(s.must("cat /tmp/heard"), "before\nafter\n")
    s.guest.close()


@test("addresses and routes are set by hand")
def by_hand(_):
    s = guest()
    s.must("ip addr add 10.0.2.77/24 dev eth0; ip route add default via 10.0.2.2")
    holds("inet 10.0.2.77/24", s.must("ip addr show dev eth0"))
    holds("1 packets received", s.must("ping -c 1 10.0.2.2"))
    s.must("ip route del default; ifconfig eth0 10.0.2.78 netmask 255.255.255.0; route add default gw 10.0.2.2")
    holds("1 packets received", s.must("ping -c 1 -W 10 10.0.2.2"))
    holds("Network unreachable|Network is unreachable", s.guest.run("route del default; wget -O - http://192.0.2.1/")[1])
    s.must("ifconfig eth0 10.0.2.15 netmask 255.255.255.0; route add -net 192.0.2.0 netmask 255.255.255.0 gw 10.0.2.2; "
           "ip route add 198.51.100.7 via 10.0.2.2")
    holds(r"192.0.2.0 +10.0.2.2 +255.255.255.0 +UG .*\n(.*\n)*198.51.100.7 +10.0.2.2 +255.255.255.255 +UGH", s.must("route -n"))
    holds(r"192.0.2.0/24 via 10.0.2.2 dev eth0", s.must("ip route"))
    s.must("service kill net")
    holds(r" 1  10.0.2.2 ", s.must("traceroute -n -q 1 -m 1 192.0.2.1"))
    holds("File exists", s.guest.run("ip route add 198.51.100.7 via 10.0.2.2")[1])
    s.must("route del -net 192.0.2.0 netmask 255.255.255.0; ip route del 198.51.100.7")
    holds("Network unreachable|Network is unreachable", s.guest.run("wget -O - http://192.0.2.1/")[1])
    holds("No such process", s.guest.run("ip route del 198.51.100.7")[1])
    s.must("ip link set eth0 down")
    holds(r"eth0: <BROADCAST,MULTICAST", s.must("ip link"))
    s.guest.close()


@test("IPv6: addresses and routes are set by hand, and stay when the server dies", linux=False)
def six(_):
    s = guest()
    s.must("ip -6 addr add fd00:7::5/64 dev eth0; until ip -6 addr show dev eth0 | grep fd00:7::5 | grep -qv tentative; do sleep 0.1; done")
    holds("File exists", s.guest.run("ip -6 addr add fd00:7::5/64 dev eth0")[1])
    holds("(?i)not supported", s.guest.run("ip -6 addr add fd00:8::5/48 dev eth0")[1])
    holds("1 packets received", s.must("ping6 -c 1 fd00:7::5"))
    s.must("ip -6 route add fd00:9::/48 via fd00:7::1; ip -6 route add fd00:9:1::/64 via fe80::1 dev eth0; ip -6 route add fd00:a::/32 dev eth0")
    s.must("service kill net")
    listed = s.must("ip -6 route")
    holds("fd00:7::/64 dev eth0", listed)
    holds("fd00:9::/48 via fd00:7::1 dev eth0", listed)
    holds("fd00:9:1::/64 via fe80::1 dev eth0", listed)
    holds("File exists", s.guest.run("ip -6 route add fd00:9::/48 via fd00:7::1")[1])
    holds("Invalid argument", s.guest.run("ip -6 route add fd00:9::1/48 via fd00:7::1")[1])
    holds("unreachable|No route to host", s.guest.run("ip -6 route add fd00:b::/64 via fd00:c::1")[1])
    s.must("ip -6 route del fd00:9::/48")
    holds("No such process", s.guest.run("ip -6 route del fd00:9::/48")[1])
    lacks("fd00:9::/48", s.must("ip -6 route"))
    s.must("ip -6 addr del fd00:7::5/64 dev eth0")
    lacks("fd00:7::5", s.must("ip -6 addr"))
    holds("Cannot assign|not available", s.guest.run("ip -6 addr del fd00:7::5/64 dev eth0")[1])
    holds(r"10.0.2.2 dev eth0 +src 10.0.2.15", s.must("ip route get 10.0.2.2"))
    holds(r"192.0.2.1 via 10.0.2.2 dev eth0 +src 10.0.2.15", s.must("ip route get 192.0.2.1"))
    s.guest.close()


def greet(listener):
    """Say hello to each that connects, and hang up when it has answered."""
    while True:
        connection = listener.accept()[0]
        with connection:
            connection.sendall(b"welcome\r\n")
            connection.recv(100)


@test("clients of the host's servers; packet sockets")
def clients(_):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=greet, args=(listener,), daemon=True).start()
    port = listener.getsockname()[1]
    s = guest()
    holds("welcome", s.must(f"echo hello | nc 10.0.2.2 {port}"))
    holds("welcome", s.must(f"(echo hello; until grep -q welcome /tmp/said; do sleep 0.1; done) | telnet 10.0.2.2 {port} >/tmp/said; "
                            "cat /tmp/said"))
    holds(r"(?m)^ 1 +10.0.2.2 ", s.must("traceroute -n -q 1 10.0.2.2"))
    holds("2 response", s.must("arping -c 2 -I eth0 10.0.2.2"))
    holds("lease of 10.0.2.15 obtained from 10.0.2.2", s.must("udhcpc -n -q -i eth0 -s /bin/true 2>&1"))
    holds("Operation not permitted", s.guest.run("su nobody -s /bin/sh -c 'arping -c 1 -I eth0 10.0.2.2' 2>&1")[1])
    holds(r"at 52:55:0a:00:02:02 \[ether\] +on eth0", s.must("arp -an"))
    s.guest.close()


@test("servers in the guest: names, time, telnet, programs behind a port")
def servers(_):
    s = guest()
    s.must("echo 'host.test 127.0.0.1' >/tmp/names; dnsd -d -c /tmp/names; "
           "rm /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    holds("1 packets received", s.must("until nslookup host.test 127.0.0.1 | grep -q 127.0.0.1$; do sleep 0.1; done; "
                                       "ping -4 -c 1 host.test"))
    s.must("ntpd -l; ntpd -n -d -w -p 127.0.0.1 >/tmp/time 2>&1 & "
           "until grep -q 'reply from 127.0.0.1' /tmp/time; do sleep 0.1; done; kill $!")
    holds("served", s.must("tcpsvd 127.0.0.1 7777 echo served & until nc 127.0.0.1 7777 </dev/null; do sleep 0.1; done; kill $!"))
    holds("datagram", s.must("udpsvd 127.0.0.1 7778 cat & until netstat -lun | grep -q :7778; do sleep 0.1; done; "
                             "echo datagram | nc -u -w 1 127.0.0.1 7778; kill $!"))
    s.must("telnetd -p 2323 -l /bin/sh; until netstat -ltn | grep -q :2323; do sleep 0.1; done")
    s.must("(until grep -q '#' /tmp/telnet; do sleep 0.1; done; echo 'echo got$((1+1))'; "
           "until grep -q got2 /tmp/telnet; do sleep 0.1; done) | telnet 127.0.0.1 2323 >/tmp/telnet")
    holds(r"(?m)^ 1 +127.0.0.1 ", s.must("traceroute -n -q 1 127.0.0.1"))
    holds(r"(?m)^ 1 +::1 ", s.must("traceroute6 -n -q 1 -m 2 ::1"))
    holds("1 packets received", s.must("ping6 -c 1 ::1"))
    s.guest.close()


main_alone()

/**
 * How long one multicast datagram takes: node multicast.mjs --at ADDRESS [--count N] [--interval 50]. It joins the group at the interface
 * that has the address and prints what it hears, and sends so many datagrams of its own. Each line of JSON tells a datagram's text, and
 * when it left or came, by the wall clock in ms.
 */
import { createSocket } from 'node:dgram';
import { parseArgs } from 'node:util';

/** Administratively scoped (RFC 2365), beside the group of the notices. */
const GROUP = '239.255.79.48';
const PORT = 9750;

const { values } = parseArgs({
  options: {
    at: { type: 'string', default: '0.0.0.0' },
    count: { type: 'string', default: '0' },
    interval: { type: 'string', default: '50' },
  },
});
const say = (event: string, text: string): void =>
  console.log(JSON.stringify({ event, text, at: performance.timeOrigin + performance.now() }));

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.on('message', bytes => say('heard', bytes.toString()));
socket.bind(PORT, () => {
  socket.addMembership(GROUP, values.at);
  socket.setMulticastInterface(values.at);
  socket.setMulticastTTL(32);
  socket.setMulticastLoopback(false);
  say('joined', values.at);
  let left = Number(values.count);
  const timer = setInterval(() => {
    if (left-- <= 0) return clearInterval(timer);
    const text = `${values.at} ${left}`;
    say('sent', text);
    socket.send(text, PORT, GROUP);
  }, Number(values.interval));
});

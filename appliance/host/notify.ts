/**
 * sd_notify(3): tells systemd that the daemon is ready, reloading, stopping or alive. Node has no UNIX datagram sockets, so libc is
 * called directly. Without NOTIFY_SOCKET it does nothing.
 */
import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/** Sends `state` (such as `READY=1`); false when there is nobody to tell. */
export function notify(state: string, path = process.env['NOTIFY_SOCKET']): boolean {
  if (path === undefined || path === '') return false;
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int, int, int)');
  const sendto = libc.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)');
  const close = libc.func('int close(int)');
  // A leading '@' stands for the abstract name space, whose names begin with NUL (unix(7)).
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
  const message = Buffer.from(state);
  const descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
  if (descriptor < 0) return false;
  try {
    return Number(sendto(descriptor, message, message.length, 0, address, address.length)) === message.length;
  } finally {
    close(descriptor);
  }
}

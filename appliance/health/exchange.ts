/**
 * One question and its answer, over a stream or by datagrams: what most drivers have in common.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { DatagramSocket, Net, Stream } from '../host/ports.ts';
import { type Attempt, failed, inconclusive, labelOf, type ProbeResult, type ProbeTarget } from './probe.ts';

type Tls = NonNullable<Parameters<Net['connect']>[0]['tls']>;

/** What is done on a stream. Each function that gives a result ends the exchange. */
export interface Conversation {
  readonly tls?: Tls;
  /** Sent once connected. */
  readonly send?: Uint8Array;
  /** What the timeout says that it waited for after the connection. */
  readonly awaits?: string;
  onOpen?(): ProbeResult | undefined;
  /** The bytes of the answer, in pieces of any size; what is kept of them is bounded by whoever keeps it. */
  onData?(bytes: Uint8Array): ProbeResult | undefined;
  /** The peer ended before there was a result. */
  onEnd?(): ProbeResult | undefined;
}

/** Connects, talks, and lets go of the connection; resolves only with a result or when it is aborted. */
export function converse(
  net: Net,
  target: ProbeTarget,
  attempt: Attempt,
  conversation: Conversation,
): Promise<ProbeResult> {
  const label = labelOf(target);
  return new Promise(resolve => {
    let settled = false;
    let opened = false;
    let stream: Stream | undefined;
    const settle = (result: ProbeResult | undefined): void => {
      if (settled || result === undefined) return;
      settled = true;
      attempt.signal.removeEventListener('abort', onAbort);
      stream?.destroy();
      resolve(result);
    };
    const onAbort = (): void => settle(failed('check-timeout', `${label} was given up`));
    attempt.signal.addEventListener('abort', onAbort);
    const { address, port } = target;
    stream = net.connect(
      { address, port, ...(conversation.tls && { tls: conversation.tls }) },
      {
        onOpen() {
          if (settled) return;
          opened = true;
          attempt.stage = conversation.awaits ?? '';
          if (conversation.send !== undefined) stream?.write(conversation.send);
          settle(conversation.onOpen?.());
        },
        onData: bytes => settle(settled ? undefined : conversation.onData?.(bytes)),
        onClose(error) {
          if (settled) return;
          settle(
            (error === undefined ? conversation.onEnd?.() : undefined) ??
              brokenOff(label, error, opened, conversation.tls !== undefined),
          );
        },
      },
    );
    if (settled) stream.destroy();
  });
}

/** Errors of this host itself, which say nothing of the server. */
const OWN_TROUBLE = /\b(EMFILE|ENFILE|ENOBUFS|ENOMEM|EADDRNOTAVAIL|EADDRINUSE|EACCES|EPERM)\b/;

function brokenOff(label: string, error: string | undefined, opened: boolean, tls: boolean): ProbeResult {
  if (error === undefined) return failed('check-closed', `${label} closed the connection without an answer`);
  if (OWN_TROUBLE.test(error)) return inconclusive(`${label} could not be checked: ${error}`);
  if (/ECONNREFUSED/.test(error)) return failed('check-refused', `${label} refused the connection`);
  if (/EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN/.test(error))
    return failed('check-unreachable', `${label} is unreachable: ${error}`);
  if (/ECONNRESET|EPIPE/.test(error)) return failed('check-closed', `${label} reset the connection`);
  if (/ETIMEDOUT/.test(error)) return failed('check-timeout', `${label} timed out: ${error}`);
  return tls && !opened
    ? failed('check-handshake', `${label} failed the TLS handshake: ${error}`)
    : failed('check-closed', `${label} broke off: ${error}`);
}

/** What is asked by datagram. */
export interface Question {
  /** Made once the port that it is asked from is known. */
  readonly ask: (localPort: number) => Uint8Array;
  /** A result, or in words why this datagram is none (it is passed over: anybody can send one). */
  readonly hear: (bytes: Uint8Array) => ProbeResult | string;
}

/** Bytes of an answer that are looked at; a larger one is passed over. */
const LARGEST_DATAGRAM = 4_096;

const ANY = { 4: '0.0.0.0' as Address, 6: '::' as Address } as const;

/**
 * Sends one datagram from a port of its own (which a stranger would have to guess) and waits for the answer from where it was
 * sent to. Nothing is repeated: loss on the way is what `fall` counts.
 */
export async function askByDatagram(
  net: Net,
  target: ProbeTarget,
  attempt: Attempt,
  question: Question,
): Promise<ProbeResult> {
  const label = labelOf(target);
  const { address, port } = target;
  attempt.stage = 'no answer';
  let socket: DatagramSocket | undefined;
  let answered: (result: ProbeResult) => void = () => {};
  const answer = new Promise<ProbeResult>(resolve => {
    answered = resolve;
  });
  const onAbort = (): void => answered(failed('check-timeout', `${label} was given up`));
  attempt.signal.addEventListener('abort', onAbort);
  try {
    socket = await net.datagram(
      { address: ANY[familyOf(address)], port: 0 },
      (bytes, from, fromPort) => {
        if (from !== address || fromPort !== port) return;
        const heard =
          bytes.length > LARGEST_DATAGRAM ? `an answer of ${bytes.length} bytes` : question.hear(bytes);
        if (typeof heard === 'string') attempt.stage = `no valid answer, but ${heard}`;
        else answered(heard);
      },
      error => answered(datagramError(label, error)),
    );
    if (!attempt.signal.aborted) socket.send(question.ask(socket.port), port, address);
    return await answer;
  } catch (error) {
    return inconclusive(`${label} could not be checked: ${error instanceof Error ? error.message : error}`);
  } finally {
    attempt.signal.removeEventListener('abort', onAbort);
    socket?.close();
  }
}

const datagramError = (label: string, error: string): ProbeResult =>
  /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/.test(error)
    ? failed('check-unreachable', `${label} is unreachable: ${error}`)
    : inconclusive(`${label} could not be checked: ${error}`);

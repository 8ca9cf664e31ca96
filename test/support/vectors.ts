/** The test vectors of docs/protocol.md, read from that very file. */
import { readFileSync } from 'node:fs';

export type Carrier = 'registration' | 'anycast' | 'notice' | 'poll' | 'frame' | 'lease' | 'lease-to-sign';

export interface Vector {
  readonly name: string;
  readonly carrier: Carrier;
  readonly bytes: Uint8Array;
  /** What the bytes say, byte strings as Uint8Array; undefined where they are to be refused. */
  readonly value: unknown;
  /** The code with which a receiver refuses them. */
  readonly refuse: string | undefined;
  /** Read, but written otherwise. */
  readonly acceptOnly: boolean;
}

export const protocolText = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

export const bytesOf = (hex: string): Uint8Array => {
  const digits = hex.replace(/#.*$/gm, '').replace(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${hex}`);
  return Uint8Array.from(digits.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
};

const revive = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && value.startsWith('hex:') ? bytesOf(value.slice(4)) : value;

function readVectors(text: string): Vector[] {
  const values = new Map<string, unknown>();
  for (const [, name, body] of text.matchAll(/^```json vector=(\S+)\n(.*?)^```$/gms))
    values.set(name!, JSON.parse(body!, revive));
  return [...text.matchAll(/^```hex vector=(\S+) carrier=(\S+)([^\n]*)\n(.*?)^```$/gms)].map(
    ([, name, carrier, label, body]) => ({
      name: name!,
      carrier: carrier as Carrier,
      bytes: bytesOf(body!),
      value: values.get(name!),
      refuse: /refuse=(\S+)/.exec(label!)?.[1],
      acceptOnly: label!.includes('accept=only'),
    }),
  );
}

export const vectors: readonly Vector[] = readVectors(protocolText);

/** The manager's key of the vectors, as the text gives it: seed and SPKI. */
export const vectorKey = {
  seed: bytesOf(/test 1,\s+`([0-9a-f]{64})`/.exec(protocolText)![1]!),
  spki: bytesOf(/`(302a[0-9a-f]{84})`/.exec(protocolText)![1]!),
};

/**
 * What a codec throws when bytes (or a value that is to become bytes) break docs/protocol.md: what, where, what to do.
 */
import type { RefusalCode } from './messages.ts';

/** Where in a message, and in which message, something was wrong. */
export interface WireErrorPlace {
  /** Byte within the message (its header's first byte is 0), or within the buffer for ARP and stored leases. */
  readonly offset: number;
  /** The element's number without its mandatory bit. */
  readonly element?: number | undefined;
  /** The element's name, when it is a known one. */
  readonly name?: string | undefined;
  /** The message's transaction, when its header could be read: a `refused` can answer it. */
  readonly transaction?: number | undefined;
  /** The stream cannot be read further: framing or version is lost. */
  readonly fatal?: boolean | undefined;
}

export class WireError extends Error {
  override readonly name = 'WireError';
  /** The code with which to refuse (docs/protocol.md, Error codes). */
  readonly code: RefusalCode;
  /** What was wrong and what to do, without the place. */
  readonly sentence: string;
  readonly offset: number;
  readonly element: number | undefined;
  readonly elementName: string | undefined;
  readonly transaction: number | undefined;
  readonly fatal: boolean;

  constructor(code: RefusalCode, sentence: string, place: WireErrorPlace) {
    super(`${describePlace(place)}: ${sentence}`);
    this.code = code;
    this.sentence = sentence;
    this.offset = place.offset;
    this.element = place.element;
    this.elementName = place.name;
    this.transaction = place.transaction;
    this.fatal = place.fatal ?? false;
  }
}

/** The same error, with what an outer layer knows of its place added; what the inner layer knew stays. */
export function locate(error: WireError, place: Partial<WireErrorPlace>, code = error.code): WireError {
  return new WireError(code, error.sentence, {
    offset: error.offset,
    element: error.element ?? place.element,
    name: error.element === undefined ? place.name : error.elementName,
    transaction: error.transaction ?? place.transaction,
    fatal: error.fatal || place.fatal,
  });
}

/** An element's number as people read it: `0x0044`. */
export const hex16 = (number: number): string => `0x${number.toString(16).padStart(4, '0')}`;

function describePlace(place: WireErrorPlace): string {
  if (place.element === undefined) return `at byte ${place.offset}`;
  const name = place.name === undefined ? '' : ` (${place.name})`;
  return `element ${hex16(place.element)}${name} at byte ${place.offset}`;
}

/**
 * What a box says of itself: /usr/lib/os-release (os-release(5)) and the kernel's command line.
 */
import type { Slot } from './entries.ts';

export interface BoxFacts {
  /** The image's profile, such as `x86_64-uefi`. */
  readonly profile: string;
  readonly version: string;
  readonly slot: Slot;
}

/** Undefined where this is no box made from an image. */
export function readFacts(
  osRelease: string | undefined,
  commandLine: string | undefined,
): BoxFacts | undefined {
  const fields = new Map(
    (osRelease ?? '').split('\n').map(line => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1).replaceAll(/^["']|["']$/g, '')];
    }),
  );
  const slot = /(?:^|\s)bivouac\.slot=([ab])(?:\s|$)/.exec(commandLine ?? '')?.[1];
  const [profile, version] = [fields.get('IMAGE_ID'), fields.get('VERSION_ID')];
  if (fields.get('ID') !== 'bivouac' || profile === undefined || version === undefined || slot === undefined)
    return undefined;
  return { profile, version, slot: slot as Slot };
}

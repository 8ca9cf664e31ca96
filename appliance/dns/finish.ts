/**
 * Finished answers: what a question at a place is answered, as the bytes of a message. A plain value that anything can serve which can
 * copy bytes and patch a header.
 */
import { isWithin } from './names.ts';
import { FLAG, RCODE, type RecordType, TYPE } from './numbers.ts';
import type { Outcome, Place, RecordData, View, Zone } from './view.ts';
import { MessageWriter } from './writer.ts';

/**
 * A whole message with ID 0, the question's name in lower case, RD clear, and no OPT record. The asker's ID, RD, type, name as he wrote it
 * (all other names that end alike point to it) and OPT are what is left to patch.
 */
export interface FinishedAnswer {
  readonly bytes: Uint8Array;
  /** Bytes before the additional section, which may be left out. */
  readonly core: number;
  /** Whether another place may get another one. */
  readonly scoped: boolean;
  /** Other names that it tells of: it is void as soon as one of them changes, or comes or goes; '' = any name. */
  readonly follows: readonly string[];
}

/** Aliases that are followed from one question. */
const MOST_ALIASES = 8;

const TYPE_NAMES = new Map<number, RecordType>(
  (Object.keys(TYPE) as RecordType[]).map(name => [TYPE[name], name]),
);

/** The zone that a name is in: the one with the longest apex. */
export function zoneOf(view: View, name: string): Zone | undefined {
  let best: Zone | undefined;
  for (const zone of view.zones)
    if (isWithin(name, zone.apex) && (best === undefined || zone.apex.length > best.apex.length)) best = zone;
  return best;
}

/** Whether there is a name, with records or only with names below it (RFC 8020). Slow: it is for ends of aliases. */
function exists(view: View, name: string): boolean {
  if (view.names.has(name) || view.zones.some(zone => zone.apex === name)) return true;
  for (const other of view.names.keys()) if (isWithin(other, name)) return true;
  return false;
}

/** What is at a name, its zone's own records too. */
export function typesAt(view: View, name: string): readonly RecordType[] {
  const told = view.names.get(name) ?? [];
  return view.zones.some(zone => zone.apex === name) ? [...told, 'SOA', 'NS'] : told;
}

/** The records of a name and type: those of the view, or a zone's own. */
export function outcomeOf(view: View, name: string, type: RecordType, place: Place): Outcome {
  const zone = type === 'NS' ? view.zones.find(({ apex }) => apex === name) : undefined;
  if (zone === undefined) return view.answersFor({ name, type }, place);
  return {
    records: zone.nameServers.map(target => ({ type: 'NS', target })),
    ttl: zone.ttl,
    scoped: false,
  };
}

/**
 * The finished answer for a name that the view has. `type` is one that is there, or any when an alias is. Throws when the view
 * gives what cannot be written: that is a fault of the view, and answered with SERVFAIL.
 */
export function finishAnswer(
  view: View,
  serial: number,
  question: { readonly name: string; readonly type: number },
  place: Place,
): FinishedAnswer {
  const writer = new MessageWriter();
  const type = TYPE_NAMES.get(question.type);
  writer.question(question.name, question.type);
  let { name } = question;
  let rcode: number = RCODE.NOERROR;
  let scoped = false;
  const follows: string[] = [];
  let found: readonly RecordData[] = [];
  for (let step = 0; step <= MOST_ALIASES; step++) {
    const here = typesAt(view, name);
    const alias = here.includes('CNAME') && type !== 'CNAME';
    const asked = alias ? 'CNAME' : type;
    const outcome =
      asked !== undefined && here.includes(asked) && asked !== 'SOA'
        ? outcomeOf(view, name, asked, place)
        : undefined;
    scoped ||= outcome?.scoped ?? false;
    found = outcome?.records ?? [];
    for (const data of found) writer.record('answer', name, outcome?.ttl ?? 0, data);
    const zone = zoneOf(view, name);
    const target = alias && found[0]?.type === 'CNAME' ? found[0].target : undefined;
    if (target === undefined) {
      if (asked === 'SOA' && zone?.apex === name) writer.soa('answer', zone, serial, zone.ttl);
      else if (found.length === 0 && zone !== undefined) {
        if (!exists(view, name)) rcode = RCODE.NXDOMAIN;
        writer.soa('authority', zone, serial, Math.min(zone.ttl, zone.minimum));
      }
      break;
    }
    follows.push(target);
    name = target;
    // Elsewhere others have to be asked.
    if (zoneOf(view, name) === undefined) break;
  }
  const core = writer.length;
  for (const target of targetsOf(found)) {
    follows.push(target);
    for (const kind of ['A', 'AAAA'] as const) {
      if (!typesAt(view, target).includes(kind)) continue;
      const outcome = view.answersFor({ name: target, type: kind }, place);
      scoped ||= outcome.scoped;
      for (const data of outcome.records) writer.record('additional', target, outcome.ttl, data);
    }
  }
  return { bytes: writer.finish(FLAG.AA, rcode), core, scoped, follows };
}

/** The hosts that records lead to, whose addresses are worth telling at once (RFC 1035 §3.3.11, RFC 2782). */
const targetsOf = (records: readonly RecordData[]): ReadonlySet<string> =>
  new Set(records.flatMap(data => (data.type === 'NS' || data.type === 'SRV' ? [data.target] : [])));

/** What a receiver knows in the end is what the sender has, whatever was lost, late or doubled on the way. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cover } from '../../appliance/notices/cover.ts';
import { type Notice, PeerTable } from '../../appliance/notices/table.ts';
import { type Entry, Ledger } from '../../appliance/notifier/ledger.ts';
import { sorted } from '../../appliance/notifier/writer.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { binding, offer } from '../unit/notices/world.ts';

test('a cover knows exactly the changes that it was given', () => {
  const range = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 6 }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 50 }), ranges => {
      const cover = new Cover();
      const known = new Set<number>();
      for (const [since, length] of ranges) {
        cover.add(since, since + length);
        for (let change = since + 1; change <= since + length; change++) known.add(change);
      }
      let cursor = 0;
      while (known.has(cursor + 1)) cursor++;
      expect(cover.cursor).toBe(cursor);
      expect(cover.newest).toBe(Math.max(0, ...known));
      expect(cover.whole).toBe(cursor >= cover.newest);
      for (let change = 1; change < 70; change++)
        expect(cover.has(change - 1, change)).toBe(known.has(change));
    }),
  );
});

type Said = Pick<Notice, 'since' | 'change' | 'whole' | 'bindings' | 'offers'>;

const message = (said: Said): Notice => ({
  type: 'notice',
  ...{
    manager: 'ab'.repeat(32) as ManagerId,
    name: 'a',
    addresses: [],
    anycastPort: 9747,
    port: 9746,
    tls: true,
  },
  boot: 1,
  ...said,
});

/** An answer to a repair since `since`, in messages of at most `size` changes. */
function answer(ledger: Ledger, since: number, size: number): Notice[] {
  const from = ledger.reaches(since) ? since : 0;
  const messages: Notice[] = [];
  for (let at = from; at < ledger.change; at += size) {
    const until = Math.min(ledger.change, at + size);
    const lines = ledger.after(from).filter(line => line.change > at && line.change <= until);
    messages.push(
      message({ since: at, change: until, whole: from === 0, ...sorted(lines.map(line => line.entry)) }),
    );
  }
  return messages;
}

const step = fc.record({
  key: fc.nat(7),
  kind: fc.constantFrom<Entry['kind']>('binding', 'offer'),
  gone: fc.boolean(),
  /** How long it takes on the way, in steps; and whether it is lost, or comes twice. */
  delay: fc.nat(6),
  fate: fc.constantFrom('arrives', 'arrives', 'lost', 'twice'),
  /** Whether the receiver asks for a repair now; how big the parts of the answer are, and how late. */
  repair: fc.constantFrom(false, false, true),
  parts: fc.integer({ min: 1, max: 5 }),
});

test('a table that is mended is the sender’s', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, old) => {
      const ledger = new Ledger();
      const table = new PeerTable(1);
      const truth = new Map<string, number>();
      const known = new Map<string, number>();
      const way: { readonly at: number; readonly notice: Notice }[] = [];

      const hear = (notice: Notice): void => {
        const news = table.take(notice, 1000);
        if (news.complete) known.clear();
        for (const { vip } of news.gone) known.delete(`binding ${vip}`);
        for (const { name } of news.offersGone) known.delete(`offer ${name}`);
        for (const { vip, epoch } of news.bindings) known.set(`binding ${vip}`, epoch);
        for (const { name, score } of news.offers) known.set(`offer ${name}`, score);
      };

      for (const [now, { key, kind, gone, delay, fate, repair, parts }] of steps.entries()) {
        const value = kind === 'binding' ? binding(key, { epoch: now + 1 }) : offer(key, { score: now });
        const name = kind === 'binding' ? `binding ${value.vip}` : `offer s${key}.example`;
        const entry = { kind, value: { ...value, gone } } as Entry;
        if (gone) truth.delete(name);
        else truth.set(name, kind === 'binding' ? now + 1 : now);
        // In one of two runs what is gone is forgotten soon, so that repairs begin anew.
        ledger.tell([[name, entry, 60]], old ? now * 200_000 : now);
        const { change } = ledger;
        const notice = message({ since: change - 1, change, whole: false, ...sorted([entry]) });
        for (const copy of fate === 'lost' ? [] : fate === 'twice' ? [0, 3] : [0])
          way.push({ at: now + delay + copy, notice });
        for (const due of way.filter(({ at }) => at === now)) hear(due.notice);
        if (repair) {
          const asked = answer(ledger, table.cover.cursor, parts);
          if (asked[0]?.whole) table.restart();
          for (const part of asked) hear(part);
        }
      }
      table.cover.hearOf(ledger.change);
      if (!table.complete || !table.cover.whole) {
        const last = answer(ledger, table.cover.cursor, 3);
        if (last[0]?.whole) table.restart();
        for (const part of last) hear(part);
      }
      if (ledger.change > 0) expect(table.complete).toBe(true);
      expect(new Map([...known].sort())).toEqual(new Map([...truth].sort()));
    }),
    { numRuns: 2000 },
  );
});

/** How conntrack's flows of members that are gone are taken out: the kernel goes through its whole table for each request. */
import { expect, test } from 'vitest';
import { attribute, big32 } from '../../../appliance/dataplane/attributes.ts';
import { forgetTracked } from '../../../appliance/dataplane/flow.ts';
import { createFlows } from '../../../appliance/dataplane/kernel-flows.ts';

const OURS = 0xb0000000;

/** Forgets marks in a kernel that has these; gives the requests that it takes, without the listing. */
async function requestsOf(marks: readonly number[], there: readonly number[]): Promise<Uint8Array[]> {
  const asked: Uint8Array[] = [];
  const flows = createFlows(
    {
      request(message, onMessage) {
        if (onMessage === undefined) asked.push(message);
        for (const mark of there)
          onMessage?.(0, Buffer.concat([Uint8Array.of(2, 0, 0, 0), attribute(8, big32(mark))]));
        return Promise.resolve();
      },
      close() {},
    },
    { send: () => Promise.resolve(), close() {} },
  );
  await flows.forget(new Set(marks));
  return asked;
}

test('of a crowd only those are asked for that the kernel has, and nobody else is', async () => {
  const crowd = Array.from({ length: 1000 }, (_, index) => OURS + index);
  const there = [OURS + 7, OURS + 7, OURS + 900, OURS + 5000, 3];
  expect(await requestsOf(crowd, there)).toEqual([forgetTracked(OURS + 7), forgetTracked(OURS + 900)]);
});

test('of a few each is asked for', async () => {
  expect(await requestsOf([OURS + 1, OURS + 2], [])).toEqual([
    forgetTracked(OURS + 1),
    forgetTracked(OURS + 2),
  ]);
  expect(await requestsOf([], [OURS + 1])).toEqual([]);
});

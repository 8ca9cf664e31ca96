import { describe, expect, it } from 'vitest';
import { createKernelVips } from '../../../appliance/routing/kernel.ts';
import type { Step } from '../../../appliance/routing/plan.ts';
import { address } from '../../../sdk/wire/address.ts';
import { FakeIp } from '../../support/fake-ip.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';

const add = (...numbers: readonly number[]): readonly Step[] =>
  numbers.map(number => ({ type: 'add', vip: address(`10.50.${number >> 8}.${number & 255}`), step: 0 }));

function setUp(answer: string) {
  const exec = new FakeIp();
  const clock = new VirtualClock();
  const sent: number[] = [];
  const socket = {
    batch: async (_bytes: Uint8Array, last: number) => {
      sent.push(last);
      return answer;
    },
    close: () => {},
  };
  return { exec, clock, sent, kernel: createKernelVips('external', exec, clock, socket) };
}

describe("VIPs in the kernel, by netlink's own messages", () => {
  it('takes two messages a VIP, and no ip(8)', async () => {
    const { kernel, sent } = setUp('');
    expect((await kernel.take(add(1, 2))).size).toBe(0);
    expect(sent).toEqual([4]);
    expect([...kernel.known!.keys()]).toEqual(['10.50.0.1', '10.50.0.2']);
  });

  it('asks ip(8) when the kernel refuses, to hear which and why', async () => {
    const { kernel, exec, sent } = setUp('netlink: File exists (message 2)');
    expect((await kernel.take(add(1, 2))).size).toBe(0);
    expect(sent).toEqual([4]);
    expect([...(await kernel.carried()).keys()]).toEqual(['10.50.0.1', '10.50.0.2']);
    exec.steal('10.50.0.1');
    expect(await kernel.audit()).toEqual(['10.50.0.1']);
  });

  it("leaves to ip(8) what would fill the buffer of FRR's socket, until it has had time to read", async () => {
    const { kernel, clock, sent } = setUp('');
    const many = Array.from({ length: 1500 }, (_, number) => number);
    await kernel.take(add(...many));
    await kernel.take(add(2000));
    expect(sent).toEqual([3000]);
    await clock.advance(1);
    await kernel.take(add(2001));
    expect(sent).toEqual([3000, 2]);
  });
});

import { afterAll, expect, test } from 'vitest';
import { NETLINK_ROUTE, openNetlink } from '../../appliance/host/netlink.ts';
import { linesOf } from '../../appliance/routing/kernel-form.ts';
import type { Step } from '../../appliance/routing/plan.ts';
import { encodeSteps } from '../../appliance/routing/route-batch.ts';
import { address } from '../../sdk/wire/address.ts';
import { Network } from '../support/netns.ts';

const network = new Network();
afterAll(() => network.dispose());

const steps = (type: Step['type'], ...vips: readonly (readonly [string, number])[]): readonly Step[] =>
  vips.map(([vip, step]) => ({ type, vip: address(vip), step }));

test('steps in one send do what their lines do in ip(8), to the letter', async () => {
  const [sent, spoken] = [network.namespace('sent'), network.namespace('spoken')];
  for (const namespace of [sent, spoken]) namespace.ip('link set lo up');
  const socket = sent.within(() => openNetlink(NETLINK_ROUTE));
  const listing = (of: typeof sent): string => of.ip('-d route show table all');
  const before = listing(sent);
  const story = [
    steps('add', ['10.50.0.1', 0], ['10.50.0.2', 1], ['10.50.255.3', 0]),
    steps('change', ['10.50.0.1', 2], ['10.50.0.2', 0]),
    steps('remove', ['10.50.0.1', 2], ['10.50.255.3', 0]),
    steps('add', ['10.50.0.1', 1]),
    steps('remove', ['10.50.0.1', 1], ['10.50.0.2', 0]),
  ];
  for (const each of story) {
    const { bytes, last } = encodeSteps('external', each)!;
    expect(await socket.batch(bytes, last)).toBe('');
    spoken.ipBatch(each.flatMap(step => linesOf('external', step)));
    expect(listing(sent)).toBe(listing(spoken));
  }
  expect(listing(sent)).toBe(before);
  socket.close();
});

test('what the kernel refuses is said, and the rest is done', async () => {
  const namespace = network.namespace('refuses');
  namespace.ip('link set lo up');
  const socket = namespace.within(() => openNetlink(NETLINK_ROUTE));
  const send = async (list: readonly Step[]): Promise<string> => {
    const { bytes, last } = encodeSteps('external', list)!;
    return socket.batch(bytes, last);
  };
  expect(await send(steps('add', ['10.50.0.1', 0]))).toBe('');
  expect(await send(steps('add', ['10.50.0.1', 0], ['10.50.0.2', 0]))).toContain('File exists');
  expect(namespace.ip('route show proto 98')).toContain('10.50.0.2');
  expect(await send(steps('remove', ['10.50.0.9', 0], ['10.50.0.2', 0]))).toContain('No such process');
  expect(namespace.ip('route show proto 98')).not.toContain('10.50.0.2');
  socket.close();
});

test('a VIP is answered before anybody is led to it, and nobody is led to it before it is not', () => {
  // Table 255 is local; byte 20 of a message is its table (struct rtmsg behind the header).
  const tables = (type: Step['type']): readonly number[] => {
    const { bytes } = encodeSteps('external', steps(type, ['10.50.0.1', 0]))!;
    const second = new DataView(bytes.buffer).getUint32(0, true);
    return [bytes[20]!, bytes[second + 20]!];
  };
  expect(tables('add')).toEqual([255, 254]);
  expect(tables('remove')).toEqual([254, 255]);
});

test('what only ip(8) can say is left to it', () => {
  expect(encodeSteps('internal', steps('add', ['10.50.0.1', 0]))).toBeUndefined();
  expect(encodeSteps('external', steps('add', ['10.50.0.1', 0], ['fd50::1', 0]))).toBeUndefined();
  expect(encodeSteps('external', [])).toBeUndefined();
});

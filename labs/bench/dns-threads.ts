/**
 * What a second thread on a second core adds. dnsperf would not show it: it is at its own limit before two threads of a server are. So they are
 * asked by programs of our own (roles/dns-load.ts), and how busy those were is told beside.
 */
import type { DnsBed, Running } from './dns-bed.ts';
import { gdnsd } from './dns-peers.ts';
import { type Figure, ratios, type Sample, sample } from './figure.ts';

type Load = Awaited<ReturnType<DnsBed['load']>>;

/** One thread and two, of ours and of gdnsd, in turn. */
export async function threadFigures(bed: DnsBed, runs: number): Promise<Figure[]> {
  const servers: readonly Running[] = [
    await bed.ours('one thread', 1, 0),
    await bed.ours('two threads', 2, 0),
    await bed.peer(gdnsd, 0, 1),
    await bed.peer(gdnsd, 0, 2),
  ];
  const loads = servers.map((): Load[] => []);
  for (const server of servers) await bed.load(server);
  for (let run = 0; run < runs; run++)
    for (const [index, server] of servers.entries()) loads[index]!.push(await bed.load(server));
  const numbers = (index: number, field: keyof Load): number[] => loads[index]!.map(one => one[field]);
  const of = (index: number, field: keyof Load): Sample => sample(numbers(index, field));
  const figure = (name: string, field: keyof Load, goal: number): Figure => {
    const ratio = ratios(numbers(1, field), numbers(0, field));
    return {
      name,
      unit: '1/s',
      ours: of(1, field),
      beside: [
        { name: 'one thread', sample: of(0, field) },
        { name: 'gdnsd, two threads', sample: of(3, field) },
        { name: 'gdnsd, one thread', sample: of(2, field) },
      ],
      ratio,
      goal: `> ${goal} × one thread`,
      met: ratio.median > goal,
    };
  };
  const rate = figure(
    'answers a second with two threads on two cores, by askers of our own on the others',
    'rate',
    1.6,
  );
  const busy = (index: number): Sample => sample(numbers(index, 'asking').map(part => 100 * part));
  return [
    {
      ...rate,
      beside: [
        ...rate.beside,
        { name: "of the askers' cores busy with two threads", unit: '%', sample: busy(1) },
        { name: "of the askers' cores busy with one", unit: '%', sample: busy(0) },
      ],
    },
    figure('answers for each second of processor time with two threads', 'perProcessor', 0.9),
  ];
}

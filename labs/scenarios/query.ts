/** `bivouac query`, as an operator uses it, beside what an application has been told by the SDK. */
import type { LabNode } from '../runner/node.ts';
import { check } from '../scenario/scenario.ts';

/** What `bivouac query --json` prints, as far as it is looked at. */
interface Printed {
  readonly vip: string | null;
  readonly servers: readonly {
    readonly address: string;
    readonly score: number;
    readonly services: readonly { readonly name: string; readonly protocol: string }[];
  }[];
}

/** What must be told: exactly these servers, each with this service alone. */
export interface Expected {
  readonly vip: string;
  readonly name: string;
  readonly protocol: string;
  readonly addresses: readonly string[];
}

/** Asks for the VIP and the protocol, as JSON and as text; `how` is `--link` and the like. Fails the step that runs it. */
export async function checkQuery(node: LabNode, expected: Expected, how: readonly string[]): Promise<void> {
  const { vip, name, protocol, addresses } = expected;
  const words = ['bivouac', 'query', vip, '--protocol', protocol, ...how];
  const printed = JSON.parse(await node.must([...words, '--json'])) as Printed;
  check(printed.vip === vip, `bivouac query answers for ${printed.vip}, not for ${vip}`);
  const told = printed.servers.map(server => server.address);
  check(
    [...told].sort().join() === [...addresses].sort().join(),
    `bivouac query tells of ${told.join(', ')}, the SDK of ${addresses.join(', ')}`,
  );
  for (const { address, score, services } of printed.servers) {
    check(score > 0 && score <= 1000, `bivouac query gives ${address} the score ${score}`);
    check(
      services.length > 0 && services.every(each => each.name === name && each.protocol === protocol),
      `bivouac query says that ${address} serves ${JSON.stringify(services)}`,
    );
  }
  const text = await node.must(words);
  const rows = text.split('\n').filter(line => line.includes(name));
  check(
    rows.length === addresses.length && addresses.every(address => rows.some(row => row.includes(address))),
    `bivouac query does not print a line for each of ${addresses.join(', ')}: ${text}`,
  );
}

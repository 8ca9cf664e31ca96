import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Body, elementsOf, layFarm } from '../../appliance/dataplane/farm.ts';
import { planFarm, type Reached, type Step } from '../../appliance/dataplane/plan.ts';
import type { Farm } from '../../appliance/desired/wanted.ts';
import { Table } from '../../appliance/registry/table.ts';
import { address } from '../../sdk/wire/address.ts';
import { farm, member } from '../unit/dataplane/farms.ts';

/** A step that is about one thing. */
type Part =
  | Exclude<Step, { do: 'put-farm' | 'take-farm' }>
  | { readonly do: 'make-chains'; readonly id: number; readonly body: Body };

/** What a farm that comes or goes whole is made of. */
function inParts(step: Step): readonly Part[] {
  if (!('layout' in step)) return [step];
  const { layout } = step;
  const { id, body } = layout;
  const affinity = body.affinity > 0;
  const elements = [...elementsOf(layout)].map(([element, data]): Part => {
    return { do: step.do === 'put-farm' ? 'add' : 'delete', element, data };
  });
  return step.do === 'put-farm'
    ? [
        ...(affinity ? [{ do: 'make-affinity', id, body } as const] : []),
        { do: 'make-chains', id, body },
        ...elements,
      ]
    : [
        ...elements,
        { do: 'drop-chains', id, affinity },
        ...(affinity ? [{ do: 'drop-affinity', id } as const] : []),
      ];
}

/** nf_tables as far as the driver uses it: it refuses what the kernel would refuse. */
class Kernel {
  readonly elements = new Map<string, string>();
  readonly chains = new Map<string, number>();
  readonly maps = new Set<string>();

  run(whole: readonly Step[]): void {
    const steps = whole.flatMap(inParts);
    const phase = (...names: Part['do'][]): Part[] => steps.filter(step => names.includes(step.do));
    for (const step of phase('make-affinity', 'make-chains', 'replace-chains')) this.step(step);
    for (const step of phase('delete')) this.step(step);
    for (const step of phase('add')) this.step(step);
    for (const step of phase('forget')) this.step(step);
    for (const step of phase('drop-chains', 'drop-affinity')) this.step(step);
  }

  private step(step: Part): void {
    switch (step.do) {
      case 'delete':
        if (!this.elements.delete(step.element)) throw new Error(`ENOENT ${step.element}`);
        break;
      case 'add': {
        const late = step.element.startsWith('late_vips4');
        if (this.elements.has(step.element) && !late) throw new Error(`EEXIST ${step.element}`);
        const target = /^(goto|jump) (.*)$/.exec(step.data)?.[2];
        if (target !== undefined && !this.chains.has(target)) throw new Error(`no chain ${target}`);
        if (!late) this.elements.set(step.element, step.data);
        break;
      }
      case 'forget':
        break;
      case 'make-chains':
        if (this.chains.has(`f${step.id}`)) throw new Error(`EEXIST f${step.id}`);
        this.chains.set(`f${step.id}`, step.body.tag);
        if (step.body.affinity > 0 && !this.maps.has(`a${step.id}`)) throw new Error('no map');
        break;
      case 'replace-chains':
        if (!this.chains.has(`f${step.id}`)) throw new Error(`ENOENT f${step.id}`);
        this.chains.set(`f${step.id}`, step.body.tag);
        if (step.body.affinity > 0 && !this.maps.has(`a${step.id}`)) throw new Error('no map');
        break;
      case 'make-affinity':
        this.maps.add(`a${step.id}`);
        this.chains.set(`t${step.id}`, 0);
        break;
      case 'drop-chains':
        this.drop(`f${step.id}`);
        break;
      case 'drop-affinity':
        this.drop(`t${step.id}`);
        if (!this.maps.delete(`a${step.id}`)) throw new Error('ENOENT map');
        break;
    }
  }

  private drop(chain: string): void {
    if (!this.chains.delete(chain)) throw new Error(`ENOENT ${chain}`);
    for (const data of this.elements.values())
      if (data.endsWith(` ${chain}`)) throw new Error(`EBUSY ${chain}`);
  }
}

const members = fc
  .uniqueArray(
    fc.record({
      host: fc.integer({ min: 1, max: 6 }),
      weight: fc.integer({ min: 1, max: 4 }),
      accepts: fc.boolean(),
      port: fc.constantFrom(0, 80, 8080),
    }),
    { minLength: 1, maxLength: 5, selector: each => each.host },
  )
  .map(list => list.map(({ host, ...rest }) => member(`10.1.0.${host}`, rest)));

const farms: fc.Arbitrary<Farm> = fc
  .record({
    members,
    vip: fc.constantFrom('10.50.0.1', '10.50.0.2'),
    port: fc.constantFrom(80, 443),
    mode: fc.constantFrom('nat' as const, 'direct' as const),
    scheduler: fc.constantFrom('wrr' as const, 'source-hash' as const),
    affinity: fc.constantFrom(0, 0, 60),
  })
  .map(({ members, vip, port, mode, ...rest }) =>
    farm(mode === 'direct' ? members.map(each => ({ ...each, port: 0 })) : members, {
      ...rest,
      mode,
      vip: address(vip),
      ports: { first: port, last: port },
    }),
  );

const wanteds = fc
  .uniqueArray(farms, { maxLength: 4, selector: each => each.key })
  .map(list => Table.from(list.map(each => [each.key, each])));

test('the steps bring a kernel that forgives nothing to what is wanted, and a second time there are none', () => {
  expect.hasAssertions();
  fc.assert(
    fc.property(fc.array(wanteds, { minLength: 1, maxLength: 5 }), sequence => {
      const kernel = new Kernel();
      let reached: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };
      let last = Table.empty<Farm['key'], Farm>();
      for (const wanted of sequence) {
        const steps: Step[] = [];
        for (const { key, after } of wanted.changesSince(last)) {
          const plan = planFarm(key, after, reached);
          const gone = [...(reached.farms.get(key)?.indices ?? [])].filter(
            ([name]) => !plan.reached.farms.get(key)?.indices.has(name),
          );
          expect(plan.deaths).toHaveLength(gone.length);
          steps.push(...plan.steps);
          ({ reached } = plan);
        }
        kernel.run(steps);
        last = wanted;

        const expected = new Map<string, string>();
        const vips = new Set<string>();
        for (const each of wanted.values()) {
          const { id, indices } = reached.farms.get(each.key)!;
          const layout = layFarm(each, id, indices);
          const { body } = layout;
          for (const [element, data] of elementsOf(layout)) expected.set(element, data);
          expect(kernel.chains.get(`f${id}`)).toBe(body.tag);
          if (each.mode === 'direct') vips.add(each.vip);
          expect(new Set(indices.values()).size).toBe(indices.size);
          expect(planFarm(each.key, structuredClone(each), reached).steps).toEqual([]);
        }
        for (const vip of vips) expected.set(`direct_vips4 ${vip}`, '');
        expect(kernel.elements).toEqual(expected);
        expect(reached.farms.size).toBe(wanted.size);
      }
    }),
    { numRuns: 150 },
  );
});

import { expect, test } from 'vitest';
import { address } from '../../../sdk/wire/address.ts';
import { Registry, serverId } from '../../support/registry.ts';

test('the same request again gives the same VIP', () => {
  const registry = new Registry();
  registry.register(1);
  const request = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, request)[0]?.vip).toBe(registry.say(1, request)[0]?.vip);
});

test('servers of one shared service get one VIP, also at another manager', () => {
  const here = new Registry();
  const there = new Registry();
  expect(here.serve(1)).toBe(here.serve(2));
  expect(there.serve(3)).toBe(here.serve(1));
});

test('a lease that is not renewed ends, with its services, and its server is told', () => {
  const registry = new Registry({ leaseDuration: 10 });
  const vip = registry.serve(1);
  registry.verdict(1, 'pass');
  registry.settle();
  registry.now = 10_000;
  const kinds = registry.feed({ type: 'tick' }).map(decision => decision.kind);
  expect(kinds).toEqual(['service-withdrawn', 'lease-expired']);
  expect(registry.state.leases.has(vip)).toBe(false);
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(false);
});

test('a renewal counts from its receipt', () => {
  const registry = new Registry({ leaseDuration: 10 });
  const vip = registry.serve(1);
  registry.now = 6000;
  registry.say(1, { type: 'lease-renew', vip });
  registry.now = 15_000;
  expect(registry.feed({ type: 'tick' })).toEqual([]);
});

test('a pre-planned VIP goes to its holder unasked and to nobody else', () => {
  const registry = new Registry({ statics: [{ vip: address('10.9.9.9'), holder: 's1' }] });
  registry.register(1);
  expect(registry.say(1, { type: 'lease-request', family: 4, shared: false, service: 'mcu' })[0]?.vip).toBe(
    '10.9.9.9',
  );
  registry.register(2);
  expect(
    registry.say(2, {
      type: 'lease-request',
      vip: address('10.9.9.9'),
      family: 4,
      shared: false,
      service: 'x',
    })[0]?.reason.code,
  ).toBe('vip-taken');
});

test('a lease that a server presents is taken up, unless another holds the VIP alone', () => {
  const registry = new Registry();
  const lease = {
    vip: address('10.255.0.77'),
    server: serverId(1),
    issuer: registry.config.manager,
    epoch: 1,
    duration: 60,
    shared: false,
    signature: new Uint8Array(0),
  };
  const register = {
    type: 'register',
    versions: [1, 1],
    name: 's',
    addresses: [],
    epoch: 1,
    heartbeat: 0,
    software: '',
  } as const;
  registry.say(1, { ...register, server: serverId(1), leases: [lease] });
  expect(registry.state.leases.get(lease.vip)?.has(serverId(1))).toBe(true);
  registry.say(2, { ...register, server: serverId(2), leases: [{ ...lease, server: serverId(2) }] });
  expect(registry.state.leases.get(lease.vip)?.has(serverId(2))).toBe(false);
});

test('an old lease that is presented is not taken up beyond the limit, nor against the plan', () => {
  const planned = { vip: address('10.255.0.78'), holder: 's9' };
  const registry = new Registry({
    statics: [planned],
    limits: { servers: 9, servicesPerServer: 9, leasesPerServer: 1 },
  });
  const present = (...texts: string[]) => {
    registry.say(1, {
      type: 'register',
      versions: [1, 1],
      server: serverId(1),
      name: 's1',
      addresses: [],
      epoch: 1,
      heartbeat: 0,
      software: '',
      leases: texts.map(text => ({
        vip: address(text),
        server: serverId(1),
        issuer: registry.config.manager,
        epoch: 1,
        duration: 60,
        shared: false,
        signature: new Uint8Array(0),
      })),
    });
    return [...registry.state.leases.keys()];
  };
  expect(present('10.255.0.78')).toEqual([]);
  expect(present('10.255.0.1', '10.255.0.2')).toEqual(['10.255.0.1']);
});

test('two services of one server get a VIP each', () => {
  const registry = new Registry();
  registry.register(1);
  const vips = ['mcu', 'gatekeeper'].map(
    service => registry.say(1, { type: 'lease-request', family: 4, shared: false, service })[0]?.vip,
  );
  expect(new Set(vips).size).toBe(2);
});

test('a shared VIP that is named is joined whatever the service, and one that is held alone is not', () => {
  const registry = new Registry();
  const vip = address('10.255.0.9');
  const request = { type: 'lease-request', family: 4, vip } as const;
  for (const number of [1, 2, 3]) registry.register(number);
  expect(registry.say(1, { ...request, shared: true, service: 'www' })[0]).toMatchObject({ vip });
  expect(registry.say(2, { ...request, shared: true, service: 'mail' })[0]?.kind).toBe('lease-granted');
  expect(registry.say(3, { ...request, shared: false, service: 'www' })[0]?.reason.code).toBe('vip-taken');
  // Whoever names none gets one that its service has to itself.
  const free = registry.say(3, { type: 'lease-request', family: 4, shared: true, service: 'dns' })[0]?.vip;
  expect(free).not.toBe(vip);
});

test('a presented lease of a VIP that the certificate does not permit is not taken up', () => {
  const registry = new Registry();
  const lease = {
    vip: address('10.255.0.77'),
    server: serverId(1),
    issuer: registry.config.manager,
    epoch: 1,
    duration: 60,
    shared: false,
    signature: new Uint8Array(0),
  };
  const claims = { server: undefined, names: undefined, vips: ['10.255.0.0/30'], ports: undefined };
  registry.say(
    1,
    {
      type: 'register',
      versions: [1, 1],
      name: 's',
      addresses: [],
      epoch: 1,
      heartbeat: 0,
      software: '',
      server: serverId(1),
      leases: [lease],
    },
    claims,
  );
  expect(registry.state.leases.size).toBe(0);
});

test('a lease is refused for a name or a VIP that the certificate does not permit, and so is its renewal', () => {
  const registry = new Registry();
  const claims = {
    server: undefined,
    ...{ names: ['www.mission'], vips: ['10.255.0.0/28'], ports: undefined },
  };
  const vip = address('10.255.0.9');
  const request = { type: 'lease-request', family: 4, shared: true } as const;
  registry.register(1, 1, claims);
  const ask = (more: object) => registry.say(1, { ...request, ...more }, claims)[0]?.reason;
  expect(ask({ service: 'mail.mission' })).toMatchObject({
    code: 'not-permitted',
    sentence: expect.stringContaining('the name mail.mission'),
  });
  expect(ask({ service: 'mail.mission', vip })?.code).toBe('not-permitted');
  expect(ask({ service: 'www.mission', vip: address('10.255.0.16') })?.code).toBe('not-permitted');
  expect(registry.state.leases.size).toBe(0);
  expect(ask({ service: 'www.mission', vip })?.code).toBe('granted');

  const renew = (limits: object) =>
    registry.say(1, { type: 'lease-renew', vip }, { ...claims, ...limits })[0]?.reason.code;
  expect(renew({})).toBe('renewed');
  expect(renew({ names: ['mail.mission'] })).toBe('not-permitted');
  expect(renew({ vips: ['10.255.0.16/28'] })).toBe('not-permitted');
});

test('a VIP that is planned for a server is not given to it against its certificate', () => {
  const [planned, other] = [address('10.255.0.5'), address('10.255.0.6')];
  const registry = new Registry({ statics: [planned, other].map(vip => ({ vip, holder: 's1' })) });
  const claims = { server: undefined, names: undefined, vips: [`${other}/32`], ports: undefined };
  registry.register(1, 1, claims);
  const request = { type: 'lease-request', family: 4, shared: false, service: 'www' } as const;
  expect(registry.say(1, request, claims)[0]).toMatchObject({ kind: 'lease-granted', vip: other });
});

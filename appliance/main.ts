/**
 * The composition root of `bivouac run`: reads as the picture in docs/architecture.md.
 */
import type { Address } from '../sdk/wire/address.ts';
import { createCell } from './cell.ts';
import type { Config } from './config/config.ts';
import { takeOver } from './config/restart.ts';
import { metricFor } from './desired/metric.ts';
import type { Wanted, WantedDataplane, WantedRoutes } from './desired/wanted.ts';
import { dataplaneCapabilities, dataplaneDriver, routeSettings, routingDriver } from './drivers.ts';
import type { GslbRole } from './gslb-role.ts';
import { createProbes } from './health/probes.ts';
import { createHealth } from './health/scheduler.ts';
import type { Clock, Signer } from './host/ports.ts';
import { createLoop } from './loop.ts';
import type { ManagerHost, Secrets } from './manager-host.ts';
import { createMission } from './mission.ts';
import { createJournal } from './operator/journal.ts';
import { listenLocal } from './operator/local.ts';
import { logDecision } from './operator/log.ts';
import { createProblems } from './operator/problems.ts';
import { ROUTED, type Sight } from './operator/views.ts';
import { webAnswer } from './operator/web.ts';
import { createReconciler } from './reconciler/reconciler.ts';
import { createRedirector } from './redirector/redirector.ts';
import { wantsCounts } from './registry/counts.ts';
import type { Event } from './registry/events.ts';
import { heartbeatOf } from './registry/servers.ts';
import type { Reached } from './registry/state.ts';
import { emptyState } from './registry/update.ts';
import { createResponder } from './responder/responder.ts';
import { rulesOf } from './rules.ts';
import { createScouts } from './scouts.ts';
import { createLeaseSignatures } from './sessions/lease-signatures.ts';
import { createSessions } from './sessions/sessions.ts';
import { createPersistence } from './store/persistence.ts';
import { familiesOfParts, familiesOfPolls, healthRow } from './telemetry.ts';

export interface Manager {
  /** Takes over what a running manager can; gives the names of what needs a restart. Rejects, changing nothing, for what cannot work. */
  reload(config: Config, secrets: Secrets): Promise<readonly string[]>;
  /** Leaves the network as it was found, or (`leave`) everything in place for the next start. */
  stop(): Promise<void>;
}

/** How often what waits is looked at. */
const TICK = 500;
/** How often connections are counted for servers that do not tell of theirs. A listing of all of them may cost the kernel long. */
const COUNT = 10_000;
const SUPERSEDED = { code: 'superseded', sentence: 'a newer session of the same server replaced it' };

/** How long a stop waits for each step of the withdrawal. */
const STOP_STEP = 3000;

/** Starts a manager; resolves when it is ready to serve. Rejects when an address is taken or a part cannot be opened. */
export async function startManager(first: Config, host: ManagerHost): Promise<Manager> {
  let config = first;
  let { secrets } = host;
  const { clock, random, net, links, raw, exec, log } = host;
  let own = host.signer;
  /** Whatever key the manager has now. */
  const signer: Signer = {
    get id() {
      return own.id;
    },
    get publicKey() {
      return own.publicKey;
    },
    sign: bytes => own.sign(bytes),
  };
  // Before anything is touched: two managers would take each other's farms for leftovers.
  const claim = await host.claim('manager');
  const probes = createProbes({ net, random, raw, exec, programs: config.health.programs });
  const abilities = {
    ...dataplaneCapabilities(config, host),
    checks: Object.keys(probes) as (keyof typeof probes)[],
  };
  const rules = (): ReturnType<typeof rulesOf> =>
    rulesOf(config, signer.id, abilities, (score, now) => metricFor(score, now, config.routing));

  const journal = createJournal(clock);
  const persistence = createPersistence(host.store, clock, log, emptyState());
  const mission = createMission({
    ...{ host, config, credentials: secrets, signer: own },
    onProblems: problems => watch.note('notices', problems),
    emit(event) {
      loop.dispatch(event);
      cell.heard(event);
      scouts.heard(event);
      role?.heard(event);
    },
  });
  const leases = createLeaseSignatures(signer, host.verify, log, () => mission.trust);
  /** Routing begins once the data plane has said what it carries, so that a restart withdraws nothing. */
  let carried = false;
  let listening = false;

  const loop = createLoop({
    rules: rules(),
    clock,
    onDecision(decision) {
      journal.note(decision);
      logDecision(log, decision);
      if (decision.reply) sessions.send(decision.reply.session, leases.signed(decision.reply.message));
      if (decision.end)
        sessions.end(decision.end, decision.kind === 'server-moved' ? decision.reason : SUPERSEDED);
    },
    onDerived({ state, wanted }) {
      // Answers go out before the drivers take their milliseconds.
      sessions.flush();
      persistence.note(state);
      hand(wanted);
    },
  });
  const emit = (event: Event): void => loop.dispatch(leases.verified(event));

  const health = createHealth({ clock, random, probes, emit, limit: config.health.concurrency });
  const sessions = createSessions({
    clock,
    net,
    log,
    identify: host.identify,
    emit,
    config: {
      listen: config.listen,
      tls: secrets.tls,
      plain: config.plain,
      revoked: secrets.revoked,
      limits: { sessions: config.sessions.servers + 64, perAddress: config.sessions.perAddress },
    },
  });
  const redirector = createRedirector({
    ...{ net, clock, random, links, log },
    // The same as before is wanted, but as another value.
    onMoved: () => dataplane.want({ ...loop.derived.wanted.dataplane }),
  });
  const balancer = dataplaneDriver(config, host);
  const dataplane = createReconciler<WantedDataplane, Reached['farms']>({
    name: 'dataplane',
    driver: redirector.around(balancer),
    clock,
    random,
    log,
    onReached(farms) {
      carried = true;
      loop.dispatch({ type: 'reached', farms });
    },
    onProblems: problems => watch.note('dataplane', problems),
  });
  const watch = createProblems(journal.note);
  watch.note('box', host.mishaps ?? []);
  let { driver: routes, frr } = routingDriver(config, host, secrets);
  const routing = createReconciler<WantedRoutes, Reached['routes']>({
    name: 'routing',
    driver: routes,
    clock,
    random,
    log,
    onReached: reached => loop.dispatch({ type: 'reached', routes: reached }),
    onProblems: problems => watch.note('routing', problems),
  });
  const scouts = createScouts({
    ...{ host, signer, links: watchedLinks(config), probes: !config.alone },
    trust: () => mission.trust,
    certificate: () => mission.certificate,
    state: () => loop.state,
    offers: () => loop.derived.wanted.notices.offers,
  });
  let role: GslbRole | undefined;
  const responder = await createResponder({
    clock,
    random,
    net,
    links,
    signer,
    log,
    onConflict({ state, vip }, sentence) {
      const decision = { kind: 'vip-conflict', vip, reason: { code: state, sentence } } as const;
      journal.note(decision);
      logDecision(log, decision);
    },
    elsewhere: (query, source) => role?.managersFor(query, source),
    onOther: (bytes, source, send) => scouts.receive(bytes, source, send),
    config: {
      manager: signer.id,
      name: config.name,
      access: config.access,
      ...config.anycast,
      registration: {
        address: registrationAddress(config),
        port: config.listen[0]!.port,
        tls: secrets.tls !== undefined,
      },
    },
  });

  const cell = createCell({
    ...{ host, config, registration: registrationAddress(config) },
    state: () => loop.state,
    emit: event => loop.dispatch(event),
    invitation: (to, link) => responder.invitation(to, link),
    recheck: service => health.recheck(service),
    onProblems: problems => watch.note('dhcp', problems),
  });

  if (config.gslb !== undefined) {
    // Loaded only where it is wanted: a small box need not hold a DNS server's code.
    const { createGslbRole } = await import('./gslb-role.ts');
    role = await createGslbRole({
      ...{ host, signer, mission, config: { ...config, gslb: config.gslb }, topology: secrets.topology },
      transferKeys: secrets.transferKeys,
      note: journal.note,
    });
  }

  const hand = (wanted: Wanted): void => {
    health.set(wanted.checks);
    // Routes that go do so before the data plane takes its milliseconds.
    if (carried) routing.want(wanted.routing);
    dataplane.want(wanted.dataplane);
    mission.announce(wanted.notices);
    role?.own(wanted.notices.offers);
    redirector.setDirectory(wanted.directory);
    responder.setDirectory(wanted.directory);
    responder.setArp(wanted.arp);
  };

  const local = await listenLocal(
    net,
    config.operator.socket,
    async (view, about): Promise<Sight> => {
      const asked = ROUTED.has(view) ? frr : undefined;
      const [status, conflicts] = await Promise.all([asked?.status(), asked?.conflicts()]);
      return {
        derived: loop.derived,
        now: clock.now(),
        entries: journal.entries(),
        health: health.status().map(status => healthRow(status, loop.state, clock.now())),
        problems: watch.all(),
        peers: mission.peers(),
        hosts: cell.roaming?.hosts() ?? [],
        conflicts: responder.conflicts(),
        gslb: role?.sight(about),
        routing: status && { ...status, conflicts: conflicts ?? [] },
      };
    },
    {
      override(name, to) {
        if (role === undefined) throw new Error('this manager is no GSLB');
        return role.override(name, to);
      },
    },
  );
  const web =
    config.operator.http &&
    (await host.http.serve(config.operator.http, path =>
      webAnswer(
        {
          derived: () => loop.derived,
          now: () => clock.now(),
          journal,
          families: () => [
            ...familiesOfParts(sessions, health, responder, mission, cell, redirector),
            ...familiesOfPolls(scouts.counters(), role?.counters()),
          ],
          serves: () => carried && listening,
          problems: watch,
        },
        path,
      ),
    ));

  loop.dispatch({ type: 'restored', ...persistence.load() });
  loop.settle();
  hand(loop.derived.wanted);
  await dataplane.settled();
  loop.settle();
  await routing.settled();
  loop.settle();
  await mission.open();
  if (!config.alone) await sessions.listen();
  listening = true;

  let ticking = true;
  const tick = (): void => {
    if (!ticking) return;
    loop.dispatch({ type: 'tick' });
    clock.after('tick', TICK, tick);
  };
  tick();
  const count = async (): Promise<void> => {
    if (ticking && balancer.connections !== undefined && wantsCounts(loop.state))
      loop.dispatch({ type: 'counted', connections: await balancer.connections() });
  };
  const countAgain = (): void => {
    if (!ticking) return;
    const failed = (error: Error): void => log('warning', 'not-counted', { why: error.message });
    clock.after('count', COUNT, () => void count().catch(failed).finally(countAgain));
  };
  countAgain();

  return {
    async reload(next, read) {
      const { config: taken, needRestart } = takeOver(config, next);
      const rerouted = routeSettings(taken, read) !== routeSettings(config, secrets);
      const otherRouting = rerouted ? routingDriver(taken, host, read) : undefined;
      const nextSigner = read.tls && read.tls.key !== secrets.tls?.key ? host.signerOf(read.tls.key) : own;
      if (read.tls !== undefined) sessions.renew(read.tls);
      config = taken;
      secrets = read;
      if (nextSigner.id !== own.id) {
        own = nextSigner;
        responder.setManager(own.id);
        log('notice', 'key-changed', { manager: own.id });
      }
      await mission.renew(read, own);
      sessions.revoke(read.revoked);
      if (otherRouting !== undefined) {
        ({ driver: routes, frr } = otherRouting);
        await routing.replace(routes);
      }
      cell.set(config);
      if (config.gslb !== undefined) role?.reload(config.gslb, read.topology);
      const ruled = rules();
      loop.configure(ruled);
      sessions.pace(wish => heartbeatOf(ruled.registry, wish, loop.state.servers.size));
      return needRestart;
    },
    async stop() {
      ticking = false;
      if (config.stop === 'withdraw') {
        loop.dispatch({ type: 'stop' });
        loop.settle();
        await within(clock, STOP_STEP, routing.settled());
        // While there still is an OSPF to tell the others by.
        mission.close(true);
        await within(clock, STOP_STEP, routing.release());
      } else {
        await routing.detach();
      }
      health.close();
      await within(clock, STOP_STEP, sessions.stop());
      loop.settle();
      if (config.stop === 'withdraw') persistence.note({ ...loop.state, servers: emptyState().servers });
      persistence.flush();
      await (config.stop === 'withdraw' ? within(clock, STOP_STEP, dataplane.release()) : dataplane.detach());
      await cell.close();
      mission.close(false);
      scouts.close();
      await role?.close();
      responder.close();
      redirector.close();
      local.close();
      if (web) web.close();
      claim.close();
    },
  };
}

/** The links that GSLBs are told of: those that are named, else those that lead to the others. */
const watchedLinks = ({ links, notices, routing, access }: Config): Config['links'] =>
  links.length > 0
    ? links
    : [...new Set([...notices.interfaces, ...routing.interfaces])]
        .filter(name => !access.includes(name) && name !== '*')
        .slice(0, MOST_LINKS)
        .map(name => ({ interface: name, rate: 0 }));

/** In a reply to a poll. */
const MOST_LINKS = 16;

/** The address that invitations name: the first listener's, unless that is all addresses. */
const registrationAddress = ({ listen }: Config): Address | undefined => {
  const { address } = listen[0]!;
  return address === '0.0.0.0' || address === '::' ? undefined : address;
};

/** Waits for `work`, but no longer than `limit` ms. */
const within = (clock: Clock, limit: number, work: Promise<unknown>): Promise<void> =>
  new Promise(resolve => {
    const timer = clock.after('stop', limit, resolve);
    void work.finally(() => {
      timer.cancel();
      resolve();
    });
  });

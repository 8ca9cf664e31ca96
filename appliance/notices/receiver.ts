/**
 * The receiving half of notices: hears peers, believes what is authentic and fresh, asks for what is missing, and tells who has fallen
 * silent (docs/protocol.md, Notices).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import type { Counters } from '../notifier/counters.ts';
import type { Trust } from '../pki/trust.ts';
import { Gate } from './gate.ts';
import { inOrder, type Kept, knowsAll, type Message, type Way, wants } from './kept.ts';
import type { NoticesOptions, PeerStatus } from './options.ts';
import { Peer, type Refresh, speakerOf } from './peer.ts';
import { hex, type Question, Questions } from './questions.ts';
import { roomOf } from './shares.ts';
import { Strangers } from './strangers.ts';
import { type News, NOTHING, type Notice } from './table.ts';

/** A silent peer is forgotten after this. */
export const FORGET: Millis = 3_600_000;
/** What is missing is asked for within this, at random: it may only be late, and others miss it, too. */
const LATE: Millis = 10;
const JITTER: Millis = 20;
/** Who is not known is asked within this, so many times. */
const STRANGER: Millis = 10;
const STRANGER_TIMES = 4;
/** How long what has arrived may take to be read after a pause of this process. */
const HELD_UP: Millis = 50;
/** Longest silence that a peer may ask to be allowed. */
const LONGEST_VALIDITY: Millis = 300_000;

export class Receiver {
  private readonly options: NoticesOptions & {
    readonly counters: Counters;
    readonly send: (bytes: Uint8Array, port: number, address: Address) => void;
    readonly tell: (bytes: Uint8Array) => void;
    /** What a manager has in OSPF's database now; absent: it is not heard. */
    readonly recall?: (manager: ManagerId) => readonly Kept[];
  };
  private trust: Trust;
  private readonly gate: Gate;
  private readonly peers = new Map<ManagerId, Peer>();
  private readonly strangers: Strangers;
  private readonly questions: Questions;

  constructor(options: Receiver['options']) {
    const { clock, log, verify, counters } = options;
    this.options = options;
    this.trust = options.trust;
    this.gate = new Gate(clock, log, verify, counters);
    this.strangers = new Strangers(clock);
    this.questions = new Questions({ ...options, questionFor: manager => this.questionFor(manager) });
    this.questions.askAll();
  }

  setTrust(trust: Trust): void {
    this.trust = trust;
    for (const peer of this.peers.values())
      if (this.keyOf(peer.id, peer.certificate, peer.source) === undefined) this.forget(peer);
  }

  /** `from`: where it came from; over OSPF the ID of the router that floods it. */
  hear(message: Message, bytes: Uint8Array, from: Address, way: Way = 'datagram'): void {
    const { counters, signer, boot } = this.options;
    const { manager } = message;
    if (manager === signer.id) {
      if (message.boot !== boot) this.hearOwn(message, bytes, from);
      return;
    }
    const peer = this.peers.get(manager);
    const inImage = way === 'lsa' && message.nonce !== undefined;
    const answer = message.nonce !== undefined && !inImage;
    if (answer ? !this.questions.answers(message.nonce, manager) : inImage && !wants(peer, message)) {
      counters.add('dropped-unasked');
      return;
    }
    if (peer !== undefined && !answer && !inImage && this.isOld(peer, message)) {
      counters.add('dropped-old');
      return;
    }
    const source = way === 'lsa' ? (message.addresses[0] ?? from) : from;
    const key = this.keyFor(peer, message, from, source);
    if (key === undefined) return;
    if (!this.gate.authentic(key, bytes, message.signature, from, manager)) return;
    if (!answer && peer?.table.boot !== message.boot) {
      if (peer !== undefined && message.boot < peer.table.boot)
        this.gate.refuse('lower-boot', from, { manager, boot: message.boot, known: peer.table.boot });
      this.challenge(message, from, source);
      return;
    }
    if (message.type === 'refresh') this.takeRefresh(peer, message, key, source, way);
    else if (peer !== undefined) this.takeNotice(peer, message, source, way);
  }

  /** OSPF has lost the way to the router by which a manager speaks, or has found it again. */
  reach(manager: ManagerId, reachable: boolean): void {
    const peer = this.peers.get(manager);
    if (peer === undefined) return;
    if (reachable) {
      this.suspectBoot.add(manager);
      this.questions.ask(manager, this.options.random.uniform() * STRANGER);
    } else if (this.options.clock.now() - peer.toldAt >= peer.validity) this.silence(peer);
  }

  status(): readonly PeerStatus[] {
    const now = this.options.clock.now();
    return [...this.peers.values()].map(peer => ({
      manager: peer.id,
      name: peer.speaker.name,
      boot: peer.table.boot,
      known: peer.table.cover.cursor,
      newest: peer.table.cover.newest,
      ...peer.table.counts(),
      silent: peer.silent,
      heardAgo: now - peer.heardAt,
    }));
  }

  close(): void {
    this.questions.close();
    for (const peer of this.peers.values()) peer.fading?.cancel();
  }

  /** Signed by our key, but not by us as we are now: a replay, or somebody who has the key, too. */
  private hearOwn(message: Message, bytes: Uint8Array, from: Address): void {
    const { signer, boot } = this.options;
    if (!this.gate.authentic(signer.publicKey, bytes, message.signature, from, signer.id)) return;
    const why = message.boot > boot ? 'own-identity' : 'own-old';
    this.gate.refuse(why, from, { boot: message.boot, own: boot });
  }

  /** Nothing new in it, or a replay: not worth a look at its signature. */
  private isOld(peer: Peer, message: Message): boolean {
    if (message.boot !== peer.table.boot) return false;
    return message.type === 'refresh'
      ? message.beat <= peer.beat
      : peer.table.cover.has(message.since, message.change);
  }

  /** The key that must have signed it; undefined when that cannot be known yet, or is not to be trusted. */
  private keyFor(
    peer: Peer | undefined,
    message: Message,
    from: Address,
    source: Address,
  ): Uint8Array | undefined {
    // Only in an answer: a certificate costs more to look at than to send.
    if (message.type === 'refresh' && message.nonce !== undefined && message.certificate !== undefined)
      return this.keyOf(message.manager, message.certificate, from);
    if (peer !== undefined) return peer.publicKey;
    this.challenge(message, from, source);
    return undefined;
  }

  private keyOf(manager: ManagerId, certificate: Uint8Array, from: Address): Uint8Array | undefined {
    const judged = this.trust.judge(certificate);
    if ('fault' in judged) {
      this.gate.refuse('untrusted', from, { manager, sentence: judged.fault.sentence });
      return undefined;
    }
    const { id, roles, publicKey, subject } = judged.member;
    if (id === manager && roles.includes('manager')) return publicKey;
    this.gate.refuse('no-manager', from, { manager, sentence: `${subject} is not that manager` });
    return undefined;
  }

  /** Asks one of whom nothing is believed yet, or who says that he has started anew. */
  private challenge({ manager, addresses }: Message, from: Address, source: Address): void {
    const { random, counters } = this.options;
    if (!this.strangers.allows(from)) {
      counters.add('limit-strangers');
      return;
    }
    const peer = this.peers.get(manager);
    if (peer !== undefined) peer.source = source;
    else this.strangers.remember(manager, [source, ...addresses.filter(address => address !== source)]);
    this.suspectBoot.add(manager);
    this.questions.ask(manager, random.uniform() * STRANGER);
  }

  /** Peers that are to be asked although nothing of the boot that is believed is missing. */
  private readonly suspectBoot = new Set<ManagerId>();

  private questionFor(manager: ManagerId): Question | undefined {
    const { config } = this.options;
    const placesOf = (addresses: readonly Address[]): Question['places'] =>
      addresses.map(address => ({
        address,
        port: config.peers.find(peer => peer.address === address)?.port ?? config.port,
      }));
    const peer = this.peers.get(manager);
    if (peer === undefined) {
      const from = this.strangers.placesOf(manager);
      return from && { places: placesOf(from), since: 0, times: STRANGER_TIMES };
    }
    const suspect = this.suspectBoot.has(manager);
    if (!suspect && !knowsAll(peer)) this.recall(peer);
    if (!suspect && knowsAll(peer)) return undefined;
    const { boot, cover } = peer.table;
    return {
      places: placesOf(peer.places),
      ...{ cookie: peer.cookie, boot, since: cover.cursor },
      times: suspect ? STRANGER_TIMES : 8,
    };
  }

  /** Looks up what is missing where it may be, before it is asked for. */
  private recall(peer: Peer): void {
    const kept = this.options.recall?.(peer.id) ?? [];
    const { log, image } = inOrder(kept, peer);
    const hear = (those: readonly Kept[]): void => {
      for (const { message, bytes, from } of those)
        if (!knowsAll(peer)) this.hear(message, bytes, from, 'lsa');
    };
    hear(log);
    if (knowsAll(peer) || image.length === 0) return;
    this.options.counters.add('image-recalled');
    hear(image);
    hear(log);
  }

  private takeRefresh(
    known: Peer | undefined,
    message: Refresh,
    key: Uint8Array,
    from: Address,
    way: Way,
  ): void {
    const peer = known ?? this.admit(message, key, from);
    if (peer === undefined) return;
    const { nonce } = message;
    if (nonce !== undefined) {
      this.suspectBoot.delete(peer.id);
      if (message.boot !== peer.table.boot) this.believe(peer, message.boot, from);
      if (message.certificate !== undefined)
        Object.assign(peer, { certificate: message.certificate, publicKey: key });
      if (message.cookie !== undefined) peer.cookie = message.cookie;
    }
    peer.beat = Math.max(peer.beat, message.beat);
    peer.image = message.image && hex(message.image);
    const now = this.options.clock.now();
    const own = way === 'datagram' && nonce === undefined;
    if (own) peer.toldAt = now;
    // What comes by OSPF, and answers, allow for the longest silence: the refreshes of another carrier would show a shorter one.
    if (own || now - peer.toldAt >= peer.validity)
      peer.validity = Math.min(Math.max(message.validity, 1), LONGEST_VALIDITY);
    if (message.gone) {
      this.forget(peer);
      return;
    }
    const { table } = peer;
    table.cover.hearOf(message.change);
    const news = !table.complete && table.cover.whole ? table.finish() : undefined;
    this.alive(peer, message, from, news);
    if (nonce !== undefined && message.cookie !== undefined && this.questions.takesCookie(nonce)) {
      if (this.questionFor(peer.id) !== undefined) this.questions.again(peer.id);
    } else this.mend(peer);
  }

  private takeNotice(peer: Peer, message: Notice, from: Address, way: Way): void {
    const { nonce } = message;
    if (nonce !== undefined && way === 'lsa') {
      if (!peer.admits(hex(nonce), true)) return;
    } else if (nonce !== undefined) {
      this.suspectBoot.delete(peer.id);
      if (message.boot !== peer.table.boot) this.believe(peer, message.boot, from);
      if (!peer.admits(hex(nonce), message.whole)) return;
      this.questions.progress(peer.id);
    }
    const { limits } = this.options.config;
    const others = [...this.peers.values()].filter(one => one !== peer).map(one => one.table.size);
    const news = peer.table.take(message, roomOf(limits, peer.table.size, others));
    if (peer.table.left > 0)
      this.gate.refuse('limit-entries', from, {
        manager: peer.id,
        left: peer.table.left,
        limit: limits.bindings,
      });
    this.alive(peer, message, from, news);
    this.mend(peer);
  }

  /** The peer has started anew, and has proved it. */
  private believe(peer: Peer, boot: number, from: Address): void {
    const before = peer.table.boot;
    if (boot < before)
      this.options.log('warning', 'peer-boot-lower', {
        manager: peer.id,
        name: peer.speaker.name,
        from,
        boot,
        before,
      });
    peer.reboot(boot);
  }

  private admit(message: Refresh, key: Uint8Array, from: Address): Peer | undefined {
    const { config, clock } = this.options;
    if (message.gone || message.certificate === undefined) return undefined;
    if (this.peers.size >= config.limits.peers) {
      this.gate.refuse('limit-peers', from, { manager: message.manager, most: config.limits.peers });
      return undefined;
    }
    const peer = new Peer(message, key, from, clock.now());
    this.peers.set(peer.id, peer);
    this.strangers.forget(peer.id);
    return peer;
  }

  /** A sign of life, with what is new. */
  private alive(peer: Peer, message: Notice | Refresh, from: Address, news: News | undefined): void {
    const { clock, emit, counters } = this.options;
    const speaker = speakerOf(message);
    const moved = JSON.stringify(speaker) !== JSON.stringify(peer.speaker);
    const back = peer.silent;
    peer.speaker = speaker;
    peer.source = from;
    peer.heardAt = clock.now();
    this.watch(peer);
    counters.add('received');
    if (news !== undefined || moved || back) emit({ type: 'heard', ...speaker, ...(news ?? NOTHING) });
  }

  private mend(peer: Peer): void {
    if (knowsAll(peer)) this.questions.drop(peer.id);
    else this.questions.ask(peer.id, LATE + this.options.random.uniform() * JITTER);
  }

  /** Its silence is looked for when it can first be there: not each message sets a timer. */
  private watch(peer: Peer): void {
    if (peer.fading !== undefined && !peer.silent) return;
    const { clock } = this.options;
    peer.fading?.cancel();
    peer.silent = false;
    let sure = false;
    const look = (): void => {
      const left = peer.heardAt + peer.validity - clock.now();
      // What came while this process was held up is read before the silence is judged.
      if (left > 0 || !sure) {
        sure = left <= 0;
        peer.fading = clock.after('peer-silent', Math.max(left, HELD_UP), look);
        return;
      }
      this.silence(peer);
    };
    look();
  }

  private silence(peer: Peer): void {
    if (peer.silent) return;
    const { clock, emit } = this.options;
    peer.fading?.cancel();
    peer.silent = true;
    peer.fading = clock.after('peer-forgotten', FORGET, () => this.forget(peer));
    emit({ type: 'peer-silent', manager: peer.id });
  }

  private forget(peer: Peer): void {
    peer.fading?.cancel();
    this.questions.drop(peer.id);
    this.peers.delete(peer.id);
    this.suspectBoot.delete(peer.id);
    this.options.emit({ type: 'peer-gone', manager: peer.id });
  }
}

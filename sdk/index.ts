/**
 * @bivouac/sdk: ask a Bivouac manager for servers and pick one; register a server and its services.
 *
 *     import { pick, register } from '@bivouac/sdk';
 *     const { socket } = await pick({ name: 'mcu.example.org', protocol: 'h323' });
 *     const registration = await register({ services: [{ name: 'www.example.org', protocol: 'http', ports: 80 }] });
 */
export { Answer } from './client/answer.ts';
export type { ClientOptions, QueryOptions } from './client/options.ts';
export type { Candidate, Picked, PickOptions } from './client/pick.ts';
export type { Ports, Wanted } from './client/question.ts';
export { pick, query, Resolver, watch } from './client/resolver.ts';
export type { PublicKey } from './client/trust.ts';
export type { Change, WatchOptions } from './client/watch.ts';
export { BivouacError, type ErrorCode } from './errors.ts';
export { type DiscoverOptions, discover, type Invitation } from './server/discover.ts';
export type {
  LeaseEvent,
  LostEvent,
  ManagerAddress,
  MovedEvent,
  RefusedEvent,
  ServiceEvent,
  SessionState,
  StateEvent,
} from './server/events.ts';
export type { Memory } from './server/memory.ts';
export {
  type RegisterOptions,
  Registration,
  type RegistrationEvents,
  register,
} from './server/register.ts';
export type { ServiceOptions, ServicePlan } from './server/service.ts';
export type { Environment, Identity } from './transport/environment.ts';
export { nodeEnvironment } from './transport/node.ts';
export type { Address, Mac } from './wire/address.ts';
export type { RefusalCode } from './wire/messages.ts';
export type {
  AnsweredManager,
  AnsweredServer,
  AnsweredService,
  Check,
  CheckKind,
  Forward,
  ForwardMode,
  Lease,
  ManagerId,
  PortRange,
  Report,
  ReportedState,
  Scheduler,
  ServerId,
  ServiceState,
  Transport,
} from './wire/model.ts';

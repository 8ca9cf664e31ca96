/**
 * Net of ports.ts on node:net, node:tls and node:dgram.
 */
import { connect } from './net-connect.ts';
import { datagram } from './net-datagram.ts';
import { listen, listenLocal } from './net-listen.ts';
import type { Net } from './ports.ts';

/** The network of the host that this process runs in. */
export const createNet = (): Net => ({ connect, listen, listenLocal, datagram });

/** What runs in the guest: it measures each balancer in turn, and gives what it measured. */
import { serve } from '../../../test/support/guest-channel.ts';
import { measureFailover } from './failover.ts';
import { measurePath } from './path.ts';

await serve({ failover: measureFailover, path: measurePath });

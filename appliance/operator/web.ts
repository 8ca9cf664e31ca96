/**
 * What monitoring asks on loopback: /metrics, /livez, /readyz.
 */
import type { Derived } from '../desired/derive.ts';
import type { Millis } from '../host/ports.ts';
import type { Journal } from './journal.ts';
import { counterOf, type Family, familiesOf, renderMetrics } from './metrics.ts';

export interface WebSight {
  readonly derived: () => Derived;
  readonly now: () => Millis;
  readonly journal: Journal;
  /** Counters of the other parts. */
  readonly families: () => readonly Family[];
  /** Whether the data plane and routing have been taken up. */
  readonly ready: () => boolean;
  /** What drivers could not reach, in sentences. */
  readonly problems: () => readonly string[];
}

interface WebAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = (status: number, body: string): WebAnswer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});

/** Answers a path. `/readyz` is 503 until the manager serves, and while a driver cannot reach what is wanted. */
export function webAnswer(sight: WebSight, path: string): WebAnswer {
  switch (path.split('?')[0]) {
    case '/metrics': {
      const decisions = counterOf(
        'bivouac_decisions_total',
        'Decisions of the registry.',
        ['kind', 'code'],
        sight.journal.counts,
      );
      const body = renderMetrics([
        ...familiesOf(sight.derived(), sight.now()),
        decisions,
        ...sight.families(),
      ]);
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body };
    }
    case '/livez':
      return text(200, 'alive');
    case '/readyz': {
      const problems = sight.ready() ? sight.problems() : ['the data plane has not been taken up yet'];
      return problems.length === 0 ? text(200, 'ready') : text(503, problems.join('\n'));
    }
    default:
      return text(404, 'one of /metrics, /livez, /readyz');
  }
}

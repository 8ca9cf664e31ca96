/**
 * What monitoring asks on loopback: /metrics, /livez, /readyz.
 */
import type { Derived } from '../desired/derive.ts';
import type { Millis } from '../host/ports.ts';
import type { Journal } from './journal.ts';
import { counterOf, type Family, familiesOf, problemsFamily, renderMetrics } from './metrics.ts';
import { type Problems, totalProblems } from './problems.ts';

export interface WebSight {
  readonly derived: () => Derived;
  readonly now: () => Millis;
  readonly journal: Journal;
  /** Counters of the other parts. */
  readonly families: () => readonly Family[];
  /** Whether the data plane has been taken up, and servers can register. */
  readonly serves: () => boolean;
  readonly problems: Problems;
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

/**
 * Answers a path. `/readyz` is 503 until the manager serves, and while it can forward nothing at all. What else cannot be reached (a
 * farm, a route) is said, and counted in the metrics, but the daemon serves.
 */
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
        problemsFamily(sight.problems.counts()),
        ...sight.families(),
      ]);
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body };
    }
    case '/livez':
      return text(200, 'alive');
    case '/readyz': {
      const problems = sight.problems.all();
      const unready = sight.serves() ? totalProblems(problems) : ['the manager has not come up yet'];
      if (unready.length > 0) return text(503, unready.join('\n'));
      return text(200, ['ready', ...problems.map(problem => `degraded: ${problem}`)].join('\n'));
    }
    default:
      return text(404, 'one of /metrics, /livez, /readyz');
  }
}

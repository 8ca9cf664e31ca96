/**
 * The operator's local socket: one request line in JSON, one answer line in JSON.
 */
import type { Listener, Net } from '../host/ports.ts';
import { type Row, type Sight, VIEWS, type ViewName } from './views.ts';

export interface Request {
  /** What is to be shown; absent when something is to be done. */
  readonly show?: string;
  /** `override`: sends the clients of `name` to `to`; nobody there: as before. */
  readonly do?: string;
  readonly to?: readonly string[];
  /** Of events: only those after this one. */
  readonly since?: number;
  /** Of explain: the service's name and the client's address. */
  readonly name?: string;
  readonly client?: string;
}

export type Answer =
  /** `next`, with events: what to say as `since` the next time. */
  { readonly rows: readonly Row[]; readonly next?: number } | { readonly error: string };

/** A request is short; a longer line is no request. */
const LONGEST = 4096;

/** What an operator can do besides looking. Throws, or rejects with, a sentence for what cannot be done. */
export interface Acts {
  override(name: string, to: readonly string[]): readonly Row[];
}

/** Answers one request. */
export async function answer(
  line: string,
  look: (view: ViewName, request: Request) => Promise<Sight>,
  acts: Acts,
): Promise<Answer> {
  let view: ViewName;
  let since: number | undefined;
  let request: Request;
  try {
    request = JSON.parse(line) as Request;
    view = request.show as ViewName;
    ({ since } = request);
  } catch {
    // Not JSON, or null, which has no fields.
    return { error: 'a request is one line of JSON, such as {"show":"services"}' };
  }
  if (request.do !== undefined) return { rows: done(request, acts) };
  if (typeof view !== 'string' || !Object.hasOwn(VIEWS, view))
    return {
      error: `nothing to show called '${String(view)}': one of ${Object.keys(VIEWS).join(', ')}`,
    };
  const sight = await look(view, request);
  if (view !== 'events') return { rows: VIEWS[view](sight) };
  const { entries } = sight;
  const after = typeof since === 'number' ? since : 0;
  return {
    rows: VIEWS.events({ ...sight, entries: entries.filter(({ number }) => number > after) }),
    next: entries.at(-1)?.number ?? 0,
  };
}

function done({ do: what, name, to }: Request, acts: Acts): readonly Row[] {
  if (what !== 'override') throw new Error(`nothing to do called '${String(what)}': it is override`);
  if (typeof name !== 'string' || !Array.isArray(to) || !to.every(one => typeof one === 'string'))
    throw new Error('an override has a `name`, and a list of sites as `to`');
  return acts.override(name, to);
}

/** Listens at `path`. Who may open the socket (mode 0660) may look, and do. */
export const listenLocal = (
  net: Net,
  path: string,
  look: (view: ViewName, request: Request) => Promise<Sight>,
  acts: Acts,
): Promise<Listener> =>
  net.listenLocal(path, stream => {
    const decoder = new TextDecoder();
    let text = '';
    return {
      onData(bytes) {
        text += decoder.decode(bytes, { stream: true });
        const end = text.indexOf('\n');
        if (end < 0) {
          if (text.length > LONGEST) stream.destroy();
          return;
        }
        const line = text.slice(0, end);
        text = '';
        void answer(line, look, acts)
          .catch(
            (error: unknown): Answer => ({ error: error instanceof Error ? error.message : String(error) }),
          )
          .then(result => {
            stream.write(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
            stream.end();
          });
      },
      onClose() {},
    };
  });

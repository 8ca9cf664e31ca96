/**
 * The operator's local socket: one request line in JSON, one answer line in JSON.
 */
import type { Listener, Net } from '../host/ports.ts';
import { type Row, type Sight, VIEWS, type ViewName } from './views.ts';

export interface Request {
  readonly show: string;
}

export type Answer = { readonly rows: readonly Row[] } | { readonly error: string };

/** A request is short; a longer line is no request. */
const LONGEST = 4096;

/** Answers one request. */
export async function answer(line: string, look: (view: ViewName) => Promise<Sight>): Promise<Answer> {
  let request: Partial<Request>;
  try {
    request = JSON.parse(line) as Partial<Request>;
  } catch {
    return { error: 'a request is one line of JSON, such as {"show":"services"}' };
  }
  const view = request.show as ViewName;
  if (typeof view !== 'string' || !Object.hasOwn(VIEWS, view))
    return {
      error: `nothing to show called '${String(request.show)}': one of ${Object.keys(VIEWS).join(', ')}`,
    };
  return { rows: VIEWS[view](await look(view)) };
}

/** Listens at `path`. Who may open the socket (mode 0660) may look. */
export const listenLocal = (
  net: Net,
  path: string,
  look: (view: ViewName) => Promise<Sight>,
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
        void answer(line, look).then(result => {
          stream.write(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
          stream.end();
        });
      },
      onClose() {},
    };
  });

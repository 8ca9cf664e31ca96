/**
 * Replies to queries that were asked before, byte for byte but for the ID: then nothing has to be read, found or put together again. What
 * is kept must depend on nothing but the query and the place of who sent it; whoever keeps it says when it is void.
 *
 * All of them lie in one buffer, none is ever moved, and when it is full all are forgotten. A query is kept when it has come twice, so
 * that those that never come again (a stranger's inventions, letters in mixed case) cost a look and no room.
 *
 *     HEAD      hash | place | kind | outcome (8) reply's length (12) query's length (12)
 *     query     without its ID, up to four bytes
 *     reply     likewise
 */

/** Bytes for all. */
const ROOM = 1 << 21;
/**
 * Sets that a hash chooses from. Each is of four numbers, so that to look takes one line of the processor's cache: where two replies are
 * (0: none), and the hashes of two queries that came once.
 */
const SETS = 1 << 13;
const SET = 4;
const SEEN = 2;
/** What is longer is put together each time. */
const LONGEST = 1024;
const HEAD = 16;
/** Bytes of the ID. */
const ID = 2;

const NOBODY: DataView = new DataView(new ArrayBuffer(0));

export class Again {
  /** Of the query that was looked for last. */
  private hash = 0;
  /** It came before, and is worth keeping. */
  private twice = false;
  private readonly sets = new Int32Array(SETS * SET);
  /** Made when there is something to keep. */
  private room = NOBODY;
  private used = HEAD;
  /** What queries and replies lie in is mostly the same buffer again. */
  private input: Uint8Array | undefined;
  private inputView: DataView = NOBODY;
  private output: Uint8Array | undefined;
  private outputView: DataView = NOBODY;

  /** Nothing that is kept is true any more. */
  forget(): void {
    if (this.used === HEAD) return;
    this.used = HEAD;
    this.sets.fill(0);
  }

  /** The reply to the query bytes[start…end) from a place; 0: none is kept. */
  find(bytes: Uint8Array, start: number, end: number, place: number): number {
    const length = end - start;
    this.twice = false;
    if (length < 12 || length > LONGEST) return 0;
    if (this.input !== bytes) {
      this.input = bytes;
      this.inputView = viewOf(bytes);
    }
    const { inputView, room, sets } = this;
    const last = end - 4;
    let hash = Math.imul(place ^ inputView.getInt32(last, true), 0x9e3779b1);
    for (let at = start + ID; at < last; at += 4) {
      hash = Math.imul(hash ^ inputView.getInt32(at, true), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    this.hash = hash;
    const set = setOf(hash);
    for (let way = set; way < set + SEEN; way++) {
      const reply = sets[way]!;
      if (reply === 0 || room.getInt32(reply, true) !== hash || room.getInt32(reply + 4, true) !== place)
        continue;
      if (
        (room.getInt32(reply + 12, true) & 0xfff) === length &&
        same(room, reply + HEAD, inputView, start + ID, end)
      )
        return reply;
    }
    const mark = set + SEEN;
    this.twice = sets[mark] === hash || sets[mark + 1] === hash;
    sets[mark + 1] = sets[mark]!;
    sets[mark] = hash;
    return 0;
  }

  /** What rate limiting takes it for, and how it is counted: as they were told to `keep`. */
  kind = (reply: number): number => this.room.getInt32(reply + 8, true);
  outcome = (reply: number): number => this.room.getInt32(reply + 12, true) >>> 24;

  /** Writes a reply that was found to the query at bytes[start…] into output[at…]; gives its length. */
  copy(reply: number, bytes: Uint8Array, start: number, output: Uint8Array, at: number): number {
    const { room } = this;
    const lengths = room.getInt32(reply + 12, true);
    const length = (lengths >>> 12) & 0xfff;
    if (this.output !== output) {
      this.output = output;
      this.outputView = viewOf(output);
    }
    output[at] = bytes[start]!;
    output[at + 1] = bytes[start + 1]!;
    move(room, reply + HEAD + padded((lengths & 0xfff) - ID), this.outputView, at + ID, at + length);
    return length;
  }

  /**
   * Keeps output[at…at+size) as the reply to the query bytes[start…end), which was looked for last and not found, if that is worth it.
   * `outcome`: 0 to 255.
   */
  keep(
    bytes: Uint8Array,
    start: number,
    end: number,
    place: number,
    output: Uint8Array,
    at: number,
    size: number,
    kind: number,
    outcome: number,
  ): void {
    if (!this.twice || size > LONGEST) return;
    const length = end - start;
    const query = padded(length - ID);
    const whole = HEAD + query + padded(size - ID);
    if (this.room === NOBODY) this.room = new DataView(new ArrayBuffer(ROOM));
    if (this.used + whole > ROOM) this.forget();
    const reply = this.used;
    this.used += whole;
    const { room, sets, hash } = this;
    room.setInt32(reply, hash, true);
    room.setInt32(reply + 4, place, true);
    room.setInt32(reply + 8, kind, true);
    room.setInt32(reply + 12, (outcome << 24) | (size << 12) | length, true);
    for (let index = ID; index < length; index++)
      room.setUint8(reply + HEAD + index - ID, bytes[start + index]!);
    for (let index = ID; index < size; index++)
      room.setUint8(reply + HEAD + query + index - ID, output[at + index]!);
    const set = setOf(hash);
    sets[set + 1] = sets[set]!;
    sets[set] = reply;
  }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const setOf = (hash: number): number => (hash & (SETS - 1)) * SET;

const padded = (length: number): number => (length + 3) & ~3;

/** Whether the bytes from `at` on are those from `start` to `end`; four at once, the last four anew. */
function same(room: DataView, at: number, view: DataView, start: number, end: number): boolean {
  const last = end - 4;
  const shift = at - start;
  for (let next = start; next < last; next += 4)
    if (room.getInt32(shift + next, true) !== view.getInt32(next, true)) return false;
  return room.getInt32(shift + last, true) === view.getInt32(last, true);
}

/** Copies to `start`…`end` what is there from `at` on. */
function move(room: DataView, at: number, view: DataView, start: number, end: number): void {
  const last = end - 4;
  const shift = at - start;
  for (let next = start; next < last; next += 4) view.setInt32(next, room.getInt32(shift + next, true), true);
  view.setInt32(last, room.getInt32(shift + last, true), true);
}

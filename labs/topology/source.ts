/** A YAML file whose values know their line, so that every complaint about it can name one. */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';

/** What is wrong with a topology file, with the place: `file:line: message`. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError';
}

/** A value of the file and the place it stands at. */
export class Value {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #node: Node | null;
  readonly #line: number;
  /** The path from the top, as in `topology.nodes.hq.binds`. */
  readonly path: string;

  private constructor(file: string, lines: LineCounter, node: Node | null, line: number, path: string) {
    this.#file = file;
    this.#lines = lines;
    this.#node = node;
    this.#line = node?.range ? lines.linePos(node.range[0]).line : line;
    this.path = path;
  }

  /** Throws TopologyError when `text` is not YAML. Aliases are refused: containerlab files hardly use them. */
  static parse(file: string, text: string): Value {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
    const fault = document.errors[0];
    if (fault)
      throw new TopologyError(
        `${file}:${lines.linePos(fault.pos[0]).line}: ${fault.message.split('\n')[0] ?? ''}`,
      );
    visit(document, {
      Alias(_key, { source, range }) {
        const line = range ? lines.linePos(range[0]).line : 1;
        throw new TopologyError(`${file}:${line}: the alias '*${source}' is not supported: write it out`);
      },
    });
    return new Value(file, lines, document.contents, 1, '');
  }

  /** An error about this value. */
  fail(message: string): TopologyError {
    return new TopologyError(`${this.#file}:${this.#line}: ${this.path || 'the file'}: ${message}`);
  }

  get isNull(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  /** The entries of a mapping; null is an empty one. */
  entries(): [key: string, value: Value][] {
    if (this.isNull) return [];
    if (!isMap(this.#node)) throw this.fail('must be a mapping (key: value)');
    return this.#node.items.map(item => {
      const { key, value } = item as Pair<Node, Node | null>;
      if (!isScalar(key)) throw this.fail('has a key that is not a plain word');
      const line = key.range ? this.#lines.linePos(key.range[0]).line : this.#line;
      const name = String(key.value);
      const path = this.path ? `${this.path}.${name}` : name;
      return [name, new Value(this.#file, this.#lines, value, line, path)];
    });
  }

  /** The entries of a mapping that may hold only the `known` keys; the rest is refused by name. */
  fields(known: readonly string[]): Map<string, Value> {
    const fields = new Map(this.entries());
    for (const [key, value] of fields)
      if (!known.includes(key))
        throw value.fail(`'${key}' is not supported here; supported: ${known.join(', ')}`);
    return fields;
  }

  items(): Value[] {
    if (this.isNull) return [];
    if (!isSeq(this.#node)) throw this.fail('must be a list');
    return this.#node.items.map(
      (item, at) => new Value(this.#file, this.#lines, item as Node, this.#line, `${this.path}[${at}]`),
    );
  }

  /** A scalar as text; numbers and booleans as they are written. */
  text(): string {
    if (!isScalar(this.#node) || this.isNull) throw this.fail('must be a plain value');
    return String(this.#node.value);
  }

  /** A list of texts. */
  texts(): string[] {
    return this.items().map(item => item.text());
  }

  /** A mapping of texts. */
  record(): Record<string, string> {
    return Object.fromEntries(this.entries().map(([key, value]) => [key, value.text()]));
  }
}

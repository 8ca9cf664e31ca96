/**
 * Stored documents by `conf`: one JSON file each, written to the side, synced and renamed. A file that is no longer readable is
 * renamed to `NAME.json.corrupt-N`, never overwritten.
 */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Conf from 'conf';
import { type Schema, validate } from '../config/validate.ts';
import type { Log, Store } from './ports.ts';

type Document = Record<string, unknown>;

/** A store in `directory`. `schema` (JSON Schema of a document's properties) holds for every document. */
export function createStore(directory: string, schema: Schema, log: Log): Store {
  const conf = new Conf<Document>({
    cwd: directory,
    accessPropertiesByDotNotation: false,
    clearInvalidConfig: false,
    configFileMode: 0o600,
    configName: 'unnamed',
  });
  const fileOf = (name: string): string => join(directory, `${name}.json`);

  /** Throws for what is no document. Conf's own way compiles the schema: 20 ms of each start, and half a megabyte. */
  const checked = (document: Document): Document => {
    const [violation] = validate({ type: 'object', properties: schema }, {}, document);
    if (violation === undefined) return document;
    throw new Error(`schema violation: ${violation.instancePath.slice(1) || 'it'} ${violation.message}`);
  };

  const at = (name: string): Conf<Document> => Object.assign(conf, { path: fileOf(name) });

  return {
    read(name, decode) {
      const file = fileOf(name);
      if (!existsSync(file)) return undefined;
      try {
        return decode(checked(at(name).store));
      } catch (error) {
        const aside = setAside(file);
        log('error', 'stored-state-corrupt', {
          file,
          aside,
          why: error instanceof Error ? error.message : String(error),
        });
        return undefined;
      }
    },
    write(name, document) {
      at(name).store = checked(document as Document);
    },
  };
}

function setAside(file: string): string {
  for (let number = 1; ; number++) {
    const aside = `${file}.corrupt-${number}`;
    if (existsSync(aside)) continue;
    renameSync(file, aside);
    return aside;
  }
}

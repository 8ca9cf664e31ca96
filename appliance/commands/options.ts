/**
 * The options of every command, as util.parseArgs wants them: what the commands parse by, and what Tab completion knows.
 */
const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const texts = { type: 'string', multiple: true } as const;

export const OPTIONS = {
  run: { config: text, help: flag },
  agent: { config: text, check: flag, verbose: flag, help: flag },
  query: {
    ...{ protocol: text, transport: text, port: texts, via: texts, link: text, want: text },
    ...{ signed: flag, key: text, timeout: text, retries: text, count: text, interval: text },
    ...{ watch: flag, json: flag, help: flag },
  },
  show: { json: flag, socket: text, watch: text, follow: flag, help: flag },
  gslb: { client: text, json: flag, socket: text, help: flag },
  'check-config': { help: flag },
  update: { check: flag, 'no-reboot': flag, 'allow-downgrade': flag, help: flag },
  box: { json: flag, apply: flag, console: flag, wait: text, help: flag },
  'tech-support': { output: text, config: text, socket: text, help: flag },
  completion: { help: flag },
} as const;

/** Those of the verbs of `pki`. */
export const PKI_OPTIONS = {
  init: { mission: text, force: flag },
  issue: {
    ...{ name: text, days: text, any: flag, force: flag },
    ...{ role: texts, 'claim-name': texts, 'claim-vip': texts, 'claim-port': texts },
  },
  revoke: { name: text, serial: text },
  bundle: { name: text, config: text, output: text },
  show: { json: flag },
} as const;

/** Calls a conference server: node caller.mjs --to ADDRESS[:PORT] [--ms 1000]. Prints the call as a line of JSON. */
import { parseArgs } from 'node:util';
import { call } from './call.ts';

const { values } = parseArgs({
  options: { to: { type: 'string' }, ms: { type: 'string', default: '1000' } },
});
const [address = '', port = '1720'] = (values.to ?? '').split(':');
try {
  if (address === '') throw new Error('--to ADDRESS[:PORT] is missing');
  console.log(JSON.stringify(await call({ address, port: Number(port), duration: Number(values.ms) })));
} catch (error) {
  console.error(`caller: ${(error as Error).message}`);
  process.exitCode = 1;
}

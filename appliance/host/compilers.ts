/**
 * When V8 makes machine code of JavaScript. A start runs nearly everything once or twice: there the compilers take more time than they
 * give, in an emulator twice as much as all the rest, since it must translate what they make.
 */
import { setFlagsFromString } from 'node:v8';

/** Maglev is on by itself since V8 12 (Node 22). */
const COMPILERS = ['opt', 'sparkplug', ...(Number.parseInt(process.versions.v8, 10) >= 12 ? ['maglev'] : [])];

let interpreting = false;

/** From now on JavaScript is interpreted, until compileAgain(). */
export function interpretFirst(): void {
  interpreting = true;
  for (const name of COMPILERS) setFlagsFromString(`--no-${name}`);
}

/** The compilers may work again; does nothing when they always could. */
export function compileAgain(): void {
  if (!interpreting) return;
  interpreting = false;
  for (const name of COMPILERS) setFlagsFromString(`--${name}`);
}

/**
 * `bivouac completion`: Tab completion for bash. `bivouac completion > /etc/bash_completion.d/bivouac`
 */
import { VIEWS } from '../operator/views.ts';
import { OPTIONS, PKI_OPTIONS } from './options.ts';

const flags = (options: object): string[] => Object.keys(options).map(name => `--${name}`);

/** Words that may follow each command, and those that may follow a verb of it. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(OPTIONS).map(([command, options]) => [command, flags(options)])),
  show: [...Object.keys(VIEWS), ...flags(OPTIONS.show)],
  pki: [...Object.keys(PKI_OPTIONS), '--help'],
};

export async function completion(args: readonly string[]): Promise<number> {
  const help = args.includes('--help');
  console.log(help ? 'usage: bivouac completion\n\nPrints the Tab completion for bash.' : script());
  return 0;
}

/** The script: commands first, then the command's words, else file names. */
export function script(): string {
  const commands = Object.entries(WORDS).map(
    ([command, words]) => `    "${command} "*) words="${words.join(' ')}" ;;`,
  );
  const verbs = Object.entries(PKI_OPTIONS).map(
    ([verb, options]) => `    "pki ${verb}") words="${flags(options).join(' ')}" ;;`,
  );
  return `_bivouac() {
  local words
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${Object.keys(WORDS).join(' ')}"
  else
    case "\${COMP_WORDS[1]} $([ "$COMP_CWORD" -gt 2 ] && echo "\${COMP_WORDS[2]}")" in
${[...verbs, ...commands].join('\n')}
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _bivouac bivouac`;
}
